/** The event log, and the events that it keeps. */
import type { Awaitable } from './common.ts'

/** The name of an event stream: the digest of a session id, and a name within the session. Both are `[A-Za-z0-9_-]`. */
export interface EventStreamName {
  readonly session: string
  readonly stream: string
}

/** An event, as a log keeps it. */
export interface LoggedEvent {
  /** A safe integer above 0, which increases by one within a stream. */
  readonly position: number
  /** The content, opaque to a log: Unicode text of up to some megabytes. */
  readonly text: string
}

/**
 * Keeps the events of streams for some time, so that a client whose connection broke can fetch the events that it
 * missed. Each method may return a value or a promise. A log may drop the oldest events of a stream, but none in the
 * middle: the gateway detects the gap and reports it to the client. `eventLogContract()` of
 * `express-mcp-gateway/testing` tests a log.
 *
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#resumability-and-redelivery
 */
export interface EventLog {
  /**
   * Required. Appends events to a stream, in order. Returns `false`, and appends none, when the stream has an event at
   * the position of the first one or behind it: then another writer has written to the stream, or has recorded in it
   * who reads it. Positions may have a gap where the log keeps no event before it.
   */
  append(name: EventStreamName, events: readonly LoggedEvent[]): Awaitable<boolean>
  /**
   * Required. Returns the events behind a position, oldest first; a log may limit their number per call. When there are
   * none, it waits up to `waitMs` milliseconds for the first one (0 does not wait), and then returns none.
   */
  read(name: EventStreamName, after: number, waitMs: number): Awaitable<readonly LoggedEvent[]>
  /** Required. Returns the newest event of a stream, `undefined` when the log has none. */
  last(name: EventStreamName): Awaitable<LoggedEvent | undefined>
  /**
   * Required. Gives a writer the exclusive lease of a stream for `leaseMs` milliseconds, or renews it. Returns `false`
   * while another writer has the lease.
   */
  claim(name: EventStreamName, writer: string, leaseMs: number): Awaitable<boolean>
  /** Required. Ends a writer's lease. The lease of another writer is not affected. */
  release(name: EventStreamName, writer: string): Awaitable<void>
  /** Optional. Deletes the events of a session that has ended. */
  forget?(session: string): Awaitable<void>
  /** Optional. Ends all waiting reads, and releases timers and connections. */
  close?(): Awaitable<void>
}
