/** The requests of clients with sessions, each with what a cancellation of it concerns. */
import type { Exchange } from '../../exchange/exchange.ts'
import type { RequestId } from '../../types.ts'

/** How many requests are remembered; past that the oldest are forgotten. */
const MAX_SENT_CALLS = 10_000

/** How much of a session's id is kept for long, in characters: its end tells it from others, and a sealed one is long. */
const KEPT_CHARS = 32

/** The longest id of a request that is remembered, in characters: others are cancelled at all members. */
const MAX_ID_CHARS = 256

/** Cancels a request that several members were asked, or names the member that was asked it. */
export type SentCall = { readonly member: string } | { cancel(): void }

/** A request in the list. */
class NotedCall {
  readonly id: RequestId
  readonly call: SentCall
  /** The session's id, or its end. */
  session: string
  isKept = false
  isListed = true
  older: NotedCall | undefined
  newer: NotedCall | undefined

  constructor(id: RequestId, session: string, call: SentCall, older: NotedCall | undefined) {
    this.id = id
    this.session = session
    this.call = call
    this.older = older
  }
}

export type { NotedCall }

/**
 * A linked list, since nearly every call is noted and forgotten, and hardly one is looked for: a map would make a key of
 * each.
 */
export class SentCalls {
  #newest: NotedCall | undefined
  #oldest: NotedCall | undefined
  #size = 0

  get size(): number {
    return this.#size
  }

  /** `undefined` without a session, and for an id that is too long. */
  note({ origin: { session } }: Exchange, id: RequestId, call: SentCall): NotedCall | undefined {
    if (!session || (typeof id === 'string' && id.length > MAX_ID_CHARS)) return undefined
    const noted = new NotedCall(id, session.id, call, this.#newest)
    if (this.#newest) this.#newest.newer = noted
    else this.#oldest = noted
    this.#newest = noted
    this.#size += 1
    if (this.#size > MAX_SENT_CALLS) this.forget(this.#oldest)
    return noted
  }

  forget(noted: NotedCall | undefined): void {
    if (!noted?.isListed) return
    const { older, newer } = noted
    if (older) older.newer = newer
    else this.#oldest = newer
    if (newer) newer.older = older
    else this.#newest = older
    noted.isListed = false
    noted.older = undefined
    noted.newer = undefined
    this.#size -= 1
  }

  /** Remembers a request whose answer may be yet to come, until others push it out. */
  keep(noted: NotedCall | undefined): void {
    if (!noted || noted.isKept) return
    noted.isKept = true
    // A slice would hold the whole id in memory.
    noted.session = Buffer.from(tailOf(noted.session), 'latin1').toString('latin1')
  }

  /** The last request with this id in the session, if this node has sent it. Ids are compared with their type. (UT4) */
  find({ origin: { session } }: Exchange, id: RequestId): SentCall | undefined {
    if (!session) return undefined
    const end = tailOf(session.id)
    let noted = this.#newest
    while (noted && !(noted.id === id && noted.session === (noted.isKept ? end : session.id))) noted = noted.older
    return noted?.call
  }
}

function tailOf(sessionId: string): string {
  return sessionId.slice(-KEPT_CHARS)
}
