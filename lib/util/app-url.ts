/** Whether a URL leads to a page or to an app, and not to something that a browser runs or opens by itself. */

/**
 * Schemes that are no app's of its own: a browser or an operating system does something with them. Others, such as
 * `cursor:`, belong to whichever app the user has installed for them. (RFC 8252, section 7.1)
 */
const NO_APPS: ReadonlySet<string> = new Set(
  `about blob chrome chrome-extension content data devtools dns edge feed file filesystem ftp ftps geo git gopher
  intent jar javascript ldap ldaps livescript mailto mhtml moz-extension ms-appx ms-msdt ms-officecmd mocha nfs opera
  resource search-ms shell sms smsto smb ssh steam tel telnet vbscript view-source wais ws wss wyciwyg`.split(/\s+/),
)

/** Whether a scheme, with its colon, is one that no app has. */
export function isNoAppScheme(protocol: string): boolean {
  return NO_APPS.has(protocol.slice(0, -1))
}

/**
 * Whether a browser may be sent to a URL that was made of a redirect URI: at most a page, or an app of its own. The last
 * look, wherever the URI came from.
 */
export function leadsToApp(url: string): boolean {
  return /^[\x21-\x7e]+$/.test(url) && URL.canParse(url) && !isNoAppScheme(new URL(url).protocol)
}
