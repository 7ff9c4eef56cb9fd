/** The default session store: in this process, bounded, with sliding expiry. */
import { randomBytes } from 'node:crypto'
import { GatewayError } from '../errors.ts'
import type { SessionHost, SessionRecord, SessionStore } from '../types.ts'

export interface MemorySessionStoreOptions {
  /** How long a session lives without use, in milliseconds. An open stream is use. Defaults to 30 minutes. */
  readonly ttlMs?: number | undefined
  /** How many sessions are kept. Past that the owner's own oldest idle one goes first. Defaults to 10 000. */
  readonly maxSessions?: number | undefined
}

/** The longest delay a timer takes. */
const MAX_TIMER_MS = 2 ** 31 - 1

interface Entry {
  readonly record: SessionRecord
  usedAt: number
}

export class MemorySessionStore implements SessionStore {
  readonly #ttlMs: number
  readonly #maxSessions: number
  readonly #entries = new Map<string, Entry>()
  #host: SessionHost | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(options: MemorySessionStoreOptions = {}) {
    this.#ttlMs = positive('ttlMs', options.ttlMs ?? 30 * 60_000)
    this.#maxSessions = positive('maxSessions', options.maxSessions ?? 10_000)
  }

  attach(host: SessionHost): void {
    this.#host = host
  }

  /** Throws `unavailable` when the store is full and no session is idle. */
  create(record: SessionRecord): string {
    if (this.#entries.size >= this.#maxSessions) this.#makeRoomFor(record.principal)
    const id = randomBytes(24).toString('base64url')
    this.#entries.set(id, { record, usedAt: Date.now() })
    this.#arm(this.#ttlMs / 4)
    return id
  }

  get(id: string): SessionRecord | undefined {
    const entry = this.#entries.get(id)
    if (!entry) return undefined
    const now = Date.now()
    if (entry.usedAt + this.#ttlMs <= now && !this.#inUse().has(id)) {
      this.#end(id, entry)
      return undefined
    }
    entry.usedAt = now
    return entry.record
  }

  update(id: string, record: SessionRecord): void {
    if (this.#entries.has(id)) this.#entries.set(id, { record, usedAt: Date.now() })
  }

  delete(id: string): void {
    this.#entries.delete(id)
  }

  /** Ends every session. */
  close(): void {
    clearTimeout(this.#timer)
    for (const [id, entry] of this.#entries) this.#end(id, entry)
  }

  #inUse(): ReadonlySet<string> {
    return this.#host?.inUse() ?? new Set()
  }

  #end(id: string, entry: Entry): void {
    this.#entries.delete(id)
    this.#host?.ended(id, entry.record)
  }

  /** One timer for all: it rings when the first of them may be due. */
  #arm(delayMs: number): void {
    this.#timer ??= setTimeout(
      () => {
        this.#timer = undefined
        this.#sweep()
      },
      Math.min(delayMs, MAX_TIMER_MS),
    ).unref()
  }

  /** An entry is not moved when it is used, only its time is noted: so all are looked at, which is rare and quick. */
  #sweep(): void {
    const now = Date.now()
    const inUse = this.#inUse()
    let nextInMs = Infinity
    for (const [id, entry] of this.#entries) {
      if (inUse.has(id)) entry.usedAt = now
      const dueInMs = entry.usedAt + this.#ttlMs - now
      if (dueInMs <= 0) this.#end(id, entry)
      else nextInMs = Math.min(nextInMs, dueInMs)
    }
    if (nextInMs === Infinity) return
    // Not too often, since it takes a while; nor too rarely, since use that ends in between counts up to here.
    this.#arm(Math.min(Math.max(nextInMs, Math.min(this.#ttlMs / 100, 1_000)), this.#ttlMs / 4))
  }

  #makeRoomFor(principal: string): void {
    const inUse = this.#inUse()
    let victim: [string, Entry] | undefined
    for (const [id, entry] of this.#entries) {
      if (!inUse.has(id) && (!victim || goesBefore(entry, victim[1], principal))) victim = [id, entry]
    }
    if (!victim) throw new GatewayError('unavailable', 'Too many sessions are open')
    this.#end(...victim)
  }
}

/** The owner's own go first, the oldest of them before the others. */
function goesBefore(one: Entry, other: Entry, principal: string): boolean {
  const isOwn = one.record.principal === principal
  if (isOwn !== (other.record.principal === principal)) return isOwn
  return one.usedAt < other.usedAt
}

function positive(option: string, value: number): number {
  if (Number.isFinite(value) && value > 0) return value
  throw new TypeError(`"${option}" of MemorySessionStore must be a positive number, not ${value}`)
}
