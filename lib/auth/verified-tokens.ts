/** The cache of verified tokens: an LRU cache of bounded size, cleared when the issuer's keys change. */
import { LRUCache } from 'lru-cache'
import type { IssuerKeys } from './issuer-keys.ts'
import type { JwtPrincipal } from './jwt-principal.ts'

/** A verified token. Its audience has to be checked against the server of each request. */
export interface Verified {
  readonly principal: JwtPrincipal
  readonly audiences: readonly string[]
  /** The length of the token, as a measure of the size of its claims. */
  readonly length: number
}

/** The limit of the cache. Tokens may be large: some issuers list all groups of a user in each. */
const MAX_VERIFIED_BYTES = 16 * 1024 * 1024

/** The least size that a cached token counts for, which limits the number of tokens to 10 000. */
const MIN_BYTES = Math.ceil(MAX_VERIFIED_BYTES / 10_000)
const countedBytes = ({ length }: Verified): number => Math.max(length, MIN_BYTES)

export class VerifiedTokens {
  readonly #keys: IssuerKeys
  readonly #kept = new LRUCache<string, Verified>({ maxSize: MAX_VERIFIED_BYTES, sizeCalculation: countedBytes })
  #generation: number

  constructor(keys: IssuerKeys) {
    this.#keys = keys
    this.#generation = keys.generation
  }

  get(key: string): Verified | undefined {
    this.#keys.freshen()
    this.#forgetOld()
    return this.#kept.get(key)
  }

  /** `generation` is that of the keys that verified the token: with outdated keys it is not cached. */
  set(key: string, verified: Verified, generation: number): void {
    if (generation !== this.#keys.generation) return
    this.#forgetOld()
    this.#kept.set(key, verified)
  }

  /** When the keys have changed, every token must be verified again: the key that signed it may be revoked. */
  #forgetOld(): void {
    if (this.#generation === this.#keys.generation) return
    this.#generation = this.#keys.generation
    this.#kept.clear()
  }
}
