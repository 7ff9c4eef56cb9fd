/** What is sent over a pipe, in order: messages wait while the pipe is full. */
import type { Pipe, PipeContext } from '../../types.ts'

/** How many messages wait for a pipe that is full, and how many characters of them. */
const MAX_WAITING = 1_000
const MAX_WAITING_CHARS = 16 * 1024 * 1024

/** A message on its way out. */
export interface Outgoing {
  readonly text: string
  readonly from: PipeContext | undefined
  /** Runs the sending in the async context of whoever asked for it. */
  readonly bind: (send: () => boolean) => () => boolean
}

export class Outbox {
  readonly #pipe: Pipe
  readonly #onFault: (error: unknown) => void
  #waiting: Outgoing[] = []
  #chars = 0
  #isFull = false

  /** `onFault` is told what the pipe throws: nothing more is sent over it then. */
  constructor(pipe: Pipe, onFault: (error: unknown) => void) {
    this.#pipe = pipe
    this.#onFault = onFault
  }

  /** `false` when too much waits already, and the message is not taken. */
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

  /** Takes a message back. `false` when it has been sent. */
  withdraw(outgoing: Outgoing): boolean {
    const at = this.#waiting.indexOf(outgoing)
    if (at === -1) return false
    this.#waiting.splice(at, 1)
    this.#chars -= outgoing.text.length
    return true
  }

  /** The pipe takes more again. */
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
    // A pipe may drain while it is sent to: what it says last holds.
    this.#isFull = true
    try {
      if (bind(() => this.#pipe.send(text, from))()) this.#isFull = false
    } catch (error) {
      this.#onFault(error)
    }
  }
}
