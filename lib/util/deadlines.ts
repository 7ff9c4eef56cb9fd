/** Ends what waits too long for the final head of its answer: one timer for all requests. (ER9) */
import { type DenseItem, DenseSet } from './dense-set.ts'

/** How often requests are looked at, in milliseconds: each ends so much too late at most. */
const LOOK_MS = 500
const MIN_LOOK_MS = 10

/** What waits. */
export interface Awaited extends DenseItem {
  /** By the monotonic clock. */
  dueAt: number
  /** The time is up. */
  onLate(): void
}

/** A timer for each request costs more than all of it is looked at here, and undici's starts anew at every 1xx head. */
export class Deadlines {
  readonly #tickMs: number
  readonly #waiting = new DenseSet<Awaited>()
  #timer: NodeJS.Timeout | undefined

  /** `usualMs` is how long most of them wait. */
  constructor(usualMs: number) {
    this.#tickMs = usualMs === 0 ? LOOK_MS : Math.min(LOOK_MS, Math.max(MIN_LOOK_MS, usualMs / 4))
  }

  /** Without a time limit (0) it waits for ever. */
  add(one: Awaited, ms: number): void {
    if (ms === 0) return
    one.dueAt = performance.now() + ms
    this.#waiting.add(one)
    this.#timer ??= setInterval(() => this.#tick(), this.#tickMs).unref()
  }

  delete(one: Awaited): void {
    this.#waiting.delete(one)
  }

  /** The timer stops at a tick at which nobody waits, not between two quick answers. */
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
