/** An event log that has answered in time, or has failed: one that says nothing holds up no stream. */
import { isPromise } from '../awaitable.ts'
import { inTime } from '../in-time.ts'
import type { Awaitable, EventLog, EventStreamName, LoggedEvent } from '../types.ts'

/** How long a log may take for an answer, beside the time that it is asked to wait. */
const ANSWER_MS = 5_000

export class PromptLog implements EventLog {
  readonly #log: EventLog

  constructor(log: EventLog) {
    this.#log = log
  }

  append(name: EventStreamName, events: readonly LoggedEvent[]): Awaitable<boolean> {
    return answered('append', this.#log.append(name, events))
  }

  read(name: EventStreamName, after: number, waitMs: number): Awaitable<readonly LoggedEvent[]> {
    return answered('read', this.#log.read(name, after, waitMs), waitMs)
  }

  last(name: EventStreamName): Awaitable<LoggedEvent | undefined> {
    return answered('last', this.#log.last(name))
  }

  claim(name: EventStreamName, writer: string, leaseMs: number): Awaitable<boolean> {
    return answered('claim', this.#log.claim(name, writer, leaseMs))
  }

  release(name: EventStreamName, writer: string): Awaitable<void> {
    return answered('release', this.#log.release(name, writer))
  }

  forget(session: string): Awaitable<void> {
    return answered('forget', this.#log.forget?.(session))
  }

  close(): Awaitable<void> {
    return answered('close', this.#log.close?.())
  }
}

function answered<T>(method: string, answer: Awaitable<T>, waitMs = 0): Awaitable<T> {
  if (!isPromise(answer)) return answer
  return inTime(waitMs + ANSWER_MS, Promise.resolve(answer), `The event log did not answer ${method}() in time`)
}
