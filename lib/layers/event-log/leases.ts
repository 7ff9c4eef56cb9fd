/** The leases of the streams that this gateway writes; no other node writes a stream while its lease is renewed. */
import { randomBytes } from 'node:crypto'
import { within } from '../../util/timeout.ts'
import type { EventLog, EventStreamName } from '../../types.ts'

/**
 * How long a lease lasts without renewal, so that other nodes can take over from a crashed one, and how often it is
 * renewed.
 */
const LEASE_MS = 15_000
const RENEW_MS = 5_000

/** How long a closing gateway waits for the release of its leases. */
const FAREWELL_MS = 1_000

/** A stream that this gateway writes, and the log bound to the context of its request. */
export interface HeldStream {
  readonly name: EventStreamName
  readonly log: EventLog
  /** Called when another node holds the lease. */
  readonly onLeaseLost: () => void
  /** Checks the log for readers at other nodes. */
  readonly look: () => void
}

interface AroundRelease {
  readonly lastWrite?: (() => Promise<void>) | undefined
  /** Tells readers at other nodes that the stream has no writer. */
  readonly handOver?: (() => Promise<void>) | undefined
}

export class Leases {
  readonly #held: () => Iterable<HeldStream>
  /** Identifies this gateway in leases. */
  readonly #writer = randomBytes(12).toString('base64url')
  readonly #releasing = new Set<Promise<void>>()
  readonly #renewing: NodeJS.Timeout

  /** `held` returns the streams that the gateway writes at the moment. */
  constructor(held: () => Iterable<HeldStream>) {
    this.#held = held
    this.#renewing = setInterval(() => this.#renew(), RENEW_MS).unref()
  }

  async claim(name: EventStreamName, log: EventLog): Promise<boolean> {
    return log.claim(name, this.#writer, LEASE_MS)
  }

  /** Awaits `lastWrite` under the lease, releases it, then awaits `handOver`. A lease whose release fails expires. */
  release(name: EventStreamName, log: EventLog, { lastWrite, handOver }: AroundRelease = {}): void {
    const release = async (): Promise<void> => {
      if (lastWrite) await lastWrite().catch(() => {})
      await log.release(name, this.#writer)
      if (handOver) await handOver()
    }
    const releasing = release()
      .catch(() => {})
      .finally(() => this.#releasing.delete(releasing))
    this.#releasing.add(releasing)
  }

  /** Resolves when the leases are released, so that other nodes can take the streams over. */
  async close(): Promise<void> {
    clearInterval(this.#renewing)
    await within(performance.now() + FAREWELL_MS, Promise.all(this.#releasing))
  }

  #renew(): void {
    for (const stream of this.#held()) void this.#renewOne(stream)
  }

  /** A failure of the log is ignored here, because appending reports it. */
  async #renewOne(stream: HeldStream): Promise<void> {
    const isOurs = await this.claim(stream.name, stream.log).catch(() => undefined)
    if (isOurs === false) stream.onLeaseLost()
    else stream.look()
  }
}
