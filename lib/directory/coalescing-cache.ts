/** A coalescing cache: values with a time to live, within a limit of bytes, and one load at a time for each key. */
import { LRUCache } from 'lru-cache'

/** A loaded value, its size in bytes, and its time to live. */
export interface Loaded<T> {
  readonly value: T
  readonly bytes: number
  /** 0 for a value that must not be cached. */
  readonly ttlMs: number
}

/** The limit of all values together, in bytes. A larger one is not cached. */
const MAX_BYTES = 16 * 1024 * 1024

export class CoalescingCache<T extends object | string> {
  readonly #values = new LRUCache<string, T>({ maxSize: MAX_BYTES })
  /** Single flight: concurrent calls with the same key share one load. */
  readonly #loads = new Map<string, Promise<T>>()

  /** The cached value of a key, else the loaded one. A load that rejects is not cached. */
  get(key: string, load: () => Promise<Loaded<T>>): Promise<T> {
    const value = this.#values.get(key)
    if (value !== undefined) return Promise.resolve(value)
    const loading = this.#loads.get(key) ?? this.#load(key, load)
    this.#loads.set(key, loading)
    return loading
  }

  async #load(key: string, load: () => Promise<Loaded<T>>): Promise<T> {
    try {
      const { value, bytes, ttlMs } = await load()
      if (bytes <= MAX_BYTES && ttlMs > 0) this.#values.set(key, value, { size: Math.max(1, bytes), ttl: ttlMs })
      return value
    } finally {
      this.#loads.delete(key)
    }
  }
}
