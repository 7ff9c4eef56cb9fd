/** Whether a hook or a store answers later: what answers at once is never waited for. */
import type { Awaitable } from './types.ts'

export function isPromise<T>(value: Awaitable<T>): value is Promise<T> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}
