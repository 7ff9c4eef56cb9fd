/** When the proof of who is asking ends. */
import { GatewayError } from './errors.ts'
import type { Principal } from './types.ts'

/** In milliseconds since the epoch; `Infinity` when nothing is said of it. */
export function endOf(principal: Principal | undefined): number {
  return principal?.expiresAt === undefined ? Infinity : principal.expiresAt * 1_000
}

/** What a client is told whose proof has ended: to bring a new one. (RFC 6750, 3.1) */
export function expired(): GatewayError {
  const challenge = 'Bearer error="invalid_token", error_description="The access has expired"'
  return new GatewayError('unauthorized', 'The access has expired', { headers: { 'www-authenticate': challenge } })
}
