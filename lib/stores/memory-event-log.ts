/** An event log in this process, bounded in events, bytes and age. */
import type { EventLog, EventStreamName, LoggedEvent } from '../types.ts'
import { SizeClasses } from '../util/size-classes.ts'
import { Queue } from './queue.ts'

export interface MemoryEventLogOptions {
  /** How many events of a session are kept. Defaults to 1 000. */
  readonly maxEvents?: number | undefined
  /** How many bytes of a session are kept. Defaults to 4 MiB. */
  readonly maxBytes?: number | undefined
  /**
   * How many bytes are kept of all sessions together. Past that those that hold most lose their oldest events: whoever
   * holds less than half as much as another loses none. Defaults to 64 MiB.
   */
  readonly maxTotalBytes?: number | undefined
  /** How long an event is kept, in milliseconds. Defaults to 10 minutes. */
  readonly ttlMs?: number | undefined
}

interface Kept extends LoggedEvent {
  readonly stream: string
  readonly bytes: number
  readonly expiresAt: number
}

/** What is kept of a session. */
interface Shelf {
  readonly session: string
  /** All of it, and the same by stream: what is the oldest of all is the oldest of its stream. */
  readonly events: Queue<Kept>
  readonly streams: Map<string, Queue<Kept>>
  bytes: number
}

interface Lease {
  readonly writer: string
  readonly until: number
}

/** What an event costs beside its text. */
const OVERHEAD_BYTES = 200

export class MemoryEventLog implements EventLog {
  readonly #maxEvents: number
  readonly #maxBytes: number
  readonly #maxTotalBytes: number
  readonly #ttlMs: number
  /** By session. */
  readonly #shelves = new Map<string, Shelf>()
  readonly #sizes = new SizeClasses<Shelf>()
  readonly #leases = new Map<string, Lease>()
  /** Those who wait for an event of a stream. */
  readonly #waiting = new Map<string, Set<() => void>>()
  #bytes = 0
  #timer: NodeJS.Timeout | undefined

  constructor(options: MemoryEventLogOptions = {}) {
    this.#maxEvents = positive('maxEvents', options.maxEvents ?? 1_000)
    this.#maxBytes = positive('maxBytes', options.maxBytes ?? 4 * 1024 * 1024)
    this.#maxTotalBytes = positive('maxTotalBytes', options.maxTotalBytes ?? 64 * 1024 * 1024)
    this.#ttlMs = positive('ttlMs', options.ttlMs ?? 10 * 60_000)
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
    this.#wake(keyOf(name))
    return true
  }

  read(name: EventStreamName, after: number, waitMs: number): readonly LoggedEvent[] | Promise<readonly LoggedEvent[]> {
    const found = this.#find(name, after)
    return found.length > 0 || waitMs === 0
      ? found
      : this.#wait(keyOf(name), waitMs).then(() => this.#find(name, after))
  }

  last({ session, stream }: EventStreamName): LoggedEvent | undefined {
    return this.#shelves.get(session)?.streams.get(stream)?.last
  }

  claim(name: EventStreamName, writer: string, leaseMs: number): boolean {
    const key = keyOf(name)
    const lease = this.#leases.get(key)
    if (lease && lease.writer !== writer && lease.until > performance.now()) return false
    this.#leases.set(key, { writer, until: performance.now() + leaseMs })
    this.#arm()
    return true
  }

  release(name: EventStreamName, writer: string): void {
    const key = keyOf(name)
    if (this.#leases.get(key)?.writer === writer) this.#leases.delete(key)
  }

  forget(session: string): void {
    const shelf = this.#shelves.get(session)
    if (!shelf) return
    this.#bytes -= shelf.bytes
    this.#sizes.set(shelf, 0)
    this.#shelves.delete(session)
  }

  close(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    for (const session of this.#shelves.keys()) this.forget(session)
    this.#leases.clear()
    for (const key of this.#waiting.keys()) this.#wake(key)
  }

  #find({ session, stream }: EventStreamName, after: number): LoggedEvent[] {
    return (
      this.#shelves
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
    const shelf: Shelf = this.#shelves.get(session) ?? { session, events: new Queue(), streams: new Map(), bytes: 0 }
    this.#shelves.set(session, shelf)
    const queue = shelf.streams.get(stream) ?? new Queue()
    shelf.streams.set(stream, queue)
    const expiresAt = performance.now() + this.#ttlMs
    for (const { position, text } of events) {
      const bytes = 2 * text.length + OVERHEAD_BYTES
      const kept = { position, text, stream, bytes, expiresAt }
      queue.push(kept)
      shelf.events.push(kept)
      shelf.bytes += bytes
      this.#bytes += bytes
    }
    while (shelf.events.length > this.#maxEvents || shelf.bytes > this.#maxBytes) this.#dropOldest(shelf)
    this.#note(shelf)
  }

  /** Drops the oldest event of a session. What it then holds is to be noted. */
  #dropOldest(shelf: Shelf): void {
    const { events, streams } = shelf
    const oldest = events.shift()!
    shelf.bytes -= oldest.bytes
    this.#bytes -= oldest.bytes
    const queue = streams.get(oldest.stream)
    queue?.shift()
    if (queue?.length === 0) streams.delete(oldest.stream)
  }

  /** Notes how much a session holds, or that there is nothing left of it. */
  #note(shelf: Shelf): void {
    this.#sizes.set(shelf, shelf.bytes)
    if (shelf.events.length === 0) this.#shelves.delete(shelf.session)
  }

  #arm(): void {
    this.#timer ??= setInterval(() => this.#sweep(), Math.min(this.#ttlMs, 60_000)).unref()
  }

  #sweep(): void {
    const now = performance.now()
    for (const shelf of this.#shelves.values()) {
      if (shelf.events.first!.expiresAt > now) continue
      while (shelf.events.first && shelf.events.first.expiresAt <= now) this.#dropOldest(shelf)
      this.#note(shelf)
    }
    for (const [key, { until }] of this.#leases) if (until <= now) this.#leases.delete(key)
    if (this.#shelves.size > 0 || this.#leases.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}

function keyOf({ session, stream }: EventStreamName): string {
  return `${session} ${stream}`
}

function positive(option: string, value: number): number {
  if (Number.isFinite(value) && value > 0) return value
  throw new TypeError(`"${option}" of MemoryEventLog must be a positive number, not ${value}`)
}
