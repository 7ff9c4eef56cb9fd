/** Timeouts for promises, and the limit of timers. */
import { setImmediate } from 'node:timers'

/** The longest delay that `setTimeout` accepts. */
export const MAX_TIMER_MS: number = 2 ** 31 - 1

/**
 * Settles as the promise does; rejects with an Error of this message when that takes more than `ms` milliseconds. An
 * answer that came in time wins, also where the event loop was too busy to read it.
 */
export async function inTime<T>(ms: number, promise: Promise<T>, message: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    // Timers run before sockets are read, and immediates after that.
    timer = setTimeout(() => void setImmediate(() => reject(new Error(message))), ms).unref()
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Resolves with the promise, at the latest at the deadline, a time of `performance.now()`. */
export async function within(deadline: number, promise: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, deadline - performance.now()).unref()))
  try {
    await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
