/** The allow-list of reply headers that are relayed to the client. (HD16-HD20) */
import type { Reply } from '../exchange/reply.ts'
import { EVENT_STREAM_TYPE, HEADER } from '../protocol.ts'

export type Headers = Readonly<Record<string, string>>

/** Headers that are relayed unchanged; all others are dropped. */
const RELAYED: readonly string[] = ['content-type', 'content-length', 'cache-control', 'retry-after', 'allow']

/** The same for an event stream, without `content-length`, since comments and errors may be added to it. */
const RELAYED_OF_STREAM: readonly string[] = ['content-type', 'retry-after', 'allow']

/** `bytes`: the length of a body that is complete. */
export function clientHeaders({ kind, headers, sessionId }: Reply, bytes?: number): Headers {
  const relayed: Record<string, string> = {}
  for (const name of kind === 'events' ? RELAYED_OF_STREAM : RELAYED) {
    const value = headers[name]
    if (typeof value === 'string') relayed[name] = value
  }
  if (kind === 'events') preventBuffering(relayed)
  else if (bytes !== undefined) relayed['content-length'] = String(bytes)
  if (sessionId !== undefined) relayed[HEADER.sessionId] = sessionId
  return relayed
}

/** Makes proxies between the gateway and the client forward each event immediately. (RT12) */
function preventBuffering(headers: Record<string, string>): void {
  headers['cache-control'] = 'no-cache, no-transform'
  headers['x-accel-buffering'] = 'no'
}

/** The headers of an event stream that the gateway itself creates. */
export function ownStreamHeaders(): Headers {
  const headers = { 'content-type': EVENT_STREAM_TYPE }
  preventBuffering(headers)
  return headers
}
