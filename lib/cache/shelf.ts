/** Kept results, bounded in bytes: the least recently used goes first. */
import type { Subject } from './policy.ts'

/** A result as text, around the number that says how long it stays fresh. */
export interface Kept {
  readonly subject: Subject
  readonly beforeTtl: string
  readonly afterTtl: string
  readonly freshUntil: number
}

export class Shelf {
  readonly #maxBytes: number
  readonly #kept = new Map<string, Kept>()
  #bytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** A result that is still fresh. */
  get(key: string): Kept | undefined {
    const kept = this.#kept.get(key)
    if (!kept) return undefined
    this.delete(key)
    if (kept.freshUntil <= Date.now()) return undefined
    this.set(key, kept)
    return kept
  }

  set(key: string, kept: Kept): void {
    this.delete(key)
    const bytes = weight(key, kept)
    if (bytes > this.#maxBytes) return
    this.#kept.set(key, kept)
    this.#bytes += bytes
    for (const oldest of this.#kept.keys()) {
      if (this.#bytes <= this.#maxBytes) return
      this.delete(oldest)
    }
  }

  delete(key: string): void {
    const kept = this.#kept.get(key)
    if (!kept) return
    this.#kept.delete(key)
    this.#bytes -= weight(key, kept)
  }

  /** Takes away whatever the test is true of. */
  drop(test: (subject: Subject) => boolean): void {
    for (const [key, { subject }] of this.#kept) if (test(subject)) this.delete(key)
  }
}

/** At most two bytes a character. */
function weight(key: string, { beforeTtl, afterTtl }: Kept): number {
  return 2 * (key.length + beforeTtl.length + afterTtl.length)
}
