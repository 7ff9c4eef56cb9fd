/** The streams that this gateway writes: while it renews its lease, nobody else writes them. */
import { randomBytes } from 'node:crypto'
import { within } from '../../util/timeout.ts'
import type { EventLog, EventStreamName } from '../../types.ts'

/** How long a node that says nothing any more keeps others from going on with its streams, and how often it says so. */
const LEASE_MS = 15_000
const RENEW_MS = 5_000

/** How long leases may take to be given back when the gateway closes. */
const FAREWELL_MS = 1_000

/** A stream that is written here, and the log as it is asked on its behalf. */
export interface HeldStream {
  readonly name: EventStreamName
  readonly log: EventLog
  /** Told when its lease is refused: another has it. */
  readonly onLeaseLost: () => void
  /** Looks whether a client reads at another node. */
  readonly look: () => void
}

export class Leases {
  readonly #held: () => Iterable<HeldStream>
  /** Names this gateway in leases. */
  readonly #writer = randomBytes(12).toString('base64url')
  readonly #releasing = new Set<Promise<void>>()
  readonly #renewing: NodeJS.Timeout

  /** `held` says what it writes just now. */
  constructor(held: () => Iterable<HeldStream>) {
    this.#held = held
    this.#renewing = setInterval(() => this.#renew(), RENEW_MS).unref()
  }

  async claim(name: EventStreamName, log: EventLog): Promise<boolean> {
    return log.claim(name, this.#writer, LEASE_MS)
  }

  /** A lease that cannot be given back ends by itself. What is still to be done under it is awaited. */
  release(name: EventStreamName, log: EventLog, last?: () => Promise<void>): void {
    const release = async (): Promise<void> => {
      if (last) await last().catch(() => {})
      return log.release(name, this.#writer)
    }
    const releasing = release()
      .catch(() => {})
      .finally(() => this.#releasing.delete(releasing))
    this.#releasing.add(releasing)
  }

  /** Resolves when others may go on with what this gateway has written. */
  async close(): Promise<void> {
    clearInterval(this.#renewing)
    await within(performance.now() + FAREWELL_MS, Promise.all(this.#releasing))
  }

  #renew(): void {
    for (const stream of this.#held()) void this.#renewOne(stream)
  }

  /** A log that does not answer has told of it already, when it was to keep an event. */
  async #renewOne(stream: HeldStream): Promise<void> {
    const isOurs = await this.claim(stream.name, stream.log).catch(() => undefined)
    if (isOurs === false) stream.onLeaseLost()
    else stream.look()
  }
}
