/** What the aggregates of a gateway share: the sessions of members, their absences, and what is known of their names. */
import type { Exchange } from '../../exchange/exchange.ts'
import type { RequestId } from '../../types.ts'
import { boundedSet } from '../../util/bounded-map.ts'
import { Absences } from './absences.ts'
import type { AggregateParts } from './aggregate-parts.ts'
import type { FanIn } from './fan-in.ts'
import type { ListKind } from './list-kinds.ts'
import { MemberSessions } from './member-sessions.ts'
import type { Member } from './members.ts'
import { Owners } from './owners.ts'
import { KnownPages } from './page.ts'
import { type Part, readPages } from './pages.ts'

/** How many requests of clients with sessions are remembered, each with what a cancellation of it concerns. */
const MAX_SENT_CALLS = 10_000

/** How much of a session's id is kept with each of its requests, in characters. */
const KEY_CHARS = 32

/** The longest id of a request that is remembered, in characters: others are cancelled at all members. */
const MAX_ID_CHARS = 256

/** Cancels a request that several members were asked, or names the member that was asked it. */
export type SentCall = { readonly member: string } | { cancel(): void }

export class Aggregates {
  readonly parts: AggregateParts
  readonly absences: Absences
  readonly sessions: MemberSessions
  readonly owners: Owners
  readonly knownPages: KnownPages = new KnownPages()
  /** The listening streams at this node, by session id. */
  readonly fanIns: Map<string, FanIn> = new Map()
  readonly #calls = new Map<string, SentCall>()
  #ids = 0

  constructor(parts: AggregateParts) {
    this.parts = parts
    this.absences = new Absences(parts)
    this.sessions = new MemberSessions(parts, this.absences)
    this.owners = new Owners(this.read, this.nextId)
  }

  /** An id for a request of the gateway's own, in the place of a client's. */
  readonly nextId = (): string => `gateway-aggregate-${(this.#ids += 1)}`

  readonly read = (
    exchange: Exchange,
    member: Member,
    list: ListKind,
    cursor: string | undefined,
    readers: number,
  ): Promise<Part> => readPages(exchange, member, list, cursor, readers, this)

  /** Remembers a request so that it can be cancelled. Returns a function that forgets it. */
  noteCall({ origin: { session } }: Exchange, id: RequestId, call: SentCall): () => void {
    if (!session || String(id).length > MAX_ID_CHARS) return () => {}
    const key = callKey(session.id, id)
    boundedSet(this.#calls, MAX_SENT_CALLS, key, call)
    return () => void (this.#calls.get(key) === call && this.#calls.delete(key))
  }

  /** The last request with this id in the session, if this node has sent it. */
  callOf({ origin: { session } }: Exchange, id: RequestId): SentCall | undefined {
    return session && this.#calls.get(callKey(session.id, id))
  }

  close(): void {
    this.absences.close()
    this.sessions.close()
    for (const fanIn of this.fanIns.values()) fanIn.close()
  }
}

/**
 * Ids are compared with their type. (UT4) The end of a session's id, which has no space, tells it from others: a sealed
 * one is long.
 */
function callKey(sessionId: string, id: RequestId): string {
  const mark = typeof id === 'string' ? ' "' : ' '
  return sessionId.slice(-KEY_CHARS) + mark + id
}
