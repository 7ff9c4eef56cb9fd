/** Fetches the rest of a request's stream, whose reader was another node, or this one before. (SE7) */
import { GatewayError, isCode } from '../../../errors.ts'
import type { Exchange } from '../../../exchange/exchange.ts'
import { drainReply, type EventsReply, type Handle } from '../../../exchange/reply.ts'
import { eventIdHeader } from '../../../exchange/sse.ts'
import { HEADER } from '../../../protocol.ts'

/** How often a stream is asked for that still has a reader in the eyes of the server, and the first pause, which doubles. */
const FETCHES = 7
const FETCH_PAUSE_MS = 20

/** Resolves with the stream after this event. `request` is the exchange of the request. */
export async function fetchStream(request: Exchange, after: string, next: Handle): Promise<EventsReply> {
  const headers = { ...request.headers, [HEADER.lastEventId]: eventIdHeader(after) }
  for (let attempt = 1; ; attempt += 1) {
    try {
      const reply = await next(
        request.fork({ verb: 'GET', message: undefined, headers, continues: true }, request.life),
      )
      if (reply.kind === 'events') return reply
      drainReply(reply)
      throw new GatewayError('upstream_broken', 'The server did not go on with the request')
    } catch (error) {
      const isTaken = isCode(error, 'upstream_refused') && (error as GatewayError).status === 409
      if (!isTaken || attempt === FETCHES) throw error
      await new Promise((resolve) => setTimeout(resolve, FETCH_PAUSE_MS * 2 ** attempt))
    }
  }
}
