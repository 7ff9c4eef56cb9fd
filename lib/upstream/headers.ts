/** Which headers cross, each way: allow-lists as data. Whatever is not named here stays. (HD16-HD20) */
import { FIRST_VERSION_WITH_HEADER, HEADER } from '../protocol.ts'

/** Client -> upstream, as they are. */
const FROM_CLIENT: readonly string[] = [
  'mcp-protocol-version',
  'mcp-method',
  'mcp-name',
  'traceparent',
  'tracestate',
  'baggage',
]

/** Client -> upstream, with GET alone: only there it resumes a stream. */
const RESUMES = 'last-event-id'

/** Client -> upstream, whatever follows the prefix. (HD12) */
const FROM_CLIENT_PREFIX = 'mcp-param-'

/** Upstream -> client, as they are. */
const FROM_UPSTREAM: readonly string[] = ['content-type', 'content-length', 'cache-control', 'retry-after', 'allow']

/** What the gateway itself says to an upstream; the `headers` of a server's config may not set these. */
export const OWN_HEADERS: ReadonlySet<string> = new Set([
  ...FROM_CLIENT,
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
])

type Headers = Readonly<Record<string, string | string[] | undefined>>

/** The client's headers that an upstream gets. */
export function toUpstream(method: string, headers: Headers): Record<string, string> {
  const crossing = pick(headers, FROM_CLIENT)
  const resumes = headers[RESUMES]
  if (method === 'GET' && typeof resumes === 'string') crossing[RESUMES] = resumes
  for (const name in headers) {
    const value = headers[name]
    if (name.startsWith(FROM_CLIENT_PREFIX) && typeof value === 'string') crossing[name] = value
  }
  return crossing
}

/** UC1, HD5: where the client names no revision, it is the negotiated one. */
export function addVersion(headers: Record<string, string>, negotiated: string): Record<string, string> {
  if (negotiated >= FIRST_VERSION_WITH_HEADER) headers[HEADER.protocolVersion] ??= negotiated
  return headers
}

/** The upstream's headers that a client gets. */
export function toClient(headers: Headers): Record<string, string> {
  return pick(headers, FROM_UPSTREAM)
}

function pick(headers: Headers, names: readonly string[]): Record<string, string> {
  const picked: Record<string, string> = {}
  for (const name of names) {
    const value = headers[name]
    if (typeof value === 'string') picked[name] = value
  }
  return picked
}
