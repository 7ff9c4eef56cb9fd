/** The layer that translates between clients and servers of different eras: with sessions, and without. */
import { GatewayError, isCode } from '../../errors.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import type { Layer } from '../../exchange/layer.ts'
import { drainReply, type Handle, type Reply } from '../../exchange/reply.ts'
import type { ServerConfig } from '../../types.ts'
import { bridgesModern, bridgesSessions, protocolOf } from '../../upstream/server-kind.ts'
import type { BridgeParts } from './bridge-parts.ts'
import { LegacyClients } from './legacy-client/legacy-clients.ts'
import { EraProbe } from './modern-client/era-probe.ts'
import { ModernClients } from './modern-client/modern-clients.ts'

export class Bridge implements Layer {
  readonly name = 'bridge'
  readonly #parts: BridgeParts
  readonly #legacyClients: LegacyClients
  readonly #modernClients: ModernClients
  readonly #probe: EraProbe

  constructor(parts: BridgeParts) {
    this.#parts = parts
    this.#legacyClients = new LegacyClients(parts)
    this.#modernClients = new ModernClients(parts)
    this.#probe = new EraProbe(parts)
  }

  /** What modern clients take up: sessions at servers, questions that wait here, and their bytes. */
  get load(): ModernClients['load'] {
    return this.#modernClients.load
  }

  applies(config: ServerConfig): boolean {
    return bridgesSessions(config) || bridgesModern(config)
  }

  handle(exchange: Exchange, next: Handle): Promise<Reply> {
    const { state, config, message, verb } = exchange
    if (state?.bridge) return this.#legacyClients.handle(exchange, next)
    if (message?.era === 'modern') return bridgesModern(config) ? this.#serveModern(exchange, next) : next(exchange)
    if (!bridgesSessions(config)) return next(exchange)
    if (exchange.opens) return this.#open(exchange, next)
    // A modern server's error would not tell the client that its session id is missing.
    if (protocolOf(config) === 'modern' && verb === 'POST' && message?.era === 'legacy') {
      return Promise.reject(new GatewayError('session_required', 'Mcp-Session-Id is required'))
    }
    return next(exchange)
  }

  /** Ends the sessions that were opened for modern clients. */
  async close(): Promise<void> {
    this.#modernClients.close()
  }

  /** Relays modern messages to a server that supports them, and translates them for any other. */
  async #serveModern(exchange: Exchange, next: Handle): Promise<Reply> {
    const known = this.#parts.eras.speaksModern(exchange.config, this.#upstreamIdOf(exchange))
    const speaks = known ?? (await this.#probe.speaksModern(this.#upstreamIdOf(exchange), exchange, next))
    return speaks ? next(exchange) : this.#modernClients.handle(exchange, next)
  }

  /** Sends the handshake to the server, unless that is known to be modern-only; bridges the client if it refuses. (UC3) */
  async #open(exchange: Exchange, next: Handle): Promise<Reply> {
    const refused = this.#isModernOnly(exchange) ? undefined : await next(exchange)
    if (refused && (refused.opened || !this.#isModernOnly(exchange))) return refused
    try {
      const reply = await this.#legacyClients.open(exchange, next)
      if (refused) drainReply(refused)
      return reply
    } catch (error) {
      if (isCode(error, 'upstream_invalid') && protocolOf(exchange.config) !== 'modern')
        return this.#relearn(exchange, next, refused)
      if (refused) drainReply(refused)
      throw error
    }
  }

  /** `server/discover` failed, so the server is not modern either: its own reply to the handshake is relayed. */
  #relearn(exchange: Exchange, next: Handle, refused: Reply | undefined): Promise<Reply> | Reply {
    this.#parts.eras.unlearn(this.#upstreamIdOf(exchange))
    return refused ?? next(exchange)
  }

  #isModernOnly(exchange: Exchange): boolean {
    return this.#parts.eras.isModernOnly(exchange.config, this.#upstreamIdOf(exchange))
  }

  #upstreamIdOf({ path, config }: Exchange): string {
    return this.#parts.upstreamOf(path.at(-1)!, config).id
  }
}
