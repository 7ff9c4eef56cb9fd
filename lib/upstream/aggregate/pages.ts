/** A member's list, followed over its pages up to its end or to a limit. */
import { GatewayError } from '../../errors.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import { itemTexts, valueText } from '../../exchange/json-text.ts'
import { type RequestMessage, requestOf, type ResponseMessage } from '../../exchange/message.ts'
import { readResponse } from '../../exchange/read-response.ts'
import { rpcErrorOf } from '../../rpc-error.ts'
import { isObject, type JsonObject, member as memberOf } from '../../util/json.ts'
import type { Absences } from './absences.ts'
import { type ListKind, nameIn } from './list-kinds.ts'
import type { MemberSessions } from './member-sessions.ts'
import type { Member } from './members.ts'
import { RPC_CODE } from './rpc-reply.ts'

/** How many pages of a member are followed for one answer, and after how many items no more is. */
const MAX_FOLLOWED_PAGES = 64
const MAX_FOLLOWED_ITEMS = 1_000

/** After how many characters no more page is followed: of all members together, and of each if they are many. */
const MAX_FOLLOWED_CHARS = 16 * 1024 * 1024
const LEAST_FOLLOWED_CHARS = 64 * 1024

export interface ListItem {
  readonly json: JsonObject
  readonly text: string
}

/** A member's part of a list. */
export interface Part {
  readonly member: Member
  readonly items: readonly ListItem[]
  /** Where the list goes on. */
  readonly cursor: string | undefined
  /** For how long the result may be cached, and by whom. (2026-07-28 caching) */
  readonly ttlMs: number
  readonly isPublic: boolean
  /** Why the list is not whole. */
  readonly fault: unknown
}

interface PagesParts {
  readonly sessions: MemberSessions
  readonly absences: Absences
  readonly nextId: () => string
}

/** Reads a member's list from a cursor on, as one of so many that are read at once. Never rejects. */
export async function readPages(
  exchange: Exchange,
  member: Member,
  list: ListKind,
  from: string | undefined,
  readers: number,
  parts: PagesParts,
): Promise<Part> {
  const pages = new Pages(from, Math.max(LEAST_FOLLOWED_CHARS, MAX_FOLLOWED_CHARS / readers))
  const life = exchange.life.child()
  const late = (): void => life.stop(new GatewayError('upstream_timeout', 'The server did not answer in time'))
  const timer = setTimeout(late, parts.absences.patienceMs(member)).unref()
  let fault: unknown
  try {
    do {
      const request = pageRequest(exchange, list, pages.cursor, parts.nextId())
      const reply = await parts.sessions.send(exchange, member, { message: request, verb: 'POST' }, life)
      const response = await readResponse(reply, undefined, { id: request.id })
      if (life.stopped) throw life.stopped
      pages.add(response, list)
    } while (pages.goOn)
  } catch (error) {
    fault = life.stopped ?? error
    if (!exchange.life.stopped) parts.absences.note(member, fault, exchange)
  } finally {
    clearTimeout(timer)
    life.end()
  }
  return { member, ...pages.taken, fault }
}

/** The client's own request with another id, since each in a session has one of its own, and with a member's cursor. */
function pageRequest(exchange: Exchange, { method }: ListKind, cursor: string | undefined, id: string): RequestMessage {
  const { message } = exchange
  const { cursor: _, ...given } = (message?.kind === 'request' ? message.params : undefined) ?? {}
  return requestOf(message!.era, id, method, { ...given, ...(cursor !== undefined && { cursor }) })
}

class Pages {
  readonly #items: ListItem[] = []
  readonly #seen = new Set<string>()
  readonly #maxChars: number
  #cursor: string | undefined
  #chars = 0
  #pages = 0
  #ttlMs = Infinity
  #isPublic = true

  constructor(cursor: string | undefined, maxChars: number) {
    this.#cursor = cursor
    this.#maxChars = maxChars
  }

  get cursor(): string | undefined {
    return this.#cursor
  }

  get goOn(): boolean {
    const isFull =
      this.#pages >= MAX_FOLLOWED_PAGES || this.#items.length >= MAX_FOLLOWED_ITEMS || this.#chars >= this.#maxChars
    return this.#cursor !== undefined && !isFull
  }

  get taken(): Omit<Part, 'member' | 'fault'> {
    return { items: this.#items, cursor: this.#cursor, ttlMs: this.#ttlMs, isPublic: this.#isPublic }
  }

  /** Throws the member's error; one without the method has nothing to list. A cursor that repeats ends the list. */
  add(response: ResponseMessage | undefined, list: ListKind): void {
    const before = this.#cursor
    this.#cursor = undefined
    this.#pages += 1
    if (response?.error !== undefined && memberOf(response.error, 'code') === RPC_CODE.methodNotFound) return
    if (response?.error !== undefined) {
      this.#cursor = before
      throw rpcErrorOf(response.error)
    }
    const { result } = response ?? {}
    if (!isObject(result)) throw new GatewayError('upstream_invalid', 'The server did not answer with a list')
    this.#noteCaching(result)
    this.#take(response!.text, memberOf(result, list.key), list)
    const next = memberOf(result, 'nextCursor')
    if (typeof next !== 'string' || this.#seen.has(next)) return
    this.#seen.add(next)
    this.#cursor = next
  }

  #take(text: string, items: unknown, list: ListKind): void {
    if (!Array.isArray(items)) return
    const texts = itemTexts(valueText(text, ['result', list.key]) ?? '[]')
    for (const [index, json] of items.entries()) {
      if (!isObject(json) || nameIn(json, list) === undefined) continue
      const own = texts[index]!
      this.#chars += own.length
      this.#items.push({ json, text: own })
    }
  }

  #noteCaching({ ttlMs, cacheScope }: JsonObject): void {
    this.#ttlMs = Math.min(this.#ttlMs, typeof ttlMs === 'number' && ttlMs > 0 ? ttlMs : 0)
    if (cacheScope !== 'public') this.#isPublic = false
  }
}
