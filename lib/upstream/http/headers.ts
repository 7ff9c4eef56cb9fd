/** Which headers of a client cross to its server: an allow-list as data. Whatever is not named here stays. (HD16-HD20) */
import { FIRST_VERSION_WITH_HEADER, HEADER } from '../../protocol.ts'

/** They cross as they are. */
const FROM_CLIENT: readonly string[] = [
  'mcp-protocol-version',
  'mcp-method',
  'mcp-name',
  'traceparent',
  'tracestate',
  'baggage',
]

/** It crosses with GET alone: only there it resumes a stream. */
const RESUMES = 'last-event-id'

/** Whatever follows the prefix crosses. (HD12) */
const FROM_CLIENT_PREFIX = 'mcp-param-'

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

/** The client's headers that its server gets; where the client names no revision, the negotiated one. (UC1, HD5) */
export function clientHeadersToServer(method: string, headers: Headers, negotiated?: string): Record<string, string> {
  const crossing = pick(headers, FROM_CLIENT)
  const resumes = headers[RESUMES]
  if (method === 'GET' && typeof resumes === 'string') crossing[RESUMES] = resumes
  for (const name in headers) {
    const value = headers[name]
    if (name.startsWith(FROM_CLIENT_PREFIX) && typeof value === 'string') crossing[name] = value
  }
  if (negotiated !== undefined && negotiated >= FIRST_VERSION_WITH_HEADER) {
    crossing[HEADER.protocolVersion] ??= negotiated
  }
  return crossing
}

function pick(headers: Headers, names: readonly string[]): Record<string, string> {
  const picked: Record<string, string> = {}
  for (const name of names) {
    const value = headers[name]
    if (typeof value === 'string') picked[name] = value
  }
  return picked
}
