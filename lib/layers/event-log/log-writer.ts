/** Writes a stream into the log, and only then to the client. */
import { createHash } from 'node:crypto'
import { isPromise } from '../../util/awaitable.ts'
import type { Awaitable, EventLog, EventStreamName, LoggedEvent, RequestId } from '../../types.ts'
import { decode, encode, type Entry, isAnnouncement, withId } from './entry.ts'

/** How many bytes may wait for the log before the upstream has to wait. */
const QUEUE_BYTES = 1024 * 1024

/** What an item of the queue costs beside its text, and each id of a request in it. */
const ITEM_BYTES = 300
const REQUEST_ID_BYTES = 16

export interface LogWriterHooks {
  /** Gets an event that is in the log now, with the requests still pending behind it. */
  readonly deliver: (bytes: Buffer, position: number, pending: readonly RequestId[]) => void
  /** Gets bytes that are not kept. */
  readonly pass: (bytes: Buffer, atBoundary: boolean) => void
  /** Told when nothing waits for the log any more. */
  readonly onIdle: () => void
  /** Told who reads from now on, when another node has said so in the log. */
  readonly onReader: (reader: string) => void
  /** Told once, when it turns out that somebody else writes this stream. */
  readonly onConflict: () => void
  /** Told once, when the log failed. What comes after that is delivered and not kept. */
  readonly onFailure: (error: unknown) => void
}

/** What is on its way to the client: an event to keep, or bytes that are not kept. */
type Item =
  | { position: number; readonly entry: Entry }
  | { readonly entry?: undefined; readonly bytes: Buffer; readonly atBoundary: boolean }

const NOTHING = Buffer.alloc(0)

/** One append at a time: whatever a client comes back for is in the log, and in order. */
export class LogWriter {
  readonly #log: EventLog
  readonly #name: EventStreamName
  readonly #hooks: LogWriterHooks
  /** The newest event's position, the newest that was delivered, and the newest that is known to be in the log. */
  #position: number
  #delivered: number
  /** The newest position that was delivered with an event, or in place of one: what clients can have missed. */
  #said: number
  #logged: number
  /** The requests without an answer in the log. */
  #owed: readonly RequestId[]
  #queue: Item[] = []
  #queuedBytes = 0
  #isBusy = false
  /** Whether the log failed, and a digest of the newest event that it may have kept without saying so. */
  #isLost = false
  #doubtful: string | undefined

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
    this.#said = position
    this.#logged = position
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

  /** The position up to which everything that clients can have missed has been delivered. */
  get said(): number {
    return this.#said
  }

  get isIdle(): boolean {
    return !this.#isBusy && this.#queue.length === 0
  }

  get isFull(): boolean {
    return this.#queuedBytes > QUEUE_BYTES
  }

  /** Whether the log failed, so that it lacks some of the stream. */
  get isLost(): boolean {
    return this.#isLost
  }

  /** Positions count on when the log has failed: who comes back with one that it does not have can be told so. */
  put(entry: Entry): void {
    this.#position += 1
    this.#queue.push({ position: this.#position, entry })
    this.#queuedBytes += ITEM_BYTES + (entry.event?.length ?? 0) + REQUEST_ID_BYTES * entry.owed.length
  }

  /** Bytes that are not kept. */
  pass(bytes: Buffer, atBoundary: boolean): void {
    this.#queue.push({ bytes, atBoundary })
    this.#queuedBytes += ITEM_BYTES + bytes.length
  }

