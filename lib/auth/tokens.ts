/** Access tokens of the gateway's own: kept while they last, and asked for once, however many wait for one. */
import type { Awaitable } from '../types.ts'
import type { Grant } from './token-endpoint.ts'

/** What a `headers` function answers: the same object as long as the token is the same. */
type Headers = Readonly<Record<'authorization', string>>

interface Token {
  readonly headers: Headers
  /** From then on a new one is asked for, while this one still serves. */
  readonly renewAt: number
  /** From then on it might be over when it arrives. */
  readonly endsAt: number
  /** Until then another one would not be taken for better, since this one came in place of one that was refused. */
  readonly heedsRefusalFrom: number
}

/** How long before its end a token is renewed, and no longer sent; less for one that hardly lives that long. */
const RENEW_MS = 30_000
const SPARE_MS = 5_000

/** How often a token is replaced for being refused: an upstream that refuses all of them is not asked about each. */
const REFUSAL_MS = 5_000

const MAX_TOKENS = 10_000

export class Tokens {
  /** In the order in which they came: those in use are renewed, and never the oldest for long. */
  readonly #kept = new Map<string, Token>()
  readonly #renewals = new Map<string, Promise<Headers>>()

  /**
   * The headers with the token of this key; with a new one where those that were answered before have been `refused`.
   * `alias` is a second key for it.
   */
  headers(
    key: string,
    refused: Readonly<Record<string, string>> | undefined,
    request: () => Promise<Grant>,
    alias?: string,
  ): Awaitable<Headers> {
    const now = performance.now()
    const token = this.#kept.get(key)
    // Another may have been faster: what was refused is no longer what is kept.
    const isRefused = token !== undefined && refused?.['authorization'] === token.headers.authorization
    if (token && now < (isRefused ? token.heedsRefusalFrom : token.renewAt)) return token.headers
    // Who comes meanwhile waits for the better one.
    if (isRefused) this.#kept.delete(key)
    const renewal = this.#renewals.get(key) ?? this.#renew(key, isRefused, request, alias)
    if (!token || isRefused || now >= token.endsAt) return renewal
    // The next who comes after its end hears of it.
    renewal.catch(() => {})
    return token.headers
  }

  /** The headers with a token that is still good. */
  last(key: string): Headers | undefined {
    const token = this.#kept.get(key)
    return token && performance.now() < token.endsAt ? token.headers : undefined
  }

  #renew(key: string, isRefused: boolean, request: () => Promise<Grant>, alias?: string): Promise<Headers> {
    const renewal = this.#request(key, isRefused, request, alias).finally(() => this.#renewals.delete(key))
    this.#renewals.set(key, renewal)
    return renewal
  }

  async #request(key: string, isRefused: boolean, request: () => Promise<Grant>, alias?: string): Promise<Headers> {
    const asked = performance.now()
    const { accessToken, lifetimeMs } = await request()
    const token: Token = {
      headers: Object.freeze({ authorization: `Bearer ${accessToken}` }),
      renewAt: asked + lifetimeMs - Math.min(RENEW_MS, lifetimeMs / 4),
      endsAt: asked + lifetimeMs - Math.min(SPARE_MS, lifetimeMs / 8),
      heedsRefusalFrom: isRefused ? asked + REFUSAL_MS : 0,
    }
    this.#keep(key, token)
    if (alias !== undefined) this.#keep(alias, token)
    return token.headers
  }

  #keep(key: string, token: Token): void {
    const now = performance.now()
    this.#kept.delete(key)
    this.#kept.set(key, token)
    for (const [oldest, { endsAt }] of this.#kept) {
      if (endsAt > now && this.#kept.size <= MAX_TOKENS) return
      this.#kept.delete(oldest)
    }
  }
}
