/** The MCP wire by name and number: revisions, headers, media types, codes. */

/** Revisions with a handshake and sessions, oldest first. */
export const LEGACY_VERSIONS: readonly string[] = ['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25']

/** The only revision that has JSON-RPC batches. */
export const BATCH_VERSION = '2025-03-26'

/** The first revision whose requests name it in `MCP-Protocol-Version`. */
export const FIRST_VERSION_WITH_HEADER = '2025-06-18'

/** The revisions without a handshake. */
export const MODERN_VERSIONS: readonly string[] = ['2026-07-28']

/** Where a modern message names its revision: a key of `params._meta`. */
export const META_PROTOCOL_VERSION = 'io.modelcontextprotocol/protocolVersion'

/** The longest batch taken, as in the TypeScript SDK. */
export const MAX_BATCH = 100

export const HEADER = {
  sessionId: 'mcp-session-id',
  protocolVersion: 'mcp-protocol-version',
  lastEventId: 'last-event-id',
} as const

export const JSON_TYPE = 'application/json'
export const EVENT_STREAM_TYPE = 'text/event-stream'

/** Visible ASCII, the alphabet of session ids (2025-11-25 transports, Session Management). */
export const VISIBLE_ASCII: RegExp = /^[\x21-\x7e]+$/

/** The media type of a header value, without parameters. */
export function mediaType(value: string | undefined): string {
  if (value === undefined) return ''
  const end = value.indexOf(';')
  return (end === -1 ? value : value.slice(0, end)).trim().toLowerCase()
}
