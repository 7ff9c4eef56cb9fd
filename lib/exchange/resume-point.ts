/** Where an event stream can be resumed, when, and how often that was tried in vain. (SE6, SE7) */
import { canBeResumedFrom, hasEventId, lastEventId, retryMsOf } from './sse.ts'
import { CR, LF } from '../util/ascii.ts'

/** How often in a row a stream is resumed that brings nothing new. */
const MAX_RESUMES = 5

/** Up to how many bytes a stretch is copied rather than kept as it is. */
const COPY_BYTES = 4 * 1024

/** The longest line that is put together out of pieces, in bytes: a longer one has no id that is of use. */
const LINE_BYTES = 4 * 1024

/** Stands for a line that is too long. */
const TOO_LONG: Buffer = Buffer.from('x')

export class ResumePoint {
  #after: string | undefined
  #retryMs: number | undefined
  #resumes = 0
  /** The unfinished line of an event that goes on. */
  #line: Buffer | undefined
  /** The last stretch with an id in it, not read yet: most ids are overtaken before anybody asks. */
  #marked: Buffer | undefined

  constructor(after?: string, retryMs?: number) {
    this.#after = after
    this.#retryMs = retryMs
  }

  /** The id of the last event; `undefined` where the stream cannot be resumed. */
  get after(): string | undefined {
    if (this.#marked) {
      const id = lastEventId(this.#marked)
      this.#after = canBeResumedFrom(id) ? id : undefined
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

  /** Takes notice of what goes to the client, as a `Framer` emits it: line by whole line. */
  see(piece: Buffer, atBoundary: boolean): void {
    const rest = this.#line ? this.#endLine(this.#line, piece) : piece
    if (rest === undefined) return
    if (atBoundary) {
      this.#line = undefined
      return this.#look(rest)
    }
    const end = Math.max(rest.lastIndexOf(LF), rest.lastIndexOf(CR)) + 1
    this.#line = this.#join(rest.subarray(end))
    if (end > 0) this.#look(rest.subarray(0, end))
  }

  /** What follows the end of the unfinished line; `undefined` when it goes on. */
  #endLine(line: Buffer, piece: Buffer): Buffer | undefined {
    const ends = [piece.indexOf(LF), piece.indexOf(CR)].filter((at) => at !== -1)
    if (ends.length === 0) {
      this.#line = this.#join(line, piece)
      return undefined
    }
    const end = Math.min(...ends) + 1
    this.#look(this.#join(line, piece.subarray(0, end)))
    return piece.subarray(end)
  }

  /** A copy, or a stand-in for a line that is too long. An id of that length is of no use, nor are those before it. */
  #join(...parts: Buffer[]): Buffer {
    const length = parts.reduce((sum, part) => sum + part.length, 0)
    if (length <= LINE_BYTES) return Buffer.concat(parts)
    if (/^id(?::|$)/.test(parts[0]!.toString('latin1', 0, 3))) this.lose()
    return TOO_LONG
  }

  #look(lines: Buffer): void {
    this.#retryMs = retryMsOf(lines) ?? this.#retryMs
    if (!hasEventId(lines)) return
    // A slice would keep all of the chunk alive that it was cut from, for as long as the stream is quiet.
    this.#marked = lines.length <= COPY_BYTES ? Buffer.from(lines) : lines
    this.#resumes = 0
  }

  /** Takes notice of an event that was read; one with an id is new, and an empty one takes the last id back. */
  note({
    id,
    retryMs = this.#retryMs,
  }: {
    readonly id?: string | undefined
    readonly retryMs?: number | undefined
  }): void {
    this.#retryMs = retryMs
    if (id === undefined) return
    this.#after = canBeResumedFrom(id) ? id : undefined
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
