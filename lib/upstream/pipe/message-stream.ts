/** An event stream of messages out of a pipe, and what becomes of the pipe when its reader is slow. */
import { EVENT_STREAM_TYPE } from '../../protocol.ts'
import type { RequestId } from '../../types.ts'
import type { End } from '../../exchange/body.ts'
import { PushBody } from '../../exchange/push-body.ts'
import type { EventsReply } from '../../exchange/reply.ts'
import { messageEvent } from '../../exchange/sse.ts'

/** How many bytes wait for a reader that has had enough: past that the pipe pauses, if it is the reader's own. */
const PAUSE_BYTES = 64 * 1024

/** How many bytes wait for a reader on a pipe that it shares with others: past that its stream is cut. */
const CUT_BYTES = 1024 * 1024

/** The pipe, as a stream of it sees it. */
export interface Flow {
  /** Whether others have messages on the same pipe, which one slow reader may not hold up. */
  readonly isShared: boolean
  /** A reader holds the pipe up, until `release()`. */
  hold(stream: MessageStream): void
  release(stream: MessageStream): void
}

export class MessageStream {
  readonly #body = new PushBody()
  readonly #flow: Flow
  /** What was said since the reader had enough, in bytes. */
  #unreadBytes = 0

  /** `onGone` is told once when the reader wants no more, or cannot keep up. */
  constructor(flow: Flow, onGone: () => void) {
    this.#flow = flow
    this.#body.writer = {
      onResume: () => this.#settle(),
      onCancel: () => {
        this.#settle()
        onGone()
      },
    }
  }

  /** Says a message. `false` when it is cut, since its reader is too slow for a pipe that others share. */
  say(text: string): boolean {
    const event = messageEvent(text)
    this.#body.push(event)
    if (!this.#body.isFull) return true
    this.#unreadBytes += event.length
    if (!this.#flow.isShared) {
      if (this.#unreadBytes > PAUSE_BYTES) this.#flow.hold(this)
      return true
    }
    if (this.#unreadBytes <= CUT_BYTES) return true
    this.end({ how: 'broken', error: new Error('The client reads too slowly for a pipe that it shares') })
    return false
  }

  end(end?: End): void {
    this.#settle()
    this.#body.end(end)
  }

  reply(pending: () => readonly RequestId[], endless: boolean): EventsReply {
    const headers = { 'content-type': EVENT_STREAM_TYPE }
    const resumeAfter = (): undefined => undefined
    return { kind: 'events', status: 200, headers, body: this.#body, pending, resumeAfter, endless, kept: false }
  }

  #settle(): void {
    this.#unreadBytes = 0
    this.#flow.release(this)
  }
}
