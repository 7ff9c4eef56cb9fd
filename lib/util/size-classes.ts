/** Finds the largest of many, to within a factor of two, without sorting: by the power of two of their sizes. */

export class SizeClasses<T> {
  /** By class; whoever was set last is last. */
  readonly #classes: Array<Set<T> | undefined> = []
  readonly #classOf = new Map<T, number>()

  /** Notes how large something is; with 0 it is forgotten. */
  set(item: T, size: number): void {
    const before = this.#classOf.get(item)
    if (before !== undefined) this.#classes[before]!.delete(item)
    if (size <= 0) return void this.#classOf.delete(item)
    const now = Math.floor(Math.log2(size)) + 1
    ;(this.#classes[now] ??= new Set()).add(item)
    this.#classOf.set(item, now)
  }

  /** One that is at least half as large as any other: of those the one that was set the longest ago. */
  get largest(): T | undefined {
    for (let at = this.#classes.length - 1; at >= 0; at -= 1) {
      const [first] = this.#classes[at] ?? []
      if (first !== undefined) return first
    }
    return undefined
  }
}
