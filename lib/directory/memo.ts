/** What was asked lately, kept for a moment, so that a page that is looked at often does not ask a server often. */

/** A value, what it weighs in bytes and how long it may be kept. */
export interface Kept<T> {
  readonly value: T
  readonly bytes: number
  readonly keepMs: number
}

/** How much is kept in all, in bytes. */
const MAX_BYTES = 16 * 1024 * 1024

export class Memo<T> {
  readonly #kept = new Map<string, { readonly value: T; readonly bytes: number; readonly until: number }>()
  /** On their way; who asks the same waits for the same. */
  readonly #asked = new Map<string, Promise<T>>()
  #bytes = 0

  get(key: string, ask: () => Promise<Kept<T>>): Promise<T> {
    const kept = this.#kept.get(key)
    if (kept && kept.until > performance.now()) return Promise.resolve(kept.value)
    const asked = this.#asked.get(key) ?? this.#ask(key, ask)
    this.#asked.set(key, asked)
    return asked
  }

  async #ask(key: string, ask: () => Promise<Kept<T>>): Promise<T> {
    try {
      const { value, bytes, keepMs } = await ask()
      this.#drop(key)
      if (bytes <= MAX_BYTES && keepMs > 0) this.#keep(key, { value, bytes, until: performance.now() + keepMs })
      return value
    } finally {
      this.#asked.delete(key)
    }
  }

  #keep(key: string, kept: { readonly value: T; readonly bytes: number; readonly until: number }): void {
    this.#kept.set(key, kept)
    this.#bytes += kept.bytes
    for (const oldest of this.#kept.keys()) {
      if (this.#bytes <= MAX_BYTES) return
      this.#drop(oldest)
    }
  }

  #drop(key: string): void {
    this.#bytes -= this.#kept.get(key)?.bytes ?? 0
    this.#kept.delete(key)
  }
}
