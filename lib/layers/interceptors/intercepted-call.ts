/** Runs one request of a client, and then its response, through the interceptors of its method. */
import { type Answer, answerByCallback, jsonReply } from '../../exchange/answer.ts'
import type { End } from '../../exchange/body.ts'
import { brokenOff } from '../../exchange/broken-off.ts'
import { GatewayError } from '../../errors.ts'
import { patchObject } from '../../exchange/json-patch.ts'
import { type RequestMessage, type ResponseMessage, responseText } from '../../exchange/message.ts'
import { peekInTime } from '../../exchange/read-response.ts'
import type { EventsReply, JsonReply, Reply } from '../../exchange/reply.ts'
import type { Lifetime } from '../../exchange/lifetime.ts'
import { RpcError, rpcErrorOf } from '../../rpc-error.ts'
import type { Json } from '../../types.ts'
import type { Awaited } from '../../util/deadlines.ts'
import { checkResult, runChain } from './chain.ts'
import { NO_PARAMS, isSoundResponse, requireUnambiguous } from './frozen.ts'
import { unshowable } from './decide.ts'
import { tooLate } from './in-time.ts'
import type { CallStream, InterceptedCallParts } from './intercepted-call-parts.ts'
import type { ChainSubject } from './layer-message.ts'

/** The outcome is the response as the server sent it. */
const UNCHANGED = Symbol('unchanged')

type CallOutcome = typeof UNCHANGED | { readonly text: string }

export class InterceptedCall implements CallStream, Awaited {
  slot = -1
  dueAt = 0
  readonly requestId: RequestMessage['id']
  readonly #parts: InterceptedCallParts
  readonly #life: Lifetime
  /** The outcome, or the error in its place. */
  #outcome: CallOutcome | GatewayError | undefined
  #isSending = false
  #reply: Reply | undefined
  /** The response as the server sent it. */
  #received: ResponseMessage | undefined
  /** The response as the interceptors see it: without the input requests that they answered. */
  #response: ResponseMessage | undefined
  /** What `next()` rejects with for a JSON-RPC error: thrown on unchanged, it means the server's own text. */
  #serverError: RpcError | undefined
  #isAnswered = false
  #settle!: (answer: Answer) => void
  #fail!: (error: Error) => void
  /** The stream that waits for the outcome. */
  #onDecided: (() => void) | undefined
  #pendingResponse: { resolve(response: ResponseMessage): void; reject(error: unknown): void } | undefined

  constructor(parts: InterceptedCallParts) {
    this.#parts = parts
    this.#life = parts.exchange.life.child()
    this.requestId = parts.message.id
  }

