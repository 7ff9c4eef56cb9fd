/** Which streams this gateway writes: others keep off them while it says so. */
import { randomBytes } from 'node:crypto'
import { within } from '../in-time.ts'
import type { EventLog, EventStreamName } from '../types.ts'

/** How long a node that says nothing any more keeps others from going on with its streams, and how often it says so. */
const LEASE_MS = 15_000
const RENEW_MS = 5_000

/** How long leases may take to be given back when the gateway closes. */
const FAREWELL_MS = 1_000

export class Leases {
  readonly #log: EventLog
  readonly #held: () => Iterable<EventStreamName>
  /** Names this gateway in leases. */
  readonly #writer = randomBytes(12).toString('base64url')
  readonly #releasing = new Set<Promise<void>>()
  readonly #renewing: NodeJS.Timeout

  /** `held` says what it writes just now. */
  constructor(log: EventLog, held: () => Iterable<EventStreamName>) {
    this.#log = log
    this.#held = held
    this.#renewing = setInterval(() => this.#renew(), RENEW_MS).unref()
  }

  async claim(name: EventStreamName): Promise<boolean> {
    return this.#log.claim(name, this.#writer, LEASE_MS)
  }

  /** A lease that cannot be given back ends by itself. */
  release(name: EventStreamName): void {
    const release = async (): Promise<void> => this.#log.release(name, this.#writer)
    const releasing = release()
      .catch(() => {})
      .finally(() => this.#releasing.delete(releasing))
    this.#releasing.add(releasing)
  }

  /** Resolves when others may go on with what this gateway has written. */
  async close(): Promise<void> {
    clearInterval(this.#renewing)
    await within(Date.now() + FAREWELL_MS, Promise.all(this.#releasing))
  }

  /** A log that does not hear this has told of it already, when it was to keep an event. */
  #renew(): void {
    for (const name of this.#held()) this.claim(name).catch(() => {})
  }
}
