/** Awaitables: values, or promises of them. */
import type { Awaitable } from '../types.ts'

/** Whether a value is a promise. A value that is not one is used synchronously. */
export function isPromise<T>(value: Awaitable<T>): value is Promise<T> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
}

/** Calls `next` with the value, synchronously unless it is a promise. A hook may answer any thenable. */
export function andThen<T, U>(value: Awaitable<T>, next: (value: T) => Awaitable<U>): Awaitable<U> {
  return isPromise(value) ? Promise.resolve(value).then(next) : next(value)
}
