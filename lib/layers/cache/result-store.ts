/** Kept results, bounded in bytes by the CLOCK algorithm: the oldest goes first, unless it was used since its last turn. */
import type { CacheTarget } from './policy.ts'

/** A result as text, around the number that says how long it stays fresh. */
export interface CachedResult {
  readonly target: CacheTarget
  readonly beforeTtl: string
  readonly afterTtl: string
  readonly freshUntil: number
}

/** A hit only leaves a mark: moving it to the end of the map would cost more than all the rest of looking it up. */
interface Place {
  readonly kept: CachedResult
  readonly bytes: number
  isUsed: boolean
}

export class ResultStore {
  readonly #maxBytes: number
  readonly #places = new Map<string, Place>()
  #bytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** A result that is still fresh. */
  get(key: string): CachedResult | undefined {
    const place = this.#places.get(key)
    if (!place) return undefined
    if (place.kept.freshUntil <= Date.now()) {
      this.delete(key)
      return undefined
    }
    place.isUsed = true
    return place.kept
  }

  set(key: string, kept: CachedResult): void {
    this.delete(key)
    const bytes = weight(key, kept)
    if (bytes > this.#maxBytes) return
    this.#makeRoom(this.#maxBytes - bytes)
    this.#put(key, { kept, bytes, isUsed: false })
  }

  delete(key: string): void {
    const place = this.#places.get(key)
    if (!place) return
    this.#places.delete(key)
    this.#bytes -= place.bytes
  }

  /** Takes away whatever the test is true of. */
  drop(test: (target: CacheTarget) => boolean): void {
    for (const [key, { kept }] of this.#places) if (test(kept.target)) this.delete(key)
  }

  #makeRoom(bytes: number): void {
    for (const [oldest, place] of this.#places) {
      if (this.#bytes <= bytes) return
      this.delete(oldest)
      if (place.isUsed) this.#put(oldest, { ...place, isUsed: false })
    }
  }

  #put(key: string, place: Place): void {
    this.#places.set(key, place)
    this.#bytes += place.bytes
  }
}

/** At most two bytes a character. */
function weight(key: string, { beforeTtl, afterTtl }: CachedResult): number {
  return 2 * (key.length + beforeTtl.length + afterTtl.length)
}
