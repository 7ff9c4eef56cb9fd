/** The constructor parameters of a recorder. */
import type { Exchange } from '../../exchange/exchange.ts'
import type { EventStreamName, RequestId } from '../../types.ts'

export interface RecorderParts {
  readonly name: EventStreamName
  /** A detached exchange, which outlives the client's request. */
  readonly exchange: Exchange
  /** The position of the newest existing event. */
  readonly position: number
  /** Whether it is the session's listening stream, which has no pending requests and no end. */
  readonly isListening: boolean
  /** The requests that are pending. */
  readonly owed: readonly RequestId[]
  /** All requests of the stream, answered or not. */
  readonly asked: readonly RequestId[]
  /** The upstream's event id to resume from, if it is known from the log. */
  readonly upstreamId?: string | undefined
  readonly retryMs?: number | undefined
}
