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
  /** The requests without a response after the last pushed event; an announcement may not know them. */
  #unanswered: readonly RequestId[] | undefined
  #after: string | undefined
  #isReplaced = false

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
    if (bytes.length > 0) {
      this.#unanswered = pending
      this.#after = eventIdOf(this.#name.stream, position)
    }
    this.push(bytes)
  }

  /** Pushes an event without a message, which gives the client an id to resume from. (SE2) */
  prime(position: number): void {
    this.pushKept(primingEvent(this.#name.stream, position), position, this.#pending)
  }

  /** Answers requests whose response may be among lost events with an error, unless it was pushed, and ends the body. */
  miss(ids: readonly RequestId[]): void {
    const missed = ids.filter((id) => this.#unanswered?.includes(id) ?? true)
    for (const id of missed) this.push(messageEvent(eventsGone().toJsonRpc(id)))
    this.#pending = []
    this.end()
  }

  /** Ends the body, because another connection reads the stream from now on. */
  replace(): void {
    this.#isReplaced = true
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
      isReplaced: () => this.#isReplaced,
    }
  }
}
