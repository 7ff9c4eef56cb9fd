/** Tokens that were verified, for as long as the keys are the same and there are not too many of them. */
import type { IssuerKeys } from './issuer-keys.ts'
import type { JwtPrincipal } from './jwt-principal.ts'

/** A token that was verified, all but whether it is for the server that is asked for. */
export interface Verified {
  readonly principal: JwtPrincipal
  readonly audiences: readonly string[]
  /** How long the token is, which its claims go by. */
  readonly length: number
}

/** How many are kept, and how long all of them may be: some issuers write every group of a user into each token. */
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

  /** `generation` is that of the keys it was verified with: with keys that have gone meanwhile it is not kept. */
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

  /** With other keys, all of them must show that they are still signed by one. */
  #forgetOld(): void {
    if (this.#generation === this.#keys.generation) return
    this.#generation = this.#keys.generation
    this.#kept.clear()
    this.#bytes = 0
  }
}
