/**
 * An event stream of messages from a pipe, with backpressure: a slow reader pauses its own pipe, or is cut off a shared
 * one.
 */
import { EVENT_STREAM_TYPE } from '../../protocol.ts'
import type { RequestId } from '../../types.ts'
import type { End } from '../../exchange/body.ts'
import { PushBody } from '../../exchange/push-body.ts'
import type { EventsReply } from '../../exchange/reply.ts'
import { messageEvent } from '../../exchange/sse.ts'

/** How many unread bytes a reader may have before its own pipe is paused. */
const PAUSE_BYTES = 64 * 1024

/** How many unread bytes a reader may have on a shared pipe before its stream is cut off. */
const CUT_BYTES = 1024 * 1024

/** The flow control of a pipe, as its streams use it. */
export interface Flow {
  /** Whether several clients share the pipe, which one slow reader must not pause for the others. */
  readonly isShared: boolean
  /** Pauses the pipe until `release()`, because the reader of this stream is slow. */
  hold(stream: MessageStream): void
  release(stream: MessageStream): void
}

export class MessageStream {
  readonly #body = new PushBody()
  readonly #flow: Flow
  /** Bytes pushed since the reader's buffer became full. */
  #unreadBytes = 0

  /** `onGone` is called once, when the reader disconnects or is cut off. */
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

  /**
   * Pushes a message. Returns `false` when the stream was cut off, because its reader is too slow for a shared pipe.
   */
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
