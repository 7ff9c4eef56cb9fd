/** A body that the gateway itself writes: events of a layer, or events read from a log. */
import { type Body, COMPLETE, type End, type Sink } from './body.ts'

export interface PushBodyHooks {
  /** Called when the reader resumes. */
  readonly onResume: () => void
  /** Called when the reader cancels the body. */
  readonly onCancel: () => void
}

interface Piece {
  readonly bytes: Buffer
  readonly atBoundary: boolean
}

export class PushBody implements Body {
  #hooks: PushBodyHooks | undefined
  #sink: Sink | undefined
  #kept: Piece[] = []
  #keptBytes = 0
  #isFull = true
  /** Whether the bytes delivered so far end with a whole event. */
  #atBoundary = true
  #end: End | undefined
  #isCancelled = false

  /** Sets the callbacks of the current writer, in place of the previous writer's. */
  set writer(hooks: PushBodyHooks) {
    this.#hooks = hooks
  }

  /** Whether the writer should pause. A body that is over is never full, because it drops what is pushed. */
  get isFull(): boolean {
    return this.#isFull && !this.isOver
  }

  get isOver(): boolean {
    return this.#end !== undefined || this.#isCancelled
  }

  /** How many bytes are buffered for a reader. */
  get keptBytes(): number {
    return this.#keptBytes
  }

  push(bytes: Buffer, atBoundary = true): void {
    if (this.isOver || bytes.length === 0) return
    if (this.#sink) this.#deliver(this.#sink, { bytes, atBoundary })
    else this.#keep({ bytes, atBoundary })
  }

  end(end: End = COMPLETE): void {
    if (this.isOver) return
    this.#end = end
    this.#sink?.end(end)
  }

  pipe(sink: Sink): void {
    this.#sink = sink
    this.#isFull = false
    for (let piece = this.#kept.shift(); piece; piece = this.#kept.shift()) {
      this.#keptBytes -= piece.bytes.length
      this.#deliver(sink, piece)
      if (this.#sink !== sink) return
    }
    if (this.#end) sink.end(this.#end)
    else if (!this.#isFull) this.#hooks?.onResume()
  }

  whole(): Buffer | undefined {
    if (this.#end?.how !== 'complete' || this.#sink) return undefined
    return Buffer.concat(this.#takeKept().map(({ bytes }) => bytes))
  }

  unread(chunks: readonly Buffer[]): void {
    this.#sink = undefined
    this.#isFull = true
    const kept = this.#takeKept()
    for (const [index, bytes] of chunks.entries()) {
      this.#keep({ bytes, atBoundary: this.#atBoundary && index === chunks.length - 1 })
    }
    for (const piece of kept) this.#keep(piece)
  }

  resume(): void {
    this.#isFull = false
    if (!this.isOver) this.#hooks?.onResume()
  }

  cancel(): void {
    this.#sink = undefined
    this.#takeKept()
    if (this.isOver) return
    this.#isCancelled = true
    this.#hooks?.onCancel()
  }

  drain(): void {
    this.cancel()
  }

  /**
   * The result of `data()` counts only if the sink is still attached: `unread()` may have detached it during the call.
   */
  #deliver(sink: Sink, { bytes, atBoundary }: Piece): void {
    this.#atBoundary = atBoundary
    const takesMore = sink.data(bytes, atBoundary)
    if (this.#sink === sink) this.#isFull = !takesMore
  }

  #keep(piece: Piece): void {
    this.#kept.push(piece)
    this.#keptBytes += piece.bytes.length
  }

  #takeKept(): Piece[] {
    const kept = this.#kept
    this.#kept = []
    this.#keptBytes = 0
    return kept
  }
}
