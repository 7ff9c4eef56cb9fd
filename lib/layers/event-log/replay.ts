/** Sends a client the events of a stream that it missed, from the log, and then those that follow. */
import type { EventLog, EventStreamName, LoggedEvent } from '../../types.ts'
import { decode, possiblyUnanswered, withId } from './entry.ts'
import type { Reader } from './reader.ts'
import type { Recorder } from './recorder.ts'
import type { EventLogBody } from './event-log-body.ts'

/** How long one read of the log waits for events, before checking whether the stream still has a writer. */
const WAIT_MS = 5_000

/** The pause after a read without events, so that a log that ignores `waitMs` does not cause a busy loop. */
const PAUSE_MS = 100

const NOTHING = Buffer.alloc(0)

export interface ReplayTools {
  readonly log: EventLog
  readonly reader: Reader
  /** The recorder that writes the stream on this node, if any. */
  readonly recorderOf: () => Recorder | undefined
  /**
   * Makes this node the writer from a position on; `false` when the stream has a writer, or is ahead of the position.
   */
  readonly takeOver: (after: number) => Promise<boolean>
  readonly report: (error: unknown) => void
}

export class Replay {
  readonly #name: EventStreamName
  readonly #tail: EventLogBody
  readonly #tools: ReplayTools
  #after: number
  #onWake: (() => void) | undefined

  constructor(name: EventStreamName, tail: EventLogBody, after: number, tools: ReplayTools) {
    this.#name = name
    this.#tail = tail
    this.#after = after
    this.#tools = tools
    tail.writer = { onResume: () => this.#wake(), onCancel: () => this.#wake() }
  }

  /** Runs until the stream ends, or a recorder of this node delivers the rest. */
  async run(first: readonly LoggedEvent[]): Promise<void> {
    try {
      let events: readonly LoggedEvent[] | undefined = first
      while (events && (await this.#push(events))) {
        const recorder = this.#tools.recorderOf()
        if (recorder && (await this.#attach(recorder))) return
        events = recorder ? await this.#catchUp(recorder) : await this.#wait()
      }
    } catch (error) {
      // Nobody misses what a read fails to bring once the connection has ended: a log may be closed after its gateway.
      if (this.#tail.isOver) return
      // A client that reconnects for the rest gets the failure as an HTTP status.
      this.#tools.report(error)
      this.#tail.end()
    }
  }

  /** Whether reading from the log is over: the recorder delivers the rest, or another connection receives it. */
  async #attach(recorder: Recorder): Promise<boolean> {
    const { reader } = this.#tools
    if (!reader.isAnnounced) await this.#announce()
    if (recorder.isOver) return false
    if (recorder.subscriber.reader === reader.id) return recorder.subscriber.attach(this.#tail, this.#after, reader.id)
    this.#tail.replace()
    return true
  }

  #announce(): Promise<unknown> {
    const { reader, log, recorderOf } = this.#tools
    return reader.announce(this.#name, log, this.#after, recorderOf)
  }

  /** Reads the events that the recorder has already delivered. */
  async #catchUp(recorder: Recorder): Promise<readonly LoggedEvent[]> {
    const events = await this.#read(0)
    if (events.length === 0 && !recorder.isOver) this.#tail.miss(recorder.asked)
    return events
  }

  /**
   * Waits for events that another node writes. It first checks whether the stream has a writer at all, since a client
   * may have reconnected because its node crashed. `undefined` when this node has become the writer.
   */
  async #wait(): Promise<readonly LoggedEvent[] | undefined> {
    const available = await this.#read(0)
    if (available.length > 0) return available
    if (await this.#tools.takeOver(this.#after)) return undefined
    if (this.#tools.recorderOf()) return []
    if (!this.#tools.reader.isAnnounced) {
      await this.#announce()
      // A writer that has stopped meanwhile did not know of this reader, so it has told nobody.
      if (this.#tools.reader.isAnnounced) return []
    }
    const events = await this.#read(WAIT_MS)
    if (events.length === 0) await new Promise((resolve) => void setTimeout(resolve, PAUSE_MS).unref())
    return events
  }

  async #read(waitMs: number): Promise<readonly LoggedEvent[]> {
    return this.#tools.log.read(this.#name, this.#after, waitMs)
  }

  /** Pushes events to the client; `false` when the stream or the client's connection has ended. */
  async #push(events: readonly LoggedEvent[]): Promise<boolean> {
    for (const logged of events) {
      // Backpressure: no event is formatted before the client reads on.
      while (this.#tail.isFull) await new Promise<void>((resolve) => (this.#onWake = resolve))
      if (this.#tail.isOver) return false
      const entry = decode(logged)
      const { position } = logged
      if (entry.lost || (this.#after > 0 && position !== this.#after + 1)) {
        this.#tail.miss(possiblyUnanswered(entry))
        return false
      }
      if (this.#tools.reader.isReplacedBy(entry)) this.#tail.replace()
      this.#after = position
      const bytes = entry.event === undefined ? NOTHING : withId(this.#name.stream, position, entry.event)
      this.#tail.pushKept(bytes, position, entry.owed)
      if (entry.over) this.#tail.end()
      // The writer flushes at the end of this tick, and `isFull` is only accurate after that.
      await new Promise<void>((resolve) => process.nextTick(resolve))
    }
    return !this.#tail.isOver
  }

  #wake(): void {
    this.#onWake?.()
    this.#onWake = undefined
  }
}
