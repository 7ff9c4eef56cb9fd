/** Shows messages to the embedder's interceptors: of the gateway, or of a server's config. */
import { GatewayError } from '../../errors.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import type { Layer, UpstreamOf } from '../../exchange/layer.ts'
import type { Message, NotificationMessage, RequestMessage } from '../../exchange/message.ts'
import type { Handle, Reply } from '../../exchange/reply.ts'
import { RpcError } from '../../rpc-error.ts'
import type { Json, ServerConfig, Tool } from '../../types.ts'
import { Deadlines } from '../../util/deadlines.ts'
import { runChain } from './chain.ts'
import { NO_PARAMS, requireUnambiguous } from './frozen.ts'
import { inInterceptorTime } from './in-time.ts'
import { ClientRequest } from './client-request.ts'
import { innerRightsOf } from './inner-rights.ts'
import { type InterceptorSet, interceptorsOf } from './interceptor-set.ts'
import { KeptAnswers } from './questions.ts'
import { hear } from './server-says.ts'
import type { Surroundings } from './surroundings.ts'
import { ToolLists } from './tool-lists.ts'

/** What the interceptors need of the gateway. */
export interface InterceptorsParts {
  readonly upstreamOf: UpstreamOf
  /** How long interceptors may take on their own, in milliseconds; 0 is no limit. */
  readonly timeoutMs: number
  readonly report: (error: unknown, exchange: Exchange) => void
}

export class Interceptors implements Layer {
  readonly name: string
  readonly #side: 'gateway' | 'server'
  readonly #own: InterceptorSet | undefined
  readonly #parts: InterceptorsParts
  readonly #toolLists = new ToolLists()
  readonly #kept = new KeptAnswers()
  readonly #deadlines: Deadlines

  /** `own` are those of the gateway; without, those of each server's config. */
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

  /** Whether any of them has to see a message of a batch on its own. */
  wants(message: Message, config: ServerConfig): boolean {
    const set = this.#setOf(config)
    if (!set || message.kind === 'response') return false
    if (message.kind === 'batch') return message.items.some((item) => this.wants(item, config))
    return set.chainOf(message.method).length > 0 || innerRightsOf(message, set).length > 0
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
    const isAsked = set.hearsQuestions && message.era === 'modern' && !exchange.listens
    if (entries.length > 0 || isAsked || innerRightsOf(message, set).length > 0) {
      return new ClientRequest(message, exchange, set, this.#surroundings(exchange, set, next)).reply()
    }
    const isUnseen = message.era === 'modern' && message.method === 'tasks/get' && set.missesTasks
    return isUnseen ? Promise.reject(noTasks()) : this.#listen(exchange, set, next)
  }

  /** What a server says of its own accord while it answers something else, or on a stream to listen on. */
  async #listen(exchange: Exchange, set: InterceptorSet, next: Handle): Promise<Reply> {
    const reply = await next(exchange)
    return reply.kind === 'events' ? hear(reply, this.#surroundings(exchange, set, next)) : reply
  }

  /** A notification that no interceptor passes on is accepted, and goes nowhere. */
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
    const { timeoutMs, report, upstreamOf } = this.#parts
    const upstreamId = (): string => upstreamOf(exchange.path.at(-1)!, exchange.config).id
    const surroundings: Surroundings = {
      set,
      exchange,
      next,
      timeoutMs,
      deadlines: this.#deadlines,
      kept: this.#kept,
      report: (error) => report(error, exchange),
      onToolsChanged: () => this.#toolLists.forget(upstreamId()),
      findTool: (name, place) => this.#findTool(name, place, upstreamId(), surroundings),
    }
    return surroundings
  }

  /** A layer knows the tools that the layers inside it list. */
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

/** The state of a task holds its result, which the interceptors of calls would not see. (SEP-2663) */
function noTasks(): GatewayError {
  return new GatewayError('method_not_found', 'Tasks are not offered here')
}
