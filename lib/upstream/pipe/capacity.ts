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
  reserve(target: PipeTarget, principal: Principal | undefined): void {
    const refusal = this.#refusalOf(target, principal)
    if (refusal !== undefined) throw new GatewayError('unavailable', refusal)
    this.#count(target.id, principal, 1)
    this.#count(ALL, principal, 1)
  }

  /** Whether the principal may have another one. */
  hasRoom(target: PipeTarget, principal: Principal | undefined): boolean {
    return this.#refusalOf(target, principal) === undefined
  }

  free({ id }: PipeTarget, principal: Principal | undefined): void {
    this.#count(id, principal, -1)
    this.#count(ALL, principal, -1)
  }

  #refusalOf({ id, maxPipes }: PipeTarget, principal: Principal | undefined): string | undefined {
    for (const [key, max] of [[id, maxPipes] as const, [ALL, MAX_PIPES] as const]) {
      const left = max - this.#of(key)
      if (left <= 0) return 'The server has no room for another session now'
      const owned = principal ? this.#of(ownKey(key, principal)) : 0
      if (owned > 0 && owned >= left) return 'You have as many sessions of this server as there is room for now'
    }
    return undefined
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
