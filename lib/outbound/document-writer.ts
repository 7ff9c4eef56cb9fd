/** Writes a JSON document as it arrives. */
import { ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import type { End } from '../exchange/body.ts'
import { freeMemory } from '../util/free-memory.ts'
import { Writer } from './writer.ts'

/**
 * Chunks of this length, in bytes, have memory of their own, which is as long as what a socket reads at a time. A longer
 * one may be Node's pool, if the app has made that so long.
 */
const MIN_OWN_BYTES = 32 * 1024
const MAX_OWN_BYTES = 64 * 1024

/** As Node has it: middleware that wraps a response may keep what is written. */
const nodesWrite: unknown = Reflect.get(ServerResponse.prototype, 'write')

export class DocumentWriter extends Writer {
  protected write(chunk: Buffer): void {
    const { buffer } = chunk
    if (this.#isLastOf(chunk)) this.put(chunk, () => freeMemory(buffer as ArrayBuffer))
    else this.put(chunk)
  }

  /** Whether nobody reads the chunk's memory any more when it has been written: no view follows in it, nobody keeps it. */
  #isLastOf({ buffer, byteOffset, length }: Buffer): boolean {
    const { response, body } = this
    const isEnd = byteOffset + length === buffer.byteLength
    if (!isEnd || length < MIN_OWN_BYTES || buffer.byteLength > MAX_OWN_BYTES) return false
    return body.givesAway === true && response.write === nodesWrite && response.socket instanceof Socket
  }

  /** A document that breaks off closes the connection, so that the client cannot take it for complete. */
  protected conclude({ how }: End): void {
    if (how === 'broken') this.response.destroy()
    else this.response.end()
  }
}
