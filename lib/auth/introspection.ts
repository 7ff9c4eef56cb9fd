/** introspection(): an `authenticate` hook for opaque access tokens. (RFC 7662; AU8) */
import { bearerToken } from '../inbound/access/bearer.ts'
import { hashOf } from '../inbound/access/principal.ts'
import { requireScopes } from '../inbound/access/scopes.ts'
import { isInSeconds } from '../session/expiry.ts'
import type { BearerAuthenticate, Principal } from '../types.ts'
import { checkOptions } from '../util/anchors.ts'
import { hasOurAudience } from './audience.ts'
import { type Introspected, IntrospectedTokens } from './introspected-tokens.ts'
import { IntrospectionEndpoint } from './introspection-endpoint.ts'
import {
  checkIntrospectionOptions,
  type IntrospectedClaims,
  type IntrospectionOptions,
} from './introspection-options.ts'
import { principalOf } from './jwt-principal.ts'
import { invalidToken } from './jwt-verifier.ts'

export type { IntrospectedClaims, IntrospectionOptions }

/** The principal of an introspected token. */
export interface IntrospectedPrincipal extends Principal {
  /** The issuer and the subject, separated by a space. */
  readonly id: string
  /** The scopes of the token. */
  readonly scopes: readonly string[]
  /** When the token expires, in seconds since the epoch; `Infinity` where the issuer does not say. */
  readonly expiresAt: number
  /** What the issuer says of the token. */
  readonly claims: IntrospectedClaims
}

/** Longer tokens are refused: issuers make none. */
const MAX_OPAQUE_LENGTH = 16 * 1024

/** How long the issuer's clock may be behind, in seconds: it said itself that the token is active. */
const TOLERANCE_S = 30

/**
 * Creates an `authenticate` hook for access tokens that only their issuer can read. It asks the issuer, for each token
 * once in `cacheS` seconds, and serves the metadata by which clients find the issuer. A principal's `id` is made of the
 * issuer and the claim `sub`.
 *
 * While the issuer does not answer, requests get 503, but for those whose token is cached.
 *
 * @example
 * ```js
 * const gateway = mcpGateway({
 *   servers,
 *   authenticate: introspection({ issuer, clientId: 'gateway', clientSecret: process.env.CLIENT_SECRET }),
 *   publicUrl: 'https://app.example.com/mcp-servers',
 * })
 * ```
 *
 * @throws {TypeError} for an invalid option; the message names the option and the cure.
 * @see https://www.rfc-editor.org/rfc/rfc7662
 */
export function introspection<P extends object = object>(
  options: IntrospectionOptions<P>,
): BearerAuthenticate<IntrospectedPrincipal & P> {
  checkOptions(introspection, () => checkIntrospectionOptions(options))
  const { issuer, audience, scopes = [], cacheS = 30 } = options
  const expected = audience === undefined || audience === false ? undefined : [audience].flat()
  const endpoint = new IntrospectionEndpoint(options)
  const tokens = new IntrospectedTokens(cacheS)

  /** The checks that depend on the request or on the time, made for cached tokens too. */
  function admit({ principal, audiences }: Introspected, resource: string | undefined): IntrospectedPrincipal & P {
    if (Date.now() / 1000 >= principal.expiresAt) throw invalidToken('The access token has expired')
    if (audience !== false && !hasOurAudience(audiences, expected, resource, 'introspection')) {
      throw invalidToken('The access token is for another resource')
    }
    requireScopes(principal, scopes)
    return principal as IntrospectedPrincipal & P
  }

  async function ask(token: string, key: string): Promise<Introspected | undefined> {
    const claims = await endpoint.introspect(token)
    if (!claims.active) {
      tokens.rejected(key)
      throw inactive()
    }
    checkIntrospected(claims, issuer)
    const own = options.principal ? await options.principal(claims) : {}
    if (own === undefined) return undefined
    const expiresAt = claims.exp === undefined ? Infinity : claims.exp + TOLERANCE_S
    const principal = principalOf({ ...claims, iss: issuer }, expiresAt, own, 'introspection')
    if (principal.id === '') throw invalidToken('The access token has no subject')
    const length = JSON.stringify(claims).length
    return { principal: { ...principal, claims }, audiences: [claims.aud ?? []].flat(), length }
  }

  const authenticate: BearerAuthenticate<IntrospectedPrincipal & P> = Object.assign(
    (...[request, { resource }]: Parameters<BearerAuthenticate>) => {
      const token = bearerToken(request)
      if (token === undefined) return undefined
      if (token.length > MAX_OPAQUE_LENGTH) throw invalidToken('The access token is too long')
      const key = hashOf(token)
      const known = tokens.active(key)
      if (known) return admit(known, resource)
      if (tokens.isInactive(key)) throw inactive()
      return tokens.share(key, () => ask(token, key)).then((fresh) => fresh && admit(fresh, resource))
    },
    { protectedResource: { authorizationServers: [issuer], scopes }, needsResource: audience === undefined },
  )
  return authenticate
}

/** Throws `unauthorized` for what the issuer calls active, but is no access token of this issuer for a bearer. */
function checkIntrospected(claims: IntrospectedClaims, issuer: string): void {
  const { iss, sub, aud, exp, cnf, token_type: type, token_use: use, typ } = claims as Readonly<Record<string, unknown>>
  if (iss !== undefined && iss !== issuer) throw invalidToken('The access token is of another issuer')
  // Such a token must not be accepted without its proof. (RFC 9449 section 7.1, RFC 8705 section 3)
  if (cnf !== undefined) throw invalidToken('The access token is bound to a key, and is no bearer token')
  // Refresh tokens are active as well: Ory marks them in `token_use`, Keycloak in `typ`.
  const isAccess =
    (type === undefined || (typeof type === 'string' && type.toLowerCase() === 'bearer')) &&
    (use === undefined || use === 'access_token' || use === 'access') &&
    (typ === undefined || (typeof typ === 'string' && !/^(?:refresh|offline|id)$/i.test(typ)))
  if (!isAccess) throw invalidToken('This is no access token')
  if (sub !== undefined && typeof sub !== 'string') throw invalidToken('The subject of the access token is malformed')
  if (aud !== undefined && ![aud].flat().every((each) => typeof each === 'string')) {
    throw invalidToken('The audience of the access token is malformed')
  }
  if (exp !== undefined && (typeof exp !== 'number' || !isInSeconds(exp))) {
    throw invalidToken('The expiry of the access token must be in seconds')
  }
}

function inactive(): Error {
  return invalidToken('The access token is not valid')
}
