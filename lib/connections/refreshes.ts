/**
 * Refreshes connections: once for all who ask at the same time, at this node by a shared promise, at all nodes by a lock
 * in the store. A token that was rotated is never lost: it is written before it is used, and kept until it is written.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { GatewayError } from '../errors.ts'
import { storeKey } from '../stores/login-store-key.ts'
import type { TimelyLoginStore } from '../stores/timely-login-store.ts'
import type { ReportError } from '../util/report.ts'
import type { ConnectionRecord, Kept, SealedRecords } from './records.ts'
import { answeredError, serviceFault } from './service-fault.ts'
import type { Service, Services } from './services.ts'
import { type GrantedTokens, refreshTokens, revokeTokens } from './token-requests.ts'

/** The life of a lock, after whose holder's death another node refreshes. Longer than a refresh may take. */
const LOCK_MS = 10_000
const LOCK_POLL_MS = 100
/** Longer than the life of a lock. */
const LOCK_WAIT_MS = 15_000
const REWRITE_MS = 250
/** The most answers that wait to be written. */
const MAX_UNWRITTEN = 10_000

export type KeptConnection = Kept<ConnectionRecord>

/** An answer that the store does not have yet. */
interface Unwritten {
  readonly tried: ConnectionRecord
  readonly granted: GrantedTokens
  /** Of the lock under which it was got: no other node refreshes before it is written. */
  readonly lock: Lock
}

interface Lock {
  readonly key: string
  readonly value: string
}

export interface RefreshParts {
  readonly store: TimelyLoginStore
  readonly records: SealedRecords
  readonly services: Services
  readonly ttlMs: number
  readonly report: ReportError
}

export class Refreshes {
  readonly #parts: RefreshParts
  readonly #running = new Map<string, Promise<KeptConnection | undefined>>()
  readonly #unwritten = new Map<string, Unwritten>()
  #rewriting: NodeJS.Timeout | undefined

  constructor(parts: RefreshParts) {
    this.#parts = parts
  }

  /**
   * Resolves with a connection that has other tokens than those that were tried; with `undefined` where there is none any
   * more. Rejects with `unavailable` while there may be one soon.
   */
  refresh(key: string, tried: KeptConnection): Promise<KeptConnection | undefined> {
    const running = this.#running.get(key)
    if (running) return running
    const refresh = this.#refresh(key, tried).finally(() => this.#running.delete(key))
    this.#running.set(key, refresh)
    return refresh
  }

  close(): void {
    clearInterval(this.#rewriting)
  }

  async #refresh(key: string, tried: KeptConnection): Promise<KeptConnection | undefined> {
    if (this.#unwritten.has(key)) return this.#writeLate(key)
    const service = await this.#serviceOf(tried.record)
    const lock: Lock = { key: storeKey('lock', key), value: randomUUID() }
    const giveUpAt = performance.now() + LOCK_WAIT_MS
    while (performance.now() < giveUpAt) {
      const isMine = await this.#parts.store.set(lock.key, lock.value, { ttlMs: LOCK_MS, ifAbsent: true })
      try {
        // Read under the lock: another node may have refreshed it just before.
        const now = await this.#parts.records.get<ConnectionRecord>(key)
        if (!now?.record.tokens || !hasSameTokens(now.record, tried.record)) return now?.record.tokens && now
        if (isMine) return await this.#ask(key, now, service, lock)
      } finally {
        if (isMine && !this.#unwritten.has(key)) await this.#unlock(lock)
      }
      await sleep(LOCK_POLL_MS)
    }
    throw renewing()
  }

  /** Found before the lock is taken: to discover metadata may take longer than the lock lives. */
  async #serviceOf({ server, issuer }: Pick<ConnectionRecord, 'server' | 'issuer'>): Promise<Service> {
    try {
      return await this.#parts.services.of(server, issuer)
    } catch (error) {
      throw serviceFault(error, issuer)
    }
  }

  /** Deletes the lock, if it is still the own one. */
  async #unlock({ key, value }: Lock): Promise<void> {
    // It ends by itself where the store does not answer.
    await this.#parts.store.set(key, value, { ttlMs: 1, if: value }).catch(() => {})
  }

