/** jwtBearer(): an `authenticate` hook for JWT access tokens. (RFC 9068, RFC 8707; OAuth 2.1 section 5.2; AU8) */
import { checkOptions } from '../util/anchors.ts'
import { isPromise } from '../util/awaitable.ts'
import type { BearerAuthenticate } from '../types.ts'
import { bearerToken } from '../inbound/access/bearer.ts'
import { IssuerKeys } from './issuer-keys.ts'
import { ALGORITHMS, checkJwtOptions, type JwtBearerOptions } from './jwt-options.ts'
import { type JwtClaims, type JwtPrincipal, principalOf } from './jwt-principal.ts'
import { hashOf } from '../inbound/access/principal.ts'
import { hasOurAudience } from './audience.ts'
import { requireScopes } from '../inbound/access/scopes.ts'
import { invalidToken, JwtVerifier } from './jwt-verifier.ts'
import { type Verified, VerifiedTokens } from './verified-tokens.ts'

export type { JwtBearerOptions, JwtClaims, JwtPrincipal }

/** Longer tokens are refused: issuers make none. */
const MAX_TOKEN_LENGTH = 16 * 1024

/**
 * Creates an `authenticate` hook for JWT access tokens. It verifies signature, issuer, audience and expiry, and serves
 * the metadata by which clients find the issuer. A principal's `id` is made of the claims `iss` and `sub`.
 *
 * @example
 * ```js
 * const gateway = mcpGateway({
 *   servers,
 *   authenticate: jwtBearer({ issuer: 'https://login.example.com', scopes: ['mcp'] }),
 *   publicUrl: 'https://app.example.com/mcp-servers',
 * })
 * ```
 *
 * @throws {TypeError} for an invalid option; the message names the option and the cure.
 * @see https://www.rfc-editor.org/rfc/rfc9068#section-4
 */
export function jwtBearer<P extends object = object>(
  options: JwtBearerOptions<P>,
): BearerAuthenticate<JwtPrincipal & P> {
  checkOptions(jwtBearer, () => checkJwtOptions(options))
  const { issuer, audience, jwksUri, jwks, scopes = [], algorithms = ALGORITHMS, clockToleranceS = 30 } = options
  const expected = audience === undefined ? undefined : [audience].flat()
  const keys = new IssuerKeys({ issuer, jwksUri: jwksUri === undefined ? undefined : String(jwksUri), jwks })
  const verifier = new JwtVerifier(keys, { issuer, algorithms, clockToleranceS })
  const verified = new VerifiedTokens(keys)

  /** The checks that depend on the request or on the time, made for cached tokens too. */
  function admit({ principal, audiences }: Verified, resource: string | undefined): JwtPrincipal & P {
    if (Date.now() / 1000 >= principal.expiresAt) throw invalidToken('The access token has expired')
    if (!hasOurAudience(audiences, expected, resource, 'jwtBearer'))
      throw invalidToken('The access token is for another resource')
    requireScopes(principal, scopes)
    return principal as JwtPrincipal & P
  }

  async function verify(token: string, key: string): Promise<Verified | undefined> {
    const { claims, generation } = await verifier.verify(token)
    const own = options.principal ? options.principal(claims) : {}
    const more = isPromise<object | undefined>(own) ? await own : own
    if (more === undefined) return undefined
    const principal = principalOf(claims, claims.exp! + clockToleranceS, more)
    if (principal.id === '') throw invalidToken('The access token has no subject')
    const fresh = { principal, audiences: [claims.aud ?? []].flat(), length: token.length }
    verified.set(key, fresh, generation)
    return fresh
  }

  const authenticate: BearerAuthenticate<JwtPrincipal & P> = Object.assign(
    (...[request, { resource }]: Parameters<BearerAuthenticate>) => {
      const token = bearerToken(request)
      if (token === undefined) return undefined
      if (token.length > MAX_TOKEN_LENGTH) throw invalidToken('The access token is too long')
      const key = hashOf(token)
      const known = verified.get(key)
      if (known) return admit(known, resource)
      return verify(token, key).then((fresh) => fresh && admit(fresh, resource))
    },
    { protectedResource: { authorizationServers: [issuer], scopes }, needsResource: expected === undefined },
  )
  return authenticate
}
