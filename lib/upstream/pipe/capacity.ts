/** How many pipes there are, and whether a principal may have another one. */
import { GatewayError } from '../../errors.ts'
import type { Principal } from '../../types.ts'
import type { PipeTarget } from './pipe-target.ts'

/** How many pipes a gateway has in all, whatever their servers. */
const MAX_PIPES = 10_000

export class Capacity {
  /** By upstream id, and by upstream id and principal: those that are being opened or closed too. */
  readonly #counts = new Map<string, number>()
  #total = 0

  /** Throws `unavailable` when there is no room. A principal takes no more than it leaves to the others. */
  reserve({ id, maxPipes }: PipeTarget, principal: Principal | undefined): void {
    const count = this.#counts.get(id) ?? 0
    if (count >= maxPipes || this.#total >= MAX_PIPES) {
      throw new GatewayError('unavailable', 'The server has no room for another session now')
    }
    const own = principal && ownKey(id, principal)
    const owned = (own !== undefined && this.#counts.get(own)) || 0
    if (owned > 0 && owned >= maxPipes - count) {
      throw new GatewayError('unavailable', 'You have as many sessions of this server as there is room for now')
    }
    this.#count(id, 1)
    if (own !== undefined) this.#count(own, 1)
    this.#total += 1
  }

  free({ id }: PipeTarget, principal: Principal | undefined): void {
    this.#count(id, -1)
    if (principal) this.#count(ownKey(id, principal), -1)
    this.#total -= 1
  }

  #count(key: string, by: 1 | -1): void {
    const count = (this.#counts.get(key) ?? 0) + by
    if (count > 0) this.#counts.set(key, count)
    else this.#counts.delete(key)
  }
}

function ownKey(upstreamId: string, { id }: Principal): string {
  return JSON.stringify([upstreamId, id])
}
