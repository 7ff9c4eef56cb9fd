/** A coalescing cache: values with a time to live, within a limit of bytes, and one load at a time for each key. */

/** A loaded value, its size in bytes, and its time to live. */
export interface Loaded<T> {
  readonly value: T
  readonly bytes: number
  /** 0 for a value that must not be cached. */
  readonly ttlMs: number
}

/** The limit of all values together, in bytes. */
const MAX_BYTES = 16 * 1024 * 1024

interface CacheEntry<T> {
  readonly value: T
  readonly bytes: number
  readonly expiresAt: number
}

export class CoalescingCache<T> {
  readonly #entries = new Map<string, CacheEntry<T>>()
  /** Single flight: concurrent calls with the same key share one load. */
  readonly #loads = new Map<string, Promise<T>>()
  #bytes = 0

  /** The cached value of a key, else the loaded one. A load that rejects is not cached. */
  get(key: string, load: () => Promise<Loaded<T>>): Promise<T> {
    const entry = this.#entries.get(key)
    if (entry && entry.expiresAt > performance.now()) return Promise.resolve(entry.value)
    const loading = this.#loads.get(key) ?? this.#load(key, load)
    this.#loads.set(key, loading)
    return loading
  }

  async #load(key: string, load: () => Promise<Loaded<T>>): Promise<T> {
    try {
      const { value, bytes, ttlMs } = await load()
      this.#delete(key)
      if (bytes <= MAX_BYTES && ttlMs > 0) this.#set(key, { value, bytes, expiresAt: performance.now() + ttlMs })
      return value
    } finally {
      this.#loads.delete(key)
    }
  }

  #set(key: string, entry: CacheEntry<T>): void {
    this.#entries.set(key, entry)
    this.#bytes += entry.bytes
    for (const oldest of this.#entries.keys()) {
      if (this.#bytes <= MAX_BYTES) return
      this.#delete(oldest)
    }
  }

  #delete(key: string): void {
    this.#bytes -= this.#entries.get(key)?.bytes ?? 0
    this.#entries.delete(key)
  }
}
