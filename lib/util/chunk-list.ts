/** Bytes that are held until they are wanted: chunks as they came, small ones joined, so that many cost no more than few. */

/** Chunks shorter than this are copied together: a Buffer of its own costs about 100 bytes. */
const SMALL_BYTES = 1024

const FIRST_BLOCK_BYTES = 512
const MAX_BLOCK_BYTES = 64 * 1024

export class ChunkList {
  #chunks: Buffer[] = []
  #bytes = 0
  /** Where small chunks are copied to, and how much of it is used. */
  #block: Buffer | undefined
  #used = 0

  get byteLength(): number {
    return this.#bytes
  }

  push(chunk: Buffer): void {
    this.#bytes += chunk.length
    if (chunk.length >= SMALL_BYTES) {
      this.#closeBlock()
      this.#chunks.push(chunk)
      return
    }
    if (!this.#block || this.#used + chunk.length > this.#block.length) this.#openBlock()
    this.#used += chunk.copy(this.#block!, this.#used)
  }

  /** All of it; nothing is held then. */
  take(): Buffer[] {
    this.#closeBlock()
    const chunks = this.#chunks
    this.#chunks = []
    this.#bytes = 0
    return chunks
  }

  /** All of it as one. */
  concat(): Buffer {
    const chunks = this.take()
    return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
  }

  clear(): void {
    this.#chunks = []
    this.#bytes = 0
    this.#block = undefined
    this.#used = 0
  }

  /** Blocks grow with what comes, so that a short rest costs little and a long one few blocks. */
  #openBlock(): void {
    const size = Math.min(Math.max(2 * (this.#block?.length ?? 0), FIRST_BLOCK_BYTES), MAX_BLOCK_BYTES)
    this.#closeBlock()
    this.#block = Buffer.allocUnsafeSlow(Math.max(size, SMALL_BYTES))
  }

  #closeBlock(): void {
    if (this.#block && this.#used > 0) this.#chunks.push(this.#block.subarray(0, this.#used))
    this.#block = undefined
    this.#used = 0
  }
}
