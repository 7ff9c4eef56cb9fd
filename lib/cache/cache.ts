/** Answers what was answered before, for as long as the server said: a Handle before a Handle. */
import type { Exchange, Handle } from '../exchange.ts'
import { member } from '../json.ts'
import { JSON_TYPE } from '../protocol.ts'
import type { Answer, Body, Reply, RequestId, Sink } from '../types.ts'
import { rangeOfMember } from './members.ts'
import { freshness, isChange, isStale, privateKey, type Question, questionOf } from './policy.ts'
import { type Kept, Shelf } from './shelf.ts'

/** What the cache has others do. */
export interface CacheTools {
  /** Reads a reply as far as its answer; the reply can be relayed as if untouched. */
  readonly readAnswer: (reply: Reply) => Promise<Answer | undefined>
  /** Calls back with every message of an event stream on its way. */
  readonly overhear: (reply: Reply, onMessage: (message: unknown) => void) => Reply
}

export class Cache {
  readonly #next: Handle
  readonly #tools: CacheTools
  readonly #shelf: Shelf
  /** Questions that are on their way; who asks the same waits for the answer. */
  readonly #asked = new Map<string, Promise<unknown>>()
  /** How often anything has been dropped: a result that was on its way meanwhile may be stale. */
  #drops = 0

  constructor(next: Handle, maxBytes: number, tools: CacheTools) {
    this.#next = next
    this.#tools = tools
    this.#shelf = new Shelf(maxBytes)
  }

  readonly handle: Handle = async (exchange) => {
    if (exchange.listens) return this.#listen(exchange)
    const question = questionOf(exchange)
    if (!question) return this.#next(exchange)
    const [id] = exchange.waiting as [RequestId]
    const kept = this.#find(question, exchange) ?? (await this.#awaitOther(question, exchange))
    return kept ? replyOf(kept, id) : this.#ask(question, exchange)
  }

  /** A public result, or one of this principal's own. */
  #find(question: Question, exchange: Exchange): Kept | undefined {
    const found = this.#shelf.get(question.key)
    if (found) return found
    const own = privateKey(question, exchange)
    return own === undefined ? undefined : this.#shelf.get(own)
  }

  /** What somebody else's question brings, if it may be shared. One wait is enough: a private answer never will be. */
  async #awaitOther(question: Question, exchange: Exchange): Promise<Kept | undefined> {
    const asked = this.#asked.get(question.key)
    if (!asked) return undefined
    await asked
    return this.#find(question, exchange)
  }

  async #ask(question: Question, exchange: Exchange): Promise<Reply> {
    const asking = this.#fetch(question, exchange)
    if (this.#asked.has(question.key)) return asking
    const settled = asking.then(
      () => this.#asked.delete(question.key),
      () => this.#asked.delete(question.key),
    )
    this.#asked.set(question.key, settled)
    return asking
  }

  async #fetch(question: Question, exchange: Exchange): Promise<Reply> {
    const askedAt = Date.now()
    const drops = this.#drops
    const reply = await this.#next(exchange)
    if (reply.status !== 200) return reply
    const answer = await this.#tools.readAnswer(reply)
    if (answer && drops === this.#drops) this.#keep(question, exchange, answer, askedAt)
    return reply
  }

  #keep(question: Question, exchange: Exchange, { message, text }: Answer, askedAt: number): void {
    const fresh = freshness(member(message, 'result'))
    if (!fresh) return
    const key = fresh.isPublic ? question.key : privateKey(question, exchange)
    const result = rangeOfMember(text, text.indexOf('{'), 'result')
    const ttl = result && rangeOfMember(text, result[0], 'ttlMs')
    if (key === undefined || !ttl) return
    this.#shelf.set(key, {
      subject: question,
      beforeTtl: text.slice(result[0], ttl[0]),
      afterTtl: text.slice(ttl[1], result[1]),
      freshUntil: askedAt + fresh.ttlMs,
    })
  }

  /** What a server tells a listener, it tells the cache. */
  async #listen(exchange: Exchange): Promise<Reply> {
    const url = String(exchange.config.url)
    return this.#tools.overhear(await this.#next(exchange), (message) => {
      if (!isChange(message)) return
      this.#drops += 1
      this.#shelf.drop((subject) => isStale(subject, url, message))
    })
  }
}

/** What remains of its freshness is passed on, never more. (ST14) */
function replyOf({ beforeTtl, afterTtl, freshUntil }: Kept, id: RequestId): Reply {
  const remainingMs = Math.max(0, freshUntil - Date.now())
  const result = `${beforeTtl}${remainingMs}${afterTtl}`
  const bytes = Buffer.from(`{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${result}}`)
  const headers = { 'content-type': JSON_TYPE, 'content-length': String(bytes.length) }
  return { status: 200, headers, body: new KeptBody(bytes) }
}

/** Bytes that are all there. */
class KeptBody implements Body {
  #chunks: readonly Buffer[]

  constructor(bytes: Buffer) {
    this.#chunks = [bytes]
  }

  whole(): Buffer {
    return this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks)
  }

  pipe(sink: Sink): void {
    for (const chunk of this.#chunks) sink.data(chunk)
    sink.end()
  }

  unread(chunks: readonly Buffer[]): void {
    this.#chunks = chunks
  }

  resume(): void {}
  cancel(): void {}
  drain(): void {}
}
