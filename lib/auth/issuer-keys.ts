/** The public keys of an issuer: fetched on first use, refreshed in the background, kept while the issuer is down. */
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose'
import { boundedFetch } from './bounded-fetch.ts'
import { discover, trustedEndpoint } from './metadata.ts'

/** The age at which keys are fetched again, in the background. */
const FRESH_MS = 10 * 60_000
/** The least time between two fetches for unknown key ids, which any client can make up. */
const COOL_DOWN_MS = 30_000
/** The least time between a failed fetch and the next one. */
const RETRY_MS = 5_000
/** The timeout of each fetch, of the metadata and of the keys. */
const TIMEOUT_MS = 5_000

export interface KeySource {
  readonly issuer: string
  readonly jwksUri: string | undefined
  readonly jwks: JSONWebKeySet | undefined
}

/** The issuer's keys could not be fetched, so tokens can be neither accepted nor refused. */
export class KeysUnavailable extends Error {
  override readonly name = 'KeysUnavailable'
}

/**
 * Caches with stale-while-revalidate and stale-if-error. jose's `createRemoteJWKSet` has the same intervals but measures
 * them by the time of day, which may step back, and has neither discovery nor a generation: to use it here would take
 * more lines than it saves.
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
  /** Counts the changes of the keys. */
  generation = 0

  constructor(source: KeySource) {
    this.#source = source
    this.#uri = source.jwksUri
    if (source.jwks) {
      this.#find = createLocalJWKSet(source.jwks)
      this.#loadedAt = Infinity
    }
  }

  /** Fetches stale keys again without waiting for them: the stale ones remain valid until then. */
  freshen(): void {
    if (performance.now() - this.#loadedAt < FRESH_MS || !this.#mayTry(RETRY_MS)) return
    // A failure is reported by the first token that needs the missing keys.
    this.#load().catch(() => {})
  }

  /** The key resolver for `jwtVerify`. */
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

  /** Single flight: concurrent calls share one fetch. */
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
      // The keys may have moved: discover their URL again.
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
