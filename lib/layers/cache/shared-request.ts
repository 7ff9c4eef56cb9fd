/** A request in progress whose result equal requests wait for (single flight), in its own lifetime. */
import type { GatewayError } from '../../errors.ts'
import { Lifetime } from '../../exchange/lifetime.ts'

/**
 * How long a request waits for the result of an equal one, whose connection to the server may be slower than its own.
 */
export const SHARED_WAIT_MS = 1_000

/** It is stopped once the client that sent it has left and no other request waits for it. */
export class SharedRequest {
  readonly life: Lifetime
  readonly #waitUntil = performance.now() + SHARED_WAIT_MS
  readonly #waiting = new Set<() => void>()
  #isSettled = false
  /** The reason why the first client's exchange was stopped. */
  #ownerStopped: GatewayError | undefined

  constructor(owner: Lifetime) {
    this.life = new Lifetime(owner.isDetached)
    owner.onStop((reason) => {
      this.#ownerStopped = reason
      this.#stopUnlessWanted()
    })
  }

  /** Whether the time limit for waiting has passed. */
  get isOverdue(): boolean {
    return performance.now() >= this.#waitUntil
  }

  /** Resolves when the request settles or the time limit passes. Rejects when the waiting exchange is stopped. */
  wait(life: Lifetime): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        clearTimeout(timer)
        this.#waiting.delete(leave)
        off()
        resolve()
        this.#stopUnlessWanted()
      }
      const timer = setTimeout(leave, Math.max(0, this.#waitUntil - performance.now())).unref()
      if (!this.#isSettled) this.#waiting.add(leave)
      const off = life.onStop((reason) => {
        reject(reason)
        // A microtask later, because `off` is not assigned yet if the lifetime was stopped before.
        queueMicrotask(leave)
      })
      if (this.#isSettled) leave()
    })
  }

  /** Resolves all waiting exchanges. */
  settle(): void {
    this.#isSettled = true
    for (const leave of this.#waiting) leave()
  }

  #stopUnlessWanted(): void {
    if (this.#ownerStopped && this.#waiting.size === 0) this.life.stop(this.#ownerStopped)
  }
}
