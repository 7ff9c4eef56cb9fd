/** Where things are, as the one who asks reaches them: the mount, and the endpoint of each server. */
import { GatewayError } from '../errors.ts'
import type { GatewayRequest } from '../types.ts'

/** What it takes to know. */
interface Site {
  readonly path: string
  readonly publicUrl: URL | undefined
}

/**
 * The URL of the mount, without a slash at its end: `publicUrl`, or what the request itself shows. A request to
 * elsewhere does not show the mount's `path`, so it is given then.
 */
export function mountOf(request: GatewayRequest, { publicUrl }: Pick<Site, 'publicUrl'>, path?: string): string {
  if (publicUrl) return withoutSlash(publicUrl.origin + publicUrl.pathname)
  return originOf(request) + (path === undefined ? mountPath(request) : withoutSlash(path))
}

/** A server's endpoint below the mount. */
export function endpointOf(mount: string, { path }: Pick<Site, 'path'>, server: string): string {
  return mount + path.replace(':name', () => encode(server))
}

/** Where a request was sent to: path only, and whole. */
export function pathOf(url: string | undefined): string {
  return url?.split('?', 1)[0] ?? '/'
}

/** `X-Forwarded-*` counts where the host says so: Express's `request.protocol` heeds its `trust proxy`. */
function originOf(request: GatewayRequest): string {
  const { host } = request.headers
  const scheme = 'protocol' in request && request.protocol === 'https' ? 'https' : 'http'
  const url = `${'encrypted' in request.socket ? 'https' : scheme}://${host}`
  if (host === undefined || !URL.canParse(url)) throw new GatewayError('bad_request', 'Host is missing or malformed')
  return new URL(url).origin
}

/** What a host has cut off the path before it handed the request over. */
function mountPath(request: GatewayRequest): string {
  const whole = pathOf(request.originalUrl ?? request.url)
  const rest = pathOf(request.url)
  return withoutSlash(whole.endsWith(rest) ? whole.slice(0, whole.length - rest.length) : whole)
}

function withoutSlash(path: string): string {
  return path.endsWith('/') ? path.slice(0, -1) : path
}

/** No character that shells or quoted strings would read is left. */
function encode(name: string): string {
  return encodeURIComponent(name).replace(/[!'()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`)
}
