/** Checks again what goes on for long: may it still, is its session still there, has its proof of identity ended? */
import { GatewayError } from '../errors.ts'
import type { Exchange } from '../exchange/exchange.ts'
import type { Flight, InFlight } from '../exchange/in-flight.ts'
import type { Awaitable, ErrorContext, ServerLookup } from '../types.ts'
import { isPromise } from '../util/awaitable.ts'
import { inTime } from '../util/timeout.ts'
import { endOf, expired } from './expiry.ts'
import { foundServer } from './found-server.ts'
import { recordOf } from './session-record.ts'
import type { Sessions } from './sessions.ts'
import type { UpstreamSessions } from './upstream-session.ts'

/** How many answers of lookups and stores are waited for at a time, and how long for each. */
const AT_A_TIME = 8
const ANSWER_MS = 10_000

/** The longest delay a timer takes. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** What the monitor checks, and what it ends. */
interface AccessMonitorParts {
  readonly inFlight: InFlight
  readonly sessions: Sessions
  readonly upstreamSessions: UpstreamSessions
  readonly lookup: ServerLookup
  readonly report: (error: unknown, context: Partial<ErrorContext>) => void
  readonly recheckMs: number
}

/**
 * One timer for all: it rings for the next round, and before that for the first proof of identity to end. Nothing is
 * noted of an exchange, so a short one costs a comparison; where nothing goes on there is no timer.
 */
export class AccessMonitor {
  readonly #parts: AccessMonitorParts
  #timer: NodeJS.Timeout | undefined
  /** When it rings, by the monotonic clock: one that is set back would put off what is due. */
  #ringsAt = Infinity
  #nextRoundAt = Infinity
  #isInRound = false
  #isClosed = false

  constructor(parts: AccessMonitorParts) {
    this.#parts = parts
  }

  /** Sees to it that an exchange which begins is looked at in time. */
  watch({ origin: { principal } }: Exchange): void {
    if (this.#ringsAt === Infinity) this.#nextRoundAt = performance.now() + this.#parts.recheckMs
    const at = Math.min(this.#nextRoundAt, monotonic(endOf(principal)))
    if (at < this.#ringsAt) this.#arm(at)
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
  }

  #arm(at: number): void {
    if (this.#isClosed) return
    clearTimeout(this.#timer)
    this.#ringsAt = at
    const delayMs = Math.min(Math.max(Math.ceil(at - performance.now()), 0), MAX_TIMER_MS)
    this.#timer = setTimeout(() => this.#ring(), delayMs).unref()
  }

  #ring(): void {
    const now = performance.now()
    const today = Date.now()
    const flights = this.#parts.inFlight.snapshot()
    let next = Infinity
    for (const { life, exchange } of flights) {
      const endsAt = life.isDetached ? Infinity : endOf(exchange.origin.principal)
      if (endsAt <= today) life.stop(expired())
      else next = Math.min(next, endsAt)
    }
    this.#ringsAt = Infinity
    if (flights.length === 0) return
    if (this.#nextRoundAt <= now) {
      this.#nextRoundAt = now + this.#parts.recheckMs
      void this.#round(flights)
    }
    this.#arm(Math.min(monotonic(next), this.#nextRoundAt))
  }

  /** One that takes too long is not overtaken by the next. */
  async #round(flights: readonly Flight[]): Promise<void> {
    if (this.#isInRound) return
    this.#isInRound = true
    const bySession = new Map(flights.map((flight) => [flight.exchange.origin.session?.id, flight]))
    // A store that ends sessions by itself tells of it.
    if (!this.#parts.sessions.endByThemselves) await each(bySession.values(), (one) => this.#checkSession(one))
    await each(flights, (one) => this.#checkAccess(one))
    this.#isInRound = false
  }

  /** Asking counts as use: for a store that cannot ask what is in use, this is how it hears. */
  async #checkSession(flight: Flight): Promise<void> {
    const { sessions, upstreamSessions } = this.#parts
    const { origin, config } = flight.exchange
    const { session } = origin
    if (!session || this.#isOver(flight)) return
    try {
      const answer = origin.bind(() => sessions.get(session.id))()
      const record = isPromise(answer) ? await inTime(ANSWER_MS, answer, 'The session store did not answer') : answer
      if (record || this.#isOver(flight)) return
    } catch (error) {
      return this.#report(error, flight)
    }
    sessions.stop(session.id)
    // It was ended by another node, which has told the upstream, or it has expired, which nobody has.
    const { server, principal } = origin
    upstreamSessions.enqueue(recordOf(session.record).upstream, { server, config, principal })
  }

  async #checkAccess(flight: Flight): Promise<void> {
    if (this.#isOver(flight)) return
    const { server, principal, request } = flight.exchange.origin
    const lookup = flight.exchange.origin.bind(() => this.#parts.lookup(server, { principal, request: request! }))
    try {
      const answer = lookup()
      foundServer(isPromise(answer) ? await inTime(ANSWER_MS, answer, 'The lookup of servers did not answer') : answer)
    } catch (error) {
      // An answer that a hook chose is meant; what merely failed takes nothing away from anybody.
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

/** A time of day on the monotonic clock, as of now: each round asks anew. */
function monotonic(endsAt: number): number {
  return endsAt === Infinity ? Infinity : performance.now() + endsAt - Date.now()
}

/** Does the same with each, a few at a time. */
async function each<T>(all: Iterable<T>, work: (one: T) => Awaitable<void>): Promise<void> {
  const left = all[Symbol.iterator]()
  const worker = async (): Promise<void> => {
    for (let next = left.next(); !next.done; next = left.next()) await work(next.value)
  }
  await Promise.all(Array.from({ length: AT_A_TIME }, worker))
}
