/** Sends one request of a legacy client to a modern server, again after each `input_required`, and translates the result. */
import { GatewayError } from '../../../errors.ts'
import type { Answer, Out } from '../../../exchange/answer.ts'
import type { Exchange } from '../../../exchange/exchange.ts'
import type { Lifetime } from '../../../exchange/lifetime.ts'
import { messageOf, type RequestMessage, type ResponseMessage } from '../../../exchange/message.ts'
import { readResponse } from '../../../exchange/read-response.ts'
import type { Handle } from '../../../exchange/reply.ts'
import { parseEvent } from '../../../exchange/sse.ts'
import { ASKING, LEGACY_VERSIONS, MODERN_VERSIONS } from '../../../protocol.ts'
import { member, parseJson } from '../../../util/json.ts'
import type { BridgeParts } from '../bridge-parts.ts'
import { askClient, inputRequestsIn, requestStateIn } from './input.ts'
import type { KnownTools } from './known-tools.ts'
import { errorText, failureText, legacyError, legacyNotification, legacyResult } from './legacy-response.ts'
import { missingName, modernRequest, type Round } from './modern-request.ts'
import { CannotAsk, type Questions } from './questions.ts'
import { MAX_ASKING_ROUNDS, OF_A_REQUEST, RPC_ERROR } from '../tables.ts'

/** Retries of a result with `requestState` alone, which asks for no input: the pause doubles up to the last one. */
const MAX_PAUSES = 200
const FIRST_PAUSE_MS = 250
const LAST_PAUSE_MS = 5_000

/** The longest response that is translated, in bytes. */
const MAX_RESPONSE_BYTES = 16 * 1024 * 1024

export interface CallTools {
  readonly parts: BridgeParts
  readonly questions: Questions
  readonly knownTools: KnownTools
  readonly nextId: () => string
}

export class Call {
  readonly #exchange: Exchange
  readonly #next: Handle
  readonly #life: Lifetime
  readonly #tools: CallTools
  readonly #message: RequestMessage
  readonly #upstreamId: string
  #rounds = 0
  #pauses = 0
  /** Whether the `Mcp-Param-*` headers were looked up again, which is done once. */
  #isRefreshed = false
  /** The highest progress sent to the client: progress must increase, but a retry may start at 0. (UT1) */
  #progress = -Infinity

  constructor(exchange: Exchange, next: Handle, life: Lifetime, tools: CallTools) {
    this.#exchange = exchange
    this.#next = next
    this.#life = life
    this.#tools = tools
    this.#message = exchange.message as RequestMessage
    this.#upstreamId = tools.parts.upstreamOf(exchange.path.at(-1)!, exchange.config).id
  }

