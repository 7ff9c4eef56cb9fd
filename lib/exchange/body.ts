/** The bytes of a reply: a push stream with one reader. */

/** How a body ends. */
export type End =
  /** Every byte was delivered. */
  | { readonly how: 'complete' }
  /**
   * The server closed the stream on purpose and expects a reconnect (SE3), which is left to the client or an outer
   * layer.
   */
  | { readonly how: 'poll'; readonly after: string; readonly retryMs: number | undefined }
  /** The connection broke. If `after` is set, the stream can be resumed after that event id. */
  | {
      readonly how: 'broken'
      readonly error: Error
      readonly after?: string | undefined
      readonly retryMs?: number | undefined
    }

export const COMPLETE: End = { how: 'complete' }

/** Consumes the bytes of a body. */
export interface Sink {
  /**
   * In an event stream, `atBoundary` means that the chunk ends with a whole event; otherwise more of the event follows.
   * Returning `false` pauses the body until `resume()`.
   */
  data(chunk: Buffer, atBoundary: boolean): boolean
  end(end: End): void
}

/** Bytes that arrive before `pipe()` are buffered. Every byte is delivered once, also after a reader has peeked. */
export interface Body {
  /** Whether nobody keeps a chunk once the sink has it: its memory may be freed as soon as it has been written. */
  readonly givesAway?: boolean
  /** Sends the bytes to a sink, buffered ones first. A second call sends the rest to the new sink. */
  pipe(sink: Sink): void
  /**
   * Puts bytes back, so that the next sink gets them first, and detaches the current sink. In an event stream they must
   * end at an event boundary. The body is paused until the next `pipe()`.
   */
  unread(chunks: readonly Buffer[]): void
  /** Takes all the bytes if the body is complete and nothing was delivered yet; there is nothing left to pipe then. */
  whole(): Buffer | undefined
  /** The bytes that `whole()` would take, if they are in one piece. They stay. */
  peek?(): Buffer | undefined
  /** Resumes a body that its sink has paused. */
  resume(): void
  /** Closes the connection that the bytes arrive on. The sink is not called again. */
  cancel(): void
  /** Discards the rest: reads it to the end if it is short, so that the connection can be reused. */
  drain(): void
}

/** A body whose bytes are all in memory. */
export class BufferBody implements Body {
  #chunks: Buffer[]
  #sink: Sink | undefined

  constructor(bytes: Buffer) {
    this.#chunks = [bytes]
  }

  whole(): Buffer | undefined {
    if (this.#sink) return undefined
    const chunks = this.#chunks.splice(0)
    return chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)
  }

  peek(): Buffer | undefined {
    return !this.#sink && this.#chunks.length === 1 ? this.#chunks[0] : undefined
  }

  /** Backpressure is ignored because the bytes are in memory either way. */
  pipe(sink: Sink): void {
    this.#sink = sink
    for (let chunk = this.#chunks.shift(); chunk; chunk = this.#chunks.shift()) {
      sink.data(chunk, this.#chunks.length === 0)
      // The sink has called `unread()`, so the rest is for the next sink.
      if (this.#sink !== sink) return
    }
    sink.end(COMPLETE)
  }

  unread(chunks: readonly Buffer[]): void {
    this.#sink = undefined
    this.#chunks.unshift(...chunks)
  }

  resume(): void {}

  cancel(): void {
    this.#chunks = []
    this.#sink = undefined
  }

  drain(): void {
    this.cancel()
  }
}
