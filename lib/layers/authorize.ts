/** Whether a message may be sent, by the scope rules of its server. */
import type { Exchange } from '../exchange/exchange.ts'
import type { Layer } from '../exchange/layer.ts'
import type { Message } from '../exchange/message.ts'
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
    const { message, isRewritten } = exchange
    return message && (this.#judges === 'said' || isRewritten) ? this.#judge(message, exchange, next) : next(exchange)
  }

  /** The body is what counts: what the headers say of it has been compared by now. */
  async #judge(message: Message, exchange: Exchange, next: Handle): Promise<Reply> {
    const { config, path, origin } = exchange
    const rules = scopeRulesOf(path.at(-1)!, config)
    requireScopes(origin.principal, scopesOf(rules, this.#baseScopes, message))
    return next(exchange)
  }
}
