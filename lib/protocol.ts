/** The constants of the MCP wire protocol: revisions, headers, media types, error codes. */

/** Revisions with a handshake and sessions, oldest first. */
export const LEGACY_VERSIONS: readonly string[] = ['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25']

/** The only revision that has JSON-RPC batches. */
export const BATCH_VERSION = '2025-03-26'

/** The first revision whose requests name it in `MCP-Protocol-Version`. */
export const FIRST_VERSION_WITH_HEADER = '2025-06-18'

/** The `MCP-Protocol-Version` header of a request; empty for revisions that do not define it. (UC1) */
export function negotiatedVersionHeader(version: string): Record<string, string> {
  const said = negotiatedVersion(version)
  return said === undefined ? {} : { [HEADER.protocolVersion]: said }
}

/** The value of that header; `undefined` for a revision without it. */
export function negotiatedVersion(version: string): string | undefined {
  return version >= FIRST_VERSION_WITH_HEADER ? version : undefined
}

/** The revisions without a handshake. */
export const MODERN_VERSIONS: readonly string[] = ['2026-07-28']

/** Keys of `_meta` in modern messages. (2026-07-28 basic, _meta) */
export const META = {
  protocolVersion: 'io.modelcontextprotocol/protocolVersion',
  clientCapabilities: 'io.modelcontextprotocol/clientCapabilities',
  clientInfo: 'io.modelcontextprotocol/clientInfo',
  serverInfo: 'io.modelcontextprotocol/serverInfo',
  subscriptionId: 'io.modelcontextprotocol/subscriptionId',
  logLevel: 'io.modelcontextprotocol/logLevel',
} as const

/** The methods that require `Mcp-Name`, each with the parameter that it repeats. (HD6, HD7) */
export const NAMED_BY: ReadonlyMap<string, string> = new Map([
  ['tools/call', 'name'],
  ['prompts/get', 'name'],
  ['resources/read', 'uri'],
  ['tasks/get', 'taskId'],
  ['tasks/update', 'taskId'],
  ['tasks/cancel', 'taskId'],
])

/** The modern request that opens a listening stream. */
export const LISTEN_METHOD = 'subscriptions/listen'

/** Error codes that only a modern server answers with. (2026-07-28 basic, Error Codes) */
export const MODERN_ERRORS: ReadonlySet<unknown> = new Set([-32020, -32021, -32022])

/** Requests that servers may answer with `input_required`. (ST21) */
export const ASKING: ReadonlySet<string> = new Set(['tools/call', 'prompts/get', 'resources/read'])

/** The error of a server that wants URLs to be opened first. (2025-11-25 elicitation) */
export const URL_ELICITATION_REQUIRED = -32042

/** The longest batch that is accepted, as in the TypeScript SDK. */
export const MAX_BATCH = 100

export const HEADER = {
  sessionId: 'mcp-session-id',
  protocolVersion: 'mcp-protocol-version',
  method: 'mcp-method',
  name: 'mcp-name',
  lastEventId: 'last-event-id',
} as const

/** The beginning of the headers that repeat an argument of a call, in lower case. */
export const PARAM_PREFIX = 'mcp-param-'

export const JSON_TYPE = 'application/json'
export const EVENT_STREAM_TYPE = 'text/event-stream'

/** Visible ASCII, the alphabet of session ids (2025-11-25 transports, Session Management). */
export const VISIBLE_ASCII: RegExp = /^[\x21-\x7e]+$/

/** The longest session id, in characters: stores issue none that is longer, and a longer one is not looked up. */
export const MAX_SESSION_ID_LENGTH = 4096

/** The media type of a header value, without parameters. */
export function mediaType(value: string | undefined): string {
  if (value === undefined) return ''
  // As nearly all messages have it.
  if (value === JSON_TYPE) return JSON_TYPE
  const end = value.indexOf(';')
  return (end === -1 ? value : value.slice(0, end)).trim().toLowerCase()
}
