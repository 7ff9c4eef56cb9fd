/** Splits bytes into lines of bounded length. */
import { ChunkList } from '../util/chunk-list.ts'

const NEWLINE = 0x0a

export class Lines {
  readonly #maxBytes: number
  readonly #rest = new ChunkList()

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** Returns the lines that are complete with these bytes, without line ends; `undefined` when one is too long. */
  feed(chunk: Buffer): string[] | undefined {
    const lines: string[] = []
    let from = 0
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, from)) {
      if (this.#rest.byteLength + end - from > this.#maxBytes) return undefined
      lines.push(this.#textTo(chunk, from, end))
      from = end + 1
    }
    if (from < chunk.length) this.#rest.push(chunk.subarray(from))
    return this.#rest.byteLength > this.#maxBytes ? undefined : lines
  }

  /** Decodes a whole line, so no multi-byte character is split. A carriage return before the line feed is removed. */
  #textTo(chunk: Buffer, from: number, end: number): string {
    // Most lines come in one piece.
    if (this.#rest.byteLength === 0) return withoutReturn(chunk.toString('utf8', from, end))
    this.#rest.push(chunk.subarray(from, end))
    return withoutReturn(this.#rest.concat().toString())
  }
}

function withoutReturn(line: string): string {
  return line.endsWith('\r') ? line.slice(0, -1) : line
}
