/** Keeps quiet streams alive: one timer for all of them. (SE15; field rule: at most 15 s of silence) */

import { type DenseItem, DenseSet } from '../util/dense-set.ts'

/** How often streams are looked at: twice a period, so that none is silent for longer than one. */
export const TICK_MS = 7_500

/** What has to be looked at from time to time. */
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

  /** The timer stops at a tick without streams, not between two short ones. */
  #tick(): void {
    if (this.#streams.size === 0) {
      clearInterval(this.#timer)
      this.#timer = undefined
    }
    for (const stream of this.#streams.snapshot()) stream.tick()
  }
}
