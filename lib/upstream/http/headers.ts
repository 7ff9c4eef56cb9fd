/** Which headers of a client cross to its server: an allow-list as data. Whatever is not named here stays. (HD16-HD20) */
import type { Message } from '../../exchange/message.ts'
import { FIRST_VERSION_WITH_HEADER, HEADER, NAMED_BY } from '../../protocol.ts'
import { member } from '../../util/json.ts'

/** They cross as they are. */
const FROM_CLIENT: readonly string[] = ['mcp-protocol-version', 'traceparent', 'tracestate', 'baggage']

/** It crosses with GET alone: only there it resumes a stream. */
const RESUMES = HEADER.lastEventId

/** Whatever follows the prefix crosses. (HD12) */
const FROM_CLIENT_PREFIX = 'mcp-param-'

/** What the gateway itself says to an upstream; the `headers` of a server's config may not set these. */
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

/** What the client's headers belong to. */
interface Sent {
  readonly verb: 'POST' | 'GET' | 'DELETE'
  readonly message?: Message | undefined
  /** The negotiated revision. */
  readonly negotiated?: string | undefined
  /** Whether the stream that `Last-Event-ID` names is this client's own: ids are told apart by sessions alone. (SE6) */
  readonly resumes?: boolean
}

/** The client's headers that its server gets; where the client names no revision, the negotiated one. (UC1, HD5) */
export function clientHeadersToServer(
  { verb, message, negotiated, resumes = false }: Sent,
  headers: Headers,
): Record<string, string> {
  const crossing = pick(headers, FROM_CLIENT)
  const after = headers[RESUMES]
  if (resumes && verb === 'GET' && typeof after === 'string') crossing[RESUMES] = after
  if (headers[HEADER.method] !== undefined || headers[HEADER.name] !== undefined) addTrue(crossing, message, headers)
  for (const name in headers) {
    const value = headers[name]
    if (name.startsWith(FROM_CLIENT_PREFIX) && typeof value === 'string') crossing[name] = value
  }
  if (negotiated !== undefined && negotiated >= FIRST_VERSION_WITH_HEADER) {
    crossing[HEADER.protocolVersion] ??= negotiated
  }
  return crossing
}

/** A server, or what stands before it, may go by these: where they do not say what the body says, they stay. (HD9, HD15) */
function addTrue(crossing: Record<string, string>, message: Message | undefined, headers: Headers): void {
  if (message?.kind !== 'request' && message?.kind !== 'notification') return
  const { [HEADER.method]: method, [HEADER.name]: name } = headers
  if (method === message.method) crossing[HEADER.method] = method
  const parameter = NAMED_BY.get(message.method)
  if (parameter === undefined || typeof name !== 'string') return
  // Of a modern request it has been checked, and may be encoded.
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
