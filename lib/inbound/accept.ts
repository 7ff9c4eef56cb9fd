/** What the headers of a request must say before its body is read. (HD1, HD4) */
import { GatewayError } from '../errors.ts'
import { EVENT_STREAM_TYPE, JSON_TYPE, LEGACY_VERSIONS } from '../protocol.ts'

/** Throws `not_acceptable` unless every type is accepted by name, as the SDKs' servers ask. */
export function checkAccept(accept: string | undefined, types: readonly string[]): void {
  const accepted = accept?.toLowerCase() ?? ''
  if (types.every((type) => accepted.includes(type))) return
  throw new GatewayError('not_acceptable', `Accept must list ${types.join(' and ')}`)
}

/** What a POST and a GET must accept. */
export const POST_ACCEPTS: readonly string[] = [JSON_TYPE, EVENT_STREAM_TYPE]
export const GET_ACCEPTS: readonly string[] = [EVENT_STREAM_TYPE]

/** Throws `bad_request` for a revision that nobody has negotiated. */
export function checkVersion(version: string | undefined, negotiated: string): void {
  if (version === undefined || version === negotiated || LEGACY_VERSIONS.includes(version)) return
  throw new GatewayError('bad_request', `Unsupported MCP-Protocol-Version; this session speaks ${negotiated}`)
}
