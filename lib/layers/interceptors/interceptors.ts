/** The layer that runs the embedder's interceptors: those of the gateway, or those of a server's config. */
import { GatewayError } from '../../errors.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import type { Layer, UpstreamOf } from '../../exchange/layer.ts'
import type { Message, NotificationMessage, RequestMessage, ResponseMessage } from '../../exchange/message.ts'
import type { Handle, Reply } from '../../exchange/reply.ts'
import { RpcError } from '../../rpc-error.ts'
import type { Json, ServerConfig, Tool } from '../../types.ts'
import { Deadlines } from '../../util/deadlines.ts'
import { runChain } from './chain.ts'
import { NO_PARAMS, requireUnambiguous } from './frozen.ts'
import { inInterceptorTime } from './in-time.ts'
import { ClientRequest, endSession } from './client-request.ts'
import { innerRightsOf } from './inner-rights.ts'
import { type InterceptorSet, interceptorsOf } from './interceptor-set.ts'
import type { KeptAnswers } from './questions.ts'
import { interceptServerMessages } from './server-messages.ts'
import type { Surroundings } from './surroundings.ts'
import { ToolLists } from './tool-lists.ts'
import { checkedDocument } from './unseen-document.ts'
import { screenElicitations, seesErrors } from './url-elicitations.ts'

export interface InterceptorsParts {
  readonly upstreamOf: UpstreamOf
  /** How long interceptors may take, without the server's time, in milliseconds; 0 sets no limit. */
  readonly timeoutMs: number
  readonly report: (error: unknown, exchange: Exchange) => void
  readonly kept: KeptAnswers
}

export class Interceptors implements Layer {
  readonly name: string
  readonly #side: 'gateway' | 'server'
  readonly #own: InterceptorSet | undefined
  readonly #parts: InterceptorsParts
  readonly #toolLists = new ToolLists()
  readonly #deadlines: Deadlines

  /** `own` are the interceptors of the gateway. On the server's side they are taken from each config. */
  constructor(side: 'gateway' | 'server', own: InterceptorSet | undefined, parts: InterceptorsParts) {
    this.name = `interceptors:${side}`
    this.#side = side
    this.#own = own
    this.#parts = parts
    this.#deadlines = new Deadlines(parts.timeoutMs)
  }

  applies(config: ServerConfig): boolean {
    return this.#side === 'gateway' ? this.#own !== undefined : config.intercept !== undefined
  }

  /**
   * Whether the messages of a batch must be sent one by one: for an interceptor to see them, or for their responses to be
   * checked.
   */
  wants(message: Message, config: ServerConfig): boolean {
    const set = this.#setOf(config)
    if (!set || message.kind === 'response') return false
    if (message.kind === 'batch') return message.items.some((item) => this.wants(item, config))
    return message.kind === 'request' || set.chainOf(message.method).length > 0
  }

  handle(exchange: Exchange, next: Handle): Promise<Reply> {
    const { message, verb, config } = exchange
    const set = this.#setOf(config)
    if (!set || verb === 'DELETE' || message?.kind === 'response') return next(exchange)
    if (message?.kind === 'notification') return this.#notify(message, exchange, set, next)
    if (message?.kind === 'request') return this.#request(message, exchange, set, next)
    return this.#listen(exchange, set, next)
  }

