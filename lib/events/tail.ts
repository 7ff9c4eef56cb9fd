/** A body that is written here: what a client sees of a stream, live or out of the log. */
import type { Body, Sink } from '../types.ts'

export interface TailHooks {
  /** The client takes more again. */
  readonly onResume: () => void
  /** Nobody wants the rest any more. */
  readonly onCancel: () => void
}

export class Tail implements Body {
  #hooks: TailHooks | undefined
  #sink: Sink | undefined
  #kept: Buffer[] = []
  #isFull = true
  #over: 'ended' | Error | undefined

  /** Who writes here from now on. */
  set writer(hooks: TailHooks) {
    this.#hooks = hooks
  }

  /** Whether nothing should be written just now. What nobody reads any more holds nothing up. */
  get isFull(): boolean {
    return this.#isFull && this.#over === undefined
  }

  get isOver(): boolean {
    return this.#over !== undefined
  }

  push(bytes: Buffer): void {
    if (this.#over !== undefined || bytes.length === 0) return
    if (this.#sink) this.#isFull = !this.#sink.data(bytes)
    else this.#kept.push(bytes)
  }

  end(): void {
    this.#finish('ended')
  }

  fail(error: Error): void {
    this.#finish(error)
  }

  pipe(sink: Sink): void {
    this.#sink = sink
    this.#isFull = false
    const kept = this.#kept
    this.#kept = []
    for (const bytes of kept) this.#isFull = !sink.data(bytes)
    if (this.#over !== undefined) this.#tell(sink, this.#over)
    else if (!this.#isFull) this.#hooks?.onResume()
  }

  whole(): Buffer | undefined {
    if (this.#over !== 'ended' || this.#sink) return undefined
    const kept = this.#kept
    this.#kept = []
    return Buffer.concat(kept)
  }

  unread(chunks: readonly Buffer[]): void {
    this.#sink = undefined
    this.#isFull = true
    this.#kept = [...chunks, ...this.#kept]
  }

  resume(): void {
    this.#isFull = false
    if (this.#over === undefined) this.#hooks?.onResume()
  }

  cancel(): void {
    if (this.#over !== undefined) return
    this.#over = 'ended'
    this.#hooks?.onCancel()
  }

  drain(): void {
    this.cancel()
  }

  #finish(over: 'ended' | Error): void {
    if (this.#over !== undefined) return
    this.#over = over
    if (this.#sink) this.#tell(this.#sink, over)
  }

  #tell(sink: Sink, over: 'ended' | Error): void {
    if (over === 'ended') sink.end()
    else sink.fail(over)
  }
}
