/** Sessions whose call may go on at any node: its client has all of it, sealed, and this node stops reading. (ST24) */
import { boundedSet } from '../../../util/bounded-map.ts'
import type { PooledSession } from './pooled-session.ts'
import { QUESTION_MS } from '../tables.ts'
import type { PoolEntry } from './pool-parts.ts'
import type { SessionPool } from './session-pool.ts'

/** How long a session keeps its place in the pool, in milliseconds: nobody tells this node if the call goes on elsewhere. */
const PLACE_MS = 60_000

/** How many sessions are remembered, of which the oldest is forgotten: of one principal at a server, and in all. */
const MAX_MOVED_OF_ONE = 100
const MAX_MOVED = 10_000

/** How many answered states are remembered, so that none of them is answered twice here. */
const MAX_ANSWERED = 10_000

interface Moved {
  readonly session: PooledSession
  readonly entry: PoolEntry
  hasPlace: boolean
  readonly timers: readonly NodeJS.Timeout[]
}

export class MovedCalls {
  readonly #pool: SessionPool
  /** By the id of the call. */
  readonly #moved = new Map<string, Moved>()
  /** The ids of calls by account, oldest first. */
  readonly #ofOne = new Map<string, Set<string>>()
  readonly #answered = new Map<string, true>()

  constructor(pool: SessionPool) {
    this.#pool = pool
  }

  get size(): number {
    return this.#moved.size
  }

  /** Gives the session of a call away. */
  add(callId: string, session: PooledSession): void {
    const entry = this.#pool.handOver(session)
    if (!entry) return
    const moved: Moved = {
      session,
      entry,
      hasPlace: true,
      timers: [
        setTimeout(() => this.#freePlace(moved), PLACE_MS).unref(),
        setTimeout(() => this.#drop(callId), QUESTION_MS).unref(),
      ],
    }
    this.#moved.set(callId, moved)
    const ofOne = this.#ofOne.get(entry.account.key) ?? new Set()
    this.#ofOne.set(entry.account.key, ofOne.add(callId))
    const [oldestOfOne] = ofOne
    if (ofOne.size > MAX_MOVED_OF_ONE) this.#drop(oldestOfOne!)
    const [oldest] = this.#moved.keys()
    if (this.#moved.size > MAX_MOVED) this.#drop(oldest!)
  }

  /** Whether this round of a call has not been answered at this node. */
  isNew(callId: string, round: number): boolean {
    const key = `${callId} ${round}`
    if (this.#answered.has(key)) return false
    boundedSet(this.#answered, MAX_ANSWERED, key, true)
    return true
  }

  /** Lets a round be answered again: its answer did not get to the server. */
  reopen(callId: string, round: number): void {
    this.#answered.delete(`${callId} ${round}`)
  }

  /** Takes the session of a call back, lent to it; `undefined` if this node does not have it. */
  take(callId: string): PooledSession | undefined {
    const moved = this.#remove(callId)
    if (!moved) return undefined
    this.#pool.takeBack(moved.session, moved.entry, moved.hasPlace)
    return moved.session
  }

  /** Forgets all: the calls may go on at other nodes, or after a restart. */
  close(): void {
    for (const callId of this.#moved.keys()) this.#drop(callId)
  }

  #freePlace(moved: Moved): void {
    if (!moved.hasPlace) return
    moved.hasPlace = false
    this.#pool.forget(moved.entry)
  }

  /** The server ends a session that nobody comes back to: this node cannot know whether another one has. */
  #drop(callId: string): void {
    const moved = this.#remove(callId)
    if (!moved) return
    this.#freePlace(moved)
    moved.session.end()
  }

  #remove(callId: string): Moved | undefined {
    const moved = this.#moved.get(callId)
    if (!moved) return undefined
    this.#moved.delete(callId)
    const { key } = moved.entry.account
    const ofOne = this.#ofOne.get(key)
    if (ofOne?.delete(callId) && ofOne.size === 0) this.#ofOne.delete(key)
    for (const timer of moved.timers) clearTimeout(timer)
    return moved
  }
}
