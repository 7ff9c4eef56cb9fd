/** The canonical URI of a server's endpoint, and whether a token is for it. (RFC 8707 section 2; AU5, AU8) */

/** Makes the URIs of servers out of `publicUrl` and `path`. The name comes back as one segment. */
export function compileResource(publicUrl: string | URL, path: string): (server: string) => string {
  const { origin, pathname } = new URL(publicUrl)
  const [before = '', after] = path.split(':name')
  const start = withoutSlash(origin + pathname) + before
  if (after === undefined) return () => withoutSlash(start)
  return (server) => withoutSlash(start + encodeURIComponent(server) + after)
}

/** Scheme and host may be in capitals, and a slash at the end says nothing. */
export function isAudience(audience: string, resource: string): boolean {
  return audience === resource || canonical(audience) === canonical(resource)
}

function canonical(uri: string): string {
  return withoutSlash(uri.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, (start) => start.toLowerCase()))
}

function withoutSlash(uri: string): string {
  return uri.endsWith('/') ? uri.slice(0, -1) : uri
}
