/** Host and Origin: may this request pass at all? (2025-11-25 transports, Security Warning; DNS rebinding) */
import { GatewayError } from '../errors.ts'

/** Which hosts and origins pass, besides loopback names on a loopback socket and the gateway's own origin. */
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
 * Throws `host_not_allowed` or `origin_not_allowed`. A browser page that reaches a loopback server through a name of
 * its own shows that name in `Host`; a page of another site shows itself in `Origin`.
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

/** The client is told what was refused; the operator, in the cause, how to allow it. */
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

/** Whether a page of this origin came from the gateway's own host. TLS may end before us, so the scheme is not asked. */
function isOwn(origin: string, host: string | undefined): boolean {
  const start = origin.indexOf('://')
  return start !== -1 && host !== undefined && origin.slice(start + 3).toLowerCase() === host.toLowerCase()
}
