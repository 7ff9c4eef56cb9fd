/** The sessions at legacy servers for modern clients: shared by most requests, lent to calls that may be asked something. */
import { GatewayError } from '../../../errors.ts'
import type { Exchange } from '../../../exchange/exchange.ts'
import type { Handle } from '../../../exchange/reply.ts'
import { isPiped } from '../../../upstream/server-kind.ts'
import { canonicalJson } from '../../../util/canonical-json.ts'
import { legacyClientCapabilities } from '../tables.ts'
import type { Envelope } from './legacy-request.ts'
import { bare, endContextOf, limitOf, type PoolEntry, type PoolParts, type SessionHooks } from './pool-parts.ts'
import { PooledSession } from './pooled-session.ts'
import { SessionAccounts } from './session-accounts.ts'
import { type SessionAccount, type SessionGrant, type Want, WaitingList } from './waiting-list.ts'

/** The most sessions at all servers. */
const MAX_POOLED = 10_000

/** How long a session is kept without use, in milliseconds. */
const POOL_IDLE_MS = 15 * 60_000

export class SessionPool {
  readonly #parts: PoolParts
  readonly #waiting: WaitingList
  readonly #accounts = new SessionAccounts()
  readonly #entries = new Map<PooledSession, PoolEntry>()
  #isClosed = false

  constructor(parts: PoolParts) {
    this.#parts = parts
    this.#waiting = new WaitingList(parts.responseMs, (account, want) => this.#grant(account, want))
  }

  /** The number of sessions, those included that are being opened or were handed over. */
  get size(): number {
    return this.#accounts.places
  }

  upstreamIdOf(exchange: Exchange): string {
    return this.#parts.upstreamIdOf(exchange)
  }

