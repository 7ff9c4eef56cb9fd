/** Kept results, bounded in bytes by the CLOCK algorithm: the oldest goes first, unless it was used since its last turn. */
import type { CacheTarget } from './policy.ts'

/** A result as text, around the number that says how long it stays fresh. */
export interface CachedResult {
  readonly target: CacheTarget
  readonly beforeTtl: string
  readonly afterTtl: string
  /** In the time of `performance.now()`, which no operator sets back. */
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
    if (place.kept.freshUntil <= performance.now()) {
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
    const { target, beforeTtl, afterTtl, freshUntil } = kept
    const own = { target, beforeTtl: copyOf(beforeTtl), afterTtl: copyOf(afterTtl), freshUntil }
    this.#put(key, { kept: own, bytes, isUsed: false })
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

/** About what an entry takes beside its text: its objects, and its place in the map. */
const ENTRY_BYTES = 400

/** At most two bytes a character. */
function weight(key: string, { target, beforeTtl, afterTtl }: CachedResult): number {
  const uriLength = typeof target.uri === 'string' ? target.uri.length : 0
  return ENTRY_BYTES + 2 * (key.length + uriLength + beforeTtl.length + afterTtl.length)
}

/** A text of its own: a slice keeps all of the text alive that it was cut from. */
function copyOf(slice: string): string {
  return Buffer.from(slice).toString()
}
