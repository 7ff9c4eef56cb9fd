/** Appends the events of a stream to the log, and delivers each to the client only after that. */
import { isPromise } from '../../util/awaitable.ts'
import type { Awaitable, EventLog, EventStreamName, LoggedEvent } from '../../types.ts'
import { decode, encode, type Entry, fingerprintOf, isAnnouncement, withId } from './entry.ts'
import type { LogWriterHooks } from './log-writer-hooks.ts'

/** How many bytes may wait for the log before the upstream is paused. */
const QUEUE_BYTES = 1024 * 1024

/** The approximate memory of an item of the queue besides its text, and of each request id in it. */
const ITEM_BYTES = 300
const REQUEST_ID_BYTES = 16

/** An item of the queue: an event to store, or bytes that are only delivered. */
type Item =
  | { position: number; readonly entry: Entry }
  | { readonly entry?: undefined; readonly bytes: Buffer; readonly atBoundary: boolean }

/** How far positions advance when the log fails, so that no other node gives those of events that it lacks to others. */
const LOST_DISTANCE = 2 ** 30

const NOTHING = Buffer.alloc(0)

/** Appends run one at a time, so that every delivered event is in the log, and in order. */
export class LogWriter {
  readonly #log: EventLog
  readonly #name: EventStreamName
  readonly #hooks: LogWriterHooks
  /** The positions of the newest event, the newest delivered one, and the newest one known to be in the log. */
  #position: number
  #delivered: number
  /** The newest delivered position with an event, also a lost one. Clients miss nothing by skipping others. */
  #deliveredEvent: number
  #logged: number
  /** The requests without a response in the log. */
  #owed: Entry['owed']
  /** The newest delivered entry without its event: what another node needs to continue the stream. */
  #state: Entry
  #queue: Item[] = []
  #queuedBytes = 0
  #isBusy = false
  /** Whether the log has failed, and events are not stored. */
  #isLost = false
  /** Whether no append has succeeded since it failed. */
  #isFailing = false
  /** A digest of the event whose append failed, which the log may have stored anyway. */
  #unconfirmed: string | undefined

  constructor(log: EventLog, name: EventStreamName, position: number, owed: Entry['owed'], hooks: LogWriterHooks) {
    this.#log = log
    this.#name = name
    this.#position = position
    this.#delivered = position
    this.#deliveredEvent = position
    this.#logged = position
    this.#owed = owed
    this.#state = { owed }
    this.#hooks = hooks
  }

  /** The position of the newest event, delivered or queued. */
  get position(): number {
    return this.#position
  }

  /** The position up to which everything has been delivered. */
  get delivered(): number {
    return this.#delivered
  }

  /** The newest delivered position that clients can have missed an event at. */
  get deliveredEvent(): number {
    return this.#deliveredEvent
  }

  get isIdle(): boolean {
    return !this.#isBusy && this.#queue.length === 0
  }

  get isFull(): boolean {
    return this.#queuedBytes > QUEUE_BYTES
  }

  /** Whether the log has failed, so that it lacks part of the stream. */
  get isLost(): boolean {
    return this.#isLost
  }

  /** Positions keep counting after a failure of the log, so that a client resuming at a missing one gets an error. */
  put(entry: Entry): void {
    this.#position += 1
    this.#queue.push({ position: this.#position, entry })
    this.#queuedBytes += ITEM_BYTES + (entry.event?.length ?? 0) + REQUEST_ID_BYTES * entry.owed.length
  }

  /** Queues bytes that are delivered without being stored. */
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

  /**
   * Checks whether another node has appended to the log; tries one again that has failed. Call it only while holding the
   * lease. While events are appended, a conflict shows what others append anyway.
   */
  look(): void {
    if (this.isIdle) this.#busy(this.#lookNow())
  }

