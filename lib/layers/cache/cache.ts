/** Answers what was answered before, for as long as the server said. (2026-07-28 caching; ST10-ST14) */
import { jsonReply } from '../../exchange/answer.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import { rangeOfMember } from '../../exchange/json-text.ts'
import type { Layer, Upstream, UpstreamOf } from '../../exchange/layer.ts'
import { messageOf, type ResponseMessage } from '../../exchange/message.ts'
import { peekInTime, peekResponse } from '../../exchange/read-response.ts'
import { drainReply, type Handle, type Reply } from '../../exchange/reply.ts'
import { tapMessages } from '../../exchange/tap-messages.ts'
import type { RequestId } from '../../types.ts'
import { boundedSet } from '../../util/bounded-map.ts'
import { type CacheKey, cacheKeyOf, privateKey } from './cache-key.ts'
import { freshness, isChange, isStale, mayBeChange, mayBeResponse } from './policy.ts'
import { type CachedResult, ResultStore } from './result-store.ts'
import { SharedQuestion, SHARED_WAIT_MS } from './shared-question.ts'

/** A request on its way to the server, and under which keys its result may be kept. */
interface PendingResult {
  readonly id: RequestId
  readonly key: CacheKey
  /** The key of a private result. */
  readonly own: string | undefined
  readonly askedAt: number
  /** How often anything had been dropped. */
  readonly drops: number
}

/** How many upstreams are listened to that say by themselves what has changed. */
const MAX_WATCHED = 1_000

export class Cache implements Layer {
  readonly name = 'cache'
  readonly #upstreamOf: UpstreamOf
  readonly #results: ResultStore
  readonly #responseMs: number
  /** Requests that are on their way, by key: the same request waits for the result. */
  readonly #running = new Map<string, SharedQuestion>()
  /** By upstream id: those that say by themselves what has changed, and how to stop listening. */
  readonly #watched = new Map<string, () => void>()
  /** How often anything has been dropped: a result that was on its way meanwhile may be stale. */
  #drops = 0

  /** A server that has sent its head has `responseMs` for the result. */
  constructor(upstreamOf: UpstreamOf, maxBytes: number, responseMs = 0) {
    this.#upstreamOf = upstreamOf
    this.#responseMs = responseMs
    this.#results = new ResultStore(maxBytes)
  }

  applies(): boolean {
    return true
  }

  handle(exchange: Exchange, next: Handle): Promise<Reply> {
    if (exchange.message?.era !== 'modern') return next(exchange)
    if (exchange.listens) return this.#listen(exchange, next)
    const key = cacheKeyOf(exchange, this.#idOf(exchange))
    return key ? this.#answer(key, exchange, next) : next(exchange)
  }

  #idOf({ path, config }: Exchange): string {
    const upstream = this.#upstreamOf(path.at(-1)!, config)
    if (upstream.onChange && !this.#watched.has(upstream.id)) this.#watch(upstream)
    return upstream.id
  }

  #watch(upstream: Upstream): void {
    const { id } = upstream
    const off = upstream.onChange!((method, uri) => this.#drop(id, { method, params: { uri } }))
    if (this.#watched.size >= MAX_WATCHED) {
      const [oldest] = this.#watched
      oldest![1]()
      // What an upstream that nobody listens to has changed would not be heard of.
      this.#drop(oldest![0])
    }
    boundedSet(this.#watched, MAX_WATCHED, id, off)
  }

  /** Drops what a notification of this upstream makes stale; without one all that is kept of it. */
  #drop(upstream: string, notification?: unknown): void {
    this.#drops += 1
    this.#results.drop((target) =>
      notification === undefined ? target.upstream === upstream : isStale(target, upstream, notification),
    )
  }

