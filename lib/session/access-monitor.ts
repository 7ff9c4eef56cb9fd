/**
 * Rechecks exchanges that last long: whether access is still allowed, the session exists and the principal is valid.
 */
import { GatewayError } from '../errors.ts'
import type { Exchange } from '../exchange/exchange.ts'
import type { Flight, InFlight } from '../exchange/in-flight.ts'
import type { Awaitable, ErrorContext, ServerLookup } from '../types.ts'
import { isPromise } from '../util/awaitable.ts'
import { inTime, MAX_TIMER_MS } from '../util/timeout.ts'
import { endOf, expired } from './expiry.ts'
import { foundServer } from './found-server.ts'
import { recordOf } from './session-record.ts'
import type { Sessions } from './sessions.ts'
import type { UpstreamSessions } from './upstream-session.ts'

/** How many calls of lookups and stores run at a time, and the time limit of each. */
const AT_A_TIME = 8
const ANSWER_MS = 10_000

interface AccessMonitorParts {
  readonly inFlight: InFlight
  readonly sessions: Sessions
  readonly upstreamSessions: UpstreamSessions
  readonly lookup: ServerLookup
  readonly report: (error: unknown, context: Partial<ErrorContext>) => void
  readonly recheckMs: number
}

/**
 * One timer serves all exchanges: it fires for the next round, or earlier when the first principal expires. Nothing is
 * stored per exchange, so a short one costs a comparison; without exchanges there is no timer.
 */
export class AccessMonitor {
  readonly #parts: AccessMonitorParts
  #timer: NodeJS.Timeout | undefined
  /** When the timer fires, on the monotonic clock, since setting back the system clock would delay checks. */
  #firesAt = Infinity
  #nextRoundAt = Infinity
  #isInRound = false
  #isClosed = false

  constructor(parts: AccessMonitorParts) {
    this.#parts = parts
  }

  /** Arms the timer for a new exchange. */
  watch({ origin: { principal } }: Exchange): void {
    if (this.#firesAt === Infinity) this.#nextRoundAt = performance.now() + this.#parts.recheckMs
    const at = Math.min(this.#nextRoundAt, monotonic(endOf(principal)))
    if (at < this.#firesAt) this.#arm(at)
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
  }

  #arm(at: number): void {
    if (this.#isClosed) return
    clearTimeout(this.#timer)
    this.#firesAt = at
    const delayMs = Math.min(Math.max(Math.ceil(at - performance.now()), 0), MAX_TIMER_MS)
    this.#timer = setTimeout(() => this.#fire(), delayMs).unref()
  }

  #fire(): void {
    const now = performance.now()
    const today = Date.now()
    const flights = this.#parts.inFlight.snapshot()
    let next = Infinity
    for (const { life, exchange } of flights) {
      const endsAt = life.isDetached ? Infinity : endOf(exchange.origin.principal)
      if (endsAt <= today) life.stop(expired())
      else next = Math.min(next, endsAt)
    }
    this.#firesAt = Infinity
    if (flights.length === 0) return
    if (this.#nextRoundAt <= now) {
      this.#nextRoundAt = now + this.#parts.recheckMs
      void this.#round(flights)
    }
    this.#arm(Math.min(monotonic(next), this.#nextRoundAt))
  }

  /** Rounds never overlap: a round that is due during another is skipped. */
  async #round(flights: readonly Flight[]): Promise<void> {
    if (this.#isInRound) return
    this.#isInRound = true
    const bySession = new Map(flights.map((flight) => [flight.exchange.origin.session?.id, flight]))
    // A store that expires sessions reports each, so its sessions need no check.
    if (!this.#parts.sessions.endByThemselves) await each(bySession.values(), (one) => this.#checkSession(one))
    await each(flights, (one) => this.#checkAccess(one))
    this.#isInRound = false
  }

  /** Reading the session also prolongs it, in a store that cannot see which sessions are in use. */
  async #checkSession(flight: Flight): Promise<void> {
    const { sessions, upstreamSessions } = this.#parts
    const { origin, config } = flight.exchange
    const { session } = origin
    if (!session || this.#isOver(flight)) return
    try {
      const answer = origin.bind(() => sessions.get(session.id))()
      const record = isPromise(answer) ? await inTime(ANSWER_MS, answer, () => noAnswerOf('session store')) : answer
      if (record || this.#isOver(flight)) return
    } catch (error) {
      return this.#report(error, flight)
    }
    sessions.stop(session.id)
    // If the session has expired, no node has ended the upstream session yet. A second DELETE does no harm.
    const { server, principal } = origin
    upstreamSessions.enqueue(recordOf(session.record).upstream, { server, config, principal })
  }

  async #checkAccess(flight: Flight): Promise<void> {
    if (this.#isOver(flight)) return
    const { server, principal, request } = flight.exchange.origin
    const lookup = flight.exchange.origin.bind(() => this.#parts.lookup(server, { principal, request: request! }))
    try {
      const answer = lookup()
      foundServer(isPromise(answer) ? await inTime(ANSWER_MS, answer, () => noAnswerOf('lookup of servers')) : answer)
    } catch (error) {
      // Only a refusal that the hook chose ends the exchange; a failing hook does not revoke access.
      if (error instanceof GatewayError && error.status < 500) flight.life.stop(error)
      else this.#report(error, flight)
    }
  }

  #isOver(flight: Flight): boolean {
    return this.#isClosed || flight.life.stopped !== undefined || !this.#parts.inFlight.has(flight)
  }

  #report(error: unknown, { exchange: { origin } }: Flight): void {
    if (!this.#isClosed) origin.bind(this.#parts.report)(error, origin)
  }
}

/** Converts a system time to the monotonic clock. Each round converts anew, in case the system clock was set. */
function monotonic(endsAt: number): number {
  return endsAt === Infinity ? Infinity : performance.now() + endsAt - Date.now()
}

/** Runs `work` on every item, `AT_A_TIME` in parallel. */
async function each<T>(all: Iterable<T>, work: (one: T) => Awaitable<void>): Promise<void> {
  const left = all[Symbol.iterator]()
  const worker = async (): Promise<void> => {
    for (let next = left.next(); !next.done; next = left.next()) await work(next.value)
  }
  await Promise.all(Array.from({ length: AT_A_TIME }, worker))
}

function noAnswerOf(who: string): Error {
  return new Error(`The ${who} did not answer`)
}
