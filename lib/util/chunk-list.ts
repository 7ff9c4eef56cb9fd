/** Bytes that are held until they are wanted: chunks as they came, and small ones joined where there are many. */

/** A Buffer of its own costs about 100 bytes: of chunks shorter than this so many in a row are copied into one. */
const SMALL_BYTES = 1024
const RUN = 128

export class ChunkList {
  #chunks: Buffer[] = []
  #bytes = 0
  /** How many small chunks there are at the end. */
  #small = 0

  get byteLength(): number {
    return this.#bytes
  }

  push(chunk: Buffer): void {
    this.#bytes += chunk.length
    this.#chunks.push(chunk)
    this.#small = chunk.length < SMALL_BYTES ? this.#small + 1 : 0
    if (this.#small < RUN) return
    this.#chunks.push(Buffer.concat(this.#chunks.splice(-RUN)))
    this.#small = 0
  }

  /** Takes the first chunk away. */
  shift(): Buffer | undefined {
    const first = this.#chunks.shift()
    this.#bytes -= first?.length ?? 0
    this.#small = Math.min(this.#small, this.#chunks.length)
    return first
  }

  /** Puts chunks in front. */
  unshift(chunks: readonly Buffer[]): void {
    for (const { length } of chunks) this.#bytes += length
    this.#chunks.unshift(...chunks)
  }

  /** All of it; nothing is held then. */
  take(): Buffer[] {
    const chunks = this.#chunks
    this.clear()
    return chunks
  }

  /** All of it as one; nothing is held then. */
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
