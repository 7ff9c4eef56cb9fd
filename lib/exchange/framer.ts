/** Cuts an event stream into stretches of whole events. No byte is changed. (WHATWG HTML, 9.2) */
import { ChunkList } from '../util/chunk-list.ts'
import { CR, LF } from '../util/ascii.ts'

/** How many bytes of an unfinished event are buffered. A longer event is forwarded in pieces as they arrive. */
const HOLD_BYTES = 256 * 1024

/** Up to this many bytes, chunks are joined into one write; copying more costs more than it saves. */
const JOIN_BYTES = 16 * 1024

/** Receives bytes that may be sent on. `atBoundary` is set when they end with a whole event. */
type Emit = (piece: Buffer, atBoundary: boolean) => void

/** Buffers each event until it is whole, except events longer than `HOLD_BYTES`. */
export class Framer {
  readonly #holdBytes: number
  /** Created by the first event that does not arrive whole. */
  #held: ChunkList | undefined
  /** The last two bytes seen. Both start as LF, because the start of a stream counts as the end of a blank line. */
  #last = LF
  #lastButOne = LF
  /** Whether the first pieces of an event too long to buffer were already emitted. */
  #midEvent = false

  constructor(holdBytes: number = HOLD_BYTES) {
    this.#holdBytes = holdBytes
  }

  /** Whether another event, such as a heartbeat, may be inserted here: the last emitted event is whole. */
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
    const held = (this.#held ??= new ChunkList())
    if (!this.#midEvent && held.byteLength + bytes.length <= this.#holdBytes) return held.push(bytes)
    this.#midEvent = true
    this.#release(bytes, false, emit)
  }

  #release(bytes: Buffer, atBoundary: boolean, emit: Emit): void {
    const heldBytes = this.#held?.byteLength ?? 0
    if (!this.#held || heldBytes === 0) return emit(bytes, atBoundary)
    const held = this.#held.take()
    if (heldBytes + bytes.length <= JOIN_BYTES) return emit(Buffer.concat([...held, bytes]), atBoundary)
    for (const piece of held) emit(piece, false)
    emit(bytes, atBoundary)
  }

  /** The index after the last blank line that ends in this chunk; 0 when none does. */
  #lastBoundary(chunk: Buffer): number {
    const { length } = chunk
    if (length > 1 && chunk[length - 1] === LF && chunk[length - 2] === LF) return length
    const afterLf = this.#lastEnd(chunk, LF)
    return Math.max(afterLf, this.#lastEnd(chunk, CR))
  }

  /** The same for blank lines that end with this byte. CR LF is one line end. */
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
