/** Which headers of a reply a client gets: an allow-list. (HD16-HD20) */
import type { Reply } from '../exchange/reply.ts'
import { HEADER } from '../protocol.ts'

export type Headers = Readonly<Record<string, string>>

/** They cross as they are; whatever is not named here stays. */
const CROSSING: readonly string[] = ['content-type', 'content-length', 'cache-control', 'retry-after', 'allow']

export function clientHeaders({ headers, sessionId }: Reply): Headers {
  const crossing: Record<string, string> = {}
  for (const name of CROSSING) {
    const value = headers[name]
    if (typeof value === 'string') crossing[name] = value
  }
  if (sessionId !== undefined) crossing[HEADER.sessionId] = sessionId
  return crossing
}
