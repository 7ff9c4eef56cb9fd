/** The time limit of interceptors of notifications and of servers' messages. */
import { GatewayError } from '../../errors.ts'
import { inTime } from '../../util/timeout.ts'
import { InterceptorError } from './chain.ts'

/** Rejects with `unavailable` when the work takes longer than `timeoutMs`; 0 sets no limit. */
export function inInterceptorTime<T>(work: Promise<T>, timeoutMs: number, method: string): Promise<T> {
  return timeoutMs === 0 ? work : inTime(timeoutMs, work, () => tooLate(method, timeoutMs))
}

export function tooLate(method: string, timeoutMs: number): GatewayError {
  const what = `The interceptors of ${method} neither answered nor called next() within ${timeoutMs} ms`
  return new GatewayError('unavailable', 'The gateway cannot answer now', { cause: new InterceptorError(what) })
}
