/** The cache of verified tokens: cleared when the issuer's keys change, and bounded. */
import type { IssuerKeys } from './issuer-keys.ts'
import type { JwtPrincipal } from './jwt-principal.ts'

/** A verified token. Its audience has to be checked against the server of each request. */
export interface Verified {
  readonly principal: JwtPrincipal
  readonly audiences: readonly string[]
  /** The length of the token, as a measure of the size of its claims. */
  readonly length: number
}

/** The limits of the cache. Tokens may be large: some issuers list all groups of a user in each. */
const MAX_VERIFIED = 10_000
const MAX_VERIFIED_BYTES = 16 * 1024 * 1024

export class VerifiedTokens {
  readonly #keys: IssuerKeys
  readonly #kept = new Map<string, Verified>()
  #bytes = 0
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
    this.#delete(key)
    this.#kept.set(key, verified)
    this.#bytes += verified.length
    for (const [oldest] of this.#kept) {
      if (this.#kept.size <= MAX_VERIFIED && this.#bytes <= MAX_VERIFIED_BYTES) return
      this.#delete(oldest)
    }
  }

  #delete(key: string): void {
    this.#bytes -= this.#kept.get(key)?.length ?? 0
    this.#kept.delete(key)
  }

  /** When the keys have changed, every token must be verified again: the key that signed it may be revoked. */
  #forgetOld(): void {
    if (this.#generation === this.#keys.generation) return
    this.#generation = this.#keys.generation
    this.#kept.clear()
    this.#bytes = 0
  }
}
