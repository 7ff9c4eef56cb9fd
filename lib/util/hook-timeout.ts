/** The timeout of the embedder's code: hooks and session stores. */
import { GatewayError } from '../errors.ts'
import type { Awaitable } from '../types.ts'
import { isPromise } from './awaitable.ts'
import { inTime } from './timeout.ts'

/** How long a hook or a session store may take: by then most clients have given up, and the request holds memory. */
export const HOOK_MS = 30_000

/**
 * The answer of a hook. A value that is not a promise is returned as it is. Rejects with `unavailable` after `HOOK_MS`;
 * an answer that comes later is dropped.
 */
export function inHookTime<T>(answer: Awaitable<T>, hook: string): Awaitable<T> {
  return isPromise(answer) ? inTime(HOOK_MS, answer, () => unanswered(hook)) : answer
}

function unanswered(hook: string): GatewayError {
  const cause = new Error(`${hook} did not answer within ${HOOK_MS / 1_000} s`)
  return new GatewayError('unavailable', 'The gateway cannot answer now', { cause })
}
