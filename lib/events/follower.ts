/** Gives a client what it missed of a stream, out of the log, and then what comes. */
import { GatewayError } from '../errors.ts'
import type { EventLog, EventStreamName, LoggedEvent } from '../types.ts'
import { decode, withId } from './entry.ts'
import type { Recorder } from './recorder.ts'
import { messageEvent } from '../sse/event-stream.ts'
import type { Tail } from './tail.ts'

/** How long the log is waited for at a time; after that somebody looks whether the stream is still being written. */
const WAIT_MS = 5_000

export interface FollowerTools {
  readonly log: EventLog
  /** Who writes this stream here, if anybody does. */
  readonly recorderOf: () => Recorder | undefined
  /** Has this gateway write the stream, when nobody does any more; `false` while somebody does. */
  readonly takeOver: (newest: LoggedEvent) => Promise<boolean>
}

export class Follower {
  readonly #name: EventStreamName
  readonly #tail: Tail
  readonly #tools: FollowerTools
  #after: number
  #onWake: (() => void) | undefined

  constructor(name: EventStreamName, tail: Tail, after: number, tools: FollowerTools) {
    this.#name = name
    this.#tail = tail
    this.#after = after
    this.#tools = tools
    tail.writer = { onResume: () => this.#wake(), onCancel: () => this.#wake() }
  }

  /** Follows to the end of the stream, or until a recorder of this gateway takes over. */
  async run(first: readonly LoggedEvent[]): Promise<void> {
    try {
      let events = first
      for (;;) {
        if (!this.#give(events)) return
        if (this.#tail.isFull) await this.#taken()
        if (this.#tail.isOver) return
        const recorder = this.#tools.recorderOf()
        if (recorder?.attach(this.#tail, this.#after)) return
        if (recorder?.isLost) throw gone()
        events = await this.#read(recorder ? 0 : WAIT_MS)
      }
    } catch (error) {
      this.#tail.fail(error as Error)
    }
  }

  /** Looks at once whether anybody writes the stream: a client may come back because nobody does. */
  async #read(waitMs: number): Promise<readonly LoggedEvent[]> {
    const { log } = this.#tools
    const events = await log.read(this.#name, this.#after, 0)
    if (events.length > 0 || waitMs === 0) return events
    const last = await log.last(this.#name)
    if (!last) throw gone()
    if (last.position !== this.#after || (await this.#tools.takeOver(last))) return []
    return log.read(this.#name, this.#after, waitMs)
  }

  /** `false` when the stream is over. */
  #give(events: readonly LoggedEvent[]): boolean {
    for (const logged of events) {
      const { event, owed, over, lost } = decode(logged)
      if (lost || (this.#after > 0 && logged.position !== this.#after + 1)) {
        // Whoever still waits for an answer here gets to know that it waits in vain.
        for (const id of owed) this.#tail.push(messageEvent(gone().toJsonRpc(id)))
        throw gone()
      }
      this.#after = logged.position
      if (event !== undefined) this.#tail.push(withId(this.#name.stream, logged.position, event))
      if (!over) continue
      this.#tail.end()
      return false
    }
    return true
  }

  #taken(): Promise<void> {
    return new Promise((resolve) => (this.#onWake = resolve))
  }

  #wake(): void {
    this.#onWake?.()
    this.#onWake = undefined
  }
}

/** What a client asks for is not kept, or not any more. (SE8) */
export function gone(): GatewayError {
  return new GatewayError('events_gone', 'The events after Last-Event-ID are not kept any more')
}
