/** Which eras an upstream speaks: as its config says, or learnt from its answers and remembered for a while. */
import { GatewayError } from '../errors.ts'
import { member } from '../json.ts'
import { MODERN_ERRORS, MODERN_VERSIONS } from '../protocol.ts'
import type { Message, ServerConfig } from '../types.ts'

/** How long a lesson lasts, in milliseconds. */
const MEMORY_MS = 5 * 60_000

/** How many upstreams are remembered. */
const MAX_UPSTREAMS = 1_000

export class Eras {
  /** Upstreams that refused the handshake by a modern error, and until when that counts. */
  readonly #modernOnly = new Map<string, number>()

  /** Whether an upstream is known to have no sessions. */
  isModernOnly({ protocol = 'auto', url }: ServerConfig): boolean {
    if (protocol !== 'auto') return protocol === 'modern'
    return (this.#modernOnly.get(String(url)) ?? 0) > Date.now()
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

  /** Takes a lesson from the answer to a handshake. */
  learn({ url }: ServerConfig, answer: unknown): void {
    const key = String(url)
    this.#modernOnly.delete(key)
    if (!MODERN_ERRORS.has(member(member(answer, 'error'), 'code'))) return
    this.#modernOnly.set(key, Date.now() + MEMORY_MS)
    const [oldest] = this.#modernOnly.keys()
    if (this.#modernOnly.size > MAX_UPSTREAMS) this.#modernOnly.delete(oldest!)
  }
}
