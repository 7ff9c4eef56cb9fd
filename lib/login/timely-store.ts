/** A store with a time limit: whatever it fails with is `unavailable`, so that clients and browsers get 503. */
import { GatewayError } from '../errors.ts'
import type { Awaitable, LoginAddOptions, LoginSetOptions, LoginStore } from '../types.ts'
import { inHookTime } from '../util/hook-timeout.ts'

export class TimelyStore implements LoginStore {
  readonly #store: LoginStore
  readonly publish?: (message: string) => Promise<void>
  readonly subscribe?: NonNullable<LoginStore['subscribe']>

  constructor(store: LoginStore) {
    this.#store = store
    if (store.publish) this.publish = (message) => storeTime(() => store.publish!(message))
    // A subscription begins when there is a connection, however long that takes.
    if (store.subscribe) this.subscribe = (listener) => store.subscribe!(listener)
  }

  get(key: string): Promise<string | undefined> {
    return storeTime(() => this.#store.get(key))
  }

  set(key: string, value: string, options: LoginSetOptions): Promise<boolean> {
    return storeTime(() => this.#store.set(key, value, options))
  }

  take(key: string): Promise<string | undefined> {
    return storeTime(() => this.#store.take(key))
  }

  delete(key: string): Promise<void> {
    return storeTime(() => this.#store.delete(key))
  }

  add(set: string, member: string, options: LoginAddOptions): Promise<readonly string[]> {
    return storeTime(() => this.#store.add(set, member, options))
  }

  remove(set: string, member: string): Promise<void> {
    return storeTime(() => this.#store.remove(set, member))
  }

  members(set: string): Promise<readonly string[]> {
    return storeTime(() => this.#store.members(set))
  }

  async close(): Promise<void> {
    await this.#store.close?.()
  }
}

async function storeTime<T>(call: () => Awaitable<T>): Promise<T> {
  try {
    return await inHookTime(call(), 'The store of agentLogin')
  } catch (error) {
    if (error instanceof GatewayError) throw error
    throw new GatewayError('unavailable', 'The store of the login is unavailable', { cause: error })
  }
}
