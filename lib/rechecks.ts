/** Looks again at what goes on for long: may it still, is its session still there, has its proof of identity ended? */
import { isPromise } from './awaitable.ts'
import { GatewayError } from './errors.ts'
import type { Exchange } from './exchange.ts'
import { inTime } from './in-time.ts'
import type { Notices } from './notices.ts'
import type { Config } from './options.ts'
import { endOf, expired } from './expiry.ts'
import type { Running } from './running.ts'
import type { Sessions } from './session/sessions.ts'
import type { Awaitable } from './types.ts'

/** How many answers of lookups and stores are waited for at a time, and how long for each. */
const AT_A_TIME = 8
const ANSWER_MS = 10_000

/** The longest delay a timer takes. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** What rechecks look at, and what they have others do. */
interface RecheckTools {
  readonly running: Running
  readonly sessions: Sessions
  readonly notices: Notices
  readonly lookup: Config['lookup']
  readonly report: Config['report']
  readonly recheckMs: number
}

/**
 * One timer for all: it rings for the next round, and before that for the first proof of identity to end. Nothing is
 * noted of an exchange, so a short one costs a comparison; where nothing goes on there is no timer.
 */
export class Rechecks {
  readonly #tools: RecheckTools
  #timer: NodeJS.Timeout | undefined
  /** When it rings. */
  #ringsAt = Infinity
  #nextRoundAt = Infinity
  #isInRound = false
  #isClosed = false

  constructor(tools: RecheckTools) {
    this.#tools = tools
  }

  /** Sees to it that an exchange which begins is looked at in time. */
  watch({ principal }: Exchange): void {
    if (this.#ringsAt === Infinity) this.#nextRoundAt = Date.now() + this.#tools.recheckMs
    const at = Math.min(this.#nextRoundAt, endOf(principal))
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
    const delayMs = Math.min(Math.max(at - Date.now(), 0), MAX_TIMER_MS)
    this.#timer = setTimeout(() => this.#ring(), delayMs).unref()
  }

  #ring(): void {
    const now = Date.now()
    const exchanges = this.#tools.running.snapshot()
    let next = Infinity
    for (const exchange of exchanges) {
      const endsAt = exchange.isBackground ? Infinity : endOf(exchange.principal)
      if (endsAt <= now) this.#stop(exchange, expired())
      else next = Math.min(next, endsAt)
    }
    this.#ringsAt = Infinity
    if (exchanges.length === 0) return
    if (this.#nextRoundAt <= now) {
      this.#nextRoundAt = now + this.#tools.recheckMs
      void this.#round(exchanges)
    }
    this.#arm(Math.min(next, this.#nextRoundAt))
  }

  /** One that takes too long is not overtaken by the next. */
  async #round(exchanges: readonly Exchange[]): Promise<void> {
    if (this.#isInRound) return
    this.#isInRound = true
    const bySession = new Map(exchanges.map((exchange) => [exchange.session?.id, exchange]))
    // A store that ends sessions by itself tells of it.
    if (!this.#tools.sessions.endByThemselves) await each(bySession.values(), (one) => this.#checkSession(one))
    await each(exchanges, (one) => this.#checkAccess(one))
    this.#isInRound = false
  }

  /** Asking counts as use: for a store that cannot ask what is in use, this is how it hears. */
  async #checkSession(exchange: Exchange): Promise<void> {
    const { sessions, notices } = this.#tools
    const { session } = exchange
    if (!session || this.#isOver(exchange)) return
    try {
      const answer = sessions.get(session.id)
      const record = isPromise(answer) ? await inTime(ANSWER_MS, answer, 'The session store did not answer') : answer
      if (record || this.#isOver(exchange)) return
    } catch (error) {
      return this.#report(error, exchange)
    }
    sessions.stop(session.id)
    // It was ended by another node, which has told the upstream, or it has expired, which nobody has.
    notices.farewell(session, exchange.behind)
  }

  async #checkAccess(exchange: Exchange): Promise<void> {
    if (this.#isOver(exchange)) return
    const { server, principal, request } = exchange
    try {
      const answer = this.#tools.lookup(server, { principal, request: request! })
      const config = isPromise(answer)
        ? await inTime(ANSWER_MS, answer, 'The lookup of servers did not answer')
        : answer
      if (config === undefined) this.#stop(exchange, new GatewayError('not_found', 'Unknown server'))
    } catch (error) {
      // An answer that a hook chose is meant; what merely failed takes nothing away from anybody.
      if (error instanceof GatewayError && error.status < 500) this.#stop(exchange, error)
      else this.#report(error, exchange)
    }
  }

  #isOver(exchange: Exchange): boolean {
    return this.#isClosed || exchange.stopped !== undefined || !this.#tools.running.has(exchange)
  }

  #stop(exchange: Exchange, error: GatewayError): void {
    if (exchange.stopped) return
    exchange.stop(error)
    if (!exchange.isRecorded) this.#tools.notices.cancelled(exchange, error.message)
  }

  #report(error: unknown, exchange: Exchange): void {
    if (!this.#isClosed) this.#tools.report(error, exchange)
  }
}

/** Does the same with each, a few at a time. */
async function each<T>(all: Iterable<T>, work: (one: T) => Awaitable<void>): Promise<void> {
  const left = all[Symbol.iterator]()
  const worker = async (): Promise<void> => {
    for (let next = left.next(); !next.done; next = left.next()) await work(next.value)
  }
  await Promise.all(Array.from({ length: AT_A_TIME }, worker))
}