  flush(): void {
    while (!this.#isBusy && this.#queue.length > 0) {
      const items = this.#queue
      this.#queue = []
      this.#queuedBytes = 0
      this.#append(items)
    }
    if (!this.#isBusy) this.#hooks.onIdle()
  }

  /** Looks whether another node has written into the log, where nothing that is to be appended would tell. */
  look(): void {
    if (this.isIdle) this.#busy(this.#lookNow())
  }

  /**
   * Sees to it that nobody takes for the whole stream what a log that failed has of it: behind all that it may have
   * kept without saying so, unless somebody else has written there. To be called by who has the lease alone.
   */
  async writeGap(): Promise<void> {
    const last = await this.#log.last(this.#name)
    if (last && last.position > this.#logged && fingerprintOf(last) !== this.#doubtful) return
    const position = Math.max(this.#position, last?.position ?? 0) + 1
    await this.#log.append(this.#name, [encode(position, { owed: this.#owed, lost: true })])
  }

  #append(items: Item[]): void {
    const events = this.#isLost ? [] : items.flatMap((item) => (item.entry ? encode(item.position, item.entry) : []))
    if (events.length === 0) return this.#deliver(items)
    try {
      const answer = this.#log.append(this.#name, events)
      if (answer === true) this.#settle(items)
      else this.#busy(this.#outcome(items, events, answer))
    } catch (error) {
      this.#lose(items, events, error)
    }
  }

  #busy(work: Promise<void>): void {
    this.#isBusy = true
    void work.finally(() => {
      this.#isBusy = false
      this.flush()
    })
  }

  async #outcome(items: Item[], events: readonly LoggedEvent[], answer: Awaitable<boolean>): Promise<void> {
    let isOurs: boolean
    let announced: readonly LoggedEvent[] | undefined
    try {
      isOurs = isPromise(answer) ? await answer : answer
      announced = isOurs ? undefined : await this.#announced()
    } catch (error) {
      return this.#lose(items, events, error)
    }
    if (isOurs) return this.#settle(items)
    this.#queue = [...items, ...this.#queue]
    if (announced && announced.length > 0) this.#goBehind(announced)
    else this.#giveUp()
  }

  async #lookNow(): Promise<void> {
    const announced = await this.#announced().catch(() => [])
    if (announced?.length === 0) return
    // What follows here is not in the log: who reads elsewhere gets on when somebody else writes.
    if (announced && !this.#isLost) this.#goBehind(announced)
    else if (announced || !this.#isLost) this.#giveUp()
  }

  /** What other nodes have added to the log; `undefined` when that is more than who reads: then one of them writes. */
  async #announced(): Promise<readonly LoggedEvent[] | undefined> {
    const added = await this.#log.read(this.#name, this.#logged, 0)
    return added.every((event) => isAnnouncement(decode(event))) ? added : undefined
  }

  /** Whoever was said last gets what comes, unless a later one waits here to be said. */
  #goBehind(announced: readonly LoggedEvent[]): void {
    const newest = announced.at(-1)!
    this.#logged = newest.position
    this.#delivered = newest.position
    this.#position = newest.position
    for (const item of this.#queue) if (item.entry) item.position = this.#position += 1
    if (this.#queue.every(({ entry }) => entry?.reader === undefined)) this.#hooks.onReader(decode(newest).reader!)
  }

  #giveUp(): void {
    this.#queue = []
    this.#queuedBytes = 0
    this.#hooks.onConflict()
  }

  #settle(items: readonly Item[]): void {
    const newest = items.findLast(({ entry }) => entry)
    if (newest?.entry) {
      this.#owed = newest.entry.owed
      this.#logged = newest.position
    }
    this.#deliver(items)
  }

  #lose(items: readonly Item[], events: readonly LoggedEvent[], error: unknown): void {
    this.#isLost = true
    this.#doubtful = fingerprintOf(events.at(-1)!)
    this.#hooks.onFailure(error)
    this.#deliver(items)
  }

  #deliver(items: readonly Item[]): void {
    for (const item of items) {
      if (!item.entry) {
        this.#hooks.pass(item.bytes, item.atBoundary)
        continue
      }
      const { position, entry } = item
      this.#delivered = position
      if (entry.event !== undefined || entry.lost) this.#said = position
      const bytes = entry.event === undefined ? NOTHING : withId(this.#name.stream, position, entry.event)
      this.#hooks.deliver(bytes, position, entry.owed)
    }
  }
}

function fingerprintOf({ position, text }: LoggedEvent): string {
  return createHash('sha256').update(`${position} ${text}`).digest('base64url')
}
