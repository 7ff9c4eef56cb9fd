/** The options of the gateway as a client of an authorization server, and how it authenticates there. */
import type { webcrypto } from 'node:crypto'
import { types } from 'node:util'
import {
  type AuthorizationServer,
  type ClientAuth,
  ClientSecretBasic,
  ClientSecretPost,
  PrivateKeyJwt,
} from 'oauth4webapi'
import { rejectUnknown } from '../util/unknown-key.ts'
import { isSafe } from './bounded-fetch.ts'

/** The gateway as a client of an authorization server. */
export interface OAuthClientOptions {
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
  /** The timeout of the discovery, and that of each request, in milliseconds. Defaults to 5 000. */
  readonly timeoutMs?: number | undefined
}

export const CLIENT_OPTIONS: Readonly<Record<keyof OAuthClientOptions, true>> = {
  issuer: true,
  clientId: true,
  clientSecret: true,
  authMethod: true,
  privateKey: true,
  timeoutMs: true,
}

const AUTH_METHODS: readonly unknown[] = ['client_secret_basic', 'client_secret_post']

/** Throws a TypeError that names the option and the cure. `known` are all options of the function. */
export function checkClientOptions(
  name: string,
  options: OAuthClientOptions,
  known: Readonly<Record<string, true>>,
): void {
  const check = (isRight: boolean, what: string): void => {
    if (!isRight) throw new TypeError(`${name}: ${what}`)
  }
  const isGiven = typeof options === 'object' && options !== null
  check(isGiven, 'takes an object, { issuer, clientId, clientSecret }')
  rejectUnknown(options, known, `${name}.`)
  const { issuer, clientId, clientSecret, authMethod, privateKey, timeoutMs } = options
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
  check(
    timeoutMs === undefined || (typeof timeoutMs === 'number' && timeoutMs >= 1),
    '"timeoutMs" must be a number of at least 1',
  )
}

/** How the gateway authenticates at an endpoint: `methods` are those that the metadata lists for it. */
export function clientAuth(
  { clientSecret, privateKey, authMethod }: OAuthClientOptions,
  methods: AuthorizationServer['token_endpoint_auth_methods_supported'],
): ClientAuth {
  if (privateKey) return PrivateKeyJwt(privateKey)
  const isPost = methods?.includes('client_secret_post') && !methods.includes('client_secret_basic')
  const method = authMethod ?? (isPost ? 'client_secret_post' : 'client_secret_basic')
  return method === 'client_secret_post' ? ClientSecretPost(clientSecret!) : ClientSecretBasic(clientSecret!)
}

export const isText = (value: unknown): boolean => typeof value === 'string' && value !== ''

/** RFC 8414 section 2. */
export function isIssuer(value: string): boolean {
  return URL.canParse(value) && isSafe(new URL(value)) && !/[?#]/.test(value)
}

function isPrivateKey(value: NonNullable<OAuthClientOptions['privateKey']>): boolean {
  const key = 'key' in value ? value.key : value
  return types.isCryptoKey(key) && key.type === 'private'
}
