/** When the proof of who is asking ends. */
import { GatewayError } from '../errors.ts'
import type { Principal } from '../types.ts'

/** In milliseconds since the epoch; `Infinity` when nothing is said of it. */
export function endOf(principal: Principal | undefined): number {
  return principal?.expiresAt === undefined ? Infinity : principal.expiresAt * 1_000
}

/** Throws `unauthorized` when it has ended. */
export function checkExpiry(principal: Principal): void {
  const { expiresAt } = principal
  if (expiresAt === undefined || endOf(principal) > Date.now()) return
  if (typeof expiresAt === 'number' && !Number.isNaN(expiresAt)) throw expired()
  throw new TypeError('"authenticate" must answer "expiresAt" in seconds since the epoch, or leave it out')
}

/** What a client is told whose proof has ended: to bring a new one. (RFC 6750, 3.1) */
export function expired(): GatewayError {
  return new GatewayError('unauthorized', 'The access has expired', { challenge: { error: 'invalid_token' } })
}
