/** The allow-list of client headers that are forwarded to the server. All others are dropped. (HD16-HD20) */
import type { Message } from '../../exchange/message.ts'
import { FIRST_VERSION_WITH_HEADER, HEADER, NAMED_BY } from '../../protocol.ts'
import { member } from '../../util/json.ts'

/** Forwarded unchanged. */
const FROM_CLIENT: readonly string[] = ['mcp-protocol-version', 'traceparent', 'tracestate', 'baggage']

/** Forwarded with GET only, where it resumes a stream. */
const RESUMES = HEADER.lastEventId

/** Every header with this prefix is forwarded. (HD12) */
const FROM_CLIENT_PREFIX = 'mcp-param-'

/** The headers that the gateway itself sets; the `headers` of a server's config must not contain them. */
export const OWN_HEADERS: ReadonlySet<string> = new Set([
  ...FROM_CLIENT,
  HEADER.method,
  HEADER.name,
  RESUMES,
  'accept',
  'accept-encoding',
  'connection',
  'content-length',
  'content-type',
  'expect',
  'host',
  'keep-alive',
  'mcp-session-id',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'via',
])

type Headers = Readonly<Record<string, string | string[] | undefined>>

/** The request that the client's headers came with. */
interface Sent {
  readonly verb: 'POST' | 'GET' | 'DELETE'
  readonly message?: Message | undefined
  /** The negotiated revision. */
  readonly negotiated?: string | undefined
  /** Whether `Last-Event-ID` may be forwarded: event ids are unique per session, so only within a session. (SE6) */
  readonly resumes?: boolean
}

/** The headers to forward, with the negotiated protocol version if the client sent none. (UC1, HD5) */
export function clientHeadersToServer(
  { verb, message, negotiated, resumes = false }: Sent,
  headers: Headers,
): Record<string, string> {
  const crossing = pick(headers, FROM_CLIENT)
  const after = headers[RESUMES]
  if (resumes && verb === 'GET' && typeof after === 'string') crossing[RESUMES] = after
  if (headers[HEADER.method] !== undefined || headers[HEADER.name] !== undefined) addTrue(crossing, message, headers)
  for (const name in headers) {
    if (!name.startsWith(FROM_CLIENT_PREFIX)) continue
    const value = headers[name]
    if (typeof value === 'string') crossing[name] = value
  }
  if (negotiated !== undefined && negotiated >= FIRST_VERSION_WITH_HEADER) {
    crossing[HEADER.protocolVersion] ??= negotiated
  }
  return crossing
}

/**
 * `Mcp-Method` and `Mcp-Name` are forwarded only if they match the body: a server, or a proxy before it, may trust
 * them. (HD9, HD15)
 */
function addTrue(crossing: Record<string, string>, message: Message | undefined, headers: Headers): void {
  if (message?.kind !== 'request' && message?.kind !== 'notification') return
  const { [HEADER.method]: method, [HEADER.name]: name } = headers
  if (method === message.method) crossing[HEADER.method] = method
  const parameter = NAMED_BY.get(message.method)
  if (parameter === undefined || typeof name !== 'string') return
  // In a modern request it has been compared with the body already, and may be encoded.
  if (message.era === 'modern' || name === member(message.params, parameter)) crossing[HEADER.name] = name
}

function pick(headers: Headers, names: readonly string[]): Record<string, string> {
  const picked: Record<string, string> = {}
  for (const name of names) {
    const value = headers[name]
    if (typeof value === 'string') picked[name] = value
  }
  return picked
}
