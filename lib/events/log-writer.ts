/** Writes a stream into the log, and only then to the client. */
import { isPromise } from '../awaitable.ts'
import type { EventLog, EventStreamName, LoggedEvent } from '../types.ts'
import { encode, type Entry, withId } from './entry.ts'

/** How many bytes may wait for the log before the upstream has to wait. */
const QUEUE_BYTES = 1024 * 1024

export interface LogWriterHooks {
  /** Gets what is in the log now. */
  readonly deliver: (bytes: Buffer) => void
  /** Told when nothing waits for the log any more. */
  readonly onIdle: () => void
  /** Told once, when it turns out that somebody else writes this stream. */
  readonly onConflict: () => void
  /** Told once, when the log failed. What comes after that is delivered without ids. */
  readonly onFailure: (error: unknown) => void
}

/** What is on its way to the client. Without an entry it is not kept. */
interface Item {
  readonly bytes: Buffer
  readonly logged: LoggedEvent | undefined
}

const NOTHING = Buffer.alloc(0)

/** One append at a time: whatever a client comes back for is in the log, and in order. */
export class LogWriter {
  readonly #log: EventLog
  readonly #name: EventStreamName
  readonly #hooks: LogWriterHooks
  /** The newest event's position, and the newest that the log has. */
  #position: number
  #keptPosition: number
  #queue: Item[] = []
  #queuedBytes = 0
  #isAppending = false
  #isLost = false

  constructor(log: EventLog, name: EventStreamName, position: number, hooks: LogWriterHooks) {
    this.#log = log
    this.#name = name
    this.#position = position
    this.#keptPosition = position
    this.#hooks = hooks
  }

  /** The position of the newest event that the log has. */
  get keptPosition(): number {
    return this.#keptPosition
  }

  /** Whether what came lately is missing from the log. */
  get isLost(): boolean {
    return this.#isLost
  }

  get isIdle(): boolean {
    return !this.#isAppending && this.#queue.length === 0
  }

  get isFull(): boolean {
    return this.#queuedBytes > QUEUE_BYTES
  }

  put(entry: Entry): void {
    if (this.#isLost) return this.pass(Buffer.from(entry.event ?? ''))
    this.#position += 1
    const { event } = entry
    const bytes = event === undefined ? NOTHING : withId(this.#name.stream, this.#position, event)
    this.#enqueue({ bytes, logged: encode(this.#position, entry) })
  }

  /** Bytes that are not kept. */
  pass(bytes: Buffer): void {
    this.#enqueue({ bytes, logged: undefined })
  }

  /** Leaves a gap for something that cannot be kept: whoever comes back for it will be told. */
  skip(): void {
    this.#position += 1
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

  /** Sees to it that nobody takes for the whole stream what a log that failed has of it. */
  async admitLoss(): Promise<void> {
    if (this.#isLost) await this.#log.append(this.#name, [encode(this.#keptPosition + 1, { owed: [], lost: true })])
  }

  #enqueue(item: Item): void {
    this.#queue.push(item)
    this.#queuedBytes += item.bytes.length
  }

  #append(items: readonly Item[]): void {
    const events = this.#isLost ? [] : items.flatMap(({ logged }) => logged ?? [])
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
    if (isOurs) return this.#deliver(items)
    this.#queue = []
    this.#hooks.onConflict()
  }

  #lose(items: readonly Item[], error: unknown): void {
    this.#isLost = true
    this.#hooks.onFailure(error)
    this.#deliver(items)
  }

  /** Bytes with an id that the log may not have would promise too much. */
  #deliver(items: readonly Item[]): void {
    for (const { bytes, logged } of items) {
      if (logged && !this.#isLost) this.#keptPosition = logged.position
      this.#hooks.deliver(logged && this.#isLost ? withoutId(bytes) : bytes)
    }
  }
}

function withoutId(bytes: Buffer): Buffer {
  return bytes.subarray(bytes.indexOf('\n') + 1)
}
