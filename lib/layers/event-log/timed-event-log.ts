/** An event log with a time limit for every call, called in the async context of a request. */
import { GatewayError } from '../../errors.ts'
import { isPromise } from '../../util/awaitable.ts'
import { inTime } from '../../util/timeout.ts'
import type { Origin } from '../../exchange/exchange.ts'
import type { Awaitable, EventLog, EventStreamName, LoggedEvent } from '../../types.ts'

/** The time limit of a call, in addition to its `waitMs`. */
const ANSWER_MS = 5_000

/** Without an origin, calls run in the caller's async context. */
export class TimedEventLog implements EventLog {
  readonly #log: EventLog
  readonly #origin: Origin | undefined

  constructor(log: EventLog, origin?: Origin) {
    this.#log = log
    this.#origin = origin
  }

  /**
   * The same log bound to a request's async context, for streams that are read in callbacks of pooled sockets and
   * timers.
   */
  for(origin: Origin): TimedEventLog {
    return new TimedEventLog(this.#log, origin)
  }

  append(name: EventStreamName, events: readonly LoggedEvent[]): Awaitable<boolean> {
    return this.#call('append', () => this.#log.append(name, events))
  }

  read(name: EventStreamName, after: number, waitMs: number): Awaitable<readonly LoggedEvent[]> {
    return this.#call('read', () => this.#log.read(name, after, waitMs), waitMs)
  }

  last(name: EventStreamName): Awaitable<LoggedEvent | undefined> {
    return this.#call('last', () => this.#log.last(name))
  }

  claim(name: EventStreamName, writer: string, leaseMs: number): Awaitable<boolean> {
    return this.#call('claim', () => this.#log.claim(name, writer, leaseMs))
  }

  release(name: EventStreamName, writer: string): Awaitable<void> {
    return this.#call('release', () => this.#log.release(name, writer))
  }

  forget(session: string): Awaitable<void> {
    return this.#call('forget', () => this.#log.forget?.(session))
  }

  close(): Awaitable<void> {
    return this.#call('close', () => this.#log.close?.())
  }

  #call<T>(method: string, operation: () => Awaitable<T>, waitMs = 0): Awaitable<T> {
    const result = this.#origin ? this.#origin.bind(operation)() : operation()
    if (!isPromise(result)) return result
    return inTime(waitMs + ANSWER_MS, result, () => new Error(`The event log did not answer ${method}() in time`))
  }
}

/** A log that fails is answered with 503. */
export async function callLog<T>(operation: () => Awaitable<T>): Promise<T> {
  try {
    return await operation()
  } catch (cause) {
    throw new GatewayError('unavailable', 'The event log is unavailable', { cause })
  }
}
