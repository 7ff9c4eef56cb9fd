/** An event log that has answered in time, or has failed, and is asked in the async context of a request. */
import { isPromise } from '../../util/awaitable.ts'
import { inTime } from '../../util/timeout.ts'
import type { Origin } from '../../exchange/exchange.ts'
import type { Awaitable, EventLog, EventStreamName, LoggedEvent } from '../../types.ts'

/** How long a log may take for an answer, beside the time that it is asked to wait. */
const ANSWER_MS = 5_000

/** Asks in the context of whoever calls, or of the request that it was made for. */
export class TimedEventLog implements EventLog {
  readonly #log: EventLog
  readonly #origin: Origin | undefined

  constructor(log: EventLog, origin?: Origin) {
    this.#log = log
    this.#origin = origin
  }

  /** The same log, asked on behalf of a request: streams are read in callbacks of pooled sockets and of timers. */
  for(origin: Origin): TimedEventLog {
    return new TimedEventLog(this.#log, origin)
  }

  append(name: EventStreamName, events: readonly LoggedEvent[]): Awaitable<boolean> {
    return this.#ask('append', () => this.#log.append(name, events))
  }

  read(name: EventStreamName, after: number, waitMs: number): Awaitable<readonly LoggedEvent[]> {
    return this.#ask('read', () => this.#log.read(name, after, waitMs), waitMs)
  }

  last(name: EventStreamName): Awaitable<LoggedEvent | undefined> {
    return this.#ask('last', () => this.#log.last(name))
  }

  claim(name: EventStreamName, writer: string, leaseMs: number): Awaitable<boolean> {
    return this.#ask('claim', () => this.#log.claim(name, writer, leaseMs))
  }

  release(name: EventStreamName, writer: string): Awaitable<void> {
    return this.#ask('release', () => this.#log.release(name, writer))
  }

  forget(session: string): Awaitable<void> {
    return this.#ask('forget', () => this.#log.forget?.(session))
  }

  close(): Awaitable<void> {
    return this.#ask('close', () => this.#log.close?.())
  }

  #ask<T>(method: string, question: () => Awaitable<T>, waitMs = 0): Awaitable<T> {
    const answer = this.#origin ? this.#origin.bind(question)() : question()
    if (!isPromise(answer)) return answer
    return inTime(waitMs + ANSWER_MS, Promise.resolve(answer), `The event log did not answer ${method}() in time`)
  }
}
