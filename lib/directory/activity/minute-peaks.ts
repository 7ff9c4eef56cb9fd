/** A level that goes up and down, such as requests under way: its peak in each minute of the last hour. */
import { MINUTES, minuteOf } from './series.ts'

/** Takes 480 bytes. `now` is in milliseconds of a clock that never goes back. */
export class MinutePeaks {
  readonly #peaks = new Float64Array(MINUTES)
  readonly #firstMinute: number
  #minute: number
  #level = 0

  constructor(now: number) {
    this.#firstMinute = minuteOf(now)
    this.#minute = this.#firstMinute
  }

  get level(): number {
    return this.#level
  }

  set(now: number, level: number): void {
    this.#forward(now)
    this.#level = level
    const at = this.#minute % MINUTES
    this.#peaks[at] = Math.max(this.#peaks[at]!, level)
  }

  /** From an hour ago to this minute; `undefined` for the minutes before it was measured. */
  list(now: number): (number | undefined)[] {
    this.#forward(now)
    return Array.from({ length: MINUTES }, (_, ago) => {
      const minute = this.#minute + 1 + ago - MINUTES
      return minute < this.#firstMinute ? undefined : this.#peaks[minute % MINUTES]
    })
  }

  /** A level lasts until it changes: it is the peak of the minutes that have passed without a change. */
  #forward(now: number): void {
    const minute = minuteOf(now)
    const from = Math.max(this.#minute, minute - MINUTES)
    for (let at = from + 1; at <= minute; at += 1) this.#peaks[at % MINUTES] = this.#level
    this.#minute = Math.max(this.#minute, minute)
  }
}
