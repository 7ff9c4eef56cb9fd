/** What a recorder begins with. */
import type { Exchange } from '../../exchange/exchange.ts'
import type { EventStreamName, RequestId } from '../../types.ts'

export interface RecorderParts {
  readonly name: EventStreamName
  /** Of its own: it goes on when the client's has ended. */
  readonly exchange: Exchange
  /** The position of the newest event there is. */
  readonly position: number
  /** Whether the session listens here for whatever comes, and is owed nothing. */
  readonly isStanding: boolean
  readonly owed: readonly RequestId[]
  /** All that the stream is to answer, those included that are answered. */
  readonly asked: readonly RequestId[]
  /** Where the upstream resumes, where that is known from before. */
  readonly upstreamId?: string | undefined
  readonly retryMs?: number | undefined
}
