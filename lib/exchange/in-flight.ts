/** The exchanges that go on right now, and which sessions they are in. */
import type { GatewayError } from '../errors.ts'
import type { RequestId } from '../types.ts'
import { DenseSet } from '../util/dense-set.ts'
import type { Exchange } from './exchange.ts'
import type { Lifetime } from './lifetime.ts'

/** An exchange under way, under the lifetime that stops it. */
export class Flight {
  slot = -1
  readonly life: Lifetime
  readonly exchange: Exchange
  /** Told of each request that its client has cancelled, where somebody else keeps count of what is pending. */
  onCancel: ((id: RequestId) => void) | undefined

  constructor(exchange: Exchange) {
    this.life = exchange.life
    this.exchange = exchange
  }

  /** Its client waits for the responses to these requests no more, as far as they are its own. */
  cancel(ids: readonly RequestId[]): void {
    const { requestIds, origin } = this.exchange
    for (const id of ids) {
      if (requestIds.includes(id)) origin.cancel(id)
      this.onCancel?.(id)
    }
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

  /** A client has cancelled these requests of a session. An id keeps its type: 1 is not "1". (RPC3, UT4) */
  cancel(sessionId: string, ids: readonly RequestId[]): void {
    for (const flight of this.#flights.snapshot()) {
      if (flight.exchange.origin.session?.id === sessionId) flight.cancel(ids)
    }
  }

  /** Resolves when nothing goes on. */
  idle(): Promise<void> {
    return new Promise((resolve) => {
      this.#onIdle = resolve
      if (this.#flights.size === 0) resolve()
    })
  }
}
