/** Tells a request that has come through this gateway before, by the name that it leaves in `Via`. (RFC 9110, 7.6.3) */
import { randomBytes } from 'node:crypto'
import { GatewayError } from '../../errors.ts'

/** Gateways that a request came through; other proxies are nobody's business. */
const GATEWAYS = /1\.1 express-mcp-gateway-[\w-]{12}/g

/** How many of them are named on. */
const MAX_GATEWAYS = 8

export class LoopGuard {
  readonly #name = `1.1 express-mcp-gateway-${randomBytes(9).toString('base64url')}`

  /** Throws `loop_detected` for a request that this very gateway has sent, also through others. */
  check(via: string | undefined): void {
    if (!via?.includes(this.#name)) return
    throw new GatewayError('loop_detected', 'The URL of this server leads back to this gateway')
  }

  /** `Via` for a server, from that of a client. */
  viaOf(via: string | undefined): string {
    const before = via?.match(GATEWAYS)
    return before ? [...before.slice(-MAX_GATEWAYS), this.#name].join(', ') : this.#name
  }
}
