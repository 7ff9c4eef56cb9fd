/**
 * Tracks after which event a stream can be resumed, after what delay, and how many resumptions brought nothing. (SE6,
 * SE7)
 */
import { canBeResumedFrom, hasEventId, lastEventId, retryMsOf } from './sse.ts'
import { CR, LF } from '../util/ascii.ts'
import { concatUnpooled } from '../util/own-memory.ts'

/** How many resumptions in a row may bring no new event. */
const MAX_RESUMES = 5

/** Up to this many bytes are copied; of a longer chunk the original is kept. */
const COPY_BYTES = 4 * 1024

/** The longest line that is joined from chunks, in bytes: an id in a longer line would not fit in a header. */
const LINE_BYTES = 4 * 1024

/** Replaces a line that is too long, and matches no field. */
const TOO_LONG: Buffer = Buffer.from('x')

export class ResumePoint {
  #after: string | undefined
  #retryMs: number | undefined
  #resumes = 0
  /** The line that the last chunk left unfinished. */
  #line: Buffer | undefined
  /**
   * The last bytes that contain an id. They are parsed on demand, since most ids are superseded before one is needed.
   */
  #marked: Buffer | undefined

  constructor(after?: string, retryMs?: number) {
    this.#after = after
    this.#retryMs = retryMs
  }

  /** The id of the last event; `undefined` if the stream cannot be resumed. */
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

  /** Whether `MAX_RESUMES` resumptions in a row have brought no new event. */
  get isExhausted(): boolean {
    return this.#resumes >= MAX_RESUMES
  }

  /** Scans bytes on their way to the client, as a `Framer` emits them, one whole line at a time. */
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

  /** Completes the unfinished line and returns the bytes after it; `undefined` when the line goes on. */
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

  /** Copies the parts, or returns `TOO_LONG`. An overlong id invalidates the previous id too, as it supersedes that. */
  #join(...parts: Buffer[]): Buffer {
    const length = parts.reduce((sum, part) => sum + part.length, 0)
    if (length <= LINE_BYTES) return Buffer.concat(parts)
    if (/^id(?::|$)/.test(parts[0]!.toString('latin1', 0, 3))) this.lose()
    return TOO_LONG
  }

  #look(lines: Buffer): void {
    this.#retryMs = retryMsOf(lines) ?? this.#retryMs
    if (!hasEventId(lines)) return
    // A small slice is copied, as it would keep its whole chunk in memory for as long as the stream is quiet.
    this.#marked = lines.length <= COPY_BYTES ? concatUnpooled([lines]) : lines
    this.#resumes = 0
  }

  /** Records the fields of a parsed event. A new id resets the resumption count; an empty id revokes the last one. */
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

  /** Sets the event after which the stream is to be resumed. */
  mark(after: string, retryMs: number | undefined): void {
    this.#after = after
    this.#marked = undefined
    this.#retryMs = retryMs ?? this.#retryMs
  }

  /**
   * Invalidates the id: bytes without an id were delivered since, which resuming after an earlier event would repeat.
   */
  lose(): void {
    this.#after = undefined
    this.#marked = undefined
  }

  use(): void {
    this.#resumes += 1
  }

  /** Resets the resumption count, for a client that has returned. */
  renew(): void {
    this.#resumes = 0
  }
}
