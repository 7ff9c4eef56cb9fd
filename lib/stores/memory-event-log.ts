/** An event log in the memory of this process, bounded in events, bytes and age. */
import type { EventLog, EventStreamName, LoggedEvent } from '../types.ts'
import { SizeClasses } from '../util/size-classes.ts'
import { streamKey } from '../util/stream-key.ts'
import { rejectUnknown } from '../util/unknown-key.ts'
import { Queue } from './queue.ts'

export interface MemoryEventLogOptions {
  /** How many events of a session are kept. Defaults to 1 000. */
  readonly maxEvents?: number | undefined
  /** How many bytes of a session are kept. Defaults to 4 MiB. */
  readonly maxBytes?: number | undefined
  /**
   * How many bytes are kept of all sessions together. Beyond that the largest sessions lose their oldest events; a
   * session with less than half the bytes of another loses none. Defaults to 64 MiB.
   */
  readonly maxTotalBytes?: number | undefined
  /** How long an event is kept, in milliseconds. Defaults to 10 minutes. */
  readonly ttlMs?: number | undefined
}

/** The names of all options: the compiler rejects a record that lacks one. */
const MEMORY_LOG_OPTIONS: Readonly<Record<keyof MemoryEventLogOptions, true>> = {
  maxEvents: true,
  maxBytes: true,
  maxTotalBytes: true,
  ttlMs: true,
}

interface StoredEvent extends LoggedEvent {
  readonly stream: string
  readonly bytes: number
  readonly expiresAt: number
}

/** The events of a session. */
interface SessionLog {
  readonly session: string
  /** All events in order, and the same by stream: the oldest event of all is also the oldest of its stream. */
  readonly events: Queue<StoredEvent>
  readonly streams: Map<string, Queue<StoredEvent>>
  bytes: number
}

interface Lease {
  readonly writer: string
  readonly until: number
}

/** The approximate memory of an event besides its text. */
const OVERHEAD_BYTES = 200

/**
 * Keeps the events of sessions in the memory of this process, so that clients can resume streams at this node.
 *
 * @example
 * ```js
 * mcpGateway({ servers, authenticate, events: new MemoryEventLog() })
 * ```
 *
 * @throws {TypeError} from the constructor, for an option that is not a positive number.
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#resumability-and-redelivery
 */
export class MemoryEventLog implements EventLog {
  readonly #maxEvents: number
  readonly #maxBytes: number
  readonly #maxTotalBytes: number
  readonly #ttlMs: number
  /** By session. */
  readonly #logs = new Map<string, SessionLog>()
  readonly #sizes = new SizeClasses<SessionLog>()
  readonly #leases = new Map<string, Lease>()
  /** The callbacks of reads that wait for an event of a stream. */
  readonly #waiting = new Map<string, Set<() => void>>()
  #bytes = 0
  #timer: NodeJS.Timeout | undefined

  constructor(options: MemoryEventLogOptions = {}) {
    rejectUnknown(options, MEMORY_LOG_OPTIONS, 'MemoryEventLog.')
    const { maxEvents = 1_000, maxBytes = 4 * 1024 * 1024, maxTotalBytes = 64 * 1024 * 1024 } = options
    const { ttlMs = 10 * 60_000 } = options
    this.#maxEvents = positive('maxEvents', maxEvents)
    this.#maxBytes = positive('maxBytes', maxBytes)
    this.#maxTotalBytes = positive('maxTotalBytes', maxTotalBytes)
    this.#ttlMs = positive('ttlMs', ttlMs)
  }

