/** The body that a client reads of a logged stream, filled live or from the log. */
import { PushBody } from '../../exchange/push-body.ts'
import type { EventsReply } from '../../exchange/reply.ts'
import { messageEvent } from '../../exchange/sse.ts'
import { EVENT_STREAM_TYPE } from '../../protocol.ts'
import type { EventStreamName, RequestId } from '../../types.ts'
import { eventIdOf, eventsGone, primingEvent } from './entry.ts'

export class EventLogBody extends PushBody {
  readonly #name: EventStreamName
  /** The requests that are pending after the last pushed event. */
  #pending: readonly RequestId[]
  /** Whether that is known: of a stream that is resumed it is not, before an event is pushed. */
  #isKnown = false
  #after: string | undefined

  /** `resumedAt` is the position in the client's `Last-Event-ID`. */
  constructor(name: EventStreamName, pending: readonly RequestId[] = [], resumedAt?: number) {
    super()
    this.#name = name
    this.#pending = pending
    this.#after = resumedAt === undefined ? undefined : eventIdOf(name.stream, resumedAt)
  }

  /** Pushes an event that is in the log; `pending` are the requests still pending after it. */
  pushKept(bytes: Buffer, position: number, pending: readonly RequestId[]): void {
    if (this.isOver) return
    this.#pending = pending
    this.#isKnown = true
    if (bytes.length > 0) this.#after = eventIdOf(this.#name.stream, position)
    this.push(bytes)
  }

  /** Pushes an event without a message, which gives the client an id to resume from. (SE2) */
  prime(position: number): void {
    this.pushKept(primingEvent(this.#name.stream, position), position, this.#pending)
  }

  /** Answers requests whose response may be among lost events with an error, unless it was pushed, and ends the body. */
  miss(ids: readonly RequestId[]): void {
    const missed = this.#isKnown ? ids.filter((id) => this.#pending.includes(id)) : ids
    for (const id of missed) this.push(messageEvent(eventsGone().toJsonRpc(id)))
    this.#pending = []
    this.end()
  }

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
