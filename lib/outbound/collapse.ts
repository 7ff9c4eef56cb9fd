/** Converts an event stream to one JSON document, for a client that does not accept event streams. (HD1) */
import { StringDecoder } from 'node:string_decoder'
import { brokenOff } from '../exchange/broken-off.ts'
import type { GatewayError } from '../errors.ts'
import { jsonReply } from '../exchange/answer.ts'
import type { Body, End, Sink } from '../exchange/body.ts'
import type { Exchange } from '../exchange/exchange.ts'
import { messageOf } from '../exchange/message.ts'
import { type EventsReply, type Handle, type Reply, streamExchange } from '../exchange/reply.ts'
import { ResumingBody } from '../exchange/resuming-body.ts'
import { createMessageReader } from '../exchange/sse.ts'
import { UpstreamClient } from '../exchange/upstream-client.ts'
import type { RequestId } from '../types.ts'

/** The longest event that is read, in characters. Reading stops at a longer one. */
const MAX_CHARS = 4 * 1024 * 1024

/** The answer to a server's request on behalf of the client, which cannot receive requests without a stream. */
const CANNOT_BE_ASKED = { code: -32603, message: 'The client takes no event stream, so it cannot be asked' }

/**
 * Collects the responses to an exchange. Notifications are dropped, and requests of the server are refused. Rejects
 * when the stream ends without a response, or the exchange is stopped.
 */
export function collapse(reply: EventsReply, exchange: Exchange, handle: Handle): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const { life } = exchange
    const reader = new ResponseReader(reply, exchange, handle, (texts, fault) => {
      off()
      if (fault) return reject(fault)
      const { 'content-type': _, 'content-length': __, ...headers } = reply.headers
      const text = exchange.message?.kind === 'batch' ? `[${texts.join(',')}]` : texts[0]!
      const { opened, sessionId, status } = reply
      resolve({ ...jsonReply(text, headers, status), opened, sessionId })
    })
    const off = life.onStop((reason) => {
      reader.cancel()
      reject(reason)
    })
    reader.start()
  })
}

/** Called with the texts of the responses, or with the fault that replaces the only one. */
type OnDone = (texts: readonly string[], fault?: GatewayError) => void

class ResponseReader implements Sink {
  readonly #exchange: Exchange
  readonly #handle: Handle
  readonly #onDone: OnDone
  readonly #pending: Set<RequestId>
  readonly #texts: string[] = []
  readonly #decoder = new StringDecoder()
  readonly #messages = createMessageReader((json, text) => this.#onMessage(json, text), MAX_CHARS)
  #body: Body
  /** How many server requests are being refused; the stream is paused until it is 0, which bounds them. */
  #refusing = 0
  #isPolled = false
  #isOver = false

  constructor(reply: EventsReply, exchange: Exchange, handle: Handle, onDone: OnDone) {
    this.#body = reply.body
    this.#exchange = streamExchange(exchange, reply)
    this.#handle = handle
    this.#onDone = onDone
    this.#pending = new Set(exchange.requestIds)
  }

  start(): void {
    this.#body.pipe(this)
  }

  cancel(): void {
    this.#isOver = true
    this.#body.cancel()
  }

  data(chunk: Buffer): boolean {
    if (!this.#isOver) this.#messages.feed(this.#decoder.write(chunk))
    return this.#isOver || this.#refusing === 0
  }

  /** Resumes a stream that the server closed for polling, as the client has no stream to resume itself. (SE3) */
  end(end: End): void {
    if (this.#isOver) return
    // After a carriage return the reader waits for a possible line feed.
    this.#messages.feed('\n')
    if (this.#isOver) return
    if (end.how !== 'poll' || this.#exchange.origin.isGone) {
      return this.#finish(brokenOff(end.how === 'broken' ? end.error : undefined))
    }
    const rest = { after: end.after, retryMs: end.retryMs, isRepeated: this.#isPolled }
    this.#isPolled = true
    this.#body = ResumingBody.from(rest, [...this.#pending], this.#exchange, this.#handle)
    this.start()
  }

  #onMessage(json: unknown, text: string): void {
    const message = messageOf(json, text, this.#exchange.origin.era)
    if (this.#isOver || !message) return
    if (message.kind === 'request') return this.#refuse(message.id)
    if (message.kind !== 'response' || message.id === null || !this.#pending.delete(message.id)) return
    this.#texts.push(text)
    if (this.#pending.size > 0) return
    this.#finish()
    this.#body.drain()
  }

  /** In a batch, pending requests get the stream's fault as their response, beside the responses that arrived. */
  #finish(fault?: GatewayError): void {
    this.#isOver = true
    if (!fault || this.#exchange.message?.kind !== 'batch') return this.#onDone(this.#texts, fault)
    this.#onDone([...this.#texts, ...Array.from(this.#pending, (id) => fault.toJsonRpc(id))])
  }

  /** If sending the refusal fails, the server's own timeout ends its request. */
  #refuse(id: RequestId): void {
    const { origin, state } = this.#exchange
    if (origin.era === 'modern') return
    this.#refusing += 1
    const client = new UpstreamClient({ handle: this.#handle, parent: this.#exchange, era: 'legacy', state })
    const resume = (): void => {
      this.#refusing -= 1
      if (this.#refusing === 0 && !this.#isOver) this.#body.resume()
    }
    void client.respond(id, { error: CANNOT_BE_ASKED }).then(resume, resume)
  }
}
