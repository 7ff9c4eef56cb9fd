/** Reads what a client says of itself, in a metadata document or a registration, and keeps what the login uses. (RFC 7591) */
import type { JSONWebKeySet } from 'jose'
import { isDictionary } from '../util/json.ts'
import { faultOfRedirectUri } from './redirect-uri.ts'
import type { FoundClient } from './types.ts'

const MAX_CLIENT_NAME = 100
const MAX_REDIRECT_URIS = 20
const MAX_KEYS = 10

/** The errors of RFC 7591, section 3.2.2. The message is the end of a sentence about the client's description. */
export class MetadataFault extends Error {
  override readonly name = 'MetadataFault'
  readonly code: 'invalid_redirect_uri' | 'invalid_client_metadata'

  constructor(message: string, code: MetadataFault['code'] = 'invalid_client_metadata') {
    super(message)
    this.code = code
  }
}

type ClientMetadata = Readonly<Record<string, unknown>>

/** Throws a MetadataFault for redirect URIs that cannot be used, and where there is none. */
export function redirectUrisIn({ redirect_uris: uris }: ClientMetadata): readonly string[] {
  const fault = (what: string): MetadataFault => new MetadataFault(what, 'invalid_redirect_uri')
  if (!Array.isArray(uris) || uris.length === 0) throw fault('has no "redirect_uris"')
  if (uris.length > MAX_REDIRECT_URIS) throw fault(`has more than ${MAX_REDIRECT_URIS} "redirect_uris"`)
  for (const uri of uris) {
    const wrong = faultOfRedirectUri(uri)
    // A list that names one wrong URI is refused as a whole: its client would find out only when it needs that one.
    if (wrong !== undefined) throw fault(`has a redirect URI that ${wrong}: ${JSON.stringify(excerpt(uri))}`)
  }
  return [...new Set(uris as string[])]
}

/** Throws a MetadataFault for a client that cannot use the authorization code flow. Lists may have more than we do. */
export function checkFlow({ grant_types: grants, response_types: responses }: ClientMetadata): void {
  const has = (list: unknown, value: string): boolean =>
    list === undefined || (Array.isArray(list) && list.includes(value))
  if (!has(grants, 'authorization_code')) throw new MetadataFault('has no "authorization_code" in "grant_types"')
  if (!has(responses, 'code')) throw new MetadataFault('has no "code" in "response_types"')
}

/**
 * A name without characters that a page would not show, or show as others: controls, marks of direction, blanks of no
 * width. `undefined` when nothing is left.
 */
export function cleanName(given: unknown): string | undefined {
  if (typeof given !== 'string') return undefined
  const visible = given
    // Longer texts are cut before they are looked at.
    .slice(0, 4 * MAX_CLIENT_NAME)
    .normalize('NFC')
    .replaceAll(/\s+/gu, ' ')
    .replaceAll(/[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Cs}\p{Zl}\p{Zp}\u115f\u1160\u2800\u3164\uffa0]/gu, '')
    // Any number of accents may be stacked on one letter, and would cover the lines around it.
    .replaceAll(/(\p{M}{2})\p{M}+/gu, '$1')
    .trim()
  const characters = Array.from(visible)
  const name =
    characters.length > MAX_CLIENT_NAME
      ? `${characters
          .slice(0, MAX_CLIENT_NAME - 1)
          .join('')
          .trim()}…`
      : visible
  return name === '' ? undefined : name
}

/**
 * How a client of a metadata document authenticates: `none` wherever it offers that, else by its key. A document can
 * have no secret. (draft-ietf-oauth-client-id-metadata-document, section 4.1)
 */
export function authOf(metadata: ClientMetadata): Pick<FoundClient, 'authMethod' | 'jwks' | 'jwksUri'> {
  const { token_endpoint_auth_method: method = 'none', token_endpoint_auth_methods_supported: offered } = metadata
  const { client_secret: secret, client_secret_expires_at: expiry, jwks, jwks_uri: jwksUri } = metadata
  if (secret !== undefined || expiry !== undefined) throw new MetadataFault('holds a client secret')
  const methods = new Set<unknown>([method, ...(Array.isArray(offered) ? offered : [])])
  if (methods.has('none')) return { authMethod: 'none' }
  if (!methods.has('private_key_jwt')) {
    throw new MetadataFault('offers neither "none" nor "private_key_jwt" as "token_endpoint_auth_method"')
  }
  if (jwks !== undefined) return { authMethod: 'private_key_jwt', jwks: publicKeys(jwks) }
  if (typeof jwksUri === 'string' && URL.canParse(jwksUri)) return { authMethod: 'private_key_jwt', jwksUri }
  throw new MetadataFault('has neither "jwks" nor "jwks_uri" for "private_key_jwt"')
}

function publicKeys(jwks: unknown): JSONWebKeySet {
  const keys: unknown = isDictionary(jwks) ? jwks['keys'] : undefined
  const isPublic = (key: unknown): boolean => isDictionary(key) && !('d' in key) && !('k' in key)
  if (!Array.isArray(keys) || keys.length === 0 || keys.length > MAX_KEYS || !keys.every(isPublic)) {
    throw new MetadataFault(`has "jwks" that are not 1 to ${MAX_KEYS} public keys`)
  }
  return { keys: keys as JSONWebKeySet['keys'] }
}

function excerpt(value: unknown): string {
  const text = String(value)
  return text.length > MAX_CLIENT_NAME ? `${text.slice(0, MAX_CLIENT_NAME)}…` : text
}
