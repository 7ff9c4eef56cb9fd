/** The options that `clientCredentials()` and `tokenExchange()` share, and their checks. */
import { isDictionary } from '../util/json.ts'
import { checkClientOptions, CLIENT_OPTIONS, isText, type OAuthClientOptions } from './client-options.ts'

/** How the gateway requests access tokens from an authorization server. */
export interface TokenOptions extends OAuthClientOptions {
  /** The scopes to request. Defaults to none: the authorization server decides. */
  readonly scopes?: readonly string[] | undefined
  /** The resource that the token is for (RFC 8707). Defaults to the server's URL, without query and fragment. */
  readonly resource?: string | undefined
  /** Further parameters of the token request, such as `audience`. Defaults to none. */
  readonly parameters?: Readonly<Record<string, string>> | undefined
}

const OPTIONS: Readonly<Record<keyof TokenOptions, true>> = {
  ...CLIENT_OPTIONS,
  scopes: true,
  resource: true,
  parameters: true,
}

/** The canonical URI of a server: its URL without query, fragment and the slash of an empty path. (RFC 8707, section 2) */
export function resourceOf(url: string): string {
  const { origin, pathname } = new URL(url)
  return pathname === '/' ? origin : origin + pathname
}

/** Throws a TypeError that names the option and the cure. `more` are the options that only this grant has. */
export function checkTokenOptions(
  grant: string,
  options: TokenOptions,
  more: Readonly<Record<string, true>> = {},
): void {
  checkClientOptions(grant, options, { ...OPTIONS, ...more })
  const check = (isRight: boolean, what: string): void => {
    if (!isRight) throw new TypeError(`${grant}: ${what}`)
  }
  const { scopes, resource, parameters } = options
  check(scopes === undefined || (Array.isArray(scopes) && scopes.every(isText)), '"scopes" must be an array of strings')
  check(resource === undefined || isResource(resource), '"resource" must be an absolute URI without fragment')
  check(parameters === undefined || isRecord(parameters), '"parameters" must be a record of strings')
}

/** RFC 8707 section 2. */
function isResource(value: string): boolean {
  return URL.canParse(value) && !value.includes('#')
}

function isRecord(value: object): boolean {
  return isDictionary(value) && Object.values(value).every((each) => typeof each === 'string')
}
