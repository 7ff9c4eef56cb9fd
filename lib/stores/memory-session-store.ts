/** The default session store: in this process, bounded, with sliding expiry. */
import { GatewayError } from '../errors.ts'
import type { SessionHost, SessionRecord, SessionStore } from '../types.ts'
import { drawnBytes } from '../util/drawn-bytes.ts'
import { MAX_TIMER_MS } from '../util/timeout.ts'
import { rejectUnknown } from '../util/unknown-key.ts'

export interface MemorySessionStoreOptions {
  /** How long a session lives without use, in milliseconds. An open stream counts as use. Defaults to 30 minutes. */
  readonly ttlMs?: number | undefined
  /**
   * How long a session lives at most, used or not, in milliseconds. `Infinity` sets no end. Defaults to 24 hours, or to
   * a longer `ttlMs`.
   */
  readonly lifetimeMs?: number | undefined
  /**
   * How many sessions are kept. Beyond that an idle session ends, the principal's own oldest first. Defaults to 10 000.
   */
  readonly maxSessions?: number | undefined
  /**
   * How many sessions one principal may have. Beyond that the principal's oldest session ends: an idle one, or one with
   * an open stream if none is idle. `Infinity` sets no cap. Defaults to 1 000.
   */
  readonly maxSessionsPerPrincipal?: number | undefined
}

/** The names of all options: the compiler rejects a record that lacks one. */
const MEMORY_STORE_OPTIONS: Readonly<Record<keyof MemorySessionStoreOptions, true>> = {
  ttlMs: true,
  lifetimeMs: true,
  maxSessions: true,
  maxSessionsPerPrincipal: true,
}

interface StoredSession {
  readonly record: SessionRecord
  readonly endsAt: number
  usedAt: number
}

/**
 * Keeps sessions in the memory of this process, with sliding expiry. It is the default of the option `sessions`. Sessions
 * are lost on a restart, and other nodes do not see them.
 *
 * @example
 * ```js
 * mcpGateway({ servers, authenticate, sessions: new MemorySessionStore({ ttlMs: 10 * 60_000 }) })
 * ```
 *
 * @throws {TypeError} from the constructor, for an option that is not a positive number.
 */
