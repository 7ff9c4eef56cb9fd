/** Splits the bytes of an event stream into events of bounded length. */
import { Framer } from '../../exchange/framer.ts'
import { type EventFields, eventsOf, parseEvent } from '../../exchange/sse.ts'
import { ChunkList } from '../../util/chunk-list.ts'

/** The longest event, in bytes; equal to the default limit of a line from a process. */
const MAX_EVENT_BYTES = 16 * 1024 * 1024

export class EventReader {
  readonly #framer = new Framer()
  readonly #held = new ChunkList()

  /** Returns the events that are complete with these bytes. Throws for one that is too long. */
  feed(chunk: Buffer): EventFields[] {
    const events: EventFields[] = []
    this.#framer.feed(chunk, (piece, atBoundary) => {
      this.#held.push(piece)
      if (atBoundary) events.push(...this.#take())
    })
    if (this.#held.byteLength > MAX_EVENT_BYTES) throw new Error('An event of the server is longer than 16 MiB')
    return events
  }

  #take(): EventFields[] {
    return Array.from(eventsOf(this.#held.concat()), (event) => parseEvent(event.toString()))
  }
}
