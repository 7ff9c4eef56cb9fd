/** What the aggregates of a gateway share: the sessions of members, their absences, and what is known of their names. */
import type { Exchange } from '../../exchange/exchange.ts'
import { Absences } from './absences.ts'
import type { AggregateParts } from './aggregate-parts.ts'
import type { FanIn } from './fan-in.ts'
import type { ListKind } from './list-kinds.ts'
import { MemberSessions } from './member-sessions.ts'
import type { Member } from './members.ts'
import { Owners } from './owners.ts'
import { KnownPages } from './page.ts'
import { type Part, readPages } from './pages.ts'
import { SentCalls } from './sent-calls.ts'

export class Aggregates {
  readonly parts: AggregateParts
  readonly absences: Absences
  readonly sessions: MemberSessions
  readonly owners: Owners
  readonly knownPages: KnownPages = new KnownPages()
  /** The listening streams at this node, by session id. */
  readonly fanIns: Map<string, FanIn> = new Map()
  readonly calls: SentCalls = new SentCalls()
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

  close(): void {
    this.absences.close()
    this.sessions.close()
    for (const fanIn of this.fanIns.values()) fanIn.close()
  }
}
