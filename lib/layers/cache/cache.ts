/** Caches results for as long as the server allows. (2026-07-28 caching; ST10-ST14) */
import { jsonReply } from '../../exchange/answer.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import { rangeOfMember } from '../../exchange/json-text.ts'
import type { Layer, Upstream, UpstreamOf } from '../../exchange/layer.ts'
import { messageOf, type ResponseMessage } from '../../exchange/message.ts'
import { peekInTime, peekResponse } from '../../exchange/read-response.ts'
import { drainReply, type Handle, type Reply } from '../../exchange/reply.ts'
import { tapMessages } from '../../exchange/tap-messages.ts'
import type { RequestId, ServerConfig } from '../../types.ts'
import { isAggregate } from '../../upstream/server-kind.ts'
import { boundedSet } from '../../util/bounded-map.ts'
import { type CacheKey, cacheKeyOf, privateKey } from './cache-key.ts'
import { freshness, isChange, isStale, mayBeChange, mayBeResponse } from './policy.ts'
import { type CachedResult, ResultStore } from './result-store.ts'
import { SharedRequest, SHARED_WAIT_MS } from './shared-request.ts'

/** A request in progress, and the keys under which its result may be cached. */
interface PendingResult {
  readonly id: RequestId
  readonly key: CacheKey
  /** The key of a private result. */
  readonly own: string | undefined
  readonly sentAt: number
  /** The last invalidation of its upstream when the request was sent. */
  readonly lastDrop: number | undefined
}

/** How many upstreams are listened to that say by themselves what has changed. */
const MAX_WATCHED = 1_000

export class Cache implements Layer {
  readonly name = 'cache'
  readonly #upstreamOf: UpstreamOf
  readonly #results: ResultStore
  readonly #responseMs: number
  /** Requests in progress, by key: an equal request waits for the result. */
  readonly #running = new Map<string, SharedRequest>()
  /** By upstream id: those that say by themselves what has changed, and how to stop listening. */
  readonly #watched = new Map<string, () => void>()
  /** Counts invalidations. */
  #drops = 0
  /** The last one by upstream id: a result whose request was sent before it may be stale, and is not cached. */
  readonly #lastDrops = new Map<string, number>()

  /** `responseMs` limits the time between the response headers and the result. */
  constructor(upstreamOf: UpstreamOf, maxBytes: number, responseMs = 0) {
    this.#upstreamOf = upstreamOf
    this.#responseMs = responseMs
    this.#results = new ResultStore(maxBytes)
  }

  applies(config: ServerConfig): boolean {
    return !isAggregate(config)
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
    boundedSet(this.#lastDrops, MAX_WATCHED, upstream, this.#drops)
    this.#results.drop((target) =>
      notification === undefined ? target.upstream === upstream : isStale(target, upstream, notification),
    )
  }

  /** Looks up the public result, then the principal's private one, then sends the request. */
  async #answer(key: CacheKey, exchange: Exchange, next: Handle): Promise<Reply> {
    const [id] = exchange.requestIds as [RequestId]
    const shared = this.#results.get(key.key)
    if (shared) return replyFromCache(shared, id)
    const own = await privateKey(key, exchange)
    const find = (): CachedResult | undefined =>
      this.#results.get(key.key) ?? (own === undefined ? undefined : this.#results.get(own))
    const kept = find() ?? (await this.#awaitOther(key, exchange, find))
    if (kept) return replyFromCache(kept, id)
    return this.#send(
      { id, key, own, sentAt: performance.now(), lastDrop: this.#lastDrops.get(key.upstream) },
      exchange,
      next,
    )
  }

  /**
   * Waits once for an equal request in progress. If its result is private, it cannot be shared, and nor could the next.
   */
  async #awaitOther(
    { key }: CacheKey,
    { life }: Exchange,
    find: () => CachedResult | undefined,
  ): Promise<CachedResult | undefined> {
    const shared = this.#running.get(key)
    if (!shared || shared.isOverdue) return undefined
    await shared.wait(life)
    return find()
  }

  /** A request that has waited in vain is sent by itself, and no other request waits for it. */
  #send(pending: PendingResult, exchange: Exchange, next: Handle): Promise<Reply> {
    const { key } = pending.key
    if (this.#running.get(key)?.isOverdue === false) return this.#fetch(pending, exchange, next)
    const shared = new SharedRequest(exchange.life)
    this.#running.set(key, shared)
    return new Promise((resolve, reject) => {
      exchange.life.onStop(reject)
      this.#fetch(pending, exchange.fork({}, shared.life), next)
        .then((reply) => {
          // The first client has left; the request went on for the others that wait.
          if (exchange.life.stopped) drainReply(reply)
          else resolve(reply)
        }, reject)
        .finally(() => {
          if (this.#running.get(key) === shared) this.#running.delete(key)
          shared.settle()
        })
    })
  }

  /** A stream without an early response is relayed, and its response is cached as it passes. */
  async #fetch(pending: PendingResult, exchange: Exchange, next: Handle): Promise<Reply> {
    const reply = await next(exchange)
    if (reply.status !== 200) return reply
    const response = await this.#peek(reply, pending.id)
    if (response) {
      this.#keep(pending, response)
      return reply
    }
    return tapMessages(reply, mayBeResponse, (json, text) => {
      const message = messageOf(json, text, 'modern')
      if (message?.kind === 'response' && message.id === pending.id) this.#keep(pending, message)
    })
  }

  /**
   * Waits for all of a JSON document, but only briefly for the response in a stream, which can be relayed without it.
   */
  #peek(reply: Reply, id: RequestId): Promise<ResponseMessage | undefined> {
    if (reply.kind === 'json') return peekInTime(reply, id, this.#responseMs)
    return peekResponse(reply, { id, timeoutMs: SHARED_WAIT_MS })
  }

  #keep({ key, own, sentAt, lastDrop }: PendingResult, { result: received, text }: ResponseMessage): void {
    const fresh = lastDrop === this.#lastDrops.get(key.upstream) ? freshness(received) : undefined
    if (!fresh) return
    const name = fresh.isPublic ? key.key : own
    const result = rangeOfMember(text, text.indexOf('{'), 'result')
    const ttl = result && rangeOfMember(text, result[0], 'ttlMs')
    if (name === undefined || !ttl) return
    this.#results.set(name, {
      target: { upstream: key.upstream, method: key.method, uri: key.uri },
      beforeTtl: text.slice(result[0], ttl[0]),
      afterTtl: text.slice(ttl[1], result[1]),
      freshUntil: sentAt + fresh.ttlMs,
    })
  }

  /** Invalidates cached results by the change notifications that pass on a client's listening stream. */
  async #listen(exchange: Exchange, next: Handle): Promise<Reply> {
    const upstream = this.#idOf(exchange)
    return tapMessages(await next(exchange), mayBeChange, (message) => {
      if (isChange(message)) this.#drop(upstream, message)
    })
  }
}

/** The client gets the remaining `ttlMs`, not the original one. (ST14) */
function replyFromCache({ beforeTtl, afterTtl, freshUntil }: CachedResult, id: RequestId): Reply {
  const remainingMs = Math.max(0, Math.floor(freshUntil - performance.now()))
  const result = `${beforeTtl}${remainingMs}${afterTtl}`
  return jsonReply(`{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${result}}`)
}
