/** How often and how many at a time servers are asked for one principal: a token bucket. */
import { boundedSet } from '../util/bounded-map.ts'

/** How many servers are asked one after the other without a pause, and how long each takes to be made up for. */
const BURST = 30
const REFILL_MS = 1_000

/** How many are asked at a time. */
const MAX_RUNNING = 8

/** How many principals are remembered. */
const MAX_PRINCIPALS = 1_000

interface Bucket {
  tokens: number
  filledAt: number
  running: number
}

export class AskLimit {
  readonly #buckets = new Map<string, Bucket>()

  /** Runs what asks a server; `undefined` where this principal has asked too much. Visitors without one share theirs. */
  async run<T>(principalId: string, ask: () => Promise<T>): Promise<T | undefined> {
    const now = performance.now()
    const bucket = this.#buckets.get(principalId) ?? { tokens: BURST, filledAt: now, running: 0 }
    bucket.tokens = Math.min(BURST, bucket.tokens + (now - bucket.filledAt) / REFILL_MS)
    bucket.filledAt = now
    boundedSet(this.#buckets, MAX_PRINCIPALS, principalId, bucket)
    if (bucket.tokens < 1 || bucket.running >= MAX_RUNNING) return undefined
    bucket.tokens -= 1
    bucket.running += 1
    try {
      return await ask()
    } finally {
      bucket.running -= 1
    }
  }
}
