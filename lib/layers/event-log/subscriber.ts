/** The connection that receives the events of a stream: at most one at a time. (SE10) */
import type { RequestId } from '../../types.ts'
import type { EventLogBody } from './event-log-body.ts'
import type { LogWriter } from './log-writer.ts'

/** How long an upstream's listening stream stays open after the client has disconnected, in case it reconnects. */
const LINGER_MS = 60_000

export interface SubscriberHooks {
  /** Announces a reader in the log. */
  readonly announce: (reader: string) => void
  /** Called when more may be pushed. */
  readonly onDrain: () => void
  /** Called when no client has been connected for `LINGER_MS`; `false` if that has no consequence. */
  readonly onLingerEnd: (() => void) | false
}

export class Subscriber {
  readonly #hooks: SubscriberHooks
  readonly #writer: LogWriter
  #reader: string | undefined
  #tail: EventLogBody | undefined
  /** The position up to which the tail has received everything from the log. */
  #after = 0
  #lingerTimer: NodeJS.Timeout | undefined
  /** When the last client disconnected. */
  #leftAt = performance.now()

  constructor(writer: LogWriter, hooks: SubscriberHooks) {
    this.#writer = writer
    this.#hooks = hooks
    this.#startLinger()
  }

  /** The only connection that receives events: the last one announced in the log, or queued to be announced. */
  get reader(): string | undefined {
    return this.#reader
  }

  get isConnected(): boolean {
    return this.#tail?.isOver === false
  }

  /** For how long no client has been connected, in milliseconds. */
  get awayMs(): number {
    return this.isConnected ? 0 : performance.now() - this.#leftAt
  }

  get isFull(): boolean {
    return this.#tail?.isFull === true
  }

  /** Sets the reader without an announcement. Its tail may be attached later. */
  admit(reader: string, tail?: EventLogBody): void {
    this.#reader = reader
    if (tail) this.#admit(tail, this.#writer.position)
  }

  /**
   * Attaches a tail after a position; `false` when it must first read events between that and the live ones from the
   * log.
   */
  attach(tail: EventLogBody, after: number, reader: string): boolean {
    const { deliveredEvent, position } = this.#writer
    if (after < deliveredEvent || after > position) return false
    this.#admit(tail, after)
    this.#announce(reader)
    return true
  }

  /** Attaches a tail to future events. With `isPrimed` it first gets an event id to resume from. */
  attachNow(tail: EventLogBody, reader: string, isPrimed: boolean): void {
    const { delivered } = this.#writer
    this.#admit(tail, delivered)
    if (isPrimed) tail.prime(delivered)
    this.#announce(reader)
  }

  /** Reserves future events for a connection that is still reading earlier ones from the log. */
  reserve(reader: string): void {
    this.#disconnect()
    this.#announce(reader)
  }

  /** Disconnects the client when another reader was announced in the log, by another node or an earlier writer. */
  replaceReader(reader: string): void {
    if (this.#reader === reader) return
    this.#reader = reader
    this.#disconnect()
  }

  /** Pushes bytes that are not in the log: part of an event too long to store, or a `retry` field. */
  push(bytes: Buffer, atBoundary: boolean): void {
    this.#tail?.push(bytes, atBoundary)
  }

  /** Pushes an event that is in the log, unless the client has read it from there. */
  pushKept(bytes: Buffer, position: number, pending: readonly RequestId[]): void {
    if (position > this.#after) this.#tail?.pushKept(bytes, position, pending)
  }

  /** Ends the client's response; the client may reconnect for the rest. */
  end(): void {
    if (this.isConnected) this.#leftAt = performance.now()
    this.#tail?.end()
  }

  fail(error: Error): void {
    this.#tail?.end({ how: 'broken', error })
  }

  /** Ends the client's response, and stops waiting for another client. */
  close(): void {
    clearTimeout(this.#lingerTimer)
    this.end()
  }

  #announce(reader: string): void {
    if (this.#reader === reader) return
    this.#reader = reader
    this.#hooks.announce(reader)
  }

  /** The previous tail is ended, so that no message is delivered twice. */
  #admit(tail: EventLogBody, after: number): void {
    clearTimeout(this.#lingerTimer)
    this.#tail?.replace()
    this.#tail = tail
    this.#after = after
    tail.writer = { onResume: this.#hooks.onDrain, onCancel: () => this.#detach(tail) }
    if (tail.isOver) this.#detach(tail)
    else this.#hooks.onDrain()
  }

  #disconnect(): void {
    this.#tail?.replace()
    if (this.#tail) this.#detach(this.#tail)
  }

  #detach(tail: EventLogBody): void {
    if (this.#tail !== tail) return
    this.#tail = undefined
    this.#leftAt = performance.now()
    this.#startLinger()
    this.#hooks.onDrain()
  }

  #startLinger(): void {
    const { onLingerEnd } = this.#hooks
    clearTimeout(this.#lingerTimer)
    if (onLingerEnd) this.#lingerTimer = setTimeout(onLingerEnd, LINGER_MS).unref()
  }
}
