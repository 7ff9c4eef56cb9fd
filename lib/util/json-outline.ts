/** The outermost level of a JSON document, collected from chunks of any size without decoding what is nested in it. */
import { DOUBLE_QUOTE } from './ascii.ts'
import { closingQuote, isEscapedAt } from './json-bytes.ts'

/** The bit in which `{` differs from `[`, and `}` from `]`. */
export const LOWER = 0x20
export const OPEN = 0x7b
export const CLOSE = 0x7d

/** How much of the outermost level is kept, in bytes. */
const OUTLINE_BYTES = 16 * 1024

export class JsonOutline {
  #depth = 0
  #isInString = false
  /** Whether the last byte was a backslash that escapes the next one. */
  #isEscaped = false
  /** As Latin-1. */
  #kept: string | undefined = ''

  /** Whether all brackets and strings so far are closed. */
  get isClosed(): boolean {
    return this.#depth === 0 && !this.#isInString
  }

  /** The outermost level with [] in place of each value that has brackets; `undefined` if that is too long. */
  get text(): string | undefined {
    const kept = this.#kept
    return kept !== undefined && /[\x80-\xff]/.test(kept) ? Buffer.from(kept, 'latin1').toString() : kept
  }

  /** Discards what was collected: the rest of the document will not be scanned. */
  discard(): void {
    this.#kept = undefined
  }

  see(chunk: Buffer): void {
    const { length } = chunk
    let depth = this.#depth
    let at = this.#isInString ? this.#endString(chunk, this.#isEscaped ? 1 : 0) : 0
    let from = 0
    while (at < length) {
      const byte = chunk[at]!
      if (byte === DOUBLE_QUOTE) {
        at = this.#endString(chunk, at + 1)
        continue
      }
      const bracket = byte | LOWER
      if (bracket === OPEN) {
        depth += 1
        if (depth === 2) this.#keep(chunk, from, at, '[]')
      } else if (bracket === CLOSE) {
        depth -= 1
        if (depth === 1) from = at + 1
      }
      at += 1
    }
    this.#depth = depth
    if (depth < 2) this.#keep(chunk, from, length, '')
  }

  /** The index after the string that continues at `from`, or the chunk's length if the string goes on. */
  #endString(chunk: Buffer, from: number): number {
    const end = closingQuote(chunk, from)
    this.#isInString = end === -1
    if (end !== -1) return end + 1
    this.#isEscaped = isEscapedAt(chunk, chunk.length, from)
    return chunk.length
  }

  #keep(chunk: Buffer, from: number, to: number, instead: string): void {
    if (this.#kept === undefined) return
    if (this.#kept.length + to - from > OUTLINE_BYTES) this.#kept = undefined
    else this.#kept += chunk.toString('latin1', from, to) + instead
  }
}
