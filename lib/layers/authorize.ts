/** Checks a message against the scope rules of its server. */
import type { Exchange } from '../exchange/exchange.ts'
import type { Layer } from '../exchange/layer.ts'
import type { Message } from '../exchange/message.ts'
import type { Handle, Reply } from '../exchange/reply.ts'
import { requireScopes, scopeRulesOf, scopesOf } from '../inbound/access/scopes.ts'
import type { ServerConfig } from '../types.ts'

/**
 * The layer is in the pipeline twice: `said` checks the client's message before any hook runs for it, `sent` checks it
 * again if a layer in between has rewritten it. A rewritten message thus needs the scopes of both.
 */
export class Authorize implements Layer {
  readonly name: string
  readonly #judges: 'said' | 'sent'
  readonly #baseScopes: readonly string[]

  /** `baseScopes` are the scopes that every request needs. */
  constructor(judges: 'said' | 'sent', baseScopes: readonly string[]) {
    this.name = `authorize:${judges}`
    this.#judges = judges
    this.#baseScopes = baseScopes
  }

  applies({ scopes }: ServerConfig): boolean {
    return scopes !== undefined
  }

  handle(exchange: Exchange, next: Handle): Promise<Reply> {
    const { message, isRewritten } = exchange
    return message && (this.#judges === 'said' || isRewritten) ? this.#judge(message, exchange, next) : next(exchange)
  }

  /** Only the body is checked, because the inbound checks have already compared the `Mcp-*` headers with it. */
  async #judge(message: Message, exchange: Exchange, next: Handle): Promise<Reply> {
    const { config, path, origin } = exchange
    const rules = scopeRulesOf(path.at(-1)!, config)
    requireScopes(origin.principal, scopesOf(rules, this.#baseScopes, message))
    return next(exchange)
  }
}
