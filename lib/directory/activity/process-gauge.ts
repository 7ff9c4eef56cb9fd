/** The state of the process: how late its event loop is, and its memory. */
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks'
import { MinutePeaks } from './minute-peaks.ts'

type Peaks = readonly (number | undefined)[]

/** The state of the process, and its peaks by the minute. Delays are in milliseconds. */
export interface ProcessState {
  /** Between the last two samples; `undefined` before the first one. */
  readonly eventLoopP99: number | undefined
  readonly rssBytes: number
  readonly heapBytes: number
  readonly peaks: { readonly eventLoopP99: Peaks; readonly rssBytes: Peaks; readonly heapBytes: Peaks }
}

const RESOLUTION_MS = 20
const NS_PER_MS = 1e6

export class ProcessGauge {
  readonly #delay: IntervalHistogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  readonly #delays: MinutePeaks
  readonly #rss: MinutePeaks
  readonly #heap: MinutePeaks
  #lastP99: number | undefined

  constructor(now: number) {
    this.#delays = new MinutePeaks(now)
    this.#rss = new MinutePeaks(now)
    this.#heap = new MinutePeaks(now)
    this.#delay.enable()
    this.#sampleMemory(now)
  }

  sample(now: number): void {
    // What is measured is the time between two ticks of a timer, its interval included.
    if (this.#delay.count > 0) this.#lastP99 = Math.max(0, this.#delay.percentile(99) / NS_PER_MS - RESOLUTION_MS)
    this.#delay.reset()
    this.#delays.set(now, this.#lastP99 ?? 0)
    this.#sampleMemory(now)
  }

  figures(now: number): ProcessState {
    this.#sampleMemory(now)
    return {
      eventLoopP99: this.#lastP99,
      rssBytes: this.#rss.level,
      heapBytes: this.#heap.level,
      peaks: { eventLoopP99: this.#delays.list(now), rssBytes: this.#rss.list(now), heapBytes: this.#heap.list(now) },
    }
  }

  close(): void {
    this.#delay.disable()
  }

  #sampleMemory(now: number): void {
    const { rss, heapUsed } = process.memoryUsage()
    this.#rss.set(now, rss)
    this.#heap.set(now, heapUsed)
  }
}
