/** The bytes of a reply on their way: a push stream with one reader, and how it ends. */

/** How bytes end. */
export type End =
  /** All is said. */
  | { readonly how: 'complete' }
  /** The server closed in good order and wants to be asked again (SE3): whoever reads decides who asks. */
  | { readonly how: 'poll'; readonly after: string; readonly retryMs: number | undefined }
  /** The connection broke. With `after` the rest can be had behind that event id. */
  | {
      readonly how: 'broken'
      readonly error: Error
      readonly after?: string | undefined
      readonly retryMs?: number | undefined
    }

export const COMPLETE: End = { how: 'complete' }

/** Takes the bytes of a body. */
export interface Sink {
  /**
   * Of an event stream, whole events up to here (`atBoundary`), or a piece of an event that goes on. `false` says
   * enough, until `resume()`.
   */
  data(chunk: Buffer, atBoundary: boolean): boolean
  end(end: End): void
}

/** Nothing flows before `pipe()`; what came earlier is kept. Every byte is handed out once, whoever peeked before. */
export interface Body {
  /** Sends the bytes to a sink: those kept first. Called again, it sends the rest to the new sink. */
  pipe(sink: Sink): void
  /**
   * Gives bytes back, which end at an event boundary in an event stream, so that the next sink gets them first; the
   * sink that is there is let go. Nothing flows until another one comes.
   */
  unread(chunks: readonly Buffer[]): void
  /** All the bytes, if they are all there, complete, and nobody has them yet; nothing is left to pipe then. */
  whole(): Buffer | undefined
  /** Lets a body flow again whose sink had enough. */
  resume(): void
  /** The bytes are no longer wanted: closes the connection they come over. The sink hears nothing more. */
  cancel(): void
  /** Reads away what nobody wants, if it is short, so that its connection can be used again. */
  drain(): void
}

/** Bytes that are all there. */
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

  /** A reader that has had enough is not heeded: the bytes are in memory whether it takes them or not. */
  pipe(sink: Sink): void {
    this.#sink = sink
    for (let chunk = this.#chunks.shift(); chunk; chunk = this.#chunks.shift()) {
      sink.data(chunk, this.#chunks.length === 0)
      // The sink gave bytes back, for another one.
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
