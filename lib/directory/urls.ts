/** The URLs of the mount and of the endpoints, as the client of a request reaches them. */
import { GatewayError } from '../errors.ts'
import { withoutSlash } from '../inbound/access/resource.ts'
import type { GatewayRequest } from '../types.ts'

/** The settings of the gateway that determine its URLs. */
interface UrlSettings {
  readonly path: string
  readonly publicUrl: URL | undefined
}

/**
 * The URL of the mount, without a slash at its end: `publicUrl`, or the mount that the request was sent to. For a
 * request to the root of the app `path` has to name the mount.
 */
export function mountUrl(
  request: GatewayRequest,
  { publicUrl }: Pick<UrlSettings, 'publicUrl'>,
  path?: string,
): string {
  if (publicUrl) return withoutSlash(publicUrl.origin + publicUrl.pathname)
  return originOf(request) + (path === undefined ? mountPath(request) : withoutSlash(path))
}

/** The path of a server's endpoint below the mount. */
export function endpointPath({ path }: Pick<UrlSettings, 'path'>, server: string): string {
  return path.replace(':name', () => encodeName(server))
}

/** The path of a request URL, without the query. */
export function pathOf(url: string | undefined): string {
  return url?.split('?', 1)[0] ?? '/'
}

/** `X-Forwarded-Proto` counts only where the host trusts it: Express's `request.protocol` follows `trust proxy`. */
function originOf(request: GatewayRequest): string {
  const { host } = request.headers
  const scheme = 'protocol' in request && request.protocol === 'https' ? 'https' : 'http'
  const url = `${'encrypted' in request.socket ? 'https' : scheme}://${host}`
  if (host === undefined || !URL.canParse(url)) throw new GatewayError('bad_request', 'Host is missing or malformed')
  return new URL(url).origin
}

/** The part of the path that the host stripped before it called the handler. */
function mountPath(request: GatewayRequest): string {
  const whole = pathOf(request.originalUrl ?? request.url)
  const rest = pathOf(request.url)
  return withoutSlash(whole.endsWith(rest) ? whole.slice(0, whole.length - rest.length) : whole)
}

/** Percent-encodes a name, with the characters that shells and quoted strings interpret. */
function encodeName(name: string): string {
  return encodeURIComponent(name).replace(/[!'()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`)
}
