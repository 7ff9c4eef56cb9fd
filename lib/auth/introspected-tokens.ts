/** The cache of introspected tokens: bounded, and with single flight. */
import { LRUCache } from 'lru-cache'
import type { IntrospectedPrincipal } from './introspection.ts'

/** An active token. Its audience has to be checked against the server of each request. */
export interface Introspected {
  readonly principal: IntrospectedPrincipal
  readonly audiences: readonly string[]
  /** The size of the issuer's answer, in characters. */
  readonly length: number
}

const MAX_ACTIVE_BYTES = 16 * 1024 * 1024
/** The least size that a cached token counts for, which limits the number of tokens to 10 000. */
const MIN_ACTIVE_BYTES = Math.ceil(MAX_ACTIVE_BYTES / 10_000)

/** Inactive tokens have a cache of their own: those that strangers make up evict no active one. */
const MAX_INACTIVE = 10_000

/** How long a token counts as inactive. An issuer may take a moment to know a new token on all its nodes. */
const INACTIVE_MS = 5_000

export class IntrospectedTokens {
  readonly #cacheMs: number
  readonly #active = new LRUCache<string, Introspected>({
    ttlResolution: 0,
    maxSize: MAX_ACTIVE_BYTES,
    sizeCalculation: ({ length }) => Math.max(length, MIN_ACTIVE_BYTES),
  })
  readonly #inactive = new LRUCache<string, true>({ ttlResolution: 0, max: MAX_INACTIVE })
  readonly #running = new Map<string, Promise<Introspected | undefined>>()

  constructor(cacheS: number) {
    this.#cacheMs = cacheS * 1_000
  }

  active(key: string): Introspected | undefined {
    return this.#active.get(key)
  }

  isInactive(key: string): boolean {
    return this.#inactive.has(key)
  }

  /** Concurrent requests with the same token share one introspection. `ask` resolves with `undefined` for no answer to cache. */
  share(key: string, ask: () => Promise<Introspected | undefined>): Promise<Introspected | undefined> {
    const running = this.#running.get(key)
    if (running) return running
    const asked = this.#cached(key, ask).finally(() => this.#running.delete(key))
    this.#running.set(key, asked)
    return asked
  }

  rejected(key: string): void {
    if (this.#cacheMs > 0) this.#inactive.set(key, true, { ttl: Math.min(this.#cacheMs, INACTIVE_MS) })
  }

  async #cached(key: string, ask: () => Promise<Introspected | undefined>): Promise<Introspected | undefined> {
    const introspected = await ask()
    const untilExpiryMs = (introspected?.principal.expiresAt ?? Infinity) * 1_000 - Date.now()
    const ttl = Math.floor(Math.min(this.#cacheMs, untilExpiryMs))
    // A ttl of 0 would mean no limit.
    if (introspected && ttl > 0) this.#active.set(key, introspected, { ttl })
    return introspected
  }
}
