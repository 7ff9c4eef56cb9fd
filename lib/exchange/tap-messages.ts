/** Listens in on an event stream on its way to the client. */
import { createMessageReader, eventsOf } from './sse.ts'
import { ChunkList } from '../util/chunk-list.ts'
import type { Reply } from './reply.ts'
import type { Sink } from './body.ts'

/** A message longer than this is not looked at, in bytes. */
const MAX_BYTES = 1024 * 1024

/** Calls back with each notification that may be of interest; the bytes go on as they are. Any other reply is given back. */
export function tapMessages(
  reply: Reply,
  isOfInterest: (event: Buffer) => boolean,
  onMessage: (message: unknown) => void,
): Reply {
  if (reply.kind !== 'events') return reply
  const { body } = reply
  const reader = createMessageReader(onMessage)
  const held = new ChunkList()
  /** Whether a giant event goes by. */
  let isPassing = false
  function look(chunk: Buffer, atBoundary: boolean): void {
    if (!isPassing) held.push(chunk)
    isPassing ||= held.byteLength > MAX_BYTES
    if (isPassing) held.clear()
    if (!atBoundary) return
    if (!isPassing) {
      for (const event of eventsOf(held.concat())) if (isOfInterest(event)) reader.feed(`${event.toString()}\n`)
    }
    isPassing = false
  }
  return {
    ...reply,
    body: {
      pipe: (sink: Sink) =>
        body.pipe({
          data(chunk, atBoundary) {
            look(chunk, atBoundary)
            return sink.data(chunk, atBoundary)
          },
          end: (end) => sink.end(end),
        }),
      whole: () => undefined,
      unread: (chunks) => body.unread(chunks),
      resume: () => body.resume(),
      cancel: () => body.cancel(),
      drain: () => body.drain(),
    },
  }
}
