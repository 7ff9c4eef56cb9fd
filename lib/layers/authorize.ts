/** Whether a message may be sent, by the scope rules of its server. */
import type { Exchange } from '../exchange/exchange.ts'
import type { Layer } from '../exchange/layer.ts'
import type { Handle, Reply } from '../exchange/reply.ts'
import { requireScopes, scopeRulesOf, scopesOf } from '../inbound/access/scopes.ts'
import type { ServerConfig } from '../types.ts'

/**
 * It stands in the pipeline twice. `said` judges the client's own words, before any hook runs for them; `sent` judges
 * what a layer in between has made of them, and only that. What is needed is the union of both.
 */
export class Authorize implements Layer {
  readonly name: string
  readonly #judges: 'said' | 'sent'
  readonly #baseScopes: readonly string[]

  /** `baseScopes` are those that every request needs. */
  constructor(judges: 'said' | 'sent', baseScopes: readonly string[]) {
    this.name = `authorize:${judges}`
    this.#judges = judges
    this.#baseScopes = baseScopes
  }

  applies({ scopes }: ServerConfig): boolean {
    return scopes !== undefined
  }

  handle(exchange: Exchange, next: Handle): Promise<Reply> {
    const isJudged = exchange.message && (this.#judges === 'said' || exchange.isRewritten)
    return isJudged ? this.#authorized(exchange, next) : next(exchange)
  }

  async #authorized(exchange: Exchange, next: Handle): Promise<Reply> {
    this.#authorize(exchange)
    return next(exchange)
  }

  /** The body is what counts: what the headers say of it has been compared by now. */
  #authorize({ message, config, path, origin }: Exchange): void {
    if (!message) return
    const rules = scopeRulesOf(path.at(-1)!, config)
    requireScopes(origin.principal, scopesOf(rules, this.#baseScopes, message))
  }
}