  async run(out: Out): Promise<Answer> {
    const missing = missingName(this.#message)
    if (missing !== undefined) {
      return { text: errorText(this.#message.id, RPC_ERROR.invalidParams, `"params.${missing}" must be a string`) }
    }
    try {
      return { text: await this.#answer(out) }
    } catch (error) {
      if (error instanceof CannotAsk) return { text: failureText(this.#message, error.message) }
      throw error
    }
  }

  async #answer(out: Out): Promise<string> {
    let round: Round = {}
    for (;;) {
      const response = await this.#ask(round, out)
      if (response.error !== undefined) {
        if (this.#isMended(response)) continue
        return legacyError(this.#message, response)
      }
      const resultType = member(response.result, 'resultType') ?? 'complete'
      if (resultType === 'complete') return this.#complete(response)
      if (resultType !== 'input_required' || !ASKING.has(this.#message.method)) {
        throw new GatewayError('upstream_invalid', 'The server answered a result of a type that was not asked for')
      }
      round = await this.#input(response, out)
    }
  }

  /** Sends the request, and relays the notifications that precede the response. */
  async #ask(round: Round, out: Out): Promise<ResponseMessage> {
    const life = this.#life.child()
    try {
      const { knownTools, nextId } = this.#tools
      const isToolCall = this.#message.method === 'tools/call'
      const headers = isToolCall ? await knownTools.headersOf(this.#exchange, this.#upstreamId, this.#next, life) : {}
      const id = nextId()
      const reply = await this.#next(modernRequest(this.#exchange, id, round, headers, life))
      const response = await readResponse(reply, this.#translating(out), { id, maxBytes: MAX_RESPONSE_BYTES })
      if (life.stopped) throw life.stopped
      if (response) return response
      throw new GatewayError('upstream_broken', 'The server ended its stream without an answer that could be read')
    } finally {
      life.end()
    }
  }

  #complete(response: ResponseMessage): string {
    if (this.#message.method === 'tools/list') {
      this.#tools.knownTools.learn(this.#exchange, this.#upstreamId, response.result)
    }
    return legacyResult(this.#message, response)
  }

  /** Whether to retry with other headers: a server that refuses the headers has not executed the call. (ST28) */
  #isMended({ error }: ResponseMessage): boolean {
    const { knownTools, parts } = this.#tools
    if (error?.code === RPC_ERROR.unsupportedVersion) this.#relearn(member(error.data, 'supported'), parts)
    if (error?.code !== RPC_ERROR.headerMismatch || this.#isRefreshed || this.#message.method !== 'tools/call')
      return false
    this.#isRefreshed = true
    knownTools.forget(this.#exchange, this.#upstreamId)
    return true
  }

  /** Ends the session when the server has become a legacy one: its client must send a new handshake. (SS8) */
  #relearn(supported: unknown, { eras }: BridgeParts): void {
    if (!Array.isArray(supported) || supported.includes(MODERN_VERSIONS[0])) return
    if (!supported.some((version) => LEGACY_VERSIONS.includes(version as string))) return
    eras.unlearn(this.#upstreamId)
    throw new GatewayError('session_not_found', 'Session not found')
  }

  /** Gets the input that the server requires from the client, for the retry. */
  async #input(response: ResponseMessage, out: Out): Promise<Round> {
    const requestState = requestStateIn(response)
    const exchange = this.#exchange
    const requests = inputRequestsIn(response, { exchange })
    if (requests.length === 0) {
      if (requestState === undefined) {
        throw new GatewayError('upstream_invalid', 'The server wants more, and does not say what')
      }
      await this.#pause()
      return { requestState }
    }
    this.#rounds += 1
    if (this.#rounds > MAX_ASKING_ROUNDS) throw new CannotAsk('The server asks too often')
    const asking = { exchange, out, life: this.#life }
    return { inputResponses: await askClient(requests, asking, this.#tools.questions), requestState }
  }

  async #pause(): Promise<void> {
    const delayMs = Math.min(FIRST_PAUSE_MS * 2 ** this.#pauses, LAST_PAUSE_MS)
    this.#pauses += 1
    if (this.#pauses > MAX_PAUSES) throw new CannotAsk('The server puts off its answer too often')
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        off()
        resolve()
      }, delayMs).unref()
      const off = this.#life.onStop((reason) => {
        clearTimeout(timer)
        reject(reason)
      })
    })
  }

  /** Relays the request's notifications as they arrive. Anything else is dropped: modern servers send no requests. (SE12) */
  #translating(out: Out): Out {
    const tell = (chunk: Buffer): boolean => {
      const { data } = parseEvent(chunk.toString())
      const message = data === '' ? undefined : messageOf(parseJson(data), data, 'modern')
      if (message?.kind !== 'notification' || !OF_A_REQUEST.has(message.method) || !this.#isNews(message)) return true
      return out.say(legacyNotification(message.method, message.params))
    }
    return {
      bytes: tell,
      say: (json, id) => out.say(json, id),
      get ready() {
        return out.ready
      },
    }
  }

  #isNews({ method, params }: { readonly method: string; readonly params: unknown }): boolean {
    if (method !== 'notifications/progress') return true
    const progress = member(params, 'progress')
    if (typeof progress !== 'number' || progress <= this.#progress) return false
    this.#progress = progress
    return true
  }
}
