/** Answers what was answered before, for as long as the server said. (2026-07-28 caching; ST10-ST14) */
import { jsonReply } from '../../exchange/answer.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import { rangeOfMember } from '../../exchange/json-text.ts'
import type { Layer, UpstreamOf } from '../../exchange/layer.ts'
import type { ResponseMessage } from '../../exchange/message.ts'
import { peekInTime } from '../../exchange/read-response.ts'
import type { Handle, Reply } from '../../exchange/reply.ts'
import { tapMessages } from '../../exchange/tap-messages.ts'
import type { RequestId } from '../../types.ts'
import { cacheKeyOf, type CacheKey, freshness, isChange, isStale, mayBeChange, privateKey } from './policy.ts'
import { type CachedResult, ResultStore } from './result-store.ts'

export class Cache implements Layer {
  readonly name = 'cache'
  readonly #upstreamOf: UpstreamOf
  readonly #results: ResultStore
  readonly #responseMs: number
  /** Requests that are on their way, by key: the same request waits for the result. (single flight) */
  readonly #running = new Map<string, Promise<unknown>>()
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

  async #answer(key: CacheKey, exchange: Exchange, next: Handle): Promise<Reply> {
    const [id] = exchange.requestIds as [RequestId]
    const kept = this.#find(key, exchange) ?? (await this.#awaitOther(key, exchange))
    return kept ? replyOf(kept, id) : this.#ask(key, exchange, next)
  }

  #idOf({ path, config }: Exchange): string {
    return this.#upstreamOf(path.at(-1)!, config).id
  }

  /** A public result, or one of this principal's own. */
  #find(key: CacheKey, exchange: Exchange): CachedResult | undefined {
    const found = this.#results.get(key.key)
    if (found) return found
    const own = privateKey(key, exchange)
    return own === undefined ? undefined : this.#results.get(own)
  }

  /** What somebody else's question brings, if it may be shared. One wait is enough: a private answer never will be. */
  async #awaitOther(key: CacheKey, exchange: Exchange): Promise<CachedResult | undefined> {
    const asked = this.#running.get(key.key)
    if (!asked) return undefined
    await asked
    return this.#find(key, exchange)
  }

  async #ask(key: CacheKey, exchange: Exchange, next: Handle): Promise<Reply> {
    const asking = this.#fetch(key, exchange, next)
    if (this.#running.has(key.key)) return asking
    const settled = asking.then(
      () => this.#running.delete(key.key),
      () => this.#running.delete(key.key),
    )
    this.#running.set(key.key, settled)
    return asking
  }

  async #fetch(key: CacheKey, exchange: Exchange, next: Handle): Promise<Reply> {
    const askedAt = Date.now()
    const drops = this.#drops
    const reply = await next(exchange)
    if (reply.status !== 200) return reply
    const response = await peekInTime(reply, exchange.requestIds[0], this.#responseMs)
    if (response && drops === this.#drops) this.#keep(key, exchange, response, askedAt)
    return reply
  }

  #keep(key: CacheKey, exchange: Exchange, { result: said, text }: ResponseMessage, askedAt: number): void {
    const fresh = freshness(said)
    if (!fresh) return
    const name = fresh.isPublic ? key.key : privateKey(key, exchange)
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
      if (!isChange(message)) return
      this.#drops += 1
      this.#results.drop((target) => isStale(target, upstream, message))
    })
  }
}

/** What remains of its freshness is passed on, never more. (ST14) */
function replyOf({ beforeTtl, afterTtl, freshUntil }: CachedResult, id: RequestId): Reply {
  const remainingMs = Math.max(0, freshUntil - Date.now())
  const result = `${beforeTtl}${remainingMs}${afterTtl}`
  return jsonReply(`{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${result}}`)
}
