/** Runs one request of a client, and then its response, through the interceptors of its method. */
import { answer, type Answer, jsonReply } from '../../exchange/answer.ts'
import type { End } from '../../exchange/body.ts'
import { brokenOff } from '../../exchange/broken-off.ts'
import { GatewayError } from '../../errors.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import { patchObject } from '../../exchange/json-patch.ts'
import { type RequestMessage, type ResponseMessage, responseText } from '../../exchange/message.ts'
import { peekInTime } from '../../exchange/read-response.ts'
import type { EventsReply, Reply } from '../../exchange/reply.ts'
import type { Lifetime } from '../../exchange/lifetime.ts'
import { RpcError, rpcErrorOf } from '../../rpc-error.ts'
import type { Json, UpstreamState } from '../../types.ts'
import type { Awaited, Deadlines } from '../../util/deadlines.ts'
import { checkResult, runChain } from './chain.ts'
import { NO_PARAMS, isSoundResponse, requireUnambiguous } from './frozen.ts'
import { unshowable } from './decide.ts'
import { tooLate } from './in-time.ts'
import type { ChainEntry } from './interceptor-set.ts'
import type { ChainSubject } from './layer-message.ts'

export interface InterceptedCallParts {
  readonly exchange: Exchange
  readonly message: RequestMessage
  readonly entries: readonly ChainEntry[]
  readonly findTool: ChainSubject['findTool']
  /** Sends the request on. The lifetime is stopped before the exchange's when an interceptor answers without waiting. */
  readonly send: (params: Json, life: Lifetime) => Promise<Reply>
  /** Runs the messages of the server's stream through their interceptors; the response is given to `call`. */
  readonly listen: (reply: EventsReply, call: CallStream) => Reply
  /** Runs the input requests of a result through their interceptors; `undefined` where there are none to run. */
  readonly screen: undefined | ((response: ResponseMessage, params: Json, life: Lifetime) => Promise<ResponseMessage>)
  /** Ends the server's session when interceptors refuse the handshake that opened it. */
  readonly endSession: (opened: UpstreamState) => void
  readonly deadlines: Deadlines
  readonly timeoutMs: number
  readonly report: (error: unknown) => void
}

/** What the stream of a call needs to know of it. */
export interface CallStream {
  readonly requestId: RequestMessage['id']
  /** Resolves with the text that replaces the server's response, or with `undefined` to relay it unchanged. */
  onResponse(response: ResponseMessage): Promise<string | undefined>
  /** Resolves with the response to end the stream with, when the server sent none. */
  onEnd(end: End): Promise<string | undefined>
  /** Whether the client has been sent its response. */
  readonly isAnswered: () => boolean
}

/** The outcome is the response as the server sent it. */
const UNCHANGED = Symbol('unchanged')

type CallOutcome = typeof UNCHANGED | { readonly text: string }

export class InterceptedCall implements CallStream, Awaited {
  slot = -1
  dueAt = 0
  readonly requestId: RequestMessage['id']
  readonly #parts: InterceptedCallParts
  readonly #life: Lifetime
  #outcome!: Promise<CallOutcome>
  #isSending = false
  #reply: Reply | undefined
  /** The response as the server sent it. */
  #received: ResponseMessage | undefined
  /** The response as the interceptors see it: without the input requests that they answered. */
  #response: ResponseMessage | undefined
  /** What `next()` rejects with for a JSON-RPC error: thrown on unchanged, it means the server's own text. */
  #serverError: RpcError | undefined
  #isAnswered = false
  #resolve!: (answer: Answer) => void
  #onLateHook: ((error: GatewayError) => void) | undefined
  #pendingResponse: { resolve(response: ResponseMessage): void; reject(error: unknown): void } | undefined

  constructor(parts: InterceptedCallParts) {
    this.#parts = parts
    this.#life = parts.exchange.life.child()
    this.requestId = parts.message.id
  }

