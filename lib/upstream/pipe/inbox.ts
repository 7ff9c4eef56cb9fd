/** Messages of a server outside of any request: sent to the session's listener, and buffered while there is none. */
import { GatewayError } from '../../errors.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import type { Reply } from '../../exchange/reply.ts'
import { type Flow, MessageStream } from './message-stream.ts'

/** How many messages are buffered for a listener, and how many characters of them. */
const MAX_KEPT = 256
const MAX_KEPT_CHARS = 1024 * 1024

export class Inbox {
  readonly #flow: Flow
  #stream: MessageStream | undefined
  #kept: string[] = []
  #chars = 0

  constructor(flow: Flow) {
    this.#flow = flow
  }

  get isOpen(): boolean {
    return this.#stream !== undefined
  }

  /** Opens the listener's stream; a session has one at a time. */
  open({ life }: Exchange): Reply {
    if (this.#stream) {
      throw new GatewayError('upstream_refused', 'The session has its stream open already', { status: 409 })
    }
    const leave = (): void => {
      off()
      if (this.#stream === stream) this.#stream = undefined
    }
    const stream = new MessageStream(this.#flow, leave)
    const off = life.onStop(leave)
    this.#stream = stream
    for (const text of this.#kept.splice(0)) stream.say(text)
    this.#chars = 0
    return stream.reply(() => [], true)
  }

  /** Returns `false`, and drops the message, when the buffer is full. */
  say(text: string): boolean {
    if (this.#stream) {
      this.#stream.say(text)
      return true
    }
    if (this.#kept.length >= MAX_KEPT || this.#chars + text.length > MAX_KEPT_CHARS) return false
    this.#kept.push(text)
    this.#chars += text.length
    return true
  }

  close(): void {
    this.#kept = []
    this.#chars = 0
    this.#stream?.end()
    this.#stream = undefined
  }
}
