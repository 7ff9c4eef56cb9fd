/** How many pipes there are, and whether there may be another one. */
import { GatewayError } from '../../errors.ts'
import type { PipeTarget } from './pipe-target.ts'

/** How many pipes a gateway has in all, whatever their servers. */
const MAX_PIPES = 10_000

export class Capacity {
  /** By upstream id, those that are being opened or closed too. */
  readonly #counts = new Map<string, number>()
  #total = 0

  /** Throws `unavailable` when there is no room. */
  reserve({ id, maxPipes }: PipeTarget): void {
    const count = this.#counts.get(id) ?? 0
    if (count >= maxPipes || this.#total >= MAX_PIPES) {
      throw new GatewayError('unavailable', 'The server has no room for another session now')
    }
    this.#counts.set(id, count + 1)
    this.#total += 1
  }

  free({ id }: PipeTarget): void {
    const count = (this.#counts.get(id) ?? 1) - 1
    this.#total -= 1
    if (count > 0) this.#counts.set(id, count)
    else this.#counts.delete(id)
  }
}
