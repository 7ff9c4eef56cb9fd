/** Where an event stream can be resumed, when, and how often that was tried in vain. (SE6, SE7) */
import { hasEventId, lastEventId, retryMsOf } from './sse.ts'

/** How often in a row a stream is resumed that brings nothing new. */
const MAX_RESUMES = 5

/** Up to how many bytes a stretch is copied rather than kept as it is. */
const COPY_BYTES = 4 * 1024

/** Stands for a byte in the middle of a line. */
const NO_LINE_END = 0

export class ResumePoint {
  #after: string | undefined
  #retryMs: number | undefined
  #resumes = 0
  /** The last bytes of an event that goes on: a line may begin there. */
  #unfinished: Buffer | undefined
  /** The last stretch with an id in it, not read yet: most ids are overtaken before anybody asks. */
  #marked: Buffer | undefined

  constructor(after?: string | undefined, retryMs?: number | undefined) {
    this.#after = after
    this.#retryMs = retryMs
  }

  /** The id of the last event; `undefined` where the stream cannot be resumed. */
  get after(): string | undefined {
    if (this.#marked) {
      const id = lastEventId(this.#marked)
      this.#after = id === '' ? undefined : id
      this.#marked = undefined
    }
    return this.#after
  }

  /** The last reconnection time, in milliseconds. */
  get retryMs(): number | undefined {
    return this.#retryMs
  }

  /** Whether it was resumed often enough without anything new. */
  get isWornOut(): boolean {
    return this.#resumes >= MAX_RESUMES
  }

  /** Takes notice of what goes to the client, as a `Framer` emits it. */
  see(piece: Buffer, atBoundary: boolean): void {
    const before = this.#unfinished
    const pieces = before ? [before, piece] : [piece]
    this.#unfinished = atBoundary ? undefined : Buffer.from(Buffer.concat(pieces).subarray(-3))
    this.#retryMs = retryMsOf(pieces) ?? this.#retryMs
    if (!hasEventId(pieces, before ? NO_LINE_END : undefined)) return
    // A slice would keep all of the chunk alive that it was cut from, for as long as the stream is quiet.
    const stretch = before ? Buffer.concat(pieces) : piece
    this.#marked = stretch.length <= COPY_BYTES ? Buffer.from(stretch) : stretch
    this.#resumes = 0
  }

  /** Takes notice of an event that was read; one with an id is new, and an empty one takes the last id back. */
  note({ id, retryMs = this.#retryMs }: { readonly id?: string | undefined; readonly retryMs?: number | undefined }): void {
    this.#retryMs = retryMs
    if (id === undefined) return
    this.#after = id === '' ? undefined : id
    this.#marked = undefined
    this.#resumes = 0
  }

  /** The stream goes on behind this event. */
  mark(after: string, retryMs: number | undefined): void {
    this.#after = after
    this.#marked = undefined
    this.#retryMs = retryMs ?? this.#retryMs
  }

  /** What came meanwhile has no id, and those before it would bring it once more. */
  lose(): void {
    this.#after = undefined
    this.#marked = undefined
  }

  use(): void {
    this.#resumes += 1
  }

  /** A reader is there for whom it is worth it. */
  renew(): void {
    this.#resumes = 0
  }
}
