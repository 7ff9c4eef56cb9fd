/** Which answers a POST's event stream still owes its client. (SE1, ER14) */
import { StringDecoder } from 'node:string_decoder'
import { isObject } from '../json.ts'
import type { RequestId } from '../types.ts'
import { createMessageReader, eventsOf } from './event-stream.ts'

/** How a response begins, and how anything else does, in the words of the common serializers. */
const ID = String.raw`"(?:[^"\\]|\\.)*"|-?\d+`
const FIELDS = String.raw`^[\r\n]*(?:(?!data:)[^\r\n]+[\r\n]+)*data: ?\{\s*(?:"jsonrpc":\s*"2\.0",\s*|"id":\s*(?:${ID}),\s*)*`
const RESPONSE = new RegExp(`${FIELDS}"(?:result|error)":`)
const NO_RESPONSE = new RegExp(`${FIELDS}"method":`)

/** Enough of an event to tell what it is. */
const HEAD_BYTES = 512

/** A reader waits behind a carriage return for the line feed that may belong to it. */
const CR = 0x0d
const LF = Buffer.from('\n')

/** The first bytes of an event nearly always settle what it is; a batch, and what they don't settle, is read. */
export class Owed {
  readonly #ids: Set<RequestId>
  /** From when on every byte is read. */
  #reads: boolean
  #reader: { feed(chunk: string): void } | undefined
  #decoder: StringDecoder | undefined

  constructor(ids: readonly RequestId[]) {
    this.#ids = new Set(ids)
    this.#reads = ids.length > 1
  }

  /** The ids without an answer so far. */
  get ids(): RequestId[] {
    return [...this.#ids]
  }

  /** Takes notice of what went to the client: whole events, in pieces perhaps, or pieces of a giant one. */
  see(pieces: readonly Buffer[], areWhole: boolean): void {
    if (this.#ids.size === 0) return
    if (!this.#reads && (pieces.length > 1 || !areWhole)) this.#reads = !this.#tells(Buffer.concat(pieces, HEAD_BYTES))
    if (this.#reads) {
      for (const piece of pieces) this.#read(piece)
      if (areWhole && pieces.at(-1)?.at(-1) === CR) this.#read(LF)
      return
    }
    const last = pieces.at(-1)
    if (last?.includes('"result"') || last?.includes('"error"')) this.#look(last)
  }

  #look(stretch: Buffer): void {
    for (const event of eventsOf(stretch)) {
      if (!this.#tells(event.subarray(0, HEAD_BYTES))) createMessageReader(this.#strike).feed(`${event.toString()}\n`)
      if (this.#ids.size === 0) return
    }
  }

  /** Whether the first bytes of an event tell what it is; a response answers the one request there is. */
  #tells(head: Buffer): boolean {
    const text = head.toString('latin1')
    if (!RESPONSE.test(text)) return NO_RESPONSE.test(text)
    this.#ids.clear()
    return true
  }

  #read(piece: Buffer): void {
    this.#decoder ??= new StringDecoder()
    this.#reader ??= createMessageReader(this.#strike)
    this.#reader.feed(this.#decoder.write(piece))
  }

  readonly #strike = (message: unknown): void => {
    if (isObject(message) && !('method' in message)) this.#ids.delete(message['id'] as RequestId)
  }
}
