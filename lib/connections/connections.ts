/** The connected accounts: their tokens as headers, their list, and their end. */
import { LRUCache } from 'lru-cache'
import type { ConnectionSubject } from '../exchange/connections.ts'
import { storeKey } from '../stores/login-store-key.ts'
import type { Awaitable, LoginStore } from '../types.ts'
import type { ConnectionRecord } from './records.ts'
import { type KeptConnection, Refreshes, type RefreshParts } from './refreshes.ts'
import { serviceFault } from './service-fault.ts'
import { revokeTokens } from './token-requests.ts'
import type { UserConnection } from './types.ts'

export type TokenHeaders = Readonly<Record<string, string>>

/** A connection as it was read from the store. */
interface Read {
  readonly kept: KeptConnection
  readonly headers: TokenHeaders
  /** Monotonic; until then no other node is asked whether it still exists. */
  readonly recheckAt: number
}

/** Within this time a node hears of what other nodes did to a connection. */
const RECHECK_MS = 5_000
const MAX_READ = 10_000
/** The most connections of one user: the oldest are forgotten. */
const MAX_CONNECTIONS = 200

/** How long before its expiry a token is renewed, and no longer sent; less for short lifetimes. */
const RENEW_BEFORE_MS = 30_000
const STOP_BEFORE_MS = 5_000
/** How long a token is expected to be good, at the least. */
export const JUST_ISSUED_MS = 5_000
const DAY_MS = 24 * 60 * 60_000

const NO_TOKEN: TokenHeaders = Object.freeze({})

export class Connections {
  readonly #parts: RefreshParts
  readonly #store: LoginStore
  readonly #refreshes: Refreshes
  readonly #read = new LRUCache<string, Read>({ max: MAX_READ })
  readonly #reading = new Map<string, Promise<Read | undefined>>()

  constructor(parts: RefreshParts) {
    this.#parts = parts
    this.#store = parts.store
    this.#refreshes = new Refreshes(parts)
  }

  /** The headers with the token of a user; none for a user who has not connected. */
  headersFor(subject: ConnectionSubject): Awaitable<TokenHeaders> {
    const key = connectionKey(subject)
    const read = this.#read.get(key)
    if (read && performance.now() < read.recheckAt && !isDue(read.kept.record, RENEW_BEFORE_MS)) return read.headers
    return this.#current(key)
  }

  /** The connection that the store has; `undefined` for none, and one that its service has ended. */
  async find(subject: ConnectionSubject): Promise<KeptConnection | undefined> {
    return (await this.#readAgain(connectionKey(subject)))?.kept
  }

  /** TokenHeaders with another token than this; `undefined` where the user has to connect again. */
  async replace(subject: ConnectionSubject, tried: KeptConnection): Promise<TokenHeaders | undefined> {
    const key = connectionKey(subject)
    const next = tried.record.tokens?.refresh
      ? await this.#refreshes.refresh(key, tried)
      : await this.#refreshes.end(key, tried.record)
    return this.#keep(key, next)?.headers
  }

  async write(record: ConnectionRecord): Promise<void> {
    const key = connectionKey(record)
    const { records, ttlMs } = this.#parts
    const kept = records.seal(key, record)
    await records.set(key, kept, { ttlMs })
    await this.#index(record.user, key)
    this.#keep(key, kept)
  }

  async list(user: string): Promise<(UserConnection & { readonly key: string })[]> {
    const set = setOf(user)
    const found = await Promise.all(
      (await this.#store.members(set)).map(async (key) => {
        const kept = await this.#parts.records.get<ConnectionRecord>(key)
        if (!kept) await this.#store.remove(set, key)
        return kept ? [{ key, ...shown(kept.record) }] : []
      }),
    )
    return found.flat()
  }

  /** Forgets a connection of the user, and revokes its tokens. Reports what the service refuses. */
  async disconnect(user: string, key: string): Promise<void> {
    const { records, services, report } = this.#parts
    const record = await records.take<ConnectionRecord>(key)
    this.#read.delete(key)
    await this.#store.remove(setOf(user), key)
    if (!record?.tokens) return
    try {
      await revokeTokens(await services.of(record.server, record.issuer), record.tokens)
    } catch (error) {
      report(serviceFault(error, record.issuer), { server: record.server })
    }
  }

  close(): void {
    this.#refreshes.close()
  }

  async #current(key: string): Promise<TokenHeaders> {
    const read = await this.#readAgain(key)
    if (!read) return NO_TOKEN
    const { kept, headers } = read
    if (!isDue(kept.record, RENEW_BEFORE_MS)) return headers
    if (kept.record.tokens?.refresh === undefined) return isDue(kept.record, 0) ? NO_TOKEN : headers
    const refresh = this.#refreshes.refresh(key, kept).then((next) => this.#keep(key, next))
    if (isDue(kept.record, STOP_BEFORE_MS)) return (await refresh)?.headers ?? NO_TOKEN
    // Meanwhile the token is good. A request after its expiry tries again, and reports what fails.
    refresh.catch(() => {})
    return headers
  }

  #readAgain(key: string): Promise<Read | undefined> {
    const reading = this.#reading.get(key)
    if (reading) return reading
    const read = this.#parts.records
      .get<ConnectionRecord>(key)
      .then(async (kept) => this.#keep(key, kept && (await this.#used(key, kept))))
      .finally(() => this.#reading.delete(key))
    this.#reading.set(key, read)
    return read
  }

  #keep(key: string, kept: KeptConnection | undefined): Read | undefined {
    const tokens = kept?.record.tokens
    if (!tokens) {
      this.#read.delete(key)
      return undefined
    }
    const headers = Object.freeze({ authorization: `Bearer ${tokens.access}` })
    const read = { kept, headers, recheckAt: performance.now() + RECHECK_MS }
    this.#read.set(key, read)
    return read
  }

  /** Lets a connection that is in use live on: written once a day at most. */
  async #used(key: string, kept: KeptConnection): Promise<KeptConnection> {
    const { records, ttlMs } = this.#parts
    const now = Date.now()
    if (!kept.record.tokens || now - kept.record.usedAt < Math.min(DAY_MS, ttlMs / 10)) return kept
    const changed = await records.change<ConnectionRecord>(
      key,
      (record) => ({ ...record, usedAt: now }),
      () => ttlMs,
    )
    await this.#index(kept.record.user, key)
    return changed.kept ?? kept
  }

  async #index(user: string, key: string): Promise<void> {
    const over = await this.#store.add(setOf(user), key, { ttlMs: this.#parts.ttlMs, max: MAX_CONNECTIONS })
    for (const each of over) await this.disconnect(user, each)
  }
}

/** The key of a connection. Nobody who reads the store can tell whose it is. */
export function connectionKey({ user, url }: Pick<ConnectionSubject, 'user' | 'url'>): string {
  return storeKey('connection', JSON.stringify([user, url]))
}

function setOf(user: string): string {
  return storeKey('connections', user)
}

/** Whether a token ends within this time, or a quarter of its life. */
function isDue({ tokens }: ConnectionRecord, beforeMs: number): boolean {
  if (tokens?.endsAt === undefined) return false
  return Date.now() >= tokens.endsAt - Math.min(beforeMs, (tokens.endsAt - tokens.issuedAt) / 4)
}

function shown({ server, url, issuer, scopes, since, tokens }: ConnectionRecord): UserConnection {
  return { server, url, issuer, scopes, since: new Date(since), broken: tokens === undefined }
}
