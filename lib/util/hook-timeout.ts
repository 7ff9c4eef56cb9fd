/** The timeout of the embedder's code: hooks and session stores. */
import { GatewayError } from '../errors.ts'
import type { Awaitable } from '../types.ts'
import { isPromise } from './awaitable.ts'

/** How long a hook or a session store may take: by then most clients have given up, and the request holds memory. */
export const HOOK_MS = 30_000

/**
 * The answer of a hook. A value that is not a promise is returned as it is. Rejects with `unavailable` after `HOOK_MS`;
 * an answer that comes later is dropped.
 */
export function inHookTime<T>(answer: Awaitable<T>, hook: string): Awaitable<T> {
  if (!isPromise(answer)) return answer
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(unanswered(hook)), HOOK_MS).unref()
    Promise.resolve(answer).then(
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

function unanswered(hook: string): GatewayError {
  const cause = new Error(`${hook} did not answer within ${HOOK_MS / 1_000} s`)
  return new GatewayError('unavailable', 'The gateway cannot answer now', { cause })
}
