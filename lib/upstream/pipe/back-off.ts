/** Has whoever opens pipes wait that end by themselves again and again: 1, 2, 4, 8, 16 s. */
import { GatewayError } from '../../errors.ts'
import { boundedSet } from '../../util/bounded-map.ts'

/** A pipe that has lived for so long, in milliseconds, ends without consequences. */
const LONG_LIFE_MS = 60_000

const FIRST_WAIT_MS = 1_000
const LONGEST_WAIT_MS = 16_000

/** How many loops are remembered. */
const MAX_LOOPS = 1_000

/** Of pipes that ended soon, each within a minute after the wait for the one before. */
interface Loop {
  readonly ends: number
  readonly endedAt: number
  readonly openAgainAt: number
}

export class BackOff {
  /** By whatever would be opened again. */
  readonly #loops = new Map<string, Loop>()

  /** Throws `unavailable` while it is too early to open another pipe. */
  check(name: string): void {
    const waitMs = (this.#loops.get(name)?.openAgainAt ?? 0) - performance.now()
    if (waitMs <= 0) return
    const seconds = Math.ceil(waitMs / 1_000)
    throw new GatewayError('unavailable', `The server keeps ending, and is started again in ${seconds} s`, {
      headers: { 'retry-after': String(seconds) },
    })
  }

  /**
   * A pipe has ended by itself. The first one in a row may be opened again at once. Of pipes that were open together and
   * end together one counts: only what is opened again and ends again is a loop.
   */
  ended(name: string, openedAt: number): void {
    const now = performance.now()
    const before = this.#loops.get(name)
    if (before && openedAt < before.endedAt) return
    if (now - openedAt >= LONG_LIFE_MS) return void this.#loops.delete(name)
    const ends = before && now - before.openAgainAt < LONG_LIFE_MS ? before.ends + 1 : 1
    const waitMs = ends === 1 ? 0 : Math.min(FIRST_WAIT_MS * 2 ** (ends - 2), LONGEST_WAIT_MS)
    boundedSet(this.#loops, MAX_LOOPS, name, { ends, endedAt: now, openAgainAt: now + waitMs })
  }
}
