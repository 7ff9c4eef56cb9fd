/** Who gets what comes on a stream: one client at a time, and now and then nobody. (SE10) */
import type { RequestId } from '../../types.ts'
import type { EventLogBody } from './event-log-body.ts'
import type { LogWriter } from './log-writer.ts'

/** How long an upstream is listened to after the client has gone, who may be back any moment. */
const LINGER_MS = 60_000

export interface SubscriberHooks {
  /** Says in the log who reads. */
  readonly announce: (reader: string) => void
  /** Told when more may be pushed. */
  readonly onRoom: () => void
  /** Told when nobody has been there for a while, where that matters. */
  readonly onLonely: (() => void) | false
}

export class Subscriber {
  readonly #hooks: SubscriberHooks
  readonly #writer: LogWriter
  #reader: string | undefined
  #tail: EventLogBody | undefined
  /** The position up to which the tail has got everything from the log. */
  #after = 0
  #lonely: NodeJS.Timeout | undefined
  /** Since when nobody is there. */
  #leftAt = performance.now()

  constructor(writer: LogWriter, hooks: SubscriberHooks) {
    this.#writer = writer
    this.#hooks = hooks
    this.#await()
  }

  /** The connection that alone gets what comes: the last that the log has, or that waits to be said in it. */
  get reader(): string | undefined {
    return this.#reader
  }

  get isThere(): boolean {
    return this.#tail?.isOver === false
  }

  /** For how long nobody has been there, in milliseconds. */
  get awayMs(): number {
    return this.isThere ? 0 : performance.now() - this.#leftAt
  }

  get isFull(): boolean {
    return this.#tail?.isFull === true
  }

  /** Has a connection get all that comes: on this tail, or on one that is still to come. */
  admit(reader: string, tail?: EventLogBody): void {
    this.#reader = reader
    if (tail) this.#admit(tail, this.#writer.position)
  }

  /** Gives a tail all that comes after a position, unless there is something before that to be had from the log. */
  attach(tail: EventLogBody, after: number, reader: string): boolean {
    const { said, position } = this.#writer
    if (after < said || after > position) return false
    this.#admit(tail, after)
    this.#announce(reader)
    return true
  }

  /** Gives a tail what comes from now on, and first, where it takes that, an id to come back with. */
  attachNow(tail: EventLogBody, reader: string, isPrimed: boolean): void {
    const { delivered } = this.#writer
    this.#admit(tail, delivered)
    if (isPrimed) tail.prime(delivered)
    this.#announce(reader)
  }

  /** Keeps what comes for a connection that still reads in the log what it missed. */
  reserve(reader: string): void {
    this.#dismiss()
    this.#announce(reader)
  }

  /** Another connection was said in the log, at another node or before the stream was written here. */
  giveWay(reader: string): void {
    if (this.#reader === reader) return
    this.#reader = reader
    this.#dismiss()
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
    if (this.isThere) this.#leftAt = performance.now()
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

  #announce(reader: string): void {
    if (this.#reader === reader) return
    this.#reader = reader
    this.#hooks.announce(reader)
  }

  /** Whoever was here before gets no more: no message goes out twice. */
  #admit(tail: EventLogBody, after: number): void {
    clearTimeout(this.#lonely)
    this.#tail?.end()
    this.#tail = tail
    this.#after = after
    tail.writer = { onResume: this.#hooks.onRoom, onCancel: () => this.#forget(tail) }
    if (tail.isOver) this.#forget(tail)
    else this.#hooks.onRoom()
  }

  #dismiss(): void {
    this.end()
    if (this.#tail) this.#forget(this.#tail)
  }

  #forget(tail: EventLogBody): void {
    if (this.#tail !== tail) return
    this.#tail = undefined
    this.#leftAt = performance.now()
    this.#await()
    this.#hooks.onRoom()
  }

  #await(): void {
    const { onLonely } = this.#hooks
    clearTimeout(this.#lonely)
    if (onLonely) this.#lonely = setTimeout(onLonely, LINGER_MS).unref()
  }
}
