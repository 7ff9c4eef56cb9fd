/** The path of a request -> the name of a server. */
import { GatewayError } from '../errors.ts'
import type { GatewayRequest } from '../types.ts'

/** Finds the server's name in a request path; `undefined` when the path is not the gateway's. */
export type ServerPath = (url: string | undefined) => string | undefined

/** The name that a `path` without `:name` gives its one server, where the `servers` do not say. */
export const ONLY_SERVER = 'default'

/**
 * Compiles the option `path`, say `/:name/mcp`, for paths below the mount. The name is decoded once and is only ever a
 * key of the lookup.
 */
export function compilePath(path: string, onlyServer: string = ONLY_SERVER): ServerPath {
  const [before = '', after] = path.split(':name')
  if (after === undefined) {
    return (url) => (pathname(url) === path || pathname(url) === `${path}/` ? onlyServer : undefined)
  }
  return (url) => {
    let found = pathname(url)
    if (found.length > 1 && !after.endsWith('/') && found.endsWith('/')) found = found.slice(0, -1)
    if (!found.startsWith(before) || !found.endsWith(after)) return undefined
    const name = found.slice(before.length, found.length - after.length)
    if (name === '' || name.includes('/')) return undefined
    return name.includes('%') ? decode(name) : flat(name)
  }
}

/**
 * Throws `bad_request` for a path with an empty segment, also in front of the mount: some hosts pass over it, while
 * what they mounted at the path without it does not see the request.
 */
export function checkSegments(originalUrl: string | undefined): void {
  if (originalUrl?.includes('//') !== true || !pathname(originalUrl).includes('//')) return
  throw new GatewayError('bad_request', 'A path may not have an empty segment')
}

/** How deep a mount may be for a misuse to be seen, in segments. */
const MAX_SEGMENTS = 10

/** Whether a path would be the gateway's, had the segments of a mount been taken off it. */
export function fitsBelow(serverPath: ServerPath, url: string | undefined): boolean {
  const found = pathname(url)
  let at = 0
  for (let taken = 0; taken < MAX_SEGMENTS; taken += 1) {
    at = found.indexOf('/', at + 1)
    if (at === -1) return false
    if (serverPath(found.slice(at)) !== undefined) return true
  }
  return false
}

function pathname(url: string | undefined): string {
  if (url === undefined) return '/'
  const query = url.indexOf('?')
  return query === -1 ? url : url.slice(0, query)
}

/** What nothing has to escape. (RFC 3986, 2.3) */
const ESCAPED_UNRESERVED = /%(?:2[DE]|3\d|[46][1-9A-F]|[57][\dA]|5F|7E)/i

/** Another way to write the same name would pass what a host has mounted at the canonical one. (RFC 3986, 6.2.2.2) */
function decode(name: string): string {
  if (ESCAPED_UNRESERVED.test(name)) {
    throw new GatewayError('bad_request', 'The server name in the path escapes letters that stand for themselves')
  }
  try {
    return decodeURIComponent(name)
  } catch {
    throw new GatewayError('bad_request', 'The server name in the path is not valid percent-encoding')
  }
}

/** From so many characters on, V8 makes a slice that keeps the whole URL for as long as the slice is kept. */
const SLICE_LENGTH = 13

/** The same characters in a string of their own: sessions keep the name. */
function flat(name: string): string {
  return name.length < SLICE_LENGTH ? name : Buffer.from(name).toString()
}

/** Whether an Express route called, which leaves the path of the mount in `url`: nothing would ever be found. */
export function isInRoute(request: GatewayRequest, serverPath: ServerPath): boolean {
  return (request as { route?: unknown }).route !== undefined && fitsBelow(serverPath, request.url)
}

export function mountedAsRoute(): TypeError {
  return new TypeError('mcpGateway is no route: mount it, app.use("/mcp-servers", gateway), not app.all or app.post')
}