  #setOf(config: ServerConfig): InterceptorSet | undefined {
    return this.#side === 'gateway' ? this.#own : interceptorsOf(config.intercept)
  }

  #request(message: RequestMessage, exchange: Exchange, set: InterceptorSet, next: Handle): Promise<Reply> {
    const entries = set.chainOf(message.method)
    const isAsked = set.namesQuestions && message.era === 'modern' && !exchange.listens
    if (entries.length > 0 || isAsked || innerRightsOf(message, set).length > 0) {
      return new ClientRequest(message, exchange, set, this.#surroundings(exchange, set, next)).reply()
    }
    const isUnseen = message.era === 'modern' && message.method === 'tasks/get' && set.missesTasks
    return isUnseen ? Promise.reject(noTasks()) : this.#listen(exchange, set, next)
  }

  /** Screens a reply whose response no interceptor sees: the server may send other messages with it. */
  async #listen(exchange: Exchange, set: InterceptorSet, next: Handle): Promise<Reply> {
    const reply = await next(exchange)
    const [requestId] = exchange.requestIds
    if (reply.kind === 'empty' || (reply.kind === 'json' && requestId === undefined)) return reply
    const surroundings = this.#surroundings(exchange, set, next)
    if (reply.kind === 'events') return interceptServerMessages(reply, surroundings)
    const onFault = (response: ResponseMessage): Promise<void> => screenElicitations(response, surroundings)
    try {
      return await checkedDocument(reply, requestId!, this.#parts.timeoutMs, seesErrors(set) ? onFault : undefined)
    } catch (error) {
      reply.body.drain()
      if (reply.opened) endSession(reply.opened, exchange, next)
      throw error
    }
  }

  /** A notification that an interceptor drops is still answered with 202, as the protocol has no other answer. */
  async #notify(message: NotificationMessage, exchange: Exchange, set: InterceptorSet, next: Handle): Promise<Reply> {
    const entries = set.chainOf(message.method)
    if (entries.length === 0) return next(exchange)
    const { findTool } = this.#surroundings(exchange, set, next)
    const subject = {
      exchange,
      from: 'client',
      method: message.method,
      id: undefined,
      during: undefined,
      findTool,
    } as const
    const params = message.params ?? NO_PARAMS
    requireUnambiguous(message)
    let reply: Reply = { kind: 'empty', status: 202, headers: {} }
    const send = async (given: Json): Promise<void> => {
      reply = await next(given === params ? exchange : exchange.rewrite({ params: given }))
    }
    try {
      await inInterceptorTime(
        runChain({ entries, subject, send, check: () => {} }, params),
        this.#parts.timeoutMs,
        message.method,
      )
    } catch (error) {
      if (error instanceof RpcError) throw new GatewayError('bad_request', error.message)
      throw error
    }
    return reply
  }

  #surroundings(exchange: Exchange, set: InterceptorSet, next: Handle): Surroundings {
    const { timeoutMs, report, upstreamOf, kept } = this.#parts
    const upstreamId = (): string => upstreamOf(exchange.path.at(-1)!, exchange.config).id
    const surroundings: Surroundings = {
      set,
      exchange,
      next,
      timeoutMs,
      deadlines: this.#deadlines,
      kept,
      report: (error) => report(error, exchange),
      onToolsChanged: () => this.#toolLists.forget(upstreamId()),
      findTool: (name, place) => this.#findTool(name, place, upstreamId(), surroundings),
    }
    return surroundings
  }

  /** Finds a tool as the layers inside `place` list it: those outside may hide or rename it. */
  async #findTool(
    name: string,
    place: number,
    upstream: string,
    surroundings: Surroundings,
  ): Promise<Tool | undefined> {
    const { exchange, set, next } = surroundings
    const entries = set.chainOf('tools/list').filter((entry) => entry.place > place)
    const list: Handle = (asking) => {
      const { message } = asking
      if (entries.length === 0 || message?.kind !== 'request') return next(asking)
      return new ClientRequest(message, asking, set, { ...surroundings, exchange: asking }, entries).reply()
    }
    const from = entries.length === 0 ? 'all' : place
    const key = JSON.stringify([upstream, exchange.path, exchange.origin.principal?.id, from])
    return this.#toolLists.find(name, key, upstream, exchange, list)
  }
}

/** `tasks/get` is refused where it would return a result past the interceptors of `tools/call`. (SEP-2663) */
function noTasks(): GatewayError {
  return new GatewayError('method_not_found', 'Tasks are not offered here')
}
