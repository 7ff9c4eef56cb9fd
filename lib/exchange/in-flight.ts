/** The registry of exchanges in progress, by which they are stopped and counted. */
import type { GatewayError } from '../errors.ts'
import type { RequestId } from '../types.ts'
import { DenseSet } from '../util/dense-set.ts'
import type { Exchange } from './exchange.ts'
import type { Lifetime } from './lifetime.ts'

/** An exchange in progress. */
export class Flight {
  slot = -1
  readonly life: Lifetime
  readonly exchange: Exchange
  readonly #onCancel: ((id: RequestId) => void) | undefined

  constructor(exchange: Exchange, onCancel?: (id: RequestId) => void) {
    this.life = exchange.life
    this.exchange = exchange
    this.#onCancel = onCancel
  }

  /** Marks those of these requests as cancelled that belong to this exchange. */
  cancel(ids: readonly RequestId[]): void {
    const { requestIds, origin } = this.exchange
    for (const id of ids) {
      if (requestIds.includes(id)) origin.cancel(id)
      this.#onCancel?.(id)
    }
  }
}

export class InFlight {
  readonly #flights = new DenseSet<Flight>()
  #onIdle: (() => void) | undefined

  /** `onCancel` is called for each request that the client cancels: an event log counts pending requests itself. */
  add(exchange: Exchange, onCancel?: (id: RequestId) => void): Flight {
    const flight = new Flight(exchange, onCancel)
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

  /** A copy, which stays the same while exchanges are added and removed. */
  snapshot(): Flight[] {
    return this.#flights.snapshot()
  }

  /** The ids of the sessions with an exchange in progress. */
  sessions(): ReadonlySet<string> {
    const ids = new Set<string>()
    for (const { exchange } of this.#flights.snapshot()) {
      const { session } = exchange.origin
      if (session) ids.add(session.id)
    }
    return ids
  }

  stop(reason: GatewayError, test: (flight: Flight) => boolean): void {
    for (const flight of this.#flights.snapshot()) if (test(flight)) flight.life.stop(reason)
  }

  /** `reason` is asked for only if something is stopped: an Error costs 10 µs, and most sessions end idle. */
  stopSession(id: string, reason: () => GatewayError): void {
    const flights = this.#flights.snapshot().filter(({ exchange }) => exchange.origin.session?.id === id)
    if (flights.length === 0) return
    const error = reason()
    for (const { life } of flights) life.stop(error)
  }

  /**
   * Marks requests of a session as cancelled by the client. Ids are compared with their type: 1 is not "1". (RPC3, UT4)
   */
  cancel(sessionId: string, ids: readonly RequestId[]): void {
    for (const flight of this.#flights.snapshot()) {
      if (flight.exchange.origin.session?.id === sessionId) flight.cancel(ids)
    }
  }

  /** Resolves when no exchange is in progress. */
  idle(): Promise<void> {
    return new Promise((resolve) => {
      this.#onIdle = resolve
      if (this.#flights.size === 0) resolve()
    })
  }
}
