/** The sessions of this process in the last hour: how many are open, and were opened and ended. */
import type { SessionCount } from '../../exchange/request-watcher.ts'
import { MinutePeaks } from './minute-peaks.ts'
import { MinuteCounts } from './series.ts'

/** The sessions; `opened` and `ended` are those of the last hour. */
export interface SessionFigures extends SessionCount {
  /** The most that were open, by the minute. */
  readonly peaks: readonly (number | undefined)[]
}

export class SessionGauge {
  readonly #read: () => SessionCount
  readonly #open = new MinutePeaks(performance.now())
  readonly #opened = new MinuteCounts()
  readonly #ended = new MinuteCounts()
  #before: Pick<SessionCount, 'opened' | 'ended'> = { opened: 0, ended: 0 }

  /** `read` counts what was opened and ended since the process began. */
  constructor(read: () => SessionCount) {
    this.#read = read
  }

  sample(now: number): SessionCount {
    const count = this.#read()
    this.#open.set(now, count.open)
    this.#opened.add(now, count.opened - this.#before.opened)
    this.#ended.add(now, count.ended - this.#before.ended)
    this.#before = count
    return count
  }

  figures(now: number): SessionFigures {
    const { open, cap } = this.sample(now)
    return { open, cap, opened: this.#opened.total(now), ended: this.#ended.total(now), peaks: this.#open.list(now) }
  }
}
