/** When the proof of who is asking ends. */
import { GatewayError } from '../errors.ts'
import type { Principal } from '../types.ts'

/** In milliseconds since the epoch; `Infinity` when nothing is said of it. */
export function endOf(principal: Principal | undefined): number {
  return principal?.expiresAt === undefined ? Infinity : principal.expiresAt * 1_000
}

/** As seconds, in the year 33658; as milliseconds, in 2001: nobody means the former. */
const MILLISECONDS = 1e12

/** Whether a time can be one in seconds. `Infinity` never comes. */
export function isInSeconds(time: number): boolean {
  return time < MILLISECONDS || time === Infinity
}

/** Throws `unauthorized` when it has ended, and a TypeError for what is no time in seconds: it might never end. */
export function checkExpiry(principal: Principal): void {
  const { expiresAt } = principal
  if (expiresAt === undefined) return
  if (typeof expiresAt !== 'number' || !isInSeconds(expiresAt)) {
    throw new TypeError(
      '"authenticate" must answer "expiresAt" in seconds since the epoch, date.getTime() / 1000, or leave it out',
    )
  }
  if (endOf(principal) <= Date.now()) throw expired()
}

/** What a client is told whose proof has ended: to bring a new one. (RFC 6750, 3.1) */
export function expired(): GatewayError {
  return new GatewayError('unauthorized', 'The access has expired', { challenge: { error: 'invalid_token' } })
}
