/** The path of a request -> the name of a server. */
import { GatewayError } from '../errors.ts'

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
    return decode(name)
  }
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

function decode(name: string): string {
  if (!name.includes('%')) return name
  try {
    return decodeURIComponent(name)
  } catch {
    throw new GatewayError('bad_request', 'The server name in the path is not valid percent-encoding')
  }
}
