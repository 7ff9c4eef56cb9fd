/** Heartbeats for idle streams, sent by one timer for all. (SE15; proxies commonly allow 15 s of silence) */

import { type DenseItem, DenseSet } from '../util/dense-set.ts'

/** The timer's interval, half of 15 s: an idle stream is noticed at one tick and gets a heartbeat by the next. */
export const TICK_MS = 7_500

/** An object that the timer checks regularly. */
export interface HeartbeatTarget extends DenseItem {
  tick(): void
}

export class Heartbeat {
  readonly #streams = new DenseSet<HeartbeatTarget>()
  #timer: NodeJS.Timeout | undefined

  add(stream: HeartbeatTarget): void {
    this.#streams.add(stream)
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS).unref()
  }

  delete(stream: HeartbeatTarget): void {
    this.#streams.delete(stream)
  }

  /** The timer stops at a tick without streams, so that short streams in a row do not restart it each time. */
  #tick(): void {
    if (this.#streams.size === 0) {
      clearInterval(this.#timer)
      this.#timer = undefined
    }
    for (const stream of this.#streams.snapshot()) stream.tick()
  }
}
