/** A member's list, followed over its pages up to its end or to a limit. */
import { GatewayError } from '../../errors.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import { type RequestMessage, requestOf, type ResponseMessage } from '../../exchange/message.ts'
import { readResponse } from '../../exchange/read-response.ts'
import { rpcErrorOf } from '../../rpc-error.ts'
import type { AggregateServer } from '../../types.ts'
import { isObject, type JsonObject, member as memberOf } from '../../util/json.ts'
import type { Absences } from './absences.ts'
import type { ListKind } from './list-kinds.ts'
import type { MemberSessions } from './member-sessions.ts'
import { type Member, separatorOf } from './members.ts'
import { type KnownPages, Page } from './page.ts'
import { RPC_CODE } from './rpc-reply.ts'

/** How many pages of a member are followed for one answer, and after how many items no more is. */
const MAX_FOLLOWED_PAGES = 64
const MAX_FOLLOWED_ITEMS = 1_000

/** After how many characters no more page is followed: of all members together, and of each if they are many. */
const MAX_FOLLOWED_CHARS = 16 * 1024 * 1024
const LEAST_FOLLOWED_CHARS = 64 * 1024

/** A member's part of a list. */
export interface Part {
  readonly member: Member
  readonly pages: readonly Page[]
  /** Where the list goes on. */
  readonly cursor: string | undefined
  /** Why the list is not whole. */
  readonly fault: unknown
}

interface PagesParts {
  readonly sessions: MemberSessions
  readonly absences: Absences
  readonly knownPages: KnownPages
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
  const separator = separatorOf(exchange.config as AggregateServer)
  const life = exchange.life.child()
  const late = (): void => life.stop(new GatewayError('upstream_timeout', 'The server did not answer in time'))
  const timer = setTimeout(late, parts.absences.patienceMs(member)).unref()
  let fault: unknown
  try {
    do {
      const { cursor } = pages
      const id = parts.nextId()
      const request = pageRequest(exchange, list, cursor, id)
      const source = { member, list, separator, cursor }
      const parse = (text: string): unknown => parts.knownPages.parse(text, id, source)
      const reply = await parts.sessions.send(exchange, member, { message: request, verb: 'POST' }, life)
      const response = await readResponse(reply, undefined, { id, parse })
      if (life.stopped) throw life.stopped
      pages.add(response, (result, text) => parts.knownPages.pageOf(result, text, id, source))
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

type MakePage = (result: JsonObject, text: string) => Page

class Pages {
  readonly #pages: Page[] = []
  readonly #seen = new Set<string>()
  readonly #maxChars: number
  #cursor: string | undefined
  #items = 0
  #chars = 0
  #answers = 0

  constructor(cursor: string | undefined, maxChars: number) {
    this.#cursor = cursor
    this.#maxChars = maxChars
  }

  get cursor(): string | undefined {
    return this.#cursor
  }

  get goOn(): boolean {
    const isFull =
      this.#answers >= MAX_FOLLOWED_PAGES || this.#items >= MAX_FOLLOWED_ITEMS || this.#chars >= this.#maxChars
    return this.#cursor !== undefined && !isFull
  }

  get taken(): Pick<Part, 'pages' | 'cursor'> {
    return { pages: this.#pages, cursor: this.#cursor }
  }

  /** Throws the member's error; one without the method has nothing to list. A cursor that repeats ends the list. */
  add(response: ResponseMessage | undefined, pageOf: MakePage): void {
    const before = this.#cursor
    this.#cursor = undefined
    this.#answers += 1
    if (response?.error !== undefined && memberOf(response.error, 'code') === RPC_CODE.methodNotFound) return
    if (response?.error !== undefined) {
      this.#cursor = before
      throw rpcErrorOf(response.error)
    }
    const { result } = response ?? {}
    if (!isObject(result)) throw new GatewayError('upstream_invalid', 'The server did not answer with a list')
    const page = result instanceof Page ? result : pageOf(result, response!.text)
    this.#pages.push(page)
    this.#items += page.items.length
    this.#chars += page.chars
    const { nextCursor } = page
    if (nextCursor === undefined || this.#seen.has(nextCursor)) return
    this.#seen.add(nextCursor)
    this.#cursor = nextCursor
  }
}
