/** A request to a server for whose answer others wait, too: it has a lifetime of its own. (single flight) */
import type { GatewayError } from '../../errors.ts'
import { Lifetime } from '../../exchange/lifetime.ts'

/** How long the answer to somebody else's question is waited for: their server, or their way to it, may be slower. */
export const SHARED_WAIT_MS = 1_000

/** It is stopped once nobody is left who wants its answer: neither who asked it, nor who waits. */
export class SharedQuestion {
  readonly life: Lifetime
  readonly #waitUntil = performance.now() + SHARED_WAIT_MS
  readonly #waiting = new Set<() => void>()
  #isSettled = false
  /** Why the asker is gone. */
  #gone: GatewayError | undefined

  constructor(asker: Lifetime) {
    this.life = new Lifetime(asker.isDetached)
    asker.onStop((reason) => {
      this.#gone = reason
      this.#stopUnlessWanted()
    })
  }

  /** Whether its answer is waited for no longer. */
  get isOverdue(): boolean {
    return performance.now() >= this.#waitUntil
  }

  /** Resolves when there is an answer, or none is waited for any more. Rejects when who waits is stopped. */
  wait(life: Lifetime): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        clearTimeout(timer)
        this.#waiting.delete(leave)
        off()
        resolve()
        this.#stopUnlessWanted()
      }
      const timer = setTimeout(leave, this.#waitUntil - performance.now()).unref()
      if (!this.#isSettled) this.#waiting.add(leave)
      const off = life.onStop((reason) => {
        reject(reason)
        // `off` is not there yet where the lifetime was stopped before.
        queueMicrotask(leave)
      })
      if (this.#isSettled) leave()
    })
  }

  /** Whoever waits goes on. */
  settle(): void {
    this.#isSettled = true
    for (const leave of this.#waiting) leave()
  }

  #stopUnlessWanted(): void {
    if (this.#gone && this.#waiting.size === 0) this.life.stop(this.#gone)
  }
}
