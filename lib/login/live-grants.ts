/** Which grants this node knows to be in force: remembered, forgotten when one ends anywhere, looked up again at times. */
import type { LoginStore } from '../types.ts'
import { boundedSet } from '../util/bounded-map.ts'
import type { GrantRecord } from './grants.ts'

interface KnownGrant {
  readonly record: GrantRecord
  readonly checkedAt: number
  /** The time of the last request with it. */
  usedAt: number
}

export interface LiveGrantsParts {
  readonly store: LoginStore
  readonly find: (id: string) => Promise<GrantRecord | undefined>
  /** Ends what is in progress with these grants at this node. */
  readonly onEnded: (isEnded: (id: string) => boolean) => void
  readonly report: (error: unknown) => void
  /** How long an access token lives: so long a grant is of interest after its last request. */
  readonly accessS: number
}

/** How many grants are remembered, and how many that have ended. */
const MAX_KNOWN = 10_000

/** How often a grant is looked up again: where the store tells what has ended, in case that it was not heard. */
const TOLD_MS = 60_000
const UNTOLD_MS = 5_000

export class LiveGrants {
  readonly #parts: LiveGrantsParts
  readonly #known = new Map<string, KnownGrant>()
  readonly #looking = new Map<string, Promise<GrantRecord | undefined>>()
  /** The grants that have ended, and when. A request that was let in just before may begin its work after. */
  readonly #ended = new Map<string, number>()
  /** Ends the subscription, once there is one. */
  #unsubscribe: (() => unknown) | undefined
  #isSubscribing = false
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(parts: LiveGrantsParts) {
    this.#parts = parts
    void this.#subscribe()
  }

  /** The grant if it is in force. Answers without a promise where that is known. */
  find(id: string): GrantRecord | undefined | Promise<GrantRecord | undefined> {
    if (this.#ended.has(id)) return undefined
    const known = this.#known.get(id)
    const now = performance.now()
    if (known) known.usedAt = now
    return known && now - known.checkedAt < this.#recheckMs ? known.record : this.#lookUp(id)
  }

  /** Forgets a grant that has ended, and ends what goes on with it. */
  ended(id: string): void {
    this.#known.delete(id)
    this.#looking.delete(id)
    boundedSet(this.#ended, MAX_KNOWN, id, performance.now())
    this.#parts.onEnded((each) => each === id)
    this.#arm()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    await this.#unsubscribe?.()
    this.#unsubscribe = undefined
  }

  get #recheckMs(): number {
    return this.#unsubscribe ? TOLD_MS : UNTOLD_MS
  }

  /** Until it succeeds, it is tried again in each round. */
  async #subscribe(): Promise<void> {
    const { store, report } = this.#parts
    if (this.#unsubscribe || this.#isSubscribing || this.#isClosed || !store.subscribe) return
    this.#isSubscribing = true
    try {
      const unsubscribe = await store.subscribe((id) => this.ended(id))
      if (this.#isClosed) await unsubscribe()
      else this.#unsubscribe = unsubscribe
    } catch (error) {
      if (!this.#isClosed) report(error)
    }
    this.#isSubscribing = false
  }

  /** One look-up serves all requests that need it. */
  #lookUp(id: string): Promise<GrantRecord | undefined> {
    const running = this.#looking.get(id)
    if (running) return running
    const looking = this.#parts
      .find(id)
      .then((record) => {
        // It may have ended while it was looked up.
        if (this.#looking.get(id) !== looking) return undefined
        const now = performance.now()
        const usedAt = this.#known.get(id)?.usedAt ?? now
        if (record) boundedSet(this.#known, MAX_KNOWN, id, { record, checkedAt: now, usedAt })
        else this.ended(id)
        this.#arm()
        return record
      })
      .finally(() => {
        if (this.#looking.get(id) === looking) this.#looking.delete(id)
      })
    this.#looking.set(id, looking)
    return looking
  }

  #arm(): void {
    if (this.#isClosed) return
    this.#timer ??= setTimeout(() => void this.#round(), this.#recheckMs).unref()
  }

  /** Looks up the grants with a stream or a long request, which no request of its own would find ended. */
  async #round(): Promise<void> {
    void this.#subscribe()
    const now = performance.now()
    const interestMs = (this.#parts.accessS + 60) * 1_000
    for (const [id, { checkedAt, usedAt }] of this.#known) {
      if (now - usedAt > interestMs) this.#known.delete(id)
      else if (now - checkedAt >= this.#recheckMs / 2) await this.#lookUp(id).catch(this.#parts.report)
    }
    for (const [id, at] of this.#ended) if (now - at > interestMs) this.#ended.delete(id)
    if (this.#ended.size > 0) this.#parts.onEnded((id) => this.#ended.has(id))
    this.#timer = undefined
    if (this.#known.size > 0 || this.#ended.size > 0) this.#arm()
  }
}
