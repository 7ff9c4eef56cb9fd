/** Which eras an upstream speaks: as its config says, or learnt from its answers and remembered for a while. */
import { GatewayError } from '../errors.ts'
import type { Message } from '../exchange/message.ts'
import { MODERN_ERRORS, MODERN_VERSIONS } from '../protocol.ts'
import type { ServerConfig } from '../types.ts'
import { boundedSet } from '../util/bounded-map.ts'
import { member } from '../util/json.ts'

/** How long a lesson lasts, in milliseconds. */
const MEMORY_MS = 5 * 60_000

/** How many upstreams are remembered. */
const MAX_UPSTREAMS = 1_000

export class Eras {
  /** By upstream id: those that refused the handshake by a modern error, and until when that counts. */
  readonly #modernOnly = new Map<string, number>()

  /** Whether an upstream is known to have no sessions. */
  isModernOnly({ protocol = 'auto' }: ServerConfig, upstreamId: string): boolean {
    if (protocol !== 'auto') return protocol === 'modern'
    return (this.#modernOnly.get(upstreamId) ?? 0) > performance.now()
  }

  /**
   * Throws for a message of an era that the config rules out: `bad_request`, which sends a client of both eras back to
   * the handshake; or `unsupported_version`, which names the revisions there are. (CL10)
   */
  check({ protocol = 'auto' }: ServerConfig, message: Message): void {
    if (protocol === 'auto' || protocol === message.era) return
    if (protocol === 'legacy') throw new GatewayError('bad_request', 'This server speaks revisions with a handshake')
    const requested = message.kind === 'request' ? member(message.params, 'protocolVersion') : undefined
    throw new GatewayError('unsupported_version', 'Unsupported protocol version', {
      data: { supported: MODERN_VERSIONS, requested },
    })
  }

  /** Learns from the answer to a handshake. */
  learn(upstreamId: string, answer: unknown): void {
    this.#modernOnly.delete(upstreamId)
    if (!MODERN_ERRORS.has(member(member(answer, 'error'), 'code'))) return
    boundedSet(this.#modernOnly, MAX_UPSTREAMS, upstreamId, performance.now() + MEMORY_MS)
  }
}
