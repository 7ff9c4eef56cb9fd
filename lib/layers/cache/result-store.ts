/**
 * Cached results, bounded in bytes by the CLOCK algorithm: the oldest is evicted, unless it was used since its last
 * turn.
 */
import type { CacheTarget } from './policy.ts'

/** The text of a result, split around the number of its `ttlMs`, which is computed anew for each answer. */
export interface CachedResult {
  readonly target: CacheTarget
  readonly beforeTtl: string
  readonly afterTtl: string
  /** On the clock of `performance.now()`, which is monotonic. */
  readonly freshUntil: number
}

/** A hit only sets `isUsed`: moving the entry to the end of the map would cost more than the whole lookup. */
interface CacheSlot {
  readonly kept: CachedResult
  readonly bytes: number
  isUsed: boolean
}

export class ResultStore {
  readonly #maxBytes: number
  readonly #entries = new Map<string, CacheSlot>()
  #bytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get(key: string): CachedResult | undefined {
    const entry = this.#entries.get(key)
    if (!entry) return undefined
    if (entry.kept.freshUntil <= performance.now()) {
      this.delete(key)
      return undefined
    }
    entry.isUsed = true
    return entry.kept
  }

  set(key: string, kept: CachedResult): void {
    this.delete(key)
    const bytes = weight(key, kept)
    if (bytes > this.#maxBytes) return
    this.#makeRoom(this.#maxBytes - bytes)
    const { target, beforeTtl, afterTtl, freshUntil } = kept
    const own = { target, beforeTtl: copyOf(beforeTtl), afterTtl: copyOf(afterTtl), freshUntil }
    this.#put(key, { kept: own, bytes, isUsed: false })
  }

  delete(key: string): void {
    const entry = this.#entries.get(key)
    if (!entry) return
    this.#entries.delete(key)
    this.#bytes -= entry.bytes
  }

  drop(test: (target: CacheTarget) => boolean): void {
    for (const [key, { kept }] of this.#entries) if (test(kept.target)) this.delete(key)
  }

  #makeRoom(bytes: number): void {
    for (const [oldest, entry] of this.#entries) {
      if (this.#bytes <= bytes) return
      this.delete(oldest)
      if (entry.isUsed) this.#put(oldest, { ...entry, isUsed: false })
    }
  }

  #put(key: string, entry: CacheSlot): void {
    this.#entries.set(key, entry)
    this.#bytes += entry.bytes
  }
}

/** The approximate memory of an entry besides its text: its objects and its slot in the map. */
const ENTRY_BYTES = 400

/** An upper bound: V8 stores at most two bytes per character. */
function weight(key: string, { target, beforeTtl, afterTtl }: CachedResult): number {
  const uriLength = typeof target.uri === 'string' ? target.uri.length : 0
  return ENTRY_BYTES + 2 * (key.length + uriLength + beforeTtl.length + afterTtl.length)
}

/** Copies a slice, since V8 keeps the whole original text in memory as long as one of its slices is referenced. */
function copyOf(slice: string): string {
  return Buffer.from(slice).toString()
}
