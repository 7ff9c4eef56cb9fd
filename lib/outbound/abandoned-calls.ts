/** Calls that go on at their servers though their clients have left: so many for each client and no more. (SE4) */
import { GatewayError } from '../errors.ts'
import type { Exchange } from '../exchange/exchange.ts'
import type { Lifetime } from '../exchange/lifetime.ts'

/** How many calls a principal, or a session without one, may leave behind; past that the oldest is cancelled. */
const MAX_ABANDONED = 64

export class AbandonedCalls {
  readonly #byClient = new Map<string, Set<Lifetime>>()

  /** A client has left this call. Returns what is to be called when the call is over. */
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
