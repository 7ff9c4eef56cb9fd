/** Gives a client what it missed of a stream, out of the log, and then what comes. */
import type { EventLog, EventStreamName, LoggedEvent } from '../../types.ts'
import { decode, possiblyUnanswered, withId } from './entry.ts'
import type { Reader } from './reader.ts'
import type { Recorder } from './recorder.ts'
import type { EventLogBody } from './event-log-body.ts'

/** How long the log is waited for at a time; after that somebody looks whether the stream is still being written. */
const WAIT_MS = 5_000

/** How long is waited at least: a log that does not wait would leave time for nothing else. */
const PAUSE_MS = 100

const NOTHING = Buffer.alloc(0)

export interface ReplayTools {
  readonly log: EventLog
  readonly reader: Reader
  /** Who writes this stream here, if anybody does. */
  readonly recorderOf: () => Recorder | undefined
  /** Has this gateway write the stream from a position on, when nobody does any more; `false` when that is not so. */
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

  /** Follows to the end of the stream, or until a recorder of this gateway takes over. */
  async run(first: readonly LoggedEvent[]): Promise<void> {
    try {
      let events: readonly LoggedEvent[] | undefined = first
      while (events && (await this.#give(events))) {
        const recorder = this.#tools.recorderOf()
        if (recorder && (await this.#attach(recorder))) return
        events = recorder ? await this.#catchUp(recorder) : await this.#wait()
      }
    } catch (error) {
      // The client may come back for the rest, and gets a status then.
      this.#tools.report(error)
      this.#tail.end()
    }
  }

  /** Whether there is nothing more to read here: what comes is pushed, or it is for another connection. */
  async #attach(recorder: Recorder): Promise<boolean> {
    const { reader } = this.#tools
    if (!reader.isAnnounced) await this.#announce()
    if (recorder.isOver) return false
    if (recorder.subscriber.reader === reader.id) return recorder.subscriber.attach(this.#tail, this.#after, reader.id)
    this.#tail.end()
    return true
  }

  #announce(): Promise<unknown> {
    const { reader, log, recorderOf } = this.#tools
    return reader.announce(this.#name, log, this.#after, recorderOf)
  }

  /** What a recorder has delivered already. */
  async #catchUp(recorder: Recorder): Promise<readonly LoggedEvent[]> {
    const events = await this.#read(0)
    if (events.length === 0 && !recorder.isOver) this.#tail.miss(recorder.asked)
    return events
  }

  /**
   * What another gateway writes. First it is looked whether anybody does: a client may come back because nobody does.
   * `undefined` when the stream is written here from now on.
   */
  async #wait(): Promise<readonly LoggedEvent[] | undefined> {
    const there = await this.#read(0)
    if (there.length > 0) return there
    if (await this.#tools.takeOver(this.#after)) return undefined
    if (this.#tools.recorderOf()) return []
    if (!this.#tools.reader.isAnnounced) await this.#announce()
    const events = await this.#read(WAIT_MS)
    if (events.length === 0) await new Promise((resolve) => void setTimeout(resolve, PAUSE_MS).unref())
    return events
  }

  async #read(waitMs: number): Promise<readonly LoggedEvent[]> {
    return this.#tools.log.read(this.#name, this.#after, waitMs)
  }

  /** `false` when that was the end, for the stream or for the client. */
  async #give(events: readonly LoggedEvent[]): Promise<boolean> {
    for (const logged of events) {
      // What a client does not take is not made ready for it.
      while (this.#tail.isFull) await new Promise<void>((resolve) => (this.#onWake = resolve))
      if (this.#tail.isOver) return false
      const entry = decode(logged)
      const { position } = logged
      if (entry.lost || (this.#after > 0 && position !== this.#after + 1)) {
        this.#tail.miss(possiblyUnanswered(entry))
        return false
      }
      if (this.#tools.reader.isReplacedBy(entry)) this.#tail.end()
      this.#after = position
      const bytes = entry.event === undefined ? NOTHING : withId(this.#name.stream, position, entry.event)
      this.#tail.pushKept(bytes, position, entry.owed)
      if (entry.over) this.#tail.end()
      // What is pushed is written at the end of this tick: only then is it known whether it was too much.
      await new Promise<void>((resolve) => process.nextTick(resolve))
    }
    return !this.#tail.isOver
  }

  #wake(): void {
    this.#onWake?.()
    this.#onWake = undefined
  }
}
