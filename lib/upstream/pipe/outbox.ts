/** Sends messages over a pipe in order, and buffers them while the pipe is full. */
import type { Pipe, PipeContext } from '../../types.ts'

/** How many messages are buffered while a pipe is full, and how many characters of them. */
const MAX_WAITING = 1_000
const MAX_WAITING_CHARS = 16 * 1024 * 1024

/** A message that is to be sent. */
export interface Outgoing {
  readonly text: string
  readonly from: PipeContext | undefined
  /** Binds the sending to the async context of the request that it belongs to. */
  readonly bind: (send: () => boolean) => () => boolean
}

export class Outbox {
  readonly #pipe: Pipe
  readonly #onFault: (error: unknown) => void
  #waiting: Outgoing[] = []
  #chars = 0
  #isFull = false

  /** `onFault` is called with what the pipe throws; nothing is sent over it afterwards. */
  constructor(pipe: Pipe, onFault: (error: unknown) => void) {
    this.#pipe = pipe
    this.#onFault = onFault
  }

  /** Returns `false`, and drops the message, when the buffer is full. */
  send(outgoing: Outgoing): boolean {
    if (!this.#isFull) {
      this.#hand(outgoing)
      return true
    }
    if (this.#waiting.length >= MAX_WAITING || this.#chars + outgoing.text.length > MAX_WAITING_CHARS) return false
    this.#waiting.push(outgoing)
    this.#chars += outgoing.text.length
    return true
  }

  /** Removes a message from the buffer. Returns `false` when it has been sent already. */
  withdraw(outgoing: Outgoing): boolean {
    const at = this.#waiting.indexOf(outgoing)
    if (at === -1) return false
    this.#waiting.splice(at, 1)
    this.#chars -= outgoing.text.length
    return true
  }

  /** Sends the buffered messages when the pipe accepts more. */
  drain(): void {
    this.#isFull = false
    while (!this.#isFull) {
      const next = this.#waiting.shift()
      if (!next) return
      this.#chars -= next.text.length
      this.#hand(next)
    }
  }

  clear(): void {
    this.#waiting = []
    this.#chars = 0
  }

  #hand({ text, from, bind }: Outgoing): void {
    // `send()` may call `onDrain` before it returns, so its return value is applied last.
    this.#isFull = true
    try {
      if (bind(() => this.#pipe.send(text, from))()) this.#isFull = false
    } catch (error) {
      this.#onFault(error)
    }
  }
}
