/** The options of `introspection()`, and their checks. */
import type { IntrospectionResponse } from 'oauth4webapi'
import { checkScopes } from '../inbound/access/scopes.ts'
import type { Awaitable } from '../types.ts'
import { isSafe } from './bounded-fetch.ts'
import { checkClientOptions, CLIENT_OPTIONS, isText, type OAuthClientOptions } from './client-options.ts'

/** What the issuer says of an active token. (RFC 7662, section 2.2) */
export type IntrospectedClaims = Readonly<IntrospectionResponse>

/** The options of `introspection()`. */
export interface IntrospectionOptions<P extends object = object> extends OAuthClientOptions {
  /** The URL where tokens are introspected. Defaults to the `introspection_endpoint` of the issuer's metadata. */
  readonly introspectionEndpoint?: string | URL | undefined
  /**
   * The accepted audiences: the issuer must name one of them. Defaults to the URI of the requested server, below
   * `publicUrl`, so that a token for one server is not accepted at another. `false` is for issuers that name none:
   * then `principal` is required, and has to find out by other claims whether a token is for this app.
   */
  readonly audience?: string | readonly string[] | false | undefined
  /** The scopes that every request needs. Defaults to none. */
  readonly scopes?: readonly string[] | undefined
  /**
   * How long the issuer's answer is used again, in seconds, and so how long a revoked token is still accepted; never
   * beyond the token's expiry. 0 asks the issuer for every request. Defaults to 30.
   */
  readonly cacheS?: number | undefined
  /**
   * Returns members to add to the principal or to replace, as that of `jwtBearer()` does. Called once per answer of the
   * issuer; `undefined` refuses the token with 401.
   */
  readonly principal?: ((claims: IntrospectedClaims) => Awaitable<P | undefined>) | undefined
}

const INTROSPECTION_OPTIONS: Readonly<Record<keyof IntrospectionOptions, true>> = {
  ...CLIENT_OPTIONS,
  introspectionEndpoint: true,
  audience: true,
  scopes: true,
  cacheS: true,
  principal: true,
}

/** Throws a TypeError that names the option and the cure. */
export function checkIntrospectionOptions(options: IntrospectionOptions): void {
  checkClientOptions('introspection', options, INTROSPECTION_OPTIONS)
  const check = (isRight: boolean, what: string): void => {
    if (!isRight) throw new TypeError(`introspection: ${what}`)
  }
  const { introspectionEndpoint: endpoint, audience, scopes, cacheS, principal } = options
  check(endpoint === undefined || isSafeEndpoint(endpoint), '"introspectionEndpoint" must be an https: URL')
  check(
    audience === undefined || audience === false || isAudiences(audience),
    '"audience" must be a non-empty string, an array of such, or false',
  )
  if (scopes !== undefined) checkScopes('introspection: "scopes"', scopes)
  check(
    cacheS === undefined || (Number.isFinite(cacheS) && cacheS >= 0),
    '"cacheS" must be a number of seconds, 0 or more',
  )
  check(principal === undefined || typeof principal === 'function', '"principal" must be a function of the claims')
  check(
    audience !== false || principal !== undefined,
    '"audience: false" takes a function "principal" that refuses tokens for others',
  )
}

function isSafeEndpoint(value: string | URL): boolean {
  return URL.canParse(String(value)) && isSafe(new URL(value))
}

function isAudiences(value: string | readonly string[]): boolean {
  const list = [value].flat()
  return list.length > 0 && list.every(isText)
}
