/** A store with a time limit: whatever it fails with is `unavailable`, so that clients and browsers get 503. */
import { GatewayError } from '../errors.ts'
import type { Awaitable, LoginAddOptions, LoginSetOptions, LoginStore } from '../types.ts'
import { inHookTime } from '../util/hook-timeout.ts'

export class TimelyLoginStore implements LoginStore {
  readonly #store: LoginStore
  readonly #caller: string
  readonly publish?: (message: string) => Promise<void>
  readonly subscribe?: NonNullable<LoginStore['subscribe']>

  /** `caller` is the function that the store was given to, for the operator. */
  constructor(store: LoginStore, caller: string) {
    this.#store = store
    this.#caller = caller
    if (store.publish) this.publish = (message) => this.#inTime(() => store.publish!(message))
    // A subscription begins when there is a connection, however long that takes.
    if (store.subscribe) this.subscribe = (listener) => store.subscribe!(listener)
  }

  get(key: string): Promise<string | undefined> {
    return this.#inTime(() => this.#store.get(key))
  }

  set(key: string, value: string, options: LoginSetOptions): Promise<boolean> {
    return this.#inTime(() => this.#store.set(key, value, options))
  }

  take(key: string): Promise<string | undefined> {
    return this.#inTime(() => this.#store.take(key))
  }

  delete(key: string): Promise<void> {
    return this.#inTime(() => this.#store.delete(key))
  }

  add(set: string, member: string, options: LoginAddOptions): Promise<readonly string[]> {
    return this.#inTime(() => this.#store.add(set, member, options))
  }

  remove(set: string, member: string): Promise<void> {
    return this.#inTime(() => this.#store.remove(set, member))
  }

  members(set: string): Promise<readonly string[]> {
    return this.#inTime(() => this.#store.members(set))
  }

  async close(): Promise<void> {
    await this.#store.close?.()
  }

  async #inTime<T>(call: () => Awaitable<T>): Promise<T> {
    try {
      return await inHookTime(call(), `The store of ${this.#caller}`)
    } catch (error) {
      if (error instanceof GatewayError) throw error
      throw new GatewayError('unavailable', 'The store of the login is unavailable', { cause: error })
    }
  }
}
