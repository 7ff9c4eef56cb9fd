/** The canonical URI of a server's endpoint, and whether it is the audience of a token. (RFC 8707 section 2; AU5, AU8) */

/** Compiles `publicUrl` and `path` to a function that makes the URI of a server. The name becomes one segment. */
export function compileResource(publicUrl: string | URL, path: string): (server: string) => string {
  const { origin, pathname } = new URL(publicUrl)
  const [before = '', after] = path.split(':name')
  const start = withoutSlash(origin + pathname) + before
  if (after === undefined) return () => withoutSlash(start)
  return (server) => withoutSlash(start + encodeURIComponent(server) + after)
}

/** Whether an audience is this resource: the case of scheme and host, and a slash at the end, make no difference. */
export function isAudience(audience: string, resource: string): boolean {
  return audience === resource || canonical(audience) === canonical(resource)
}

function canonical(uri: string): string {
  return withoutSlash(uri.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, (start) => start.toLowerCase()))
}

/** A URI or path without the slash at its end. */
export function withoutSlash(uri: string): string {
  return uri.endsWith('/') ? uri.slice(0, -1) : uri
}
