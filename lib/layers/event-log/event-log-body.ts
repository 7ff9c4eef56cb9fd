/** What a client sees of a stream that a log keeps: live, or out of the log. */
import { PushBody } from '../../exchange/push-body.ts'
import type { EventsReply } from '../../exchange/reply.ts'
import { messageEvent } from '../../exchange/sse.ts'
import { EVENT_STREAM_TYPE } from '../../protocol.ts'
import type { EventStreamName, RequestId } from '../../types.ts'
import { eventIdOf, eventsGone, primingEvent } from './entry.ts'

export class EventLogBody extends PushBody {
  readonly #name: EventStreamName
  /** The requests without a response among what was pushed so far. */
  #pending: readonly RequestId[]
  #after: string | undefined

  /** `resumedAt` is the position behind which the client asks for the rest. */
  constructor(name: EventStreamName, pending: readonly RequestId[] = [], resumedAt?: number) {
    super()
    this.#name = name
    this.#pending = pending
    this.#after = resumedAt === undefined ? undefined : eventIdOf(name.stream, resumedAt)
  }

  /** An event that the log has; `pending` are the requests without a response behind it. */
  pushKept(bytes: Buffer, position: number, pending: readonly RequestId[]): void {
    if (this.isOver) return
    this.#pending = pending
    if (bytes.length > 0) this.#after = eventIdOf(this.#name.stream, position)
    this.push(bytes)
  }

  /** An event without a message: an id to come back with, behind which nothing is missed. (SE2) */
  prime(position: number): void {
    this.pushKept(primingEvent(this.#name.stream, position), position, this.#pending)
  }

  /** Tells the requests that may have had a response among events that are lost, and ends. */
  miss(ids: readonly RequestId[]): void {
    for (const id of ids) this.push(messageEvent(eventsGone().toJsonRpc(id)))
    this.#pending = []
    this.end()
  }

  /** The reply whose body this is. */
  reply(endless: boolean, headers: EventsReply['headers'] = { 'content-type': EVENT_STREAM_TYPE }): EventsReply {
    return {
      kind: 'events',
      status: 200,
      headers,
      body: this,
      pending: () => this.#pending,
      resumeAfter: () => this.#after,
      endless,
      kept: true,
    }
  }
}
