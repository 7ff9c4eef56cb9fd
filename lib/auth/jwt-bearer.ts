/** jwtBearer(): an `authenticate` hook for JWT access tokens. (RFC 9068, RFC 8707; OAuth 2.1 section 5.2; AU8) */
import type { JSONWebKeySet, JWTPayload } from 'jose'
import { isPromise } from '../util/awaitable.ts'
import type { Awaitable, BearerAuthenticate, Principal } from '../types.ts'
import { bearerToken } from '../inbound/access/bearer.ts'
import { IssuerKeys } from './issuer-keys.ts'
import { ALGORITHMS, checkJwtOptions } from './jwt-options.ts'
import { hashOf, subjectId } from '../inbound/access/principal.ts'
import { isInSeconds } from '../session/expiry.ts'
import { isAudience } from '../inbound/access/resource.ts'
import { requireScopes } from '../inbound/access/scopes.ts'
import { invalidToken, JwtVerifier } from './jwt-verifier.ts'

/** The claims of a verified token. */
export type JwtClaims = Readonly<JWTPayload>

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
   * Adds to the principal, or changes it: `id`, `scopes`, anything of yours. Asked once for a token, not for each
   * request; `undefined` refuses the token.
   */
  readonly principal?: ((claims: JwtClaims) => Awaitable<P | undefined>) | undefined
}

/** Who showed a JWT. */
export interface JwtPrincipal extends Principal {
  /** Issuer and subject. */
  readonly id: string
  /** Those in `scope`, else in `scp`. */
  readonly scopes: readonly string[]
  /** The token's `exp` and the tolerance: from then on it is refused. In seconds since the epoch. */
  readonly expiresAt: number
  readonly claims: JwtClaims
}

/** A token that was verified, all but whether it is for the server that is asked for. */
interface Verified {
  readonly principal: JwtPrincipal
  readonly audiences: readonly string[]
}

/** How many verified tokens are kept. */
const MAX_TOKENS = 10_000

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
  const verified = new Map<string, Verified>()
  let generation = keys.generation

  /** What every request must hold to, also with a token that is known. */
  function admit({ principal, audiences }: Verified, resource: string | undefined): JwtPrincipal & P {
    if (Date.now() / 1000 >= principal.expiresAt) throw invalidToken('The access token has expired')
    if (!isForUs(audiences, expected, resource)) throw invalidToken('The access token is for another resource')
    requireScopes(principal, scopes)
    return principal as JwtPrincipal & P
  }

  async function verify(token: string, key: string): Promise<Verified | undefined> {
    const claims = await verifier.verify(token)
    if (!isInSeconds(claims.exp ?? 0)) throw invalidToken('The expiry of the access token is not in seconds')
    const own = options.principal ? options.principal(claims) : {}
    const more = isPromise<object | undefined>(own) ? await own : own
    if (more === undefined) return undefined
    const principal = { ...principalOf(claims, clockToleranceS), ...more }
    if (principal.id === '') throw invalidToken('The access token has no subject')
    const fresh = { principal, audiences: [claims.aud ?? []].flat() }
    if (verified.size >= MAX_TOKENS) verified.delete(verified.keys().next().value!)
    verified.set(key, fresh)
    return fresh
  }

  /** With other keys, all of them must show that they are still signed by one. */
  function find(key: string): Verified | undefined {
    keys.freshen()
    if (generation !== keys.generation) verified.clear()
    generation = keys.generation
    return verified.get(key)
  }

  const authenticate: BearerAuthenticate<JwtPrincipal & P> = Object.assign(
    (...[request, { resource }]: Parameters<BearerAuthenticate>) => {
      const token = bearerToken(request)
      if (token === undefined) return undefined
      if (token.length > MAX_TOKEN_LENGTH) throw invalidToken('The access token is too long')
      const key = hashOf(token)
      const known = find(key)
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

/** Without a subject, the `principal` option has to say who it is. */
function principalOf(claims: JwtClaims, clockToleranceS: number): JwtPrincipal {
  const { iss = '', sub = '', exp = 0, scope, scp } = claims
  const id = sub === '' ? '' : subjectId(iss, sub)
  return { id, scopes: scopesIn(scope ?? scp), expiresAt: exp + clockToleranceS, claims }
}

function scopesIn(claim: unknown): string[] {
  if (typeof claim === 'string') return claim.split(' ').filter((scope) => scope !== '')
  return Array.isArray(claim) ? claim.filter((scope) => typeof scope === 'string') : []
}