  reply(): Promise<Reply> {
    return answerByCallback(this.#parts.exchange, (settle, fail) => {
      this.#settle = settle
      this.#fail = fail
      this.#start()
    })
  }

  readonly isAnswered = (): boolean => this.#isAnswered

  #start(): void {
    const { message, entries, exchange, findTool } = this.#parts
    try {
      const params = message.params ?? NO_PARAMS
      requireUnambiguous(message)
      const { method, id } = message
      const subject: ChainSubject = { exchange, from: 'client', method, id, during: undefined, findTool }
      const check = (result: unknown): void => checkResult(method, this.#response?.result, result)
      this.#watch()
      runChain({ entries, subject, send: (given) => this.#send(given), check }, params).then(
        (result) => this.#onResult(result),
        (error: unknown) => this.#onError(error),
      )
    } catch (error) {
      this.#onError(error)
    }
  }

  get #isDecided(): boolean {
    return this.#outcome !== undefined
  }

  #onResult(result: unknown): void {
    if (this.#isDecided) return
    let outcome: CallOutcome | GatewayError
    try {
      const isSame = this.#response !== undefined && result === this.#response.result
      outcome = isSame ? UNCHANGED : { text: this.#textOf(result as Json) }
    } catch (error) {
      outcome = this.#outcomeOf(error)
    }
    this.#decide(outcome)
  }

  #onError(error: unknown): void {
    if (!this.#isDecided) this.#decide(this.#outcomeOf(error))
  }

  #decide(outcome: CallOutcome | GatewayError): void {
    this.#outcome = outcome
    this.#parts.deadlines.delete(this)
    if (this.#isSending) this.#life.stop(new GatewayError('bad_request', 'An interceptor answered'))
    else if (!this.#pendingResponse) this.#life.end()
    this.#onDecided?.()
    // A client that has been given a stream is answered by `#finalText()`.
    if (!this.#pendingResponse) this.#answer(outcome)
  }

  #answer(outcome: CallOutcome | GatewayError): void {
    if (outcome instanceof GatewayError) return this.#fail(outcome)
    let ending: Answer
    try {
      ending = this.#answerOf(outcome)
    } catch (error) {
      return this.#fail(error as Error)
    }
    this.#settle(ending)
  }

  /** Starts the time limit of interceptors, which is suspended while the server has the request. */
  #watch(): void {
    this.#parts.deadlines.add(this, this.#parts.timeoutMs)
  }

  /** Called in the async context of a timer. */
  onLate(): void {
    const { exchange, message, timeoutMs } = this.#parts
    exchange.origin.bind(() => this.#onError(tooLate(message.method, timeoutMs)))()
  }

  async #send(params: Json): Promise<unknown> {
    const { send, screen, deadlines } = this.#parts
    deadlines.delete(this)
    this.#isSending = true
    try {
      const reply = this.#take(await send(params, this.#life))
      const response = await (reply.kind === 'json' ? this.#readDocument(reply) : this.#readStream(reply))
      this.#received = this.#sound(response, reply)
      this.#response = screen ? await screen(this.#received, params, this.#life) : this.#received
      if (this.#response.error === undefined) return this.#response.result
      this.#serverError = rpcErrorOf(this.#response.error)
      throw this.#serverError
    } finally {
      this.#isSending = false
      if (!this.#isDecided) this.#watch()
    }
  }

  #take(reply: Reply): JsonReply | EventsReply {
    const { stopped } = this.#parts.exchange.life
    if (stopped) throw stopped
    this.#reply = reply
    if (reply.kind === 'empty') throw new GatewayError('upstream_refused', `The server answered ${reply.status}`)
    return reply
  }

  #readDocument(reply: JsonReply): Promise<ResponseMessage | undefined> {
    return peekInTime(reply, this.requestId, this.#parts.timeoutMs)
  }

  /** Gives the client its stream before the response is there, so that progress is not delayed. */
  #readStream(reply: EventsReply): Promise<ResponseMessage> {
    const response = new Promise<ResponseMessage>((resolve, reject) => (this.#pendingResponse = { resolve, reject }))
    this.#parts.exchange.life.onStop((reason) => this.#pendingResponse?.reject(reason))
    this.#settle({ reply: this.#parts.listen(reply, this) })
    return response
  }

  /** Throws `upstream_invalid` for a response that parsers read differently, and for a result under an error status. */
  #sound(response: ResponseMessage | undefined, { status }: Reply): ResponseMessage {
    const isSound = response && isSoundResponse(response) && (status < 300 || response.error !== undefined)
    if (isSound) return response
    throw unshowable()
  }

  async onResponse(response: ResponseMessage): Promise<string | undefined> {
    this.#pendingResponse?.resolve(response)
    const text = await this.#finalText()
    this.#isAnswered = true
    return text
  }

  async onEnd(end: End): Promise<string | undefined> {
    if (this.#isAnswered) return undefined
    const { stopped } = this.#parts.exchange.life
    if (stopped) return undefined
    const error = brokenOff(end.how === 'broken' ? end.error : undefined)
    this.#pendingResponse?.reject(error)
    const text = await this.#finalText(error)
    this.#isAnswered = text !== undefined
    return text
  }

  /** The response text for a stream. `undefined` relays the server's own, or ends the stream with the unhandled `own`. */
  async #finalText(own?: GatewayError): Promise<string | undefined> {
    if (!this.#isDecided) await new Promise<void>((resolve) => (this.#onDecided = resolve))
    const outcome = this.#outcome!
    if (outcome === UNCHANGED) return this.#response === this.#received ? undefined : this.#response?.text
    if (!(outcome instanceof GatewayError)) return outcome.text
    if (outcome === own) return undefined
    if (outcome.status >= 500 && outcome.code !== 'closing') this.#parts.report(outcome)
    return outcome.toJsonRpc(this.requestId)
  }

  #outcomeOf(error: unknown): CallOutcome | GatewayError {
    if (error instanceof RpcError) {
      const { code, message, data } = error
      if (error === this.#serverError) return UNCHANGED
      return { text: responseText(this.requestId, { error: { code, message, ...(data !== undefined && { data }) } }) }
    }
    if (this.#reply?.opened) this.#parts.endSession(this.#reply.opened)
    if (error instanceof GatewayError) return error
    return new GatewayError('internal', 'Internal error', { cause: error })
  }

  /** The server's text with another result. Where no server answered, `resultType` defaults to `complete`. (ST2) */
  #textOf(result: Json): string {
    const { era } = this.#parts.message
    const isOwn = this.#response?.result === undefined
    const whole = era === 'modern' && isOwn && result['resultType'] === undefined
    const said = whole ? { resultType: 'complete', ...result } : result
    if (isOwn) return responseText(this.requestId, { result: said })
    return patchObject(this.#response!.text, { result: said }, this.#response as unknown as Json)
  }

  #answerOf(outcome: CallOutcome): Answer {
    const reply = this.#reply
    const text = outcome === UNCHANGED ? this.#response!.text : outcome.text
    if (reply?.kind !== 'json' || !this.#response) return { text }
    if (text === this.#received!.text) return { reply }
    reply.body.drain()
    const { 'content-length': _, 'content-type': __, ...headers } = reply.headers
    const own = jsonReply(text, headers, this.#response.error === undefined ? reply.status : 200)
    return { reply: { ...own, opened: reply.opened, sessionId: reply.sessionId } }
  }
}
