/** Which answers a POST's event stream still owes its client. (SE1, ER14) */
import type { RequestId } from '../types.ts'
import { createMessageReader, lastEventStart } from './event-stream.ts'

/** How a response begins, and how anything else does, when a common serializer wrote it. */
const RESPONSE = /^(?:[a-z]+:[^\n\r]*[\n\r]+)*data: ?\{(?:"jsonrpc":"2\.0",)?(?:"id":[^,{}[\]]+,)?"(?:result|error)":/
const NO_RESPONSE = /^(?:[a-z]+:[^\n\r]*[\n\r]+)*data: ?\{(?:"jsonrpc":"2\.0",)?(?:"id":[^,{}[\]]+,)?"method":/

/** Enough of an event to tell what it is. */
const HEAD_BYTES = 512

/**
 * A server ends the stream of one request with its response, so the last event settles whether it came, and its first
 * bytes nearly always settle what it is. Only a batch is read event by event.
 */
export class Owed {
  readonly #ids: Set<RequestId>
  readonly #reader: { feed(chunk: string): void } | undefined
  #answered = false
  /** The pieces of the last event, when its first bytes don't tell. */
  #doubtful: Buffer[] = []

  constructor(ids: readonly RequestId[]) {
    this.#ids = new Set(ids)
    if (ids.length > 1) this.#reader = createMessageReader((message) => this.#strike(message))
  }

  /** Takes notice of what went to the client: whole events, or pieces of a long one. */
  see(stretch: Buffer, startsEvent: boolean): void {
    if (this.#ids.size === 0) return
    if (this.#reader) {
      this.#reader.feed(stretch.toString())
      return
    }
    const start = lastEventStart(stretch)
    if (start === 0 && !startsEvent) {
      if (this.#doubtful.length > 0) this.#doubtful.push(stretch)
      return
    }
    const last = stretch.subarray(start)
    const head = last.subarray(0, HEAD_BYTES).toString('latin1')
    this.#answered = RESPONSE.test(head)
    this.#doubtful = this.#answered || NO_RESPONSE.test(head) ? [] : [last]
  }

  /** The ids without an answer so far. */
  get ids(): RequestId[] {
    if (this.#doubtful.length > 0) {
      const reader = createMessageReader((message) => this.#strike(message))
      reader.feed(Buffer.concat(this.#doubtful).toString())
    }
    return this.#answered ? [] : [...this.#ids]
  }

  #strike(message: unknown): void {
    if (typeof message !== 'object' || message === null || 'method' in message) return
    if ('id' in message) this.#ids.delete(message.id as RequestId)
  }
}
