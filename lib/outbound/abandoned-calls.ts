/** Limits the requests of each client that continue at their servers after the client has disconnected. (SE4) */
import { GatewayError } from '../errors.ts'
import type { Exchange } from '../exchange/exchange.ts'
import type { Lifetime } from '../exchange/lifetime.ts'

/** The limit per principal, or per session without one; beyond it the oldest request is cancelled. */
const MAX_ABANDONED = 64

export class AbandonedCalls {
  readonly #byClient = new Map<string, Set<Lifetime>>()

  /** Adds a request whose client has disconnected. Call the returned function when the request is over. */
  add({ life, origin: { principal, session } }: Exchange): () => void {
    const client = principal ? `principal ${principal.id}` : `session ${session?.id}`
    const calls = this.#byClient.get(client) ?? new Set()
    this.#byClient.set(client, calls.add(life))
    const [oldest] = calls
    if (calls.size > MAX_ABANDONED) oldest!.stop(new GatewayError('bad_request', 'The client has left too many calls'))
    return () => {
      calls.delete(life)
      if (calls.size === 0 && this.#byClient.get(client) === calls) this.#byClient.delete(client)
    }
  }
}
