/** The exchanges that go on right now, and which sessions they are in. */
import { GatewayError } from '../errors.ts'
import { DenseSet } from '../util/dense-set.ts'
import type { Exchange } from './exchange.ts'
import type { Lifetime } from './lifetime.ts'

/** An exchange under way, under the lifetime that stops it. */
export class Flight {
  slot = -1
  readonly life: Lifetime
  readonly exchange: Exchange

  constructor(exchange: Exchange) {
    this.life = exchange.life
    this.exchange = exchange
  }
}

export class InFlight {
  readonly #flights = new DenseSet<Flight>()
  #onIdle: (() => void) | undefined

  add(exchange: Exchange): Flight {
    const flight = new Flight(exchange)
    this.#flights.add(flight)
    return flight
  }

  has(flight: Flight): boolean {
    return this.#flights.has(flight)
  }

  delete(flight: Flight): void {
    this.#flights.delete(flight)
    if (this.#flights.size === 0) this.#onIdle?.()
  }

  /** As they are now: they may come and go meanwhile. */
  snapshot(): Flight[] {
    return this.#flights.snapshot()
  }

  /** The ids of the sessions in which anything goes on. */
  sessions(): ReadonlySet<string> {
    const ids = new Set<string>()
    for (const { exchange } of this.#flights.snapshot()) {
      const { session } = exchange.origin
      if (session) ids.add(session.id)
    }
    return ids
  }

  /** Stops those that the test is true of. */
  stop(reason: GatewayError, test: (flight: Flight) => boolean): void {
    for (const flight of this.#flights.snapshot()) if (test(flight)) flight.life.stop(reason)
  }

  /** Stops whatever goes on in a session. */
  stopSession(id: string, reason: GatewayError): void {
    this.stop(reason, ({ exchange }) => exchange.origin.session?.id === id)
  }

  /**
   * Stops calls of a principal whose clients have left, but for so many of them: a legacy client that leaves cancels
   * nothing (SE4). Returns how many go on. What an event log keeps is none of them.
   */
  giveUpAbandoned(principal: string | undefined, most: number): number {
    let abandoned = 0
    this.stop(new GatewayError('too_many_requests', 'Too many calls were left'), ({ life, exchange: { origin } }) => {
      if (origin.principal?.id !== principal || !origin.isGone || life.isDetached) return false
      abandoned += 1
      return abandoned > most
    })
    return Math.min(abandoned, most)
  }

  /** Resolves when nothing goes on. */
  idle(): Promise<void> {
    return new Promise((resolve) => {
      this.#onIdle = resolve
      if (this.#flights.size === 0) resolve()
    })
  }
}