  append(name: EventStreamName, events: readonly LoggedEvent[]): boolean {
    const [first] = events
    const newest = this.last(name)
    if (!first || (newest && newest.position >= first.position)) return false
    this.#put(name, events)
    while (this.#bytes > this.#maxTotalBytes) {
      const largest = this.#sizes.largest!
      this.#dropOldest(largest)
      this.#note(largest)
    }
    this.#arm()
    if (this.#waiting.size > 0) this.#wake(streamKey(name))
    return true
  }

  read(name: EventStreamName, after: number, waitMs: number): readonly LoggedEvent[] | Promise<readonly LoggedEvent[]> {
    const found = this.#find(name, after)
    return found.length > 0 || waitMs === 0
      ? found
      : this.#wait(streamKey(name), waitMs).then(() => this.#find(name, after))
  }

  last({ session, stream }: EventStreamName): LoggedEvent | undefined {
    return this.#logs.get(session)?.streams.get(stream)?.last
  }

  claim(name: EventStreamName, writer: string, leaseMs: number): boolean {
    const key = streamKey(name)
    const lease = this.#leases.get(key)
    if (lease && lease.writer !== writer && lease.until > performance.now()) return false
    this.#leases.set(key, { writer, until: performance.now() + leaseMs })
    this.#arm()
    return true
  }

  release(name: EventStreamName, writer: string): void {
    const key = streamKey(name)
    if (this.#leases.get(key)?.writer === writer) this.#leases.delete(key)
  }

  forget(session: string): void {
    const sessionLog = this.#logs.get(session)
    if (!sessionLog) return
    this.#bytes -= sessionLog.bytes
    this.#sizes.set(sessionLog, 0)
    this.#logs.delete(session)
  }

  close(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    for (const session of this.#logs.keys()) this.forget(session)
    this.#leases.clear()
    for (const key of this.#waiting.keys()) this.#wake(key)
  }

  #find({ session, stream }: EventStreamName, after: number): LoggedEvent[] {
    return (
      this.#logs
        .get(session)
        ?.streams.get(stream)
        ?.tail(({ position }) => position > after) ?? []
    )
  }

  #wait(key: string, waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(key) ?? new Set()
      const wake = (): void => {
        clearTimeout(timer)
        waiting.delete(wake)
        if (waiting.size === 0) this.#waiting.delete(key)
        resolve()
      }
      const timer = setTimeout(wake, waitMs).unref()
      this.#waiting.set(key, waiting.add(wake))
    })
  }

  #wake(key: string): void {
    for (const wake of this.#waiting.get(key) ?? []) wake()
  }

  #put({ session, stream }: EventStreamName, events: readonly LoggedEvent[]): void {
    const sessionLog = this.#logs.get(session) ?? this.#open(session)
    let queue = sessionLog.streams.get(stream)
    if (!queue) sessionLog.streams.set(stream, (queue = new Queue()))
    const expiresAt = performance.now() + this.#ttlMs
    for (const { position, text } of events) {
      const bytes = 2 * text.length + OVERHEAD_BYTES
      const kept = { position, text, stream, bytes, expiresAt }
      queue.push(kept)
      sessionLog.events.push(kept)
      sessionLog.bytes += bytes
      this.#bytes += bytes
    }
    while (sessionLog.events.length > this.#maxEvents || sessionLog.bytes > this.#maxBytes) this.#dropOldest(sessionLog)
    this.#note(sessionLog)
  }

  #open(session: string): SessionLog {
    const sessionLog = { session, events: new Queue<StoredEvent>(), streams: new Map(), bytes: 0 }
    this.#logs.set(session, sessionLog)
    return sessionLog
  }

  /** Drops the oldest event of a session. Call `#note` after it. */
  #dropOldest(sessionLog: SessionLog): void {
    const { events, streams } = sessionLog
    const oldest = events.shift()!
    sessionLog.bytes -= oldest.bytes
    this.#bytes -= oldest.bytes
    const queue = streams.get(oldest.stream)
    queue?.shift()
    if (queue?.length === 0) streams.delete(oldest.stream)
  }

  /** Records the size of a session, or deletes an empty one. */
  #note(sessionLog: SessionLog): void {
    this.#sizes.set(sessionLog, sessionLog.bytes)
    if (sessionLog.events.length === 0) this.#logs.delete(sessionLog.session)
  }

  #arm(): void {
    this.#timer ??= setInterval(() => this.#sweep(), Math.min(this.#ttlMs, 60_000)).unref()
  }

  #sweep(): void {
    const now = performance.now()
    for (const sessionLog of this.#logs.values()) {
      if (sessionLog.events.first!.expiresAt > now) continue
      while (sessionLog.events.first && sessionLog.events.first.expiresAt <= now) this.#dropOldest(sessionLog)
      this.#note(sessionLog)
    }
    for (const [key, { until }] of this.#leases) if (until <= now) this.#leases.delete(key)
    if (this.#logs.size > 0 || this.#leases.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}

function positive(option: string, value: number): number {
  if (Number.isFinite(value) && value > 0) return value
  throw new TypeError(`"${option}" of MemoryEventLog must be a positive number, not ${value}`)
}
