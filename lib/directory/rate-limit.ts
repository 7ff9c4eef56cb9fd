/** Limits the introspections of each principal: a token bucket for their rate, and a cap for concurrent ones. */
import { boundedSet } from '../util/bounded-map.ts'

/** The capacity of a bucket, and how long one token takes to come back. */
const BURST = 30
const REFILL_MS = 1_000

/** The most concurrent introspections of one principal. */
const MAX_RUNNING = 8

/** The most buckets that are kept. */
const MAX_PRINCIPALS = 1_000

interface Bucket {
  tokens: number
  filledAt: number
  running: number
}

export class RateLimit {
  readonly #buckets = new Map<string, Bucket>()

  /** Runs the task; `undefined` when the principal has reached a limit. Visitors without a principal share a bucket. */
  async run<T>(principalId: string, task: () => Promise<T>): Promise<T | undefined> {
    const now = performance.now()
    const bucket = this.#buckets.get(principalId) ?? { tokens: BURST, filledAt: now, running: 0 }
    bucket.tokens = Math.min(BURST, bucket.tokens + (now - bucket.filledAt) / REFILL_MS)
    bucket.filledAt = now
    boundedSet(this.#buckets, MAX_PRINCIPALS, principalId, bucket)
    if (bucket.tokens < 1 || bucket.running >= MAX_RUNNING) return undefined
    bucket.tokens -= 1
    bucket.running += 1
    try {
      return await task()
    } finally {
      bucket.running -= 1
    }
  }
}
