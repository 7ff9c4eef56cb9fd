/** Splits bytes into single events; an event too long to be stored is passed on in pieces. */
import { eventsOf } from '../../exchange/sse.ts'
import { ChunkList } from '../../util/chunk-list.ts'

/** The longest event that is stored, in bytes. */
const EVENT_BYTES = 16 * 1024 * 1024

export interface EventCollectorHooks {
  readonly onEvent: (event: Buffer) => void
  /** Called once for each event that is too long, before its pieces. */
  readonly onGiant: () => void
  readonly onPiece: (piece: Buffer, atBoundary: boolean) => void
}

export class EventCollector {
  readonly #hooks: EventCollectorHooks
  readonly #held = new ChunkList()
  #isMidEvent = false

  constructor(hooks: EventCollectorHooks) {
    this.#hooks = hooks
  }

  /** Whether the first pieces of an event too long to be stored were already passed on. */
  get isMidEvent(): boolean {
    return this.#isMidEvent
  }

  feed(chunk: Buffer, atBoundary: boolean): void {
    if (this.#isMidEvent) return this.#pass(chunk, atBoundary)
    if (atBoundary && this.#held.byteLength === 0) return this.#split(chunk)
    this.#held.push(chunk)
    if (atBoundary) return this.#split(this.#held.concat())
    if (this.#held.byteLength <= EVENT_BYTES) return
    this.#hooks.onGiant()
    for (const piece of this.#held.take()) this.#pass(piece, false)
  }

  #split(stretch: Buffer): void {
    for (const event of eventsOf(stretch)) this.#hooks.onEvent(event)
  }

  #pass(piece: Buffer, atBoundary: boolean): void {
    this.#isMidEvent = !atBoundary
    this.#hooks.onPiece(piece, atBoundary)
  }
}
