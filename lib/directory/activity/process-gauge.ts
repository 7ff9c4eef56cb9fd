/** The state of the process: how late its event loop is, and its memory. Measured only while somebody looks. */
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks'

/** The state of the process. */
export interface ProcessState {
  /** In milliseconds; `undefined` until it was measured for a moment. */
  readonly eventLoopP99: number | undefined
  readonly rssBytes: number
  readonly heapBytes: number
}

/** How long measuring goes on after the last look, in milliseconds. */
const MEASURED_MS = 60_000
const RESOLUTION_MS = 20
const NS_PER_MS = 1e6

export class ProcessGauge {
  #delay: IntervalHistogram | undefined
  #timer: NodeJS.Timeout | undefined

  read(): ProcessState {
    const { rss, heapUsed } = process.memoryUsage()
    const p99 = this.#delay && this.#delay.count > 0 ? this.#delay.percentile(99) / NS_PER_MS : undefined
    this.#measure()
    return { eventLoopP99: p99, rssBytes: rss, heapBytes: heapUsed }
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#delay?.disable()
    this.#delay = undefined
  }

  #measure(): void {
    if (this.#delay) this.#delay.reset()
    else {
      this.#delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
      this.#delay.enable()
    }
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.close(), MEASURED_MS).unref()
  }
}