export class MemorySessionStore implements SessionStore {
  readonly #ttlMs: number
  readonly #lifetimeMs: number
  readonly #maxSessions: number
  readonly #maxPerPrincipal: number
  readonly #entries = new Map<string, StoredSession>()
  /** How many sessions each principal has. */
  readonly #owned = new Map<string, number>()
  #host: SessionHost | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(options: MemorySessionStoreOptions = {}) {
    rejectUnknown(options, MEMORY_STORE_OPTIONS, 'MemorySessionStore.')
    const { ttlMs = 30 * 60_000, maxSessions = 10_000, maxSessionsPerPrincipal = 1_000 } = options
    this.#ttlMs = positive('ttlMs', ttlMs)
    const { lifetimeMs = Math.max(ttlMs, 24 * 60 * 60_000) } = options
    this.#lifetimeMs = positive('lifetimeMs', lifetimeMs, Infinity)
    this.#maxSessions = positive('maxSessions', maxSessions)
    this.#maxPerPrincipal = positive('maxSessionsPerPrincipal', maxSessionsPerPrincipal, Infinity)
  }

  /** The most sessions that it keeps. */
  get maxSessions(): number {
    return this.#maxSessions
  }

  attach(host: SessionHost): void {
    this.#host = host
  }

  /** Throws `unavailable` when the store is full and no session is idle. */
  create(record: SessionRecord): string {
    const { principal } = record
    const owned = this.#owned.get(principal) ?? 0
    if (owned >= this.#maxPerPrincipal) this.#makeRoomFor(principal, true)
    else if (this.#entries.size >= this.#maxSessions) this.#makeRoomFor(principal, false)
    const id = drawnBytes(24).toString('base64url')
    const now = performance.now()
    this.#entries.set(id, { record, endsAt: now + this.#lifetimeMs, usedAt: now })
    // Without authentication all clients share the empty id, so the cap per principal does not apply.
    if (principal !== '') this.#owned.set(principal, (this.#owned.get(principal) ?? 0) + 1)
    this.#arm(Math.min(this.#ttlMs, this.#lifetimeMs) / 4)
    return id
  }

  get(id: string): SessionRecord | undefined {
    const entry = this.#entries.get(id)
    if (!entry) return undefined
    const now = performance.now()
    if (entry.endsAt <= now || (entry.usedAt + this.#ttlMs <= now && !this.#inUse().has(id))) {
      this.#end(id, entry)
      return undefined
    }
    entry.usedAt = now
    return entry.record
  }

  update(id: string, record: SessionRecord): void {
    const entry = this.#entries.get(id)
    if (entry) this.#entries.set(id, { record, endsAt: entry.endsAt, usedAt: performance.now() })
  }

  delete(id: string): void {
    const entry = this.#entries.get(id)
    if (entry) this.#forget(id, entry)
  }

  /** Ends every session. */
  close(): void {
    clearTimeout(this.#timer)
    for (const [id, entry] of this.#entries) this.#end(id, entry)
  }

  #inUse(): ReadonlySet<string> {
    return this.#host?.inUse() ?? new Set()
  }

  #end(id: string, entry: StoredSession): void {
    this.#forget(id, entry)
    this.#host?.ended(id, entry.record)
  }

  #forget(id: string, { record: { principal } }: StoredSession): void {
    this.#entries.delete(id)
    const left = (this.#owned.get(principal) ?? 0) - 1
    if (left > 0) this.#owned.set(principal, left)
    else this.#owned.delete(principal)
  }

  /** One timer serves all sessions: it fires when the first of them may expire. */
  #arm(delayMs: number): void {
    this.#timer ??= setTimeout(
      () => {
        this.#timer = undefined
        this.#sweep()
      },
      Math.min(delayMs, MAX_TIMER_MS),
    ).unref()
  }

  /** Using a session only records the time and does not reorder entries, so the rare sweep checks all of them. */
  #sweep(): void {
    const now = performance.now()
    const inUse = this.#inUse()
    let nextInMs = Infinity
    for (const [id, entry] of this.#entries) {
      if (inUse.has(id)) entry.usedAt = now
      const dueInMs = Math.min(entry.usedAt + this.#ttlMs, entry.endsAt) - now
      if (dueInMs <= 0) this.#end(id, entry)
      else nextInMs = Math.min(nextInMs, dueInMs)
    }
    if (nextInMs === Infinity) return
    // A sweep is slow, so it must be rare; but use that ends between sweeps prolongs a session up to the next one.
    const shorterMs = Math.min(this.#ttlMs, this.#lifetimeMs)
    this.#arm(Math.min(Math.max(nextInMs, Math.min(shorterMs / 100, 1_000)), shorterMs / 4))
  }

  /** Over the total cap it ends an idle session, the principal's own first; over the principal's cap one of theirs. */
  #makeRoomFor(principal: string, pastOwnCap: boolean): void {
    const inUse = this.#inUse()
    let victim: [string, StoredSession] | undefined
    let isPreferred = false
    for (const [id, entry] of this.#entries) {
      const isOwn = entry.record.principal === principal
      const isIdle = !inUse.has(id)
      const [mayGo, goesFirst] = pastOwnCap ? [isOwn, isIdle] : [isIdle, isOwn]
      if (!mayGo || (victim && !goesBefore(entry, goesFirst, victim[1], isPreferred))) continue
      victim = [id, entry]
      isPreferred = goesFirst
    }
    if (!victim) throw new GatewayError('unavailable', 'Too many sessions are open')
    this.#end(...victim)
  }
}

function goesBefore(
  one: StoredSession,
  isPreferred: boolean,
  other: StoredSession,
  isOtherPreferred: boolean,
): boolean {
  return isPreferred === isOtherPreferred ? one.usedAt < other.usedAt : isPreferred
}

function positive(option: string, value: number, most: number = Number.MAX_VALUE): number {
  if (typeof value === 'number' && value > 0 && value <= most) return value
  throw new TypeError(`"${option}" of MemorySessionStore must be a positive number, not ${value}`)
}
