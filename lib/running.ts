/** The exchanges that go on right now, and which sessions they are in. */
import type { GatewayError } from './errors.ts'
import type { Exchange } from './exchange.ts'
import { Slots } from './slots.ts'

export class Running {
  readonly #exchanges = new Slots<Exchange>()
  #onIdle: (() => void) | undefined

  add(exchange: Exchange): void {
    this.#exchanges.add(exchange)
  }

  has(exchange: Exchange): boolean {
    return this.#exchanges.has(exchange)
  }

  delete(exchange: Exchange): void {
    this.#exchanges.delete(exchange)
    if (this.#exchanges.size === 0) this.#onIdle?.()
  }

  /** As they are now: they may come and go meanwhile. */
  snapshot(): Exchange[] {
    return this.#exchanges.snapshot()
  }

  /** The ids of the sessions in which anything goes on. */
  sessions(): ReadonlySet<string> {
    const ids = new Set<string>()
    for (const { session } of this.#exchanges.snapshot()) if (session) ids.add(session.id)
    return ids
  }

  /** Stops those that the test is true of. */
  stop(error: GatewayError, test: (exchange: Exchange) => boolean): void {
    for (const exchange of this.#exchanges.snapshot()) if (test(exchange)) exchange.stop(error)
  }

  /** Resolves when nothing goes on. */
  idle(): Promise<void> {
    return new Promise((resolve) => {
      this.#onIdle = resolve
      if (this.#exchanges.size === 0) resolve()
    })
  }
}
