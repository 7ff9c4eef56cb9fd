/** A reply that is one JSON document, with its message changed. */
import type { Awaitable } from '../types.ts'
import { mayBeMessage, parseJson } from '../util/json.ts'
import { type Body, COMPLETE, type End } from './body.ts'
import type { Mapped } from './map-messages.ts'
import { MappedBody } from './mapped-body.ts'
import { type Message, messageOf } from './message.ts'

export class MappedDocument extends MappedBody {
  readonly #fn: (message: Message) => Awaitable<Mapped>
  readonly #isWanted: ((bytes: Buffer) => boolean) | undefined

  constructor(body: Body, fn: (message: Message) => Awaitable<Mapped>, isWanted?: (bytes: Buffer) => boolean) {
    super(body)
    this.#fn = fn
    this.#isWanted = isWanted
  }

  data(chunk: Buffer): boolean {
    this.held.push(chunk)
    if (!this.isTooLong()) return true
    this.break(undefined)
    return false
  }

  end(end: End): void {
    if (end.how === 'broken') return this.conclude(end)
    const bytes = this.held.concat()
    void this.#map(bytes).then(
      (mapped) => {
        this.emit(mapped)
        this.conclude(COMPLETE)
      },
      (error: unknown) => this.break(error),
    )
  }

  async #map(bytes: Buffer): Promise<Buffer> {
    if (this.#isWanted?.(bytes) === false) return bytes
    const text = bytes.toString()
    const message = messageIn(text)
    const mapped = message && (await this.#fn(message))
    if (mapped === 'drop') throw new TypeError('The response to a request cannot be dropped')
    return mapped ? Buffer.from(mapped.text) : bytes
  }
}

/** `undefined` for a text that is no JSON-RPC message. */
export function messageIn(text: string): Message | undefined {
  return mayBeMessage(text) ? messageOf(parseJson(text), text, 'legacy') : undefined
}
