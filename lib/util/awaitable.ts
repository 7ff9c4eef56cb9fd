/** What may answer at once or later. */
import type { Awaitable } from '../types.ts'

/** Whether it answers later: what answers at once is never waited for. */
export function isPromise<T>(value: Awaitable<T>): value is Promise<T> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}

/** Goes on with a value as soon as it is there, which may be now. A hook's promise may be of any make. */
export function andThen<T, U>(value: Awaitable<T>, next: (value: T) => Awaitable<U>): Awaitable<U> {
  return isPromise(value) ? Promise.resolve(value).then(next) : next(value)
}