  reply(): Promise<Reply> {
    return answer(this.#parts.exchange, () => this.#answer())
  }

  readonly isAnswered = (): boolean => this.#isAnswered

  #answer(): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#outcome = this.#decide()
      this.#outcome.then((outcome) => resolve(this.#answerOf(outcome))).catch(reject)
    })
  }

  /** Runs the chain. Rejects only with a GatewayError. */
  async #decide(): Promise<CallOutcome> {
    const { message, entries, exchange, findTool } = this.#parts
    try {
      const params = message.params ?? NO_PARAMS
      requireUnambiguous(message)
      const { method, id } = message
      const subject: ChainSubject = { exchange, from: 'client', method, id, during: undefined, findTool }
      const check = (result: unknown): void => checkResult(method, this.#response?.result, result)
      this.#watch()
      const result = await this.#inTime(
        runChain({ entries, subject, send: (given) => this.#send(given), check }, params),
      )
      if (this.#response && result === this.#response.result) return UNCHANGED
      return { text: this.#textOf(result as Json) }
    } catch (error) {
      return this.#outcomeOf(error)
    } finally {
      this.#parts.deadlines.delete(this)
      if (this.#isSending) this.#life.stop(new GatewayError('bad_request', 'An interceptor answered'))
      else if (!this.#pendingResponse) this.#life.end()
    }
  }

  /** Starts the time limit of interceptors, which is suspended while the server has the request. */
  #watch(): void {
    this.#parts.deadlines.add(this, this.#parts.timeoutMs)
  }

  onLate(): void {
    this.#onLateHook?.(tooLate(this.#parts.message.method, this.#parts.timeoutMs))
  }

  #inTime(running: Promise<unknown>): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#onLateHook = reject
      running.then(resolve, reject)
    })
  }

  async #send(params: Json): Promise<unknown> {
    this.#parts.deadlines.delete(this)
    this.#isSending = true
    try {
      this.#received = await this.#ask(params)
      const response = (await this.#parts.screen?.(this.#received, params, this.#life)) ?? this.#received
      this.#response = response
      if (response.error === undefined) return response.result
      this.#serverError = rpcErrorOf(response.error)
      throw this.#serverError
    } finally {
      this.#isSending = false
      this.#watch()
    }
  }

  async #ask(params: Json): Promise<ResponseMessage> {
    const { exchange } = this.#parts
    const reply = await this.#parts.send(params, this.#life)
    if (exchange.life.stopped) throw exchange.life.stopped
    this.#reply = reply
    if (reply.kind === 'empty') throw new GatewayError('upstream_refused', `The server answered ${reply.status}`)
    const response =
      reply.kind === 'json'
        ? await peekInTime(reply, this.requestId, this.#parts.timeoutMs)
        : await this.#readStream(reply)
    return this.#sound(response, reply)
  }

  /** Gives the client its stream before the response is there, so that progress is not delayed. */
  #readStream(reply: EventsReply): Promise<ResponseMessage> {
    const response = new Promise<ResponseMessage>((resolve, reject) => (this.#pendingResponse = { resolve, reject }))
    this.#parts.exchange.life.onStop((reason) => this.#pendingResponse?.reject(reason))
    this.#resolve({ reply: this.#parts.listen(reply, this) })
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
    try {
      const outcome = await this.#outcome
      if (outcome !== UNCHANGED) return outcome.text
      return this.#response === this.#received ? undefined : this.#response?.text
    } catch (error) {
      if (error === own) return undefined
      const known = error as GatewayError
      if (known.status >= 500 && known.code !== 'closing') this.#parts.report(known)
      return known.toJsonRpc(this.requestId)
    }
  }

  #outcomeOf(error: unknown): CallOutcome {
    if (error instanceof RpcError) {
      const { code, message, data } = error
      if (error === this.#serverError) return UNCHANGED
      return { text: responseText(this.requestId, { error: { code, message, ...(data !== undefined && { data }) } }) }
    }
    if (this.#reply?.opened) this.#parts.endSession(this.#reply.opened)
    if (error instanceof GatewayError) throw error
    throw new GatewayError('internal', 'Internal error', { cause: error })
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
