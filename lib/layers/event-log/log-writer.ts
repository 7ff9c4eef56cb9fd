/** Writes a stream into the log, and only then to the client. */
import { isPromise } from '../../util/awaitable.ts'
import type { EventLog, EventStreamName, RequestId } from '../../types.ts'
import { encode, type Entry, withId } from './entry.ts'

/** How many bytes may wait for the log before the upstream has to wait. */
const QUEUE_BYTES = 1024 * 1024

export interface LogWriterHooks {
  /** Gets an event that is in the log now, with the requests still pending behind it. */
  readonly deliver: (bytes: Buffer, position: number, pending: readonly RequestId[]) => void
  /** Gets bytes that are not kept. */
  readonly pass: (bytes: Buffer, atBoundary: boolean) => void
  /** Told when nothing waits for the log any more. */
  readonly onIdle: () => void
  /** Told once, when it turns out that somebody else writes this stream. */
  readonly onConflict: () => void
  /** Told once, when the log failed. What comes after that is delivered and not kept. */
  readonly onFailure: (error: unknown) => void
}

/** What is on its way to the client. */
interface Item {
  readonly bytes: Buffer
  readonly atBoundary: boolean
  readonly kept?: { readonly position: number; readonly entry: Entry }
}

const NOTHING = Buffer.alloc(0)

/** One append at a time: whatever a client comes back for is in the log, and in order. */
export class LogWriter {
  readonly #log: EventLog
  readonly #name: EventStreamName
  readonly #hooks: LogWriterHooks
  /** The newest event's position, and the newest that was delivered. */
  #position: number
  #delivered: number
  /** The requests without an answer in the log. */
  #owed: readonly RequestId[]
  #queue: Item[] = []
  #queuedBytes = 0
  #isAppending = false
  #isLost = false

  constructor(
    log: EventLog,
    name: EventStreamName,
    position: number,
    owed: readonly RequestId[],
    hooks: LogWriterHooks,
  ) {
    this.#log = log
    this.#name = name
    this.#position = position
    this.#delivered = position
    this.#owed = owed
    this.#hooks = hooks
  }

  /** The position of the newest event. */
  get position(): number {
    return this.#position
  }

  /** The position up to which everything has been delivered. */
  get delivered(): number {
    return this.#delivered
  }

  get isIdle(): boolean {
    return !this.#isAppending && this.#queue.length === 0
  }

  get isFull(): boolean {
    return this.#queuedBytes > QUEUE_BYTES
  }

  /** Positions count on when the log has failed: who comes back with one that it does not have can be told so. */
  put(entry: Entry): void {
    this.#position += 1
    const { event } = entry
    const bytes = event === undefined ? NOTHING : withId(this.#name.stream, this.#position, event)
    this.#enqueue({ bytes, atBoundary: true, kept: { position: this.#position, entry } })
  }

  /** Bytes that are not kept. */
  pass(bytes: Buffer, atBoundary: boolean): void {
    this.#enqueue({ bytes, atBoundary })
  }

  flush(): void {
    while (!this.#isAppending && this.#queue.length > 0) {
      const items = this.#queue
      this.#queue = []
      this.#queuedBytes = 0
      this.#append(items)
    }
    if (!this.#isAppending) this.#hooks.onIdle()
  }

  /**
   * Sees to it that nobody takes for the whole stream what a log that failed has of it: behind all that it may have
   * kept without saying so.
   */
  async writeGap(): Promise<void> {
    if (this.#isLost) await this.#log.append(this.#name, [encode(this.#position + 1, { owed: this.#owed, lost: true })])
  }

  #enqueue(item: Item): void {
    this.#queue.push(item)
    this.#queuedBytes += item.bytes.length
  }

  #append(items: readonly Item[]): void {
    const events = this.#isLost ? [] : items.flatMap(({ kept }) => (kept ? encode(kept.position, kept.entry) : []))
    if (events.length === 0) return this.#deliver(items)
    try {
      const answer = this.#log.append(this.#name, events)
      if (!isPromise(answer)) return this.#settle(items, answer)
      this.#isAppending = true
      void answer
        .then(
          (isOurs) => this.#settle(items, isOurs),
          (error: unknown) => this.#lose(items, error),
        )
        .finally(() => {
          this.#isAppending = false
          this.flush()
        })
    } catch (error) {
      this.#lose(items, error)
    }
  }

  #settle(items: readonly Item[], isOurs: boolean): void {
    if (isOurs) {
      this.#owed = items.findLast(({ kept }) => kept)?.kept?.entry.owed ?? this.#owed
      return this.#deliver(items)
    }
    this.#queue = []
    this.#hooks.onConflict()
  }

  #lose(items: readonly Item[], error: unknown): void {
    this.#isLost = true
    this.#hooks.onFailure(error)
    this.#deliver(items)
  }

  #deliver(items: readonly Item[]): void {
    for (const { bytes, kept, atBoundary } of items) {
      if (!kept) this.#hooks.pass(bytes, atBoundary)
      else {
        this.#delivered = kept.position
        this.#hooks.deliver(bytes, kept.position, kept.entry.owed)
      }
    }
  }
}