  /** A public result, or one of this principal's own; else the server is asked. */
  async #answer(key: CacheKey, exchange: Exchange, next: Handle): Promise<Reply> {
    const [id] = exchange.requestIds as [RequestId]
    const shared = this.#results.get(key.key)
    if (shared) return replyOf(shared, id)
    const own = await privateKey(key, exchange)
    const find = (): CachedResult | undefined =>
      this.#results.get(key.key) ?? (own === undefined ? undefined : this.#results.get(own))
    const kept = find() ?? (await this.#awaitOther(key, exchange, find))
    if (kept) return replyOf(kept, id)
    return this.#ask({ id, key, own, askedAt: performance.now(), drops: this.#drops }, exchange, next)
  }

  /** What somebody else's question brings, if it may be shared. One wait is enough: a private answer never will be. */
  async #awaitOther(
    { key }: CacheKey,
    { life }: Exchange,
    find: () => CachedResult | undefined,
  ): Promise<CachedResult | undefined> {
    const question = this.#running.get(key)
    if (!question || question.isOverdue) return undefined
    await question.wait(life)
    return find()
  }

  /** Whoever waits for a question does not wait again, and asks for itself: nobody waits for that one. */
  #ask(asked: PendingResult, exchange: Exchange, next: Handle): Promise<Reply> {
    const { key } = asked.key
    if (this.#running.get(key)?.isOverdue === false) return this.#fetch(asked, exchange, next)
    const question = new SharedQuestion(exchange.life)
    this.#running.set(key, question)
    return new Promise((resolve, reject) => {
      exchange.life.onStop(reject)
      this.#fetch(asked, exchange.fork({}, question.life), next)
        .then((reply) => {
          // Its asker has left, and others wanted the answer.
          if (exchange.life.stopped) drainReply(reply)
          else resolve(reply)
        }, reject)
        .finally(() => {
          if (this.#running.get(key) === question) this.#running.delete(key)
          question.settle()
        })
    })
  }

  /** A stream that does not answer soon goes on to the client, and its response is kept as it goes by. */
  async #fetch(asked: PendingResult, exchange: Exchange, next: Handle): Promise<Reply> {
    const reply = await next(exchange)
    if (reply.status !== 200) return reply
    const response = await this.#peek(reply, asked.id)
    if (response) {
      this.#keep(asked, response)
      return reply
    }
    return tapMessages(reply, mayBeResponse, (json, text) => {
      const message = messageOf(json, text, 'modern')
      if (message?.kind === 'response' && message.id === asked.id) this.#keep(asked, message)
    })
  }

  /** Of a document nothing can be said before it ends; a stream that is late goes on to the client. */
  #peek(reply: Reply, id: RequestId): Promise<ResponseMessage | undefined> {
    if (reply.kind === 'json') return peekInTime(reply, id, this.#responseMs)
    return peekResponse(reply, { id, timeoutMs: SHARED_WAIT_MS })
  }

  #keep({ key, own, askedAt, drops }: PendingResult, { result: said, text }: ResponseMessage): void {
    const fresh = drops === this.#drops ? freshness(said) : undefined
    if (!fresh) return
    const name = fresh.isPublic ? key.key : own
    const result = rangeOfMember(text, text.indexOf('{'), 'result')
    const ttl = result && rangeOfMember(text, result[0], 'ttlMs')
    if (name === undefined || !ttl) return
    this.#results.set(name, {
      target: { upstream: key.upstream, method: key.method, uri: key.uri },
      beforeTtl: text.slice(result[0], ttl[0]),
      afterTtl: text.slice(ttl[1], result[1]),
      freshUntil: askedAt + fresh.ttlMs,
    })
  }

  /** What a server tells a listener, it tells the cache. */
  async #listen(exchange: Exchange, next: Handle): Promise<Reply> {
    const upstream = this.#idOf(exchange)
    return tapMessages(await next(exchange), mayBeChange, (message) => {
      if (isChange(message)) this.#drop(upstream, message)
    })
  }
}

/** What remains of its freshness is passed on, never more. (ST14) */
function replyOf({ beforeTtl, afterTtl, freshUntil }: CachedResult, id: RequestId): Reply {
  const remainingMs = Math.max(0, Math.floor(freshUntil - performance.now()))
  const result = `${beforeTtl}${remainingMs}${afterTtl}`
  return jsonReply(`{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${result}}`)
}
