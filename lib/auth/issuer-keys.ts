/** The keys an issuer signs with: fetched once, again when they are old or one is missing, kept while it is down. */
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose'
import { boundedFetch } from './bounded-fetch.ts'
import { discover, trustedEndpoint } from './metadata.ts'

/** How old keys get before they are fetched again, behind the requests' back. */
const FRESH_MS = 10 * 60_000
/** How long a key that nobody knows makes no further request: anybody can make up a key id. */
const COOL_DOWN_MS = 30_000
/** How long an issuer that failed is left alone. */
const RETRY_MS = 5_000
/** How long one fetch may take, metadata and keys each. */
const TIMEOUT_MS = 5_000

export interface KeySource {
  readonly issuer: string
  readonly jwksUri: string | undefined
  readonly jwks: JSONWebKeySet | undefined
}

/** The issuer's keys cannot be had, so that nobody can say what a token is worth. */
export class KeysUnavailable extends Error {
  override readonly name = 'KeysUnavailable'
}

/**
 * jose's `createRemoteJWKSet` has the same numbers but goes by the time of day, which may step back, and knows neither
 * discovery nor a generation: with its numbers switched off it would take more lines than it saves.
 */
export class IssuerKeys {
  readonly #source: KeySource
  #find: JWTVerifyGetKey | undefined
  #text = ''
  #uri: string | undefined
  #loading: Promise<void> | undefined
  #loadedAt = -Infinity
  #triedAt = -Infinity
  #fault: unknown
  /** Another number for other keys. */
  generation = 0

  constructor(source: KeySource) {
    this.#source = source
    this.#uri = source.jwksUri
    if (source.jwks) {
      this.#find = createLocalJWKSet(source.jwks)
      this.#loadedAt = Infinity
    }
  }

  /** Fetches old keys anew, and does not wait for them: the old ones are good until there are others. */
  freshen(): void {
    if (performance.now() - this.#loadedAt < FRESH_MS || !this.#mayTry(RETRY_MS)) return
    // What fails here is told by the first token that needs it.
    this.#load().catch(() => {})
  }

  /** The key for a token, as `jwtVerify` asks for it. */
  readonly get: JWTVerifyGetKey = async (header, token) => {
    if (!this.#find) await this.#loadFirst()
    this.freshen()
    try {
      return await this.#find!(header, token)
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey) || this.#source.jwks) throw error
      await this.#loadAgain(error)
      return this.#find!(header, token)
    }
  }

  async #loadFirst(): Promise<void> {
    if (this.#loading || this.#mayTry(RETRY_MS)) await this.#load().catch(() => {})
    if (!this.#find) throw this.#unavailable()
  }

  async #loadAgain(missing: unknown): Promise<void> {
    const hasFailed = this.#fault !== undefined
    if (!this.#loading && !this.#mayTry(hasFailed ? RETRY_MS : COOL_DOWN_MS)) {
      throw hasFailed ? this.#unavailable() : missing
    }
    await this.#load().catch(() => {
      throw this.#unavailable()
    })
  }

  #mayTry(pauseMs: number): boolean {
    return performance.now() - this.#triedAt >= pauseMs
  }

  #unavailable(): KeysUnavailable {
    return new KeysUnavailable(`The keys of ${this.#source.issuer} cannot be had`, { cause: this.#fault })
  }

  /** Single flight: tokens that need keys meanwhile wait for the same fetch. */
  #load(): Promise<void> {
    this.#loading ??= this.#fetch().finally(() => (this.#loading = undefined))
    return this.#loading
  }

  async #fetch(): Promise<void> {
    this.#triedAt = performance.now()
    try {
      this.#uri ??= trustedEndpoint(await discover(this.#source.issuer, AbortSignal.timeout(TIMEOUT_MS)), 'jwks_uri')
      const text = await read(this.#uri)
      const find = createLocalJWKSet(JSON.parse(text) as JSONWebKeySet)
      if (text !== this.#text) this.generation += 1
      this.#find = find
      this.#text = text
      this.#loadedAt = performance.now()
      this.#fault = undefined
    } catch (error) {
      this.#fault = error
      // They may have moved.
      this.#uri = this.#source.jwksUri
      throw error
    }
  }
}

async function read(uri: string): Promise<string> {
  const headers = { accept: 'application/jwk-set+json, application/json' }
  const response = await boundedFetch(uri, { headers, signal: AbortSignal.timeout(TIMEOUT_MS) })
  if (response.status !== 200) throw new Error(`${uri} answered ${response.status}`)
  return response.text()
}