  /** The name of the sessions that a client with these capabilities uses: two principals never share one. */
  groupOf(exchange: Exchange, { capabilities }: Pick<Envelope, 'capabilities'>): string {
    return JSON.stringify([this.#accountKeyOf(exchange), canonicalJson(legacyClientCapabilities(capabilities))])
  }

  /**
   * A session for a request: the newest one that is free, or a new one. `isExclusive` lends it until `release()`.
   * Rejects with `too_many_requests` when there has been none for `responseMs`.
   */
  async get(exchange: Exchange, next: Handle, envelope: Envelope, isExclusive: boolean): Promise<PooledSession> {
    if (this.#isClosed) throw poolClosing()
    const account = this.#accounts.of(this.#accountKeyOf(exchange))
    const group = this.groupOf(exchange, envelope)
    const want = { exchange, next, envelope, group, isExclusive, limit: limitOf(exchange) }
    const grant = await this.#waiting.grantOf(account, want).finally(() => this.#accounts.tidy(account))
    const session = await grant.session
    clearTimeout(this.#entries.get(session)?.timer)
    return session
  }

  /** Returns a session that was lent. Without a principal nobody else is to find what it holds. */
  release(session: PooledSession): void {
    const entry = this.#entries.get(session)
    if (!entry) return
    session.isLent = false
    session.owner = undefined
    const { origin, config } = entry.exchange
    const isKept = !session.isForeign && (origin.principal !== undefined || isPiped(config))
    if (!isKept && session.isIdle) this.end(session)
    else this.leave(session)
  }

  /** Marks the end of a request or a listener. */
  leave(session: PooledSession): void {
    const entry = this.#entries.get(session)
    if (!entry) return
    if (session.isRetired && session.isIdle) return this.end(session)
    clearTimeout(entry.timer)
    if (session.isIdle) entry.timer = setTimeout(() => this.end(session), POOL_IDLE_MS).unref()
    this.#waiting.serve(entry.account)
  }

  /** Lends a session to nobody any more: it ends with the requests in it, and its listeners move to another one. */
  retire(session: PooledSession): void {
    const entry = this.#entries.get(session)
    if (!entry) return
    session.isRetired = true
    session.owner = undefined
    this.#moveListeners(session, entry)
    this.leave(session)
  }

  /** Ends a session here and at the server. */
  end(session: PooledSession): void {
    const entry = this.#close(session)
    if (entry) this.#free(entry.account)
  }

  /** Gives a session away, as another node may go on with it. It takes up its place until `forget()`. */
  handOver(session: PooledSession): PoolEntry | undefined {
    const entry = this.#remove(session)
    session.stream.pause()
    if (entry) this.#moveListeners(session, entry)
    return entry
  }

  /** Takes a session back that was handed over, or that comes from another node; `hasPlace` if it was not forgotten. */
  takeBack(session: PooledSession, entry: PoolEntry, hasPlace: boolean): void {
    const account = this.#accounts.of(entry.account.key)
    if (!hasPlace) this.#accounts.count(account, 1)
    account.sessions.push(session)
    this.#entries.set(session, { ...entry, account })
    session.isLent = true
  }

  /** Frees the place of a session that was handed over. */
  forget({ account }: PoolEntry): void {
    this.#free(account)
  }

  /** What the pool would know of a session that another node has opened. */
  adopted(exchange: Exchange, envelope: Envelope): { readonly entry: PoolEntry; readonly hooks: SessionHooks } {
    const group = this.groupOf(exchange, envelope)
    const account = this.#accounts.of(this.#accountKeyOf(exchange))
    return {
      entry: { account, group, exchange: bare(exchange), timer: undefined },
      hooks: this.#hooksOf(group, exchange),
    }
  }

  close(): void {
    this.#isClosed = true
    for (const account of this.#accounts.values()) this.#waiting.refuse(account, poolClosing())
    for (const session of this.#entries.keys()) this.end(session)
  }

  #grant(account: SessionAccount, want: Want): SessionGrant | undefined {
    const { group, isExclusive, limit } = want
    const fits = (session: PooledSession): boolean =>
      this.#entries.get(session)?.group === group && (isExclusive ? session.isFree : session.isOpen)
    const session = account.sessions.findLast(fits)
    if (session) {
      session.isLent ||= isExclusive
      return { session }
    }
    const opening = isExclusive ? undefined : account.opening.get(group)
    if (opening) return { session: opening }
    if (account.places >= limit && !this.#endIdle(account.sessions)) return undefined
    if (this.#accounts.places >= MAX_POOLED && !this.#endIdle(this.#entries.keys())) return undefined
    this.#accounts.count(account, 1)
    return { session: this.#open(account, want) }
  }

  #open(account: SessionAccount, { exchange, next, envelope, group, isExclusive }: Want): Promise<PooledSession> {
    const entry = { account, group, exchange: bare(exchange), timer: undefined }
    const opening = this.#handshake(entry, exchange, next, envelope).then((session) => {
      session.isLent = isExclusive
      if (session.isFree) this.#waiting.serve(account)
      return session
    })
    account.opening.set(group, opening)
    const over = (): void => {
      if (account.opening.get(group) === opening) account.opening.delete(group)
    }
    opening.then(over, over)
    return opening
  }

  async #handshake(entry: PoolEntry, exchange: Exchange, next: Handle, envelope: Envelope): Promise<PooledSession> {
    let session: PooledSession
    try {
      session = await PooledSession.open(exchange, next, envelope, this.#hooksOf(entry.group, exchange))
    } catch (error) {
      this.#free(entry.account)
      throw error
    }
    entry.account.sessions.push(session)
    this.#entries.set(session, entry)
    if (!this.#isClosed) return session
    this.end(session)
    throw poolClosing()
  }

  #hooksOf(group: string, exchange: Exchange): SessionHooks {
    const { responseMs, onNews, onGap, onLost, onError } = this.#parts
    const own = bare(exchange)
    return {
      responseMs,
      onNews: (session, method, params) => onNews(group, session, method, params),
      onGap: () => onGap(group),
      onLost: (session) => {
        const entry = this.#remove(session)
        if (entry) this.#free(entry.account)
        onLost(group, session)
      },
      onError: (error) => onError(error, own),
    }
  }

  #endIdle(sessions: Iterable<PooledSession>): boolean {
    for (const session of sessions) {
      const entry = session.isIdle ? this.#close(session) : undefined
      if (!entry) continue
      this.#accounts.count(entry.account, -1)
      return true
    }
    return false
  }

  #moveListeners(session: PooledSession, { group }: PoolEntry): void {
    if (session.listeners > 0) this.#parts.onLost(group, session)
    session.listeners = 0
  }

  #close(session: PooledSession): PoolEntry | undefined {
    const entry = this.#remove(session)
    if (!entry) return undefined
    session.end()
    this.#parts.endSession(session.state, endContextOf(entry.exchange))
    return entry
  }

  #remove(session: PooledSession): PoolEntry | undefined {
    const entry = this.#entries.get(session)
    if (!entry) return undefined
    clearTimeout(entry.timer)
    this.#entries.delete(session)
    const { sessions } = entry.account
    sessions.splice(sessions.indexOf(session), 1)
    return entry
  }

  #free(account: SessionAccount): void {
    this.#accounts.count(account, -1)
    this.#waiting.serve(account)
    this.#accounts.tidy(account)
  }

  #accountKeyOf(exchange: Exchange): string {
    const { principal, server } = exchange.origin
    return JSON.stringify([this.upstreamIdOf(exchange), server, principal?.id ?? null])
  }
}

function poolClosing(): GatewayError {
  return new GatewayError('closing', 'The gateway is shutting down')
}
