/** Finds the name of a server in the path of a request. */
import { GatewayError } from '../errors.ts'
import type { GatewayRequest } from '../types.ts'

/** Finds the server's name in a request path; `undefined` when the path is not the gateway's. */
export type ServerPath = (url: string | undefined) => string | undefined

/** The name of the only server of a `path` without `:name`, when `servers` is a function. */
export const ONLY_SERVER = 'default'

/**
 * Compiles the option `path`, such as `/:name/mcp`, for paths below the mount. The name is decoded once, and is used as
 * a key of the lookup alone.
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
    return name.includes('%') ? decodeName(name) : detached(name)
  }
}

/**
 * Throws `bad_request` for a path with an empty segment, also in front of the mount: some hosts ignore the segment when
 * they route to the gateway, but not when they route to a guard that is mounted at the same path.
 */
export function checkSegments(originalUrl: string | undefined): void {
  if (originalUrl?.includes('//') !== true || !pathname(originalUrl).includes('//')) return
  throw new GatewayError('bad_request', 'A path may not have an empty segment')
}

/** The URL of the mount, with a slash at its end, relative to a request for the option `path` below it. */
export function mountFrom(path: string, url: string | undefined): string {
  const segments = path.split('/').length - 1 + (path.length > 1 && pathname(url).endsWith('/') ? 1 : 0)
  return segments <= 1 ? './' : '../'.repeat(segments - 1)
}

/** How many segments of a mount `fitsBelow` tries. */
const MAX_SEGMENTS = 10

/** Whether the gateway would serve a path if the host had stripped a mount from it: detects `app.all(path, gateway)`. */
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

/** Escapes of characters that need none. (RFC 3986, 2.3) */
const ESCAPED_UNRESERVED = /%(?:2[DE]|3\d|[46][1-9A-F]|[57][\dA]|5F|7E)/i

/** Refuses other spellings of a name: they would bypass a guard mounted at the canonical path. (RFC 3986, 6.2.2.2) */
function decodeName(name: string): string {
  if (ESCAPED_UNRESERVED.test(name)) {
    throw new GatewayError('bad_request', 'The server name in the path escapes letters that stand for themselves')
  }
  try {
    return decodeURIComponent(name)
  } catch {
    throw new GatewayError('bad_request', 'The server name in the path is not valid percent-encoding')
  }
}

/** A slice of this length or more shares memory with its string in V8, and keeps the whole URL alive. */
const SLICE_LENGTH = 13

/** The name in memory of its own, since sessions keep it. */
function detached(name: string): string {
  return name.length < SLICE_LENGTH ? name : Buffer.from(name).toString()
}

/** Whether the gateway was called by an Express route, which does not strip the mount: no server would be found. */
export function isInRoute(request: GatewayRequest, serverPath: ServerPath): boolean {
  return (request as { route?: unknown }).route !== undefined && fitsBelow(serverPath, request.url)
}

export function mountedAsRoute(): TypeError {
  return new TypeError('mcpGateway is no route: mount it, app.use("/mcp-servers", gateway), not app.all or app.post')
}
