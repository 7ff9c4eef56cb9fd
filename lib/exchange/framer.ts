/** Cuts an event stream into stretches of whole events. No byte is changed. (WHATWG HTML, 9.2) */
import { ChunkList } from '../util/chunk-list.ts'
import { CR, LF } from '../util/ascii.ts'

/** How many bytes of an unfinished event are held back. Past that a giant event goes through as it comes. */
const HOLD_BYTES = 256 * 1024

/** Up to how many bytes the pieces of what goes out are joined: longer ones are not worth copying. */
const JOIN_BYTES = 16 * 1024

/** Gets what may go out: whole events up to here, or a piece of a stretch that goes on. */
type Emit = (piece: Buffer, atBoundary: boolean) => void

/** What goes in comes out; an event that has begun waits for its end, unless it is a giant. */
export class Framer {
  readonly #holdBytes: number
  readonly #held = new ChunkList()
  /** The last two bytes seen; a stream begins as if after a blank line. */
  #last = LF
  #lastButOne = LF
  /** Whether a giant event is on its way out unfinished. */
  #midEvent = false

  constructor(holdBytes: number = HOLD_BYTES) {
    this.#holdBytes = holdBytes
  }

  /** Whether something else may be written here: all that went out are whole events. */
  get atBoundary(): boolean {
    return !this.#midEvent
  }

  feed(chunk: Buffer, emit: Emit): void {
    const { length } = chunk
    if (length === 0) return
    const end = this.#lastBoundary(chunk)
    this.#lastButOne = length > 1 ? chunk[length - 2]! : this.#last
    this.#last = chunk[length - 1]!
    if (end === 0) return this.#hold(chunk, emit)
    this.#midEvent = false
    this.#release(end === length ? chunk : chunk.subarray(0, end), true, emit)
    if (end < length) this.#hold(chunk.subarray(end), emit)
  }

  #hold(bytes: Buffer, emit: Emit): void {
    if (!this.#midEvent && this.#held.byteLength + bytes.length <= this.#holdBytes) return this.#held.push(bytes)
    this.#midEvent = true
    this.#release(bytes, false, emit)
  }

  #release(bytes: Buffer, atBoundary: boolean, emit: Emit): void {
    const heldBytes = this.#held.byteLength
    if (heldBytes === 0) return emit(bytes, atBoundary)
    const held = this.#held.take()
    if (heldBytes + bytes.length <= JOIN_BYTES) return emit(Buffer.concat([...held, bytes]), atBoundary)
    for (const piece of held) emit(piece, false)
    emit(bytes, atBoundary)
  }

  /** The index just past the last blank line that ends in this chunk, 0 when none does. */
  #lastBoundary(chunk: Buffer): number {
    const { length } = chunk
    if (length > 1 && chunk[length - 1] === LF && chunk[length - 2] === LF) return length
    const afterLf = this.#lastEnd(chunk, LF)
    return Math.max(afterLf, this.#lastEnd(chunk, CR))
  }

  /** The same for blank lines that this byte ends. A line feed after a carriage return is part of the same line end. */
  #lastEnd(chunk: Buffer, byte: number): number {
    for (let at = chunk.lastIndexOf(byte); at !== -1; at = at === 0 ? -1 : chunk.lastIndexOf(byte, at - 1)) {
      const before = this.#byte(chunk, at - 1)
      const isCrLf = byte === LF && before === CR
      if (isLineEnd(isCrLf ? this.#byte(chunk, at - 2) : before)) return at + 1
    }
    return 0
  }

  #byte(chunk: Buffer, at: number): number {
    if (at >= 0) return chunk[at]!
    return at === -1 ? this.#last : this.#lastButOne
  }
}

function isLineEnd(byte: number): boolean {
  return byte === LF || byte === CR
}