  /**
   * Marks the stream in the log as incomplete after a failure, following the event whose append failed. Does nothing if
   * another node has written since. Call it only while holding the lease.
   */
  async writeGap(): Promise<void> {
    const last = await this.#log.last(this.#name)
    if (last && last.position > this.#logged && fingerprintOf(last) !== this.#unconfirmed) return
    const position = Math.max(this.#position, last?.position ?? 0) + 1
    await this.#log.append(this.#name, [encode(position, { owed: this.#owed, lost: true })])
  }

  #append(items: Item[]): void {
    const events: LoggedEvent[] = []
    if (!this.#isLost) for (const item of items) if (item.entry) events.push(encode(item.position, item.entry))
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
    if (announced && announced.length > 0) this.#continueAfter(announced)
    else this.#stopWriting()
  }

  async #lookNow(): Promise<void> {
    const announced = await this.#announced().catch(() => 'unknown' as const)
    if (announced === 'unknown') return
    if (announced?.length === 0) this.#tryAgain()
    // After a failure the log lacks this node's later events, so a reader at another node needs another writer.
    else if (announced && !this.#isLost) this.#continueAfter(announced)
    else this.#stopWriting()
  }

  /** Stores events again after a failure, if the log takes the state of the stream. The lost ones leave a gap. */
  #tryAgain(): void {
    if (!this.#isLost) return
    this.#isLost = false
    if (!this.#queue.some(({ entry }) => entry)) this.put(this.#state)
  }

  /** The announcements that other nodes have appended; `undefined` if they appended anything else, as a writer does. */
  async #announced(): Promise<readonly LoggedEvent[] | undefined> {
    const added = await this.#log.read(this.#name, this.#logged, 0)
    // An append that has failed may have been executed all the same.
    const own = this.#isLost ? added.findLast((event) => fingerprintOf(event) === this.#unconfirmed) : undefined
    if (own) [this.#logged, this.#owed] = [own.position, decode(own).owed]
    const others = added.filter(({ position }) => position > this.#logged)
    return others.every((event) => isAnnouncement(decode(event))) ? others : undefined
  }

  /** Gives queued events positions after the announcements. The last reader wins, unless the queue has a later one. */
  #continueAfter(announced: readonly LoggedEvent[]): void {
    const newest = announced.at(-1)!
    this.#logged = newest.position
    this.#delivered = newest.position
    this.#position = newest.position
    for (const item of this.#queue) if (item.entry) item.position = this.#position += 1
    const { reader, upstreamId } = decode(newest)
    if (this.#queue.every(({ entry }) => entry?.reader === undefined)) this.#hooks.onReader(reader!)
    // A reader that begins anew is announced without the position at the server.
    if (upstreamId !== this.#state.upstreamId && this.#queue.every(({ entry }) => !entry)) this.put(this.#state)
  }

  #stopWriting(): void {
    this.#queue = []
    this.#queuedBytes = 0
    this.#hooks.onConflict()
  }

  #settle(items: readonly Item[]): void {
    const newest = items.findLast(({ entry }) => entry)
    if (newest?.entry) {
      this.#owed = newest.entry.owed
      this.#logged = newest.position
      this.#isFailing = false
    }
    this.#deliver(items)
  }

  #lose(items: readonly Item[], events: readonly LoggedEvent[], error: unknown): void {
    this.#isLost = true
    this.#unconfirmed = fingerprintOf(events.at(-1)!)
    if (!this.#isFailing) {
      this.#isFailing = true
      this.#position += LOST_DISTANCE
      for (const item of [...items, ...this.#queue]) if (item.entry) item.position += LOST_DISTANCE
      this.#hooks.onFailure(error)
    }
    this.#deliver(items)
  }

  #deliver(items: readonly Item[]): void {
    for (const item of items) {
      if (!item.entry) {
        this.#hooks.pass(item.bytes, item.atBoundary)
        continue
      }
      const { position, entry } = item
      const { owed, asked, upstreamId, retryMs } = entry
      this.#state = { owed, asked, upstreamId, retryMs }
      this.#delivered = position
      if (entry.event !== undefined || entry.lost) this.#deliveredEvent = position
      const bytes = entry.event === undefined ? NOTHING : withId(this.#name.stream, position, entry.event)
      this.#hooks.deliver(bytes, position, owed)
    }
  }
}
