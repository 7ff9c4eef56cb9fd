/** Delays opening a pipe whose predecessors ended unexpectedly in a row: by 1, 2, 4, 8, then 16 s. */
import { GatewayError } from '../../errors.ts'
import { boundedSet } from '../../util/bounded-map.ts'

/** A pipe that lived at least this long, in milliseconds, resets the back-off when it ends. */
const LONG_LIFE_MS = 60_000

const FIRST_WAIT_MS = 1_000
const LONGEST_WAIT_MS = 16_000

/** How many back-off states are kept. */
const MAX_LOOPS = 1_000

/** A series of unexpected ends, each within a minute after the wait for the one before. */
interface Loop {
  readonly ends: number
  readonly endedAt: number
  readonly openAgainAt: number
}

export class BackOff {
  /** By the name of what would be opened again. */
  readonly #loops = new Map<string, Loop>()

  /** Throws `unavailable` while opening another pipe has to wait. */
  check(name: string): void {
    const waitMs = (this.#loops.get(name)?.openAgainAt ?? 0) - performance.now()
    if (waitMs <= 0) return
    const seconds = Math.ceil(waitMs / 1_000)
    throw new GatewayError('unavailable', `The server keeps ending, and is started again in ${seconds} s`, {
      headers: { 'retry-after': String(seconds) },
    })
  }

  /**
   * Records that a pipe ended by itself. After the first end a pipe may be opened again at once. Pipes that were open
   * at the same time and end together count once, because only reopening and ending again is a loop.
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
