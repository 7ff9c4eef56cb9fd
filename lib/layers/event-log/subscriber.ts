/** Who gets what comes on a stream: one client at a time, and now and then nobody. (SE10) */
import type { RequestId } from '../../types.ts'
import type { EventLogBody } from './event-log-body.ts'

/** How long an upstream is listened to after the client has gone, who may be back any moment. */
const LINGER_MS = 60_000

export interface SubscriberHooks {
  /** Told when more may be pushed. */
  readonly onRoom: () => void
  /** Told when nobody has been there for a while, where that matters. */
  readonly onLonely: (() => void) | false
}

export class Subscriber {
  readonly #hooks: SubscriberHooks
  #tail: EventLogBody | undefined
  /** The position up to which the tail has got everything from the log. */
  #after = 0
  #lonely: NodeJS.Timeout | undefined

  constructor(hooks: SubscriberHooks) {
    this.#hooks = hooks
    this.#await()
  }

  get isThere(): boolean {
    return this.#tail?.isOver === false
  }

  get isFull(): boolean {
    return this.#tail?.isFull === true
  }

  /** Gives a tail all that comes after a position. Whoever was here before gets no more: no message goes out twice. */
  admit(tail: EventLogBody, after: number): void {
    clearTimeout(this.#lonely)
    this.#tail?.end()
    this.#tail = tail
    this.#after = after
    tail.writer = { onResume: this.#hooks.onRoom, onCancel: () => this.#dismiss(tail) }
    if (tail.isOver) this.#dismiss(tail)
    else this.#hooks.onRoom()
  }

  /** Bytes that are not kept: part of a giant event, or of none. */
  push(bytes: Buffer, atBoundary: boolean): void {
    this.#tail?.push(bytes, atBoundary)
  }

  /** An event that is in the log now. */
  pushKept(bytes: Buffer, position: number, pending: readonly RequestId[]): void {
    if (position > this.#after) this.#tail?.pushKept(bytes, position, pending)
  }

  /** The client may come back for the rest. */
  end(): void {
    this.#tail?.end()
  }

  fail(error: Error): void {
    this.#tail?.end({ how: 'broken', error })
  }

  /** Nobody is waited for any more. */
  close(): void {
    clearTimeout(this.#lonely)
    this.end()
  }

  #dismiss(tail: EventLogBody): void {
    if (this.#tail !== tail) return
    this.#tail = undefined
    this.#await()
    this.#hooks.onRoom()
  }

  #await(): void {
    const { onLonely } = this.#hooks
    if (onLonely) this.#lonely = setTimeout(onLonely, LINGER_MS).unref()
  }
}
