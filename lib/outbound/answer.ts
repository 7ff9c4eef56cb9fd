/** Reads a reply as far as its answer, then gives the bytes back: for the few messages somebody has to look at. */
import { StringDecoder } from 'node:string_decoder'
import { isObject } from '../json.ts'
import { EVENT_STREAM_TYPE, mediaType } from '../protocol.ts'
import type { Answer, Body, Reply, Sink } from '../types.ts'
import { createMessageReader } from '../sse/event-stream.ts'

/** An answer longer than this is not looked at, in bytes. */
const MAX_BYTES = 4 * 1024 * 1024

/** The first response in a reply, `undefined` when there is none. The reply's body can be relayed as if untouched. */
export function readAnswer({ headers, body }: Reply): Promise<Answer | undefined> {
  return new Promise((resolve) => {
    const isStream = mediaType(String(headers['content-type'])) === EVENT_STREAM_TYPE
    body.pipe(isStream ? new StreamPeek(body, resolve) : new JsonPeek(body, resolve))
  })
}

/** Collects what it is given until it has seen enough. */
abstract class Peek implements Sink {
  protected readonly chunks: Buffer[] = []
  readonly #body: Body
  readonly #resolve: (answer: Answer | undefined) => void
  #bytes = 0

  constructor(body: Body, resolve: (answer: Answer | undefined) => void) {
    this.#body = body
    this.#resolve = resolve
  }

  data(chunk: Buffer): boolean {
    this.chunks.push(chunk)
    this.#bytes += chunk.length
    if (this.#bytes > MAX_BYTES) this.settle(undefined)
    return true
  }

  abstract end(): void

  fail(): void {
    this.settle(undefined)
  }

  protected settle(answer: Answer | undefined): void {
    this.#body.unread(this.chunks)
    this.#resolve(answer)
  }
}

class JsonPeek extends Peek {
  end(): void {
    try {
      const text = Buffer.concat(this.chunks).toString()
      this.settle(answerOf(JSON.parse(text), text))
    } catch {
      this.settle(undefined)
    }
  }
}

class StreamPeek extends Peek {
  readonly #decoder = new StringDecoder()
  readonly #reader = createMessageReader((message, text) => (this.#answer ??= answerOf(message, text)))
  #answer: Answer | undefined

  override data(chunk: Buffer): boolean {
    super.data(chunk)
    this.#reader.feed(this.#decoder.write(chunk))
    if (this.#answer) this.settle(this.#answer)
    return true
  }

  end(): void {
    // A reader waits behind a carriage return for the line feed that may belong to it.
    this.#reader.feed('\n')
    this.settle(this.#answer)
  }
}

function answerOf(message: unknown, text: string): Answer | undefined {
  return isObject(message) && !('method' in message) ? { message, text } : undefined
}
