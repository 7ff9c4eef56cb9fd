/** Checks the options of `jwtBearer()`. */
import type { JSONWebKeySet } from 'jose'
import { isSafe } from './bounded-fetch.ts'
import type { JwtClaims } from './jwt-principal.ts'
import { checkScopes } from '../inbound/access/scopes.ts'
import type { Awaitable } from '../types.ts'
import { rejectUnknown } from '../util/unknown-key.ts'

/** The options of `jwtBearer()`. */
export interface JwtBearerOptions<P extends object = object> {
  /** The issuer of the tokens: exactly their `iss` claim. `https:`, or `http:` on the local machine. Required. */
  readonly issuer: string
  /**
   * The accepted audiences: the `aud` claim must have one of them. Defaults to the URI of the requested server, below
   * `publicUrl`, so that a token for one server is not accepted at another.
   */
  readonly audience?: string | readonly string[] | undefined
  /** The URL of the issuer's key set. Defaults to the `jwks_uri` of its metadata (RFC 8414, OpenID Connect Discovery). */
  readonly jwksUri?: string | URL | undefined
  /** The issuer's key set itself; then nothing is fetched. Not together with `jwksUri`. */
  readonly jwks?: JSONWebKeySet | undefined
  /** The accepted algorithms. Defaults to all with a public key; those with a shared secret are never accepted. */
  readonly algorithms?: readonly string[] | undefined
  /** The scopes that every request needs. Defaults to none. */
  readonly scopes?: readonly string[] | undefined
  /** The tolerated difference between the clocks of the issuer and of the gateway, in seconds. Defaults to 30. */
  readonly clockToleranceS?: number | undefined
  /**
   * Returns members to add to the principal or to replace: `id`, `scopes` (an array), an earlier `expiresAt` in seconds
   * since the epoch, or members of your own. Called once per token, not for each request; `undefined` refuses the token
   * with 401.
   */
  readonly principal?: ((claims: JwtClaims) => Awaitable<P | undefined>) | undefined
}

/** Every signature algorithm of jose that has a public key. (RFC 7518, 8037, 9864) */
export const ALGORITHMS: readonly string[] = [
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
]

const OPTIONS: Readonly<Record<keyof JwtBearerOptions, true>> = {
  issuer: true,
  audience: true,
  jwksUri: true,
  jwks: true,
  algorithms: true,
  scopes: true,
  clockToleranceS: true,
  principal: true,
}

/** Throws a TypeError that names the option and the cure. */
export function checkJwtOptions(options: JwtBearerOptions): void {
  const check = (isRight: boolean, what: string): void => {
    if (!isRight) throw new TypeError(`jwtBearer: ${what}`)
  }
  check(typeof options === 'object' && options !== null, 'takes an object, { issuer }')
  rejectUnknown(options, OPTIONS, 'jwtBearer.')
  const { issuer, audience, jwksUri, jwks, algorithms, scopes, clockToleranceS, principal } = options
  check(isSafeUrl(issuer) && !/[?#]/.test(issuer), '"issuer" must be an https: URL, without query and fragment')
  check(
    audience === undefined || isAudienceOption(audience),
    '"audience" must be a non-empty string, or an array of such',
  )
  check(jwksUri === undefined || isSafeUrl(jwksUri), '"jwksUri" must be an https: URL')
  check(jwks === undefined || jwksUri === undefined, 'give it "jwks" or "jwksUri", not both')
  check(jwks === undefined || isKeySet(jwks), '"jwks" must be a JSON Web Key Set with public keys, { keys: [...] }')
  check(algorithms === undefined || isAlgorithms(algorithms), `"algorithms" must be some of ${ALGORITHMS.join(', ')}`)
  if (scopes !== undefined) checkScopes('jwtBearer: "scopes"', scopes)
  check(
    clockToleranceS === undefined || (Number.isFinite(clockToleranceS) && clockToleranceS >= 0),
    '"clockToleranceS" must be a number of seconds, 0 or more',
  )
  check(principal === undefined || typeof principal === 'function', '"principal" must be a function of the claims')
}

function isSafeUrl(value: string | URL): boolean {
  return URL.canParse(String(value)) && isSafe(new URL(value))
}

function isAudienceOption(value: string | readonly string[]): boolean {
  const list = [value].flat()
  return list.length > 0 && list.every((each) => typeof each === 'string' && each !== '')
}

/** Refuses private keys, which must not be in a configuration, and shared secrets, which could sign tokens. */
function isKeySet(value: JSONWebKeySet): boolean {
  const isPublic = (key: unknown): boolean => typeof key === 'object' && key !== null && !('d' in key) && !('k' in key)
  return Array.isArray(value?.keys) && value.keys.length > 0 && value.keys.every(isPublic)
}

function isAlgorithms(value: readonly string[]): boolean {
  return Array.isArray(value) && value.length > 0 && value.every((each) => ALGORITHMS.includes(each))
}
