/** A queue of byte chunks that joins runs of small ones, to bound the memory overhead. */
import { concatUnpooled } from './own-memory.ts'

/** Each Buffer costs about 100 bytes of overhead: `RUN` consecutive chunks shorter than this are copied into one. */
const SMALL_BYTES = 1024
const RUN = 128

export class ChunkList {
  #chunks: Buffer[] = []
  #bytes = 0
  /** How many consecutive small chunks are at the end. */
  #small = 0

  get byteLength(): number {
    return this.#bytes
  }

  /** The chunk, if there is only one. */
  get only(): Buffer | undefined {
    return this.#chunks.length === 1 ? this.#chunks[0] : undefined
  }

  push(chunk: Buffer): void {
    this.#bytes += chunk.length
    this.#chunks.push(chunk)
    this.#small = chunk.length < SMALL_BYTES ? this.#small + 1 : 0
    if (this.#small < RUN) return
    this.#chunks.push(concatUnpooled(this.#chunks.splice(-RUN)))
    this.#small = 0
  }

  /** Removes and returns the first chunk. */
  shift(): Buffer | undefined {
    const first = this.#chunks.shift()
    this.#bytes -= first?.length ?? 0
    this.#small = Math.min(this.#small, this.#chunks.length)
    // An array keeps the room that it has grown to, for 17 elements after the first.
    if (first && this.#chunks.length === 0) this.#chunks = []
    return first
  }

  /** Puts chunks in front. */
  unshift(chunks: readonly Buffer[]): void {
    for (const { length } of chunks) this.#bytes += length
    this.#chunks.unshift(...chunks)
  }

  /** Removes and returns all chunks. */
  take(): Buffer[] {
    const chunks = this.#chunks
    this.clear()
    return chunks
  }

  /** Removes all chunks, and returns them as one Buffer. */
  concat(): Buffer {
    const chunks = this.take()
    return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
  }

  clear(): void {
    this.#chunks = []
    this.#bytes = 0
    this.#small = 0
  }
}
