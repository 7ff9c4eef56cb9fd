/** The layer that translates between legacy clients, which have sessions, and modern servers, which have none. */
import { GatewayError, isCode } from '../../errors.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import type { Layer } from '../../exchange/layer.ts'
import { drainReply, type Handle, type Reply } from '../../exchange/reply.ts'
import type { ServerConfig } from '../../types.ts'
import { bridgesSessions, protocolOf } from '../../upstream/server-kind.ts'
import type { BridgeParts } from './bridge-parts.ts'
import { LegacyClients } from './legacy-client/legacy-clients.ts'

export class Bridge implements Layer {
  readonly name = 'bridge'
  readonly #parts: BridgeParts
  readonly #legacyClients: LegacyClients

  constructor(parts: BridgeParts) {
    this.#parts = parts
    this.#legacyClients = new LegacyClients(parts)
  }

  applies(config: ServerConfig): boolean {
    return bridgesSessions(config)
  }

  handle(exchange: Exchange, next: Handle): Promise<Reply> {
    const { state, config, message, verb } = exchange
    if (state?.bridge) return this.#legacyClients.handle(exchange, next)
    if (exchange.opens) return this.#open(exchange, next)
    // A modern server's error would not tell the client that its session id is missing.
    if (protocolOf(config) === 'modern' && verb === 'POST' && message?.era === 'legacy') {
      return Promise.reject(new GatewayError('session_required', 'Mcp-Session-Id is required'))
    }
    return next(exchange)
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
    this.#parts.eras.unlearn(this.#parts.upstreamOf(exchange.path.at(-1)!, exchange.config).id)
    return refused ?? next(exchange)
  }

  #isModernOnly({ path, config }: Exchange): boolean {
    return this.#parts.eras.isModernOnly(config, this.#parts.upstreamOf(path.at(-1)!, config).id)
  }
}
