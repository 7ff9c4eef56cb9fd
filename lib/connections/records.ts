/** What is kept in the store: sealed texts, each of which opens only under its own key. */
import type { LoginSetOptions, LoginStore } from '../types.ts'
import { parseJson } from '../util/json.ts'
import type { SealingKeys } from '../util/sealing-keys.ts'

/** A record, and the very text that the store has of it. */
export interface Kept<T> {
  readonly raw: string
  readonly record: T
}

/** The account of a user at the service of a server. */
export interface ConnectionRecord {
  readonly user: string
  readonly server: string
  readonly url: string
  readonly issuer: string
  readonly clientId: string
  /** What was asked for as `resource`; a refresh asks for the same. */
  readonly resource: string | false
  readonly scopes: readonly string[]
  /** `undefined` for a connection that the service has ended. */
  readonly tokens: ConnectionTokens | undefined
  /** In milliseconds since the epoch, as all times here. */
  readonly since: number
  readonly usedAt: number
}

export interface ConnectionTokens {
  readonly access: string
  readonly refresh: string | undefined
  readonly issuedAt: number
  /** `undefined` for an access token that does not say when it ends. */
  readonly endsAt: number | undefined
}

/** A page that asks a user to connect. */
export interface LinkRecord {
  readonly user: string
  readonly server: string
  readonly url: string
  readonly title: string | undefined
  readonly agent: string | undefined
  /** What the page says is what is asked: whatever the server says of its issuer meanwhile changes nothing. */
  readonly issuer: string
  readonly resource: string | false
  readonly scopes: readonly string[]
  readonly returnTo: string | undefined
  readonly state: 'open' | 'connected' | 'declined'
  readonly endsAt: number
}

/** An authorization request that a browser was sent with. */
export interface AttemptRecord extends Pick<LinkRecord, 'user' | 'server' | 'url' | 'issuer' | 'resource' | 'scopes'> {
  readonly link: string
  readonly verifier: string
  readonly clientId: string
}

export class SealedRecords {
  readonly #store: LoginStore
  readonly #keys: SealingKeys

  constructor(store: LoginStore, keys: SealingKeys) {
    this.#store = store
    this.#keys = keys
  }

  /** `undefined` also for a text that was copied from another key, or that none of the secrets has sealed. */
  async get<T>(key: string): Promise<Kept<T> | undefined> {
    return this.#open(key, await this.#store.get(key))
  }

  async take<T>(key: string): Promise<T | undefined> {
    return this.#open<T>(key, await this.#store.take(key))?.record
  }

  seal<T>(key: string, record: T): Kept<T> {
    return { raw: this.#keys.seal(JSON.stringify(record), key), record }
  }

  /** Resolves with whether it was written. */
  async set(key: string, { raw }: Kept<unknown>, options: LoginSetOptions): Promise<boolean> {
    return this.#store.set(key, raw, options)
  }

  /**
   * Writes what `change` makes of the record, as long as there is a record for which it makes something. Resolves with
   * what the store has then, and whether that was written here.
   */
  async change<T>(
    key: string,
    change: (record: T) => T | undefined,
    ttlMs: (record: T) => number,
  ): Promise<{ readonly kept: Kept<T> | undefined; readonly isWritten: boolean }> {
    for (;;) {
      const before = await this.get<T>(key)
      const record = before && change(before.record)
      if (record === undefined) return { kept: before, isWritten: false }
      const kept = this.seal(key, record)
      if (await this.set(key, kept, { ttlMs: ttlMs(record), if: before!.raw })) return { kept, isWritten: true }
    }
  }

  #open<T>(key: string, raw: string | undefined): Kept<T> | undefined {
    const text = raw === undefined ? undefined : this.#keys.open(raw, key)
    const record = text === undefined ? undefined : (parseJson(text) as T | undefined)
    return record === undefined ? undefined : { raw: raw!, record }
  }
}
