/** Counts the pipes, and limits how many there are and how many a principal may have. */
import { GatewayError } from '../../errors.ts'
import type { Principal } from '../../types.ts'
import type { PipeTarget } from './pipe-target.ts'

/** How many pipes a gateway has in all, over all servers. */
const MAX_PIPES = 10_000

/** The key under which the pipes of all servers are counted; no upstream has this id. */
const ALL = ''

export class Capacity {
  /** By upstream id, and by upstream id and principal. Pipes that are being opened or closed are counted too. */
  readonly #counts = new Map<string, number>()

  /** Throws `unavailable` at the limit, or when a principal would have more pipes than remain free for the others. */
  reserve({ id, maxPipes }: PipeTarget, principal: Principal | undefined): void {
    this.#check(id, maxPipes, principal)
    this.#check(ALL, MAX_PIPES, principal)
    this.#count(id, principal, 1)
    this.#count(ALL, principal, 1)
  }

  free({ id }: PipeTarget, principal: Principal | undefined): void {
    this.#count(id, principal, -1)
    this.#count(ALL, principal, -1)
  }

  #check(id: string, max: number, principal: Principal | undefined): void {
    const left = max - this.#of(id)
    if (left <= 0) throw new GatewayError('unavailable', 'The server has no room for another session now')
    const owned = principal ? this.#of(ownKey(id, principal)) : 0
    if (owned > 0 && owned >= left) {
      throw new GatewayError('unavailable', 'You have as many sessions of this server as there is room for now')
    }
  }

  #of(key: string): number {
    return this.#counts.get(key) ?? 0
  }

  #count(id: string, principal: Principal | undefined, by: 1 | -1): void {
    for (const key of principal ? [id, ownKey(id, principal)] : [id]) {
      const count = this.#of(key) + by
      if (count > 0) this.#counts.set(key, count)
      else this.#counts.delete(key)
    }
  }
}

function ownKey(upstreamId: string, { id }: Principal): string {
  return JSON.stringify([upstreamId, id])
}
