/** Checks `Host` and `Origin`, against DNS rebinding. (2025-11-25 transports, Security Warning) */
import { GatewayError } from '../errors.ts'

/** The allowed hosts and origins, besides loopback names on a loopback socket and the gateway's own origin. */
export interface HostRules {
  /** Lower-case `name` or `name:port`. */
  readonly hosts: ReadonlySet<string>
  /** Whether hosts are checked on every socket, or on loopback sockets alone. */
  readonly everySocket: boolean
  /** Serialized origins. */
  readonly origins: ReadonlySet<string>
}

const LOOPBACK_NAMES: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]'])

/**
 * Throws `host_not_allowed` or `origin_not_allowed`. A page that rebinds its own DNS name to a loopback address still
 * sends that name in `Host`; a page of another site sends its origin in `Origin`.
 */
export function checkHostAndOrigin(
  rules: HostRules,
  host: string | undefined,
  origin: string | undefined,
  localAddress: string | undefined,
): void {
  const loopback = isLoopback(localAddress)
  if (loopback || rules.everySocket) {
    const named = host?.toLowerCase() ?? ''
    const name = withoutPort(named)
    const passes = (loopback && LOOPBACK_NAMES.has(name)) || rules.hosts.has(named) || rules.hosts.has(name)
    if (!passes) throw refusal('host_not_allowed', 'Host', host, 'allowedHosts')
  }
  if (origin !== undefined && !rules.origins.has(origin.toLowerCase()) && !isOwn(origin, host)) {
    throw refusal('origin_not_allowed', 'Origin', origin, 'allowedOrigins')
  }
}

/** Whether a request came over a loopback socket and names a loopback host: a reverse proxy on the machine does not. */
export function isLoopbackRequest(host: string | undefined, localAddress: string | undefined): boolean {
  return isLoopback(localAddress) && LOOPBACK_NAMES.has(withoutPort(host?.toLowerCase() ?? ''))
}

/** The message tells the client which header was refused; the cause tells the operator how to allow its value. */
function refusal(
  code: 'host_not_allowed' | 'origin_not_allowed',
  header: string,
  value: string | undefined,
  option: string,
): GatewayError {
  const cure = new Error(
    `${header} ${JSON.stringify(value ?? '')} was refused. If it is yours, add it to the option "${option}" or set "publicUrl"`,
  )
  return new GatewayError(code, `${header} not allowed`, { cause: cure })
}

function isLoopback(address: string | undefined): boolean {
  return address !== undefined && (address.startsWith('127.') || address === '::1' || address.startsWith('::ffff:127.'))
}

function withoutPort(host: string): string {
  const colon = host.lastIndexOf(':')
  return colon === -1 || host.endsWith(']') ? host : host.slice(0, colon)
}

/** Whether a page of this origin came from the gateway's own host. A proxy may terminate TLS: schemes are not compared. */
function isOwn(origin: string, host: string | undefined): boolean {
  const start = origin.indexOf('://')
  return start !== -1 && host !== undefined && origin.slice(start + 3).toLowerCase() === host.toLowerCase()
}
