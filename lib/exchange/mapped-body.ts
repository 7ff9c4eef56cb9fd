/** What every body shares whose messages are changed on their way: what was mapped is handed out once, unmapped again. */
import { GatewayError } from '../errors.ts'
import { ChunkList } from '../util/chunk-list.ts'
import type { Body, End, Sink } from './body.ts'

/** The longest message that is shown, in bytes. A longer one ends the reply: nothing passes unseen. */
const MAX_BYTES = 4 * 1024 * 1024

export abstract class MappedBody implements Body, Sink {
  protected readonly body: Body
  protected readonly held: ChunkList = new ChunkList()
  #sink: Sink | undefined
  #isPiped = false
  #flows = true
  /** Mapped bytes without a reader: given back, or mapped meanwhile. */
  #unread: Buffer[] = []
  #end: End | undefined
  #isCancelled = false

  constructor(body: Body) {
    this.body = body
  }

  abstract data(chunk: Buffer, atBoundary: boolean): boolean
  abstract end(end: End): void

  pipe(sink: Sink): void {
    this.#sink = sink
    this.#flows = true
    for (let chunk = this.#unread.shift(); chunk; chunk = this.#unread.shift()) {
      // What was given back may have been cut anywhere but at its end.
      this.#give(sink, chunk, this.#unread.length === 0)
      if (this.#sink !== sink) return
    }
    if (this.#end) return sink.end(this.#end)
    if (!this.#isPiped) {
      this.#isPiped = true
      this.body.pipe(this)
    } else if (this.#flows) this.body.resume()
  }

  whole(): undefined {
    return undefined
  }

  unread(chunks: readonly Buffer[]): void {
    this.#sink = undefined
    this.#flows = false
    this.#unread.unshift(...chunks)
  }

  resume(): void {
    this.#flows = true
    this.body.resume()
  }

  cancel(): void {
    this.#isCancelled = true
    this.#sink = undefined
    this.#unread = []
    this.body.cancel()
  }

  drain(): void {
    this.cancel()
  }

  protected get flows(): boolean {
    return this.#flows
  }

  /** Whether nothing more goes out. */
  protected get isOver(): boolean {
    return this.#end !== undefined || this.#isCancelled
  }

  protected hand(bytes: Buffer): void {
    if (bytes.length === 0 || this.isOver) return
    if (this.#sink) this.#give(this.#sink, bytes)
    else {
      this.#unread.push(bytes)
      this.#flows = false
    }
  }

  /** The answer of a sink that is let go meanwhile says nothing of the next one. */
  #give(sink: Sink, bytes: Buffer, atBoundary = true): void {
    const takesMore = sink.data(bytes, atBoundary)
    if (this.#sink === sink) this.#flows = takesMore
  }

  protected conclude(end: End): void {
    if (this.isOver) return
    this.#end = end
    this.#sink?.end(end)
  }

  protected isTooLong(): boolean {
    return this.held.byteLength > MAX_BYTES
  }

  protected break(cause: unknown): void {
    if (this.isOver) return
    this.body.cancel()
    this.conclude({ how: 'broken', error: breakOf(cause) })
  }
}

/** Why a reply breaks off; without a cause a message in it is too long. */
export function breakOf(cause: unknown): Error {
  return cause instanceof Error
    ? cause
    : new GatewayError('upstream_invalid', 'The server sent a message that is too long')
}
