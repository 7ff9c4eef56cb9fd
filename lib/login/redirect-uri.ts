/** Which redirect URIs clients may have, and where such a URI leads, as pages say it. (OAuth 2.1 section 2.3; RFC 8252) */

const MAX_URI_LENGTH = 2_000

/** `http:` leads to the user's own machine alone. `localhost` is in use, though RFC 8252 advises against it. */
const LOOPBACK_HOST = /^(?:localhost|127\.0\.0\.1|\[::1\])$/

/**
 * Schemes that are no app's of its own: a browser or an operating system does something with them. Others, such as
 * `cursor:`, belong to whichever app the user has installed for them. (RFC 8252, section 7.1)
 */
const NO_APPS: ReadonlySet<string> = new Set(
  `about blob chrome chrome-extension content data devtools dns edge feed file filesystem ftp ftps geo git gopher
  intent jar javascript ldap ldaps livescript mailto mhtml moz-extension ms-appx ms-msdt ms-officecmd mocha nfs opera
  resource search-ms shell sms smsto smb ssh steam tel telnet vbscript view-source wais ws wss wyciwyg`.split(/\s+/),
)

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
  return NO_APPS.has(protocol.slice(0, -1)) ? 'has a scheme that no app has' : undefined
}

/**
 * Whether a browser may be sent to a URL that was made of a redirect URI: at most a page, or an app of its own. The last
 * look, wherever the URI came from.
 */
export function leadsToApp(url: string): boolean {
  return /^[\x21-\x7e]+$/.test(url) && URL.canParse(url) && !NO_APPS.has(new URL(url).protocol.slice(0, -1))
}

/** Where a redirect URI leads: a host, `loopback`, or `app:` and a scheme. */
export function redirectHostOf(uri: string): string {
  const { protocol, host, hostname } = new URL(uri)
  if (protocol !== 'https:' && protocol !== 'http:') return `app:${protocol.slice(0, -1)}`
  return LOOPBACK_HOST.test(hostname) ? 'loopback' : host
}
