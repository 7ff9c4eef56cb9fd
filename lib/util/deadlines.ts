/** The time limit for response headers, kept by one timer for all requests. (ER9) */
import { type DenseItem, DenseSet } from './dense-set.ts'

/** How often deadlines are checked, in milliseconds: a request ends at most this much too late. */
const LOOK_MS = 500
const MIN_LOOK_MS = 10

/** A request that waits for its response headers. */
export interface Awaited extends DenseItem {
  /** On the clock of `performance.now()`. */
  dueAt: number
  /** Called when the deadline has passed. */
  onLate(): void
}

/** A timer per request would cost more than these checks, and undici's own timeout restarts at every 1xx response. */
export class Deadlines {
  readonly #tickMs: number
  readonly #waiting = new DenseSet<Awaited>()
  #timer: NodeJS.Timeout | undefined

  /** `usualMs` is the time limit of most requests. */
  constructor(usualMs: number) {
    this.#tickMs = usualMs === 0 ? LOOK_MS : Math.min(LOOK_MS, Math.max(MIN_LOOK_MS, usualMs / 4))
  }

  /** A limit of 0 means none. */
  add(one: Awaited, ms: number): void {
    if (ms === 0) return
    one.dueAt = performance.now() + ms
    this.#waiting.add(one)
    this.#timer ??= setInterval(() => this.#tick(), this.#tickMs).unref()
  }

  delete(one: Awaited): void {
    this.#waiting.delete(one)
  }

  /** The timer stops at a tick without requests, so that quick requests in a row do not restart it each time. */
  #tick(): void {
    if (this.#waiting.size === 0) {
      clearInterval(this.#timer)
      this.#timer = undefined
      return
    }
    const now = performance.now()
    for (const one of this.#waiting.snapshot()) {
      if (one.dueAt > now) continue
      this.#waiting.delete(one)
      one.onLate()
    }
  }
}
