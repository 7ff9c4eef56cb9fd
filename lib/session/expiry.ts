/** The expiry of principals. */
import { GatewayError } from '../errors.ts'
import type { Principal } from '../types.ts'

/** When a principal expires, in milliseconds since the epoch; `Infinity` for one without `expiresAt`. */
export function endOf(principal: Principal | undefined): number {
  return principal?.expiresAt === undefined ? Infinity : principal.expiresAt * 1_000
}

/** A time from this number on is in milliseconds: as seconds it would be in the year 33658 or later. */
const MILLISECONDS = 1e12

/** Whether a time is plausible in seconds since the epoch. `Infinity`, for no expiry, is. */
export function isInSeconds(time: number): boolean {
  return time < MILLISECONDS || time === Infinity
}

/**
 * Throws `unauthorized` for an expired principal, and a TypeError for an `expiresAt` that is not in seconds: a time in
 * milliseconds would practically never come.
 */
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

/** The error that makes the client of an expired principal get a new token. (RFC 6750, 3.1) */
export function expired(): GatewayError {
  return new GatewayError('unauthorized', 'The access has expired', { challenge: { error: 'invalid_token' } })
}
