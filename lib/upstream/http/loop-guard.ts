/** Detects a request that has passed this gateway before, by the name that it adds to `Via`. (RFC 9110, 7.6.3) */
import { randomBytes } from 'node:crypto'
import { GatewayError } from '../../errors.ts'

/** The gateways in a `Via` header; entries of other proxies are ignored. */
const GATEWAYS = /1\.1 express-mcp-gateway-[\w-]{12}/g

/** How many of them are forwarded, which bounds the header. */
const MAX_GATEWAYS = 8

export class LoopGuard {
  readonly #name = `1.1 express-mcp-gateway-${randomBytes(9).toString('base64url')}`

  /** Throws `loop_detected` for a request that this gateway has sent, directly or through other proxies. */
  check(via: string | undefined): void {
    if (!via?.includes(this.#name)) return
    throw new GatewayError('loop_detected', 'The URL of this server leads back to this gateway')
  }

  /** The `Via` header for a server: the gateways of the client's `Via`, and this one. */
  viaOf(via: string | undefined): string {
    const before = via?.match(GATEWAYS)
    return before ? [...before.slice(-MAX_GATEWAYS), this.#name].join(', ') : this.#name
  }
}
