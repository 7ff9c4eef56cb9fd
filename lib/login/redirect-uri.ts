/** Which redirect URIs clients may have, and where such a URI leads, as pages say it. (OAuth 2.1 section 2.3; RFC 8252) */
import { isNoAppScheme } from '../util/app-url.ts'

const MAX_URI_LENGTH = 2_000

/** `http:` leads to the user's own machine alone. `localhost` is in use, though RFC 8252 advises against it. */
const LOOPBACK_HOST = /^(?:localhost|127\.0\.0\.1|\[::1\])$/

/** Why a redirect URI cannot be used, as the end of a sentence; `undefined` for one that can. */
export function faultOfRedirectUri(uri: unknown): string | undefined {
  if (typeof uri !== 'string' || uri.length > MAX_URI_LENGTH || /[^\x21-\x7e]/.test(uri) || !URL.canParse(uri)) {
    return 'is not a URI'
  }
  const { protocol, hostname, username, password } = new URL(uri)
  if (uri.includes('#')) return 'has a fragment'
  if (username !== '' || password !== '') return 'holds credentials'
  if (protocol === 'https:') return undefined
  if (protocol === 'http:') return LOOPBACK_HOST.test(hostname) ? undefined : 'is http:, which only loopback may be'
  return isNoAppScheme(protocol) ? 'has a scheme that no app has' : undefined
}

/** Where a redirect URI leads: a host, `loopback`, or `app:` and a scheme. */
export function redirectHostOf(uri: string): string {
  const { protocol, host, hostname } = new URL(uri)
  if (protocol !== 'https:' && protocol !== 'http:') return `app:${protocol.slice(0, -1)}`
  return LOOPBACK_HOST.test(hostname) ? 'loopback' : host
}
