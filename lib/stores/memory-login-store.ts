/** The default store of the login: in this process, bounded by kind. */
import { EventEmitter } from 'node:events'
import type { LoginAddOptions, LoginSetOptions, LoginStore } from '../types.ts'
import { rejectUnknown } from '../util/unknown-key.ts'

export interface MemoryLoginStoreOptions {
  /** How many values and sets of each kind are kept: clients, grants, codes. Defaults to 10 000. */
  readonly maxEntries?: number | undefined
}

interface Timed<T> {
  value: T
  endsAt: number
}

/**
 * Keeps clients, grants and codes in the memory of this process: other nodes do not see them, and agents log in again
 * after a restart. Over `maxEntries`, what would end first of the same kind goes, so that no flood of registrations ends
 * a grant.
 *
 * @example
 * ```js
 * agentLogin({ issuer, user, loginUrl, keys, secrets, store: new MemoryLoginStore() })
 * ```
 *
 * @throws {TypeError} from the constructor, for an unknown option, and for a `maxEntries` that is not a positive number.
 */
export class MemoryLoginStore implements LoginStore {
  readonly #maxEntries: number
  readonly #values = new Map<string, Map<string, Timed<string>>>()
  readonly #sets = new Map<string, Map<string, Timed<Set<string>>>>()
  readonly #messages = new EventEmitter().setMaxListeners(0)

  constructor(options: MemoryLoginStoreOptions = {}) {
    rejectUnknown(options, { maxEntries: true }, 'MemoryLoginStore.')
    const { maxEntries = 10_000 } = options
    if (typeof maxEntries !== 'number' || !(maxEntries > 0)) {
      throw new TypeError(`"maxEntries" of MemoryLoginStore must be a positive number, not ${maxEntries}`)
    }
    this.#maxEntries = maxEntries
  }

  get(key: string): string | undefined {
    return livingEntry(this.#values, key)?.value
  }

  set(key: string, value: string, { ttlMs, ifAbsent = false, if: expected }: LoginSetOptions): boolean {
    const found = this.get(key)
    if (ifAbsent && found !== undefined) return false
    if (expected !== undefined && found !== expected) return false
    this.#keep(this.#values, key, { value, endsAt: Date.now() + ttlMs })
    return true
  }

  take(key: string): string | undefined {
    const value = this.get(key)
    this.delete(key)
    return value
  }

  delete(key: string): void {
    this.#values.get(kindOfKey(key))?.delete(key)
  }

  add(set: string, member: string, { ttlMs, max }: LoginAddOptions): string[] {
    const members = livingEntry(this.#sets, set)?.value ?? new Set()
    members.delete(member)
    members.add(member)
    this.#keep(this.#sets, set, { value: members, endsAt: Date.now() + ttlMs })
    const over: string[] = []
    for (const each of members) {
      if (members.size <= max) break
      members.delete(each)
      over.push(each)
    }
    return over
  }

  remove(set: string, member: string): void {
    const members = livingEntry(this.#sets, set)?.value
    members?.delete(member)
    if (members?.size === 0) this.#sets.get(kindOfKey(set))?.delete(set)
  }

  members(set: string): string[] {
    return [...(livingEntry(this.#sets, set)?.value ?? [])]
  }

  async publish(message: string): Promise<void> {
    this.#messages.emit('message', message)
  }

  subscribe(listener: (message: string) => void): () => void {
    this.#messages.on('message', listener)
    return () => void this.#messages.off('message', listener)
  }

  #keep<T>(kept: Map<string, Map<string, Timed<T>>>, key: string, entry: Timed<T>): void {
    const kind = kindOfKey(key)
    const entries = kept.get(kind) ?? new Map<string, Timed<T>>()
    kept.set(kind, entries)
    if (!entries.has(key) && entries.size >= this.#maxEntries) makeRoom(entries)
    entries.set(key, entry)
  }
}

/** Keys begin with their kind, as in `client:…`. */
function kindOfKey(key: string): string {
  return key.slice(0, key.indexOf(':'))
}

function livingEntry<T>(kept: Map<string, Map<string, Timed<T>>>, key: string): Timed<T> | undefined {
  const entries = kept.get(kindOfKey(key))
  const entry = entries?.get(key)
  if (!entry || entry.endsAt > Date.now()) return entry
  entries!.delete(key)
  return undefined
}

/** Removes what has ended, and if nothing has, what would end first. */
function makeRoom<T>(entries: Map<string, Timed<T>>): void {
  const now = Date.now()
  let first: readonly [key: string, endsAt: number] | undefined
  let hasRoom = false
  for (const [key, { endsAt }] of entries) {
    if (endsAt <= now) hasRoom = entries.delete(key)
    else if (!first || endsAt < first[1]) first = [key, endsAt]
  }
  if (!hasRoom && first) entries.delete(first[0])
}