  async #ask(
    key: string,
    { record }: KeptConnection,
    service: Service,
    lock: Lock,
  ): Promise<KeptConnection | undefined> {
    if (this.#unwritten.size >= MAX_UNWRITTEN) throw renewing()
    const sent: string[] = []
    try {
      const refresh = record.tokens?.refresh
      // Tokens are of the client that they were issued to: with another one they can be used no more.
      if (refresh === undefined || service.clientId !== record.clientId) return await this.end(key, record)
      const granted = await refreshTokens(service, record, refresh, sent)
      this.#unwritten.set(key, { tried: record, granted, lock })
    } catch (error) {
      if (answeredError(error) === 'invalid_grant') return this.end(key, record)
      throw serviceFault(error, record.issuer, sent)
    }
    return this.#write(key)
  }

  /** Forgets the tokens of a connection that its service has ended, unless it has got other ones meanwhile. */
  async end(key: string, tried: ConnectionRecord): Promise<KeptConnection | undefined> {
    const ended = (now: ConnectionRecord): ConnectionRecord | undefined =>
      hasSameTokens(now, tried) ? { ...now, tokens: undefined } : undefined
    const { kept } = await this.#parts.records.change(key, ended, () => this.#parts.ttlMs)
    return kept?.record.tokens && kept
  }

  /** Writes an answer over the tokens that it was got with. What was disconnected meanwhile stays so. */
  async #write(key: string): Promise<KeptConnection | undefined> {
    const { records, ttlMs } = this.#parts
    const { tried, granted } = this.#unwritten.get(key)!
    const { tokens, scopes } = granted
    const renewed = (now: ConnectionRecord): ConnectionRecord | undefined =>
      hasSameTokens(now, tried) ? { ...now, tokens, scopes: scopes ?? now.scopes, usedAt: Date.now() } : undefined
    try {
      const { kept, isWritten } = await records.change(key, renewed, () => ttlMs)
      this.#unwritten.delete(key)
      if (!isWritten && !kept) void this.#revoke(tried, granted)
      return kept?.record.tokens && kept
    } catch (error) {
      this.#rewriteLater()
      throw error
    }
  }

  /** Writes an answer that could not be written before. */
  async #writeLate(key: string): Promise<KeptConnection | undefined> {
    const { lock } = this.#unwritten.get(key)!
    const kept = await this.#write(key)
    await this.#unlock(lock)
    return kept
  }

  #rewriteLater(): void {
    this.#rewriting ??= setInterval(() => void this.#rewrite(), REWRITE_MS).unref()
  }

  async #rewrite(): Promise<void> {
    // Whoever asks meanwhile shares the promise.
    const running = [...this.#unwritten.keys()].filter((key) => !this.#running.has(key))
    for (const key of running) {
      const write = this.#writeLate(key).finally(() => this.#running.delete(key))
      this.#running.set(key, write)
      await write.catch(() => {})
    }
    if (this.#unwritten.size > 0) return
    clearInterval(this.#rewriting)
    this.#rewriting = undefined
  }

  async #revoke({ server, issuer }: ConnectionRecord, { tokens }: GrantedTokens): Promise<void> {
    try {
      await revokeTokens(await this.#serviceOf({ server, issuer }), tokens)
    } catch (error) {
      this.#parts.report(serviceFault(error, issuer), { server })
    }
  }
}

function renewing(): GatewayError {
  return new GatewayError('unavailable', 'The token of the user for the server is being renewed')
}

function hasSameTokens({ tokens: one }: ConnectionRecord, { tokens: other }: ConnectionRecord): boolean {
  return one?.access === other?.access && one?.refresh === other?.refresh
}
