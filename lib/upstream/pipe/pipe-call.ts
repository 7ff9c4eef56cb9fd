/** One client request on a pipe. The reply is JSON if the response comes first, else an event stream. */
import { GatewayError } from '../../errors.ts'
import { jsonReply } from '../../exchange/answer.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import type { RequestMessage } from '../../exchange/message.ts'
import type { Reply } from '../../exchange/reply.ts'
import { LISTEN_METHOD, MODERN_ERRORS } from '../../protocol.ts'
import type { RequestId } from '../../types.ts'
import type { Awaited, Deadlines } from '../../util/deadlines.ts'
import { member } from '../../util/json.ts'
import { type Flow, MessageStream } from './message-stream.ts'
import type { ClientIds } from './renaming.ts'

/** After this wait, in milliseconds, the reply becomes an event stream, which heartbeats keep alive. (SE15) */
const FIRST_BYTE_MS = 7_500

const UNKNOWN_METHOD = -32601

const NONE_PENDING: readonly RequestId[] = []

export interface CallParts {
  readonly pipeId: number
  readonly ids: ClientIds
  readonly flow: Flow
  readonly deadlines: Deadlines
  /** The time limit for the server's first message, in milliseconds; 0 for none. */
  readonly responseMs: number
  /** Called when the client needs no response any more. */
  readonly onGone: () => void
  /** Called when the request is over, with or without a response. */
  readonly onOver: () => void
}

export class PipeCall implements Awaited {
  readonly exchange: Exchange
  readonly pipeId: number
  readonly ids: ClientIds
  readonly reply: Promise<Reply>
  readonly #message: RequestMessage
  readonly #flow: Flow
  readonly #onGone: () => void
  readonly #onOver: () => void
  readonly #deadlines: Deadlines
  readonly #responseMs: number
  /** Whether the reply becomes an event stream when it has waited, before the request fails. */
  #opensFirst: boolean
  #resolve!: (reply: Reply) => void
  #reject!: (error: GatewayError) => void
  /** Set once the reply is an event stream: most replies are a document. */
  #stream: MessageStream | undefined
  slot = -1
  dueAt = 0
  #isOver = false
  /** Whether nothing is owed to the client: a stream that breaks before that ends with an error for its request. */
  #isAnswered = false

  constructor(
    exchange: Exchange,
    message: RequestMessage,
    { pipeId, ids, flow, deadlines, responseMs, onGone, onOver }: CallParts,
  ) {
    this.exchange = exchange
    this.pipeId = pipeId
    this.ids = ids
    this.#message = message
    this.#flow = flow
    this.#onGone = onGone
    this.#onOver = onOver
    this.reply = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.#deadlines = deadlines
    this.#responseMs = responseMs
    // The reply to a handshake must wait for the response, because its headers carry the session id.
    this.#opensFirst = !exchange.opens && (responseMs === 0 || responseMs > FIRST_BYTE_MS)
    if (!this.listens) deadlines.add(this, this.#opensFirst ? FIRST_BYTE_MS : responseMs)
  }

  get method(): string {
    return this.#message.method
  }

  get listens(): boolean {
    return this.method === LISTEN_METHOD
  }

  /** Whether its stream can carry messages before the response. */
  get takesMessages(): boolean {
    return !this.exchange.opens && !this.#isOver
  }

  /** Sends a message before the response. Returns `false` when the stream was cut off. */
  say(text: string): boolean {
    this.#deadlines.delete(this)
    return this.#open().say(text)
  }

  /** Sends the response, whose ids are already the client's. */
  finish(text: string, error: unknown): void {
    if (!this.#end()) return
    this.#isAnswered = true
    if (!this.#stream) return this.#resolve(jsonReply(text, {}, this.#statusOf(error)))
    this.#stream.say(text)
    this.#stream.end()
  }

  /** Ends without a response, as the stream of a listener may. */
  complete(): void {
    if (!this.#end()) return
    this.#isAnswered = true
    this.#open().end()
  }

  /** Ends a request that its client has cancelled, because the server sends no response to it. (LC8) */
  cancel(): void {
    const cancelled = new GatewayError('bad_request', 'The client cancelled the request')
    this.finish(cancelled.toJsonRpc(this.#message.id), undefined)
  }

  fail(error: GatewayError): void {
    if (!this.#end()) return
    this.#reject(error)
    this.#stream?.end({ how: 'broken', error })
  }

  /** Called when it has waited for the first of its limits, then for the second, by a timer that all requests share. */
  onLate(): void {
    if (!this.#opensFirst) return this.exchange.origin.bind(() => this.#giveUp())()
    this.#opensFirst = false
    this.#open()
    if (this.#responseMs > 0) this.#deadlines.add(this, this.#responseMs - FIRST_BYTE_MS)
  }

  /** Modern responses have a status that depends on the error code. (2026-07-28 transports, HTTP status codes) */
  #statusOf(error: unknown): number {
    const code = member(error, 'code')
    if (this.#message.era === 'legacy') return 200
    if (code === UNKNOWN_METHOD) return 404
    return MODERN_ERRORS.has(code) ? 400 : 200
  }

  #open(): MessageStream {
    if (this.#stream) return this.#stream
    this.#stream = new MessageStream(this.#flow, this.#onGone)
    this.#resolve(this.#stream.reply(() => (this.#isAnswered ? NONE_PENDING : [this.#message.id]), this.listens))
    return this.#stream
  }

  /**
   * Fails a request without any message in time. If its stream is open, the exchange is stopped so that it is cancelled
   * too.
   */
  #giveUp(): void {
    const late = new GatewayError('upstream_timeout', 'The server did not answer in time')
    if (this.#stream) return this.exchange.life.stop(late)
    this.#onGone()
    this.fail(late)
  }

  #end(): boolean {
    this.#deadlines.delete(this)
    if (this.#isOver) return false
    this.#isOver = true
    this.#onOver()
    return true
  }
}
