/** jwtBearer(): an `authenticate` hook for JWT access tokens. (RFC 9068, RFC 8707; OAuth 2.1 section 5.2; AU8) */
import type { JSONWebKeySet } from 'jose'
import { isPromise } from '../util/awaitable.ts'
import type { Awaitable, BearerAuthenticate } from '../types.ts'
import { bearerToken } from '../inbound/access/bearer.ts'
import { IssuerKeys } from './issuer-keys.ts'
import { ALGORITHMS, checkJwtOptions } from './jwt-options.ts'
import { type JwtClaims, type JwtPrincipal, principalOf } from './jwt-principal.ts'
import { hashOf } from '../inbound/access/principal.ts'
import { isAudience } from '../inbound/access/resource.ts'
import { requireScopes } from '../inbound/access/scopes.ts'
import { invalidToken, JwtVerifier } from './jwt-verifier.ts'
import { type Verified, VerifiedTokens } from './verified-tokens.ts'

export type { JwtClaims, JwtPrincipal }

export interface JwtBearerOptions<P extends object = object> {
  /** Who signs the tokens: their `iss`, to the letter. `https:`, or `http:` on the same machine. Required. */
  readonly issuer: string
  /**
   * Whom tokens are for: one of these must be in `aud`. Defaults to the URI of the server that is asked for, below
   * `publicUrl`, so that a token for one server is of no use at another.
   */
  readonly audience?: string | readonly string[] | undefined
  /** Where the issuer's keys are. Defaults to what its metadata says (RFC 8414, else OpenID Connect Discovery). */
  readonly jwksUri?: string | URL | undefined
  /** The keys themselves, so that nothing is fetched. */
  readonly jwks?: JSONWebKeySet | undefined
  /** The algorithms that are taken. Defaults to all that have a public key; those with a shared secret never are. */
  readonly algorithms?: readonly string[] | undefined
  /** The scopes that every request needs. */
  readonly scopes?: readonly string[] | undefined
  /** How far the clocks of the issuer and of the gateway may differ, in seconds. Defaults to 30. */
  readonly clockToleranceS?: number | undefined
  /**
   * Adds to the principal, or changes it: `id`, `scopes` (an array), an earlier `expiresAt`, anything of yours. Asked
   * once for a token, not for each request; `undefined` refuses the token.
   */
  readonly principal?: ((claims: JwtClaims) => Awaitable<P | undefined>) | undefined
}

/** No issuer makes tokens of this length. */
const MAX_TOKEN_LENGTH = 16 * 1024

/** Throws a TypeError, which says the cure, for options that cannot work. */
export function jwtBearer<P extends object = object>(
  options: JwtBearerOptions<P>,
): BearerAuthenticate<JwtPrincipal & P> {
  checkJwtOptions(options)
  const { issuer, audience, jwksUri, jwks, scopes = [], algorithms = ALGORITHMS, clockToleranceS = 30 } = options
  const expected = audience === undefined ? undefined : [audience].flat()
  const keys = new IssuerKeys({ issuer, jwksUri: jwksUri === undefined ? undefined : String(jwksUri), jwks })
  const verifier = new JwtVerifier(keys, { issuer, algorithms, clockToleranceS })
  const verified = new VerifiedTokens(keys)

  /** What every request must hold to, also with a token that is known. */
  function admit({ principal, audiences }: Verified, resource: string | undefined): JwtPrincipal & P {
    if (Date.now() / 1000 >= principal.expiresAt) throw invalidToken('The access token has expired')
    if (!isForUs(audiences, expected, resource)) throw invalidToken('The access token is for another resource')
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

function isForUs(
  audiences: readonly string[],
  expected: readonly string[] | undefined,
  resource: string | undefined,
): boolean {
  if (expected) return audiences.some((audience) => expected.includes(audience))
  if (resource !== undefined) return audiences.some((audience) => isAudience(audience, resource))
  throw new TypeError('jwtBearer: set "audience", or "publicUrl" of mcpGateway, so that tokens of others are refused')
}
