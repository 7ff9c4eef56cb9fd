/** The cache of the access tokens that the gateway sends: it renews them ahead of time, with single flight. */
import type { Awaitable } from '../types.ts'
import type { Grant } from './token-endpoint.ts'

/** The result of a `headers` function: the same object as long as the token is the same. */
type Headers = Readonly<Record<'authorization', string>>

interface Token {
  readonly headers: Headers
  /** From this time on a new token is requested in the background, while this one is still sent. */
  readonly renewAt: number
  /** From this time on the token is not sent: it could expire on the way. */
  readonly endsAt: number
  /** Before this time a refusal does not replace the token, because it already replaced a refused one. */
  readonly replaceableFrom: number
}

/** How long before its expiry a token is renewed, and no longer sent; less for short lifetimes. */
const RENEW_MS = 30_000
const SPARE_MS = 5_000

/** The least time between two replacements of refused tokens, for a server that refuses all of them. */
const REPLACE_INTERVAL_MS = 5_000

const MAX_TOKENS = 10_000

export class Tokens {
  /** In insertion order, for eviction: tokens in use are renewed, which moves them to the end. */
  readonly #kept = new Map<string, Token>()
  readonly #renewals = new Map<string, Promise<Headers>>()

  /**
   * The headers with the token of a key. `refused` are headers that the server refused: when they have the cached token,
   * it is replaced. `alias` is a second key for the token.
   */
  headers(
    key: string,
    refused: Readonly<Record<string, string>> | undefined,
    request: () => Promise<Grant>,
    alias?: string,
  ): Awaitable<Headers> {
    const now = performance.now()
    const token = this.#kept.get(key)
    // A concurrent request may have replaced the refused token already.
    const isRefused = token !== undefined && refused?.['authorization'] === token.headers.authorization
    if (token && now < (isRefused ? token.replaceableFrom : token.renewAt)) return token.headers
    // Requests during the renewal wait for the new token.
    if (isRefused) this.#kept.delete(key)
    const renewal = this.#renewals.get(key) ?? this.#renew(key, isRefused, request, alias)
    if (!token || isRefused || now >= token.endsAt) return renewal
    // If the renewal fails, a request after the token's expiry tries again and reports the failure.
    renewal.catch(() => {})
    return token.headers
  }

  /** The headers with the cached token of a key, unless it has expired. */
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
    const requestedAt = performance.now()
    const { accessToken, lifetimeMs } = await request()
    const token: Token = {
      headers: Object.freeze({ authorization: `Bearer ${accessToken}` }),
      renewAt: requestedAt + lifetimeMs - Math.min(RENEW_MS, lifetimeMs / 4),
      endsAt: requestedAt + lifetimeMs - Math.min(SPARE_MS, lifetimeMs / 8),
      replaceableFrom: isRefused ? requestedAt + REPLACE_INTERVAL_MS : 0,
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
