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
  /** Oldest use first: every use moves an entry to the end. */
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
    this.#arm(this.#ttlMs)
    return id
  }

  get(id: string): SessionRecord | undefined {
    const entry = this.#entries.get(id)
    if (!entry) return undefined
    if (this.#isExpired(id, entry)) {
      this.#end(id, entry)
      return undefined
    }
    this.#use(id, entry)
    return entry.record
  }

  update(id: string, record: SessionRecord): void {
    if (this.#entries.has(id)) this.#use(id, { record, usedAt: 0 })
  }

  delete(id: string): void {
    this.#entries.delete(id)
  }

  /** Ends every session. */
  close(): void {
    clearTimeout(this.#timer)
    for (const [id, entry] of this.#entries) this.#end(id, entry)
  }

  #use(id: string, entry: Entry): void {
    entry.usedAt = Date.now()
    this.#entries.delete(id)
    this.#entries.set(id, entry)
  }

  #isExpired(id: string, entry: Entry): boolean {
    return entry.usedAt + this.#ttlMs <= Date.now() && !this.#host?.inUse(id)
  }

  #end(id: string, entry: Entry): void {
    this.#entries.delete(id)
    this.#host?.ended(id, entry.record)
  }

  /** One timer for all: it rings when the oldest entry is due. */
  #arm(delayMs: number): void {
    this.#timer ??= setTimeout(
      () => {
        this.#timer = undefined
        this.#sweep()
      },
      Math.min(delayMs, MAX_TIMER_MS),
    ).unref()
  }

  #sweep(): void {
    const now = Date.now()
    for (const [id, entry] of this.#entries) {
      const dueInMs = entry.usedAt + this.#ttlMs - now
      if (dueInMs > 0) {
        this.#arm(dueInMs)
        return
      }
      if (this.#isExpired(id, entry)) this.#end(id, entry)
      else this.#use(id, entry)
    }
  }

  #makeRoomFor(principal: string): void {
    let oldestIdle: [string, Entry] | undefined
    for (const [id, entry] of this.#entries) {
      if (this.#host?.inUse(id)) continue
      oldestIdle ??= [id, entry]
      if (entry.record.principal === principal) {
        oldestIdle = [id, entry]
        break
      }
    }
    if (!oldestIdle) throw new GatewayError('unavailable', 'Too many sessions are open')
    this.#end(...oldestIdle)
  }
}

function positive(option: string, value: number): number {
  if (Number.isFinite(value) && value > 0) return value
  throw new TypeError(`"${option}" of MemorySessionStore must be a positive number, not ${value}`)
}
