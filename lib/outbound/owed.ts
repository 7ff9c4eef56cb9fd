/** Which answers a POST's event stream still owes its client. (SE1, ER14) */
import type { RequestId } from '../types.ts'
import { createMessageReader, eventsOf } from './event-stream.ts'

/** How a response begins, and how anything else does, in the words of the common serializers. */
const ID = String.raw`"(?:[^"\\]|\\.)*"|-?\d+`
const FIELDS = String.raw`^[\r\n]*(?:(?!data:)[^\r\n]+[\r\n]+)*data: ?\{\s*(?:"jsonrpc":\s*"2\.0",\s*|"id":\s*(?:${ID}),\s*)*`
const RESPONSE = new RegExp(`${FIELDS}"(?:result|error)":`)
const NO_RESPONSE = new RegExp(`${FIELDS}"method":`)

/** Enough of an event to tell what it is. */
const HEAD_BYTES = 512

/** The first bytes of an event nearly always settle what it is; only a batch is read event by event. */
export class Owed {
  readonly #ids: Set<RequestId>
  readonly #isBatch: boolean
  /** Made when it is needed, which is rarely. */
  #reader: { feed(chunk: string): void } | undefined

  constructor(ids: readonly RequestId[]) {
    this.#ids = new Set(ids)
    this.#isBatch = ids.length > 1
  }

  /** The ids without an answer so far. */
  get ids(): RequestId[] {
    return [...this.#ids]
  }

  /** Takes notice of what went to the client. Of a long event in pieces, its first bytes tell. */
  see(pieces: readonly Buffer[]): void {
    if (this.#ids.size === 0) return
    if (this.#isBatch) {
      for (const piece of pieces) this.#read(piece)
      return
    }
    if (pieces.length > 1) this.#look(Buffer.concat(pieces, HEAD_BYTES))
    const last = pieces.at(-1)
    if (last?.includes('"result"') || last?.includes('"error"')) this.#look(last)
  }

  #look(stretch: Buffer): void {
    for (const event of eventsOf(stretch)) {
      const head = event.subarray(0, HEAD_BYTES).toString('latin1')
      if (RESPONSE.test(head)) this.#ids.clear()
      else if (!NO_RESPONSE.test(head)) this.#read(event)
      if (this.#ids.size === 0) return
    }
  }

  #read(events: Buffer): void {
    this.#reader ??= createMessageReader((message) => this.#strike(message))
    this.#reader.feed(events.toString())
  }

  #strike(message: unknown): void {
    if (typeof message !== 'object' || message === null || 'method' in message) return
    if ('id' in message) this.#ids.delete(message.id as RequestId)
  }
}
