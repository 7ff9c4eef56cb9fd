/** The figures of one tool, or of one method, in the last hour: counts by the minute, durations by five minutes. */
import { DURATION_BUCKETS, bucketOf } from './log-histogram.ts'

export const MINUTES = 60
const MS_PER_MINUTE = 60_000
const SPAN_MINUTES = 5
const SPANS = MINUTES / SPAN_MINUTES

export function minuteOf(now: number): number {
  return Math.floor(now / MS_PER_MINUTE)
}

/** Counts by the minute, of the last hour. */
export class MinuteCounts {
  readonly #counts = new Uint32Array(MINUTES)
  #minute = 0

  add(now: number, count = 1): void {
    this.#forward(now)
    this.#counts[this.#minute % MINUTES]! += count
  }

  /** From an hour ago to this minute. */
  list(now: number): number[] {
    this.#forward(now)
    return Array.from({ length: MINUTES }, (_, ago) => this.#counts[(this.#minute + 1 + ago) % MINUTES]!)
  }

  total(now: number): number {
    this.#forward(now)
    return this.#counts.reduce((sum, count) => sum + count, 0)
  }

  /** Empties the minutes that have passed without a count. */
  #forward(now: number): void {
    const minute = minuteOf(now)
    if (minute - this.#minute >= MINUTES) this.#counts.fill(0)
    else for (let at = this.#minute + 1; at <= minute; at += 1) this.#counts[at % MINUTES] = 0
    this.#minute = Math.max(this.#minute, minute)
  }
}

/** Takes 5.5 kB. `now` is in milliseconds of a clock that never goes back. */
export class Series {
  readonly server: string
  readonly name: string
  readonly calls: MinuteCounts = new MinuteCounts()
  readonly errors: MinuteCounts = new MinuteCounts()
  readonly #durations = new Uint32Array(SPANS * DURATION_BUCKETS)
  #span = 0

  constructor(server: string, name: string) {
    this.server = server
    this.name = name
  }

  time(now: number, durationMs: number): void {
    this.#forward(now)
    this.#durations[(this.#span % SPANS) * DURATION_BUCKETS + bucketOf(durationMs)]! += 1
  }

  /** The durations of the last hour as one histogram. */
  durations(now: number): Uint32Array {
    const merged = new Uint32Array(DURATION_BUCKETS)
    for (const span of this.spans(now)) for (let at = 0; at < DURATION_BUCKETS; at += 1) merged[at]! += span[at]!
    return merged
  }

  /** The durations of each five minutes of the last hour, the present ones last. */
  spans(now: number): Uint32Array[] {
    this.#forward(now)
    return Array.from({ length: SPANS }, (_, ago) => {
      const start = ((this.#span + 1 + ago) % SPANS) * DURATION_BUCKETS
      return this.#durations.subarray(start, start + DURATION_BUCKETS)
    })
  }

  #forward(now: number): void {
    const span = Math.floor(now / (MS_PER_MINUTE * SPAN_MINUTES))
    const from = Math.max(this.#span + 1, span - SPANS + 1)
    for (let at = from; at <= span; at += 1) {
      const start = (at % SPANS) * DURATION_BUCKETS
      this.#durations.fill(0, start, start + DURATION_BUCKETS)
    }
    this.#span = Math.max(this.#span, span)
  }
}
