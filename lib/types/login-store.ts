/** The storage that `agentLogin()` needs. */
import type { Awaitable } from './common.ts'

/**
 * Keeps clients, grants and codes: plain text under plain keys, and small sets. Keys are digests, and no value holds a
 * token, so that nobody who reads the store can use one. `loginStoreContract()` of `./testing` has the tests.
 */
export interface LoginStore {
  /** The value of a key; `undefined` when there is none, or when its time is over. */
  get(key: string): Awaitable<string | undefined>
  /**
   * Writes a value, which lives for `ttlMs`. With `ifAbsent` only where the key has none, with `if` only over this
   * value: one of many that try at once succeeds. Resolves with whether it was written.
   */
  set(key: string, value: string, options: LoginSetOptions): Awaitable<boolean>
  /** Removes a value and returns it: one of many that try at once gets it. */
  take(key: string): Awaitable<string | undefined>
  delete(key: string): Awaitable<void>
  /**
   * Adds a member to a set, as its newest, and lets the set live for `ttlMs` from now. Over `max`, the oldest members
   * are removed, and returned.
   */
  add(set: string, member: string, options: LoginAddOptions): Awaitable<readonly string[]>
  /** Removes a member from a set. */
  remove(set: string, member: string): Awaitable<void>
  /** The members of a set, the oldest first. */
  members(set: string): Awaitable<readonly string[]>
  /** Tells the listeners of every node, this one too. Without it, other nodes learn of a disconnection within 5 s. */
  publish?(message: string): Awaitable<void>
  /** Calls the listener with every message that is published. Resolves with a function that ends this. */
  subscribe?(listener: (message: string) => void): Awaitable<() => Awaitable<void>>
  close?(): Awaitable<void>
}

export interface LoginSetOptions {
  /** How long the value lives, in milliseconds. */
  readonly ttlMs: number
  readonly ifAbsent?: boolean | undefined
  readonly if?: string | undefined
}

export interface LoginAddOptions {
  /** How long the set lives, in milliseconds. */
  readonly ttlMs: number
  /** How many members the set keeps. */
  readonly max: number
}
