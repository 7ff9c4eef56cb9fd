/** The options that `clientCredentials()` and `tokenExchange()` share, and their checks. */
import type { webcrypto } from 'node:crypto'
import { types } from 'node:util'
import { rejectUnknown } from '../util/unknown-key.ts'
import { isSafe } from './bounded-fetch.ts'

/** How the gateway requests access tokens from an authorization server. */
export interface TokenOptions {
  /**
   * The issuer identifier of the authorization server, exactly as in its metadata. `https:`, or `http:` on the local
   * machine. Required.
   */
  readonly issuer: string
  /** The client id of the gateway at the authorization server. Required. */
  readonly clientId: string
  /** The client secret of the gateway. Either this or `privateKey` is required. */
  readonly clientSecret?: string | undefined
  /** How the secret is sent. Defaults to `client_secret_basic`, unless the metadata lists only `client_secret_post`. */
  readonly authMethod?: 'client_secret_basic' | 'client_secret_post' | undefined
  /** Authenticates the gateway by a signature (`private_key_jwt`, RFC 7523). `kid` is the key id in the JWT header. */
  readonly privateKey?: webcrypto.CryptoKey | { readonly key: webcrypto.CryptoKey; readonly kid?: string } | undefined
  /** The scopes to request. Defaults to none: the authorization server decides. */
  readonly scopes?: readonly string[] | undefined
  /** The resource that the token is for (RFC 8707). Defaults to the server's URL, without query and fragment. */
  readonly resource?: string | undefined
  /** Further parameters of the token request, such as `audience`. Defaults to none. */
  readonly parameters?: Readonly<Record<string, string>> | undefined
  /** The timeout of the discovery, and that of the token request, in milliseconds. Defaults to 5 000. */
  readonly timeoutMs?: number | undefined
}

const OPTIONS: Readonly<Record<keyof TokenOptions, true>> = {
  issuer: true,
  clientId: true,
  clientSecret: true,
  authMethod: true,
  privateKey: true,
  scopes: true,
  resource: true,
  parameters: true,
  timeoutMs: true,
}

const AUTH_METHODS: readonly unknown[] = ['client_secret_basic', 'client_secret_post']

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
  const check = (isRight: boolean, what: string): void => {
    if (!isRight) throw new TypeError(`${grant}: ${what}`)
  }
  const isGiven = typeof options === 'object' && options !== null
  check(isGiven, 'takes an object, { issuer, clientId, clientSecret }')
  rejectUnknown(options, { ...OPTIONS, ...more }, `${grant}.`)
  const { issuer, clientId, clientSecret, authMethod, privateKey, scopes, resource, parameters, timeoutMs } = options
  check(isIssuer(issuer), '"issuer" must be an https: URL, without query and fragment')
  check(isText(clientId), '"clientId" must be a non-empty string')
  check((clientSecret === undefined) !== (privateKey === undefined), 'give it either "clientSecret" or "privateKey"')
  check(clientSecret === undefined || isText(clientSecret), '"clientSecret" must be a non-empty string')
  check(
    authMethod === undefined || AUTH_METHODS.includes(authMethod),
    `"authMethod" must be ${AUTH_METHODS.join(' or ')}`,
  )
  check(
    privateKey === undefined || isPrivateKey(privateKey),
    '"privateKey" must be a private CryptoKey, or { key, kid }',
  )
  check(scopes === undefined || (Array.isArray(scopes) && scopes.every(isText)), '"scopes" must be an array of strings')
  check(resource === undefined || isResource(resource), '"resource" must be an absolute URI without fragment')
  check(parameters === undefined || isRecord(parameters), '"parameters" must be a record of strings')
  check(timeoutMs === undefined || timeoutMs >= 1, '"timeoutMs" must be a number of at least 1')
}

const isText = (value: unknown): boolean => typeof value === 'string' && value !== ''

/** RFC 8414 section 2. */
function isIssuer(value: string): boolean {
  return URL.canParse(value) && isSafe(new URL(value)) && !/[?#]/.test(value)
}

/** RFC 8707 section 2. */
function isResource(value: string): boolean {
  return URL.canParse(value) && !value.includes('#')
}

function isPrivateKey(value: NonNullable<TokenOptions['privateKey']>): boolean {
  const key = 'key' in value ? value.key : value
  return types.isCryptoKey(key) && key.type === 'private'
}

function isRecord(value: object): boolean {
  return typeof value === 'object' && Object.values(value).every((each) => typeof each === 'string')
}
