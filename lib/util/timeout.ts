/** Timeouts for promises, and the limit of timers. */
import { setImmediate } from 'node:timers'

/** The longest delay that `setTimeout` accepts. */
export const MAX_TIMER_MS: number = 2 ** 31 - 1

/**
 * Settles as the promise does; rejects with `late()` when that takes more than `ms` milliseconds, and drops an answer that
 * comes later. An answer that came in time wins, also where the event loop was too busy to read it.
 */
export function inTime<T>(ms: number, promise: PromiseLike<T>, late: () => Error): Promise<T> {
  return new Promise((resolve, reject) => {
    // Timers run before sockets are read, and immediates after that.
    const timer = setTimeout(() => void setImmediate(() => reject(late())), ms).unref()
    promise.then(
      (value) => {
        clearTimeout(timer)
        resolve(value)
      },
      (error: Error) => {
        clearTimeout(timer)
        reject(error)
      },
    )
  })
}

/** Resolves with the promise, at the latest at the deadline, a time of `performance.now()`. */
export async function within(deadline: number, promise: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const leftMs = Math.max(0, deadline - performance.now())
  const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, leftMs).unref()))
  try {
    await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
