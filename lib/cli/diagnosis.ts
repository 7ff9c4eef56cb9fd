/** Says in one sentence why a server cannot be used, and what may cure it. */
import { GatewayError, type GatewayErrorCode } from '../errors.ts'
import type { ServerConfig } from '../types.ts'
import { plainText } from './plain-text.ts'

export interface Diagnosis {
  /** The code of a `GatewayError`, as docs/errors.md has it. */
  readonly code: GatewayErrorCode
  readonly reason: string
  readonly cure: string | undefined
}

/** What a code of the system or of TLS means, and its cure. */
const CONNECTING: Readonly<Record<string, readonly [reason: string, cure: string]>> = {
  ECONNREFUSED: ['nothing listens there', 'is the server running, and the port right?'],
  ECONNRESET: ['it closed the connection', 'is the port right, and http: or https:?'],
  ENOTFOUND: ['its host name is not known', 'is it spelt right?'],
  EAI_AGAIN: ['its host name could not be looked up', 'is there a network?'],
  EHOSTUNREACH: ['there is no way to its host', 'is there a network, or a VPN to be on?'],
  ENETUNREACH: ['there is no way to its host', 'is there a network, or a VPN to be on?'],
  ETIMEDOUT: ['its host did not answer', 'is there a firewall, or a VPN to be on?'],
  UND_ERR_CONNECT_TIMEOUT: ['its host did not answer', 'is there a firewall, or a VPN to be on?'],
  UND_ERR_SOCKET: ['it closed the connection', 'is the port right, and http: or https:?'],
  CERT_HAS_EXPIRED: ['its certificate has expired', 'renew it'],
  DEPTH_ZERO_SELF_SIGNED_CERT: ['its certificate is self-signed', 'trust it with NODE_EXTRA_CA_CERTS'],
  SELF_SIGNED_CERT_IN_CHAIN: ['its certificate is self-signed', 'trust its issuer with NODE_EXTRA_CA_CERTS'],
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: ['the issuer of its certificate is not known', 'name it in NODE_EXTRA_CA_CERTS'],
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: ['the issuer of its certificate is not known', 'name it in NODE_EXTRA_CA_CERTS'],
  ERR_TLS_CERT_ALTNAME_INVALID: ['its certificate is for another host', 'is the host name right?'],
  ERR_SSL_WRONG_VERSION_NUMBER: ['it does not speak TLS', 'write http: instead of https:'],
  ERR_SSL_PACKET_LENGTH_TOO_LONG: ['it does not speak TLS', 'write http: instead of https:'],
  EPROTO: ['it does not speak TLS', 'write http: instead of https:'],
}

const CURE_OF: { readonly [code in GatewayErrorCode]?: string } = {
  upstream_unauthorized: 'are the credentials in "headers" right?',
  upstream_timeout: '--timeout gives it longer',
  upstream_invalid: 'is it the URL of an MCP server, with its path?',
}

/** `config` says where the server is; its path and query, which may hold a key, are not shown. */
export function diagnose(error: unknown, config: ServerConfig | undefined): Diagnosis {
  const known = error instanceof GatewayError ? error : new GatewayError('internal', 'Internal error', { cause: error })
  const { code } = known
  const causes = causesOf(known)
  const url = config && 'url' in config ? new URL(config.url) : undefined
  const connecting = causes.map((cause) => CONNECTING[String((cause as NodeJS.ErrnoException).code)]).find(Boolean)
  if (connecting && url) return { code, reason: `${url.host}: ${connecting[0]}`, cure: connecting[1] }
  const [cause] = causes
  // Servers of 2024-11-05 answer 404 or 405 to a message that is sent to the URL of their stream.
  const isOldTransport = url !== undefined && /\b(404|405|410)\b/.test(known.message)
  const cure = isOldTransport ? 'is the path right? A server of HTTP+SSE needs "type": "sse"' : CURE_OF[code]
  const reason = plainText(cause === undefined ? known.message : cause.message)
  return { code, reason: reason.replace(/: is the URL right\?$/, ''), cure }
}

/** What an error was caused by, outermost first. */
function causesOf(error: Error): Error[] {
  const { cause } = error
  return cause instanceof Error ? [cause, ...causesOf(cause)] : []
}
