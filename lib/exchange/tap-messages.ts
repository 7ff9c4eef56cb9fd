/** Observes the messages of an event stream on its way to the client, without changing a byte. */
import { createMessageReader, endOfFirstEvent, eventsOf } from './sse.ts'
import { ChunkList } from '../util/chunk-list.ts'
import type { Reply } from './reply.ts'
import type { Sink } from './body.ts'

/** The longest message that is parsed, in bytes; longer ones are forwarded unread. */
const MAX_BYTES = 1024 * 1024

/** How many of the last bytes of an event are kept, to find the blank line that ends it. */
const TAIL_BYTES = 3

/** Calls back with each message that passes the filter. A reply that is not an event stream is returned unchanged. */
export function tapMessages(
  reply: Reply,
  isOfInterest: (event: Buffer) => boolean,
  onMessage: (message: unknown, text: string) => void,
): Reply {
  if (reply.kind !== 'events') return reply
  const { body } = reply
  const reader = createMessageReader(onMessage)
  const held = new ChunkList()
  /** The last bytes of an event too long to parse, while it is being forwarded. */
  let passing: Buffer | undefined
  /** How many of the next bytes were observed before a reader put them back. */
  let seen = 0
  function look(chunk: Buffer, atBoundary: boolean): void {
    const end = passing && atBoundary ? endOfFirstEvent(passing, chunk) : 0
    if (passing && !atBoundary) passing = Buffer.concat([passing, chunk.subarray(-TAIL_BYTES)]).subarray(-TAIL_BYTES)
    else held.push(chunk.subarray(end))
    if (atBoundary) {
      passing = undefined
      for (const event of eventsOf(held.concat())) if (isOfInterest(event)) reader.feed(`${event.toString()}\n`)
    } else if (held.byteLength > MAX_BYTES) {
      passing = Buffer.from(chunk.subarray(-TAIL_BYTES))
      held.clear()
    }
  }
  return {
    ...reply,
    body: {
      pipe: (sink: Sink) =>
        body.pipe({
          data(chunk, atBoundary) {
            const known = Math.min(seen, chunk.length)
            seen -= known
            if (known < chunk.length) look(chunk.subarray(known), atBoundary)
            return sink.data(chunk, atBoundary)
          },
          end: (end) => sink.end(end),
        }),
      whole: () => undefined,
      unread(chunks) {
        for (const { length } of chunks) seen += length
        body.unread(chunks)
      },
      resume: () => body.resume(),
      cancel: () => body.cancel(),
      drain: () => body.drain(),
    },
  }
}
