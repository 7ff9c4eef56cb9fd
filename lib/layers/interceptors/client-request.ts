/** Sends a client's request on as its interceptors changed it, and retries it where they answered all input requests. */
import { GatewayError } from '../../errors.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import { patchObject } from '../../exchange/json-patch.ts'
import type { Lifetime } from '../../exchange/lifetime.ts'
import type { RequestMessage, ResponseMessage } from '../../exchange/message.ts'
import { paramHeadersOf } from '../../exchange/param-annotations.ts'
import { paramHeaderValues, repeatsArguments } from '../../exchange/param-headers.ts'
import { readResponse } from '../../exchange/read-response.ts'
import { drainReply, type Handle, type Reply } from '../../exchange/reply.ts'
import { negotiatedVersionHeader } from '../../protocol.ts'
import type { Json, RequestId, UpstreamState } from '../../types.ts'
import { isObject, type JsonObject, member } from '../../util/json.ts'
import { runChain } from './chain.ts'
import { type InnerRight, innerRightsOf, withInnerRights } from './inner-rights.ts'
import { InterceptedCall } from './intercepted-call.ts'
import type { ChainEntry, InterceptorSet } from './interceptor-set.ts'
import type { Surroundings } from './surroundings.ts'
import { screenQuestions } from './questions.ts'
import { interceptServerMessages } from './server-messages.ts'
import { screenElicitations, seesErrors } from './url-elicitations.ts'

const NOTHING_ELSE = {}

export class ClientRequest {
  readonly #message: RequestMessage
  readonly #exchange: Exchange
  readonly #set: InterceptorSet
  readonly #around: Surroundings
  readonly #entries: readonly ChainEntry[]

  constructor(
    message: RequestMessage,
    exchange: Exchange,
    set: InterceptorSet,
    around: Surroundings,
    entries: readonly ChainEntry[] = set.chainOf(message.method),
  ) {
    this.#message = message
    this.#exchange = exchange
    this.#set = set
    this.#around = around
    this.#entries = entries
  }

  reply(): Promise<Reply> {
    const { deadlines, timeoutMs, report, findTool } = this.#around
    const call = new InterceptedCall({
      exchange: this.#exchange,
      message: this.#message,
      entries: this.#entries,
      findTool,
      endSession: (opened) => endSession(opened, this.#exchange, this.#around.next),
      deadlines,
      timeoutMs,
      report,
      send: (params, life) => this.#send(params, life),
      listen: (reply, stream) => interceptServerMessages(reply, this.#around, stream),
      screen:
        this.#isAsked || seesErrors(this.#set)
          ? (response, params, life) => this.#screen(response, params, life)
          : undefined,
    })
    return call.reply()
  }

  #send(given: Json, life: Lifetime): Promise<Reply> {
    const isSame =
      given === this.#message.params && !this.#isAsked && innerRightsOf(this.#message, this.#set).length === 0
    return isSame ? this.#around.next(this.#exchange.fork(NOTHING_ELSE, life)) : this.#sendChanged(given, life)
  }

  async #sendChanged(given: Json, life: Lifetime, id?: RequestId): Promise<Reply> {
    const { kept, next } = this.#around
    const restored = this.#isAsked ? kept.restore(given, this.#bound) : given
    const params = await withInnerRights(this.#message, restored, this.#set, (right) => this.#granted(right))
    const before = this.#message.params
    const isSame = params === before || (before === undefined && Object.keys(params).length === 0)
    const own = this.#exchange.fork({}, life)
    if (isSame && id === undefined) return next(own)
    const paramHeaders = isSame ? undefined : await this.#paramHeaders(params)
    return next(own.rewrite({ ...(!isSame && { params }), ...(id !== undefined && { id }) }, paramHeaders))
  }

  /** `Mcp-Param-*` headers for changed arguments. Only the tool's schema says which arguments they repeat. (HD13) */
  async #paramHeaders(params: Json): Promise<Record<string, string> | undefined> {
    const { method, params: before } = this.#message
    const isCall = method === 'tools/call' && repeatsArguments(this.#exchange.headers)
    if (!isCall || member(before, 'arguments') === params['arguments']) return undefined
    const tool = await this.#around.findTool(String(params['name']), Infinity)
    if (tool) return paramHeaderValues(paramHeadersOf(tool.inputSchema) ?? [], params['arguments'])
    const cause = new TypeError(
      'An interceptor changed arguments that headers repeat, of a tool whose schema is not known',
    )
    throw new GatewayError('internal', 'Internal error', { cause })
  }

  /** Runs the interceptors of the method that corresponds to a right; resolves with `undefined` when they refused it. */
  async #granted({ method, params }: InnerRight): Promise<Json | undefined> {
    const entries = this.#set.chainOf(method)
    const { findTool } = this.#around
    const subject = {
      exchange: this.#exchange,
      from: 'client',
      method,
      id: this.#message.id,
      during: undefined,
      findTool,
    } as const
    let passed: Json | undefined
    const send = async (given: Json): Promise<Json> => {
      passed = given
      return {}
    }
    await runChain({ entries, subject, send, check: () => {} }, params)
    return passed
  }

  get #isAsked(): boolean {
    return this.#set.namesQuestions && this.#message.era === 'modern'
  }

  /** Binds sealed answers to principal, server and method, so that another request cannot use them. */
  get #bound(): string {
    const { path, origin } = this.#exchange
    return JSON.stringify([origin.principal?.id, path, this.#message.method])
  }

  async #screen(response: ResponseMessage, params: Json, life: Lifetime): Promise<ResponseMessage> {
    await screenElicitations(response, this.#around)
    if (!isObject(response.result) || !this.#isAsked) return response
    const parts = { ...this.#around, bound: this.#bound }
    let round = 0
    return screenQuestions(response, params, parts, async (again) => {
      // A retry has an id of its own. (ST23)
      const id = `gateway-${typeof this.#message.id}-${this.#message.id}-${(round += 1)}`
      const answered = await readResponse(await this.#sendChanged(again, life, id), undefined, { id })
      if (answered) await screenElicitations(answered, this.#around)
      return answered && withRequestId(answered, this.#message.id)
    })
  }
}

/** Ends the session of a handshake that is refused after its server has opened it. */
export function endSession(opened: UpstreamState, exchange: Exchange, next: Handle): void {
  if (opened.id === undefined) return
  const headers = negotiatedVersionHeader(opened.protocolVersion)
  const farewell = { verb: 'DELETE', message: undefined, state: opened, headers } as const
  void next(exchange.fork(farewell, exchange.life.detach())).then(drainReply, () => {})
}

function withRequestId(response: ResponseMessage, id: RequestId): ResponseMessage {
  return { ...response, id, text: patchObject(response.text, { id }, response as unknown as JsonObject) }
}
