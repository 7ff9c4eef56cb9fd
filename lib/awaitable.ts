/** What may answer later, and how long for. */
import type { Awaitable } from './types.ts'

/** Whether it answers later: what answers at once is never waited for. */
export function isPromise<T>(value: Awaitable<T>): value is Promise<T> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}

/** Resolves with the promise, at the deadline at the latest. */
export async function within(deadline: number, promise: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, deadline - Date.now()).unref()))
  await Promise.race([promise, late])
  clearTimeout(timer)
}
