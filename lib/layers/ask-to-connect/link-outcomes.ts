/** Waits for what becomes of links, where the server's `headers` are of `userConnections()`. */
import { brokerOf, type LinkOutcome } from '../../exchange/connections.ts'
import type { Exchange } from '../../exchange/exchange.ts'

/** How many requests may wait at a time: past that they are answered at once, and asked again. */
const MAX_HELD_RETRIES = 10_000

export class LinkOutcomes {
  readonly #report: (error: unknown, exchange: Exchange) => void
  #waiting = 0

  constructor(report: (error: unknown, exchange: Exchange) => void) {
    this.#report = report
  }

  /** How many requests wait. */
  get size(): number {
    return this.#waiting
  }

  /**
   * Resolves when one of the links was used or declined, with `pending` after `timeoutMs`, and at once where nobody can
   * tell. Rejects when the exchange is stopped.
   */
  async of(ids: readonly string[], exchange: Exchange, timeoutMs: number): Promise<LinkOutcome> {
    const { life, origin, config } = exchange
    const broker = 'headers' in config ? brokerOf(config.headers) : undefined
    const user = origin.principal?.id
    if (!broker || user === undefined || ids.length === 0 || this.#waiting >= MAX_HELD_RETRIES) return 'pending'
    const over = new AbortController()
    const off = life.onStop(() => over.abort())
    this.#waiting += 1
    try {
      const options = { user, timeoutMs, signal: over.signal }
      const outcome = await Promise.race(ids.map((id) => broker.waitFor(id, options)))
      if (life.stopped) throw life.stopped
      return outcome
    } catch (error) {
      if (life.stopped) throw life.stopped
      this.#report(error, exchange)
      return 'pending'
    } finally {
      this.#waiting -= 1
      off()
      over.abort()
    }
  }
}
