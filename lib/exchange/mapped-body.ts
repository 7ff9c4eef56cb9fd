/** The base class of bodies that change messages: bytes that were mapped and then put back are not mapped again. */
import { GatewayError } from '../errors.ts'
import { ChunkList } from '../util/chunk-list.ts'
import type { Body, End, Sink } from './body.ts'

/**
 * The longest message that is mapped, in bytes. A longer one ends the reply, since no message may bypass the function.
 */
const MAX_BYTES = 4 * 1024 * 1024

export abstract class MappedBody implements Body, Sink {
  protected readonly body: Body
  protected readonly held: ChunkList = new ChunkList()
  #sink: Sink | undefined
  #isPiped = false
  #flows = true
  /** Mapped bytes that wait for a reader: put back, or mapped while no sink was attached. */
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
      // Bytes that were put back may be cut anywhere, but the last of them ends at a boundary.
      this.#deliver(sink, chunk, this.#unread.length === 0)
      if (this.#sink !== sink) return
    }
    if (this.#end) return sink.end(this.#end)
    if (!this.#isPiped) {
      this.#isPiped = true
      this.body.pipe(this)
    } else if (this.#flows) this.body.resume()
  }

  whole(): Buffer | undefined {
    return undefined
  }

  /** Whether nothing was read or put back yet. */
  protected get isUntouched(): boolean {
    return !this.#isPiped && this.#unread.length === 0 && !this.isOver
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

  /** Whether the body has ended or was cancelled, so that nothing more may be emitted. */
  protected get isOver(): boolean {
    return this.#end !== undefined || this.#isCancelled
  }

  protected emit(bytes: Buffer): void {
    if (bytes.length === 0 || this.isOver) return
    if (this.#sink) this.#deliver(this.#sink, bytes)
    else {
      this.#unread.push(bytes)
      this.#flows = false
    }
  }

  /**
   * The result of `data()` counts only if the sink is still attached: `unread()` may have detached it during the call.
   */
  #deliver(sink: Sink, bytes: Buffer, atBoundary = true): void {
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
