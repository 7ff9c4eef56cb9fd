/** Size classes by powers of two: they find an approximately largest item without sorting. */

export class SizeClasses<T> {
  /** The items of each class, in the order in which they were set. */
  readonly #classes: Array<Set<T> | undefined> = []
  readonly #classOf = new Map<T, number>()

  /** Sets the size of an item; a size of 0 removes the item. */
  set(item: T, size: number): void {
    const before = this.#classOf.get(item)
    if (before !== undefined) this.#classes[before]!.delete(item)
    if (size <= 0) return void this.#classOf.delete(item)
    const now = Math.floor(Math.log2(size)) + 1
    ;(this.#classes[now] ??= new Set()).add(item)
    this.#classOf.set(item, now)
  }

  /** An item at least half as large as any other: the one of the largest class that was set first. */
  get largest(): T | undefined {
    for (let at = this.#classes.length - 1; at >= 0; at -= 1) {
      const [first] = this.#classes[at] ?? []
      if (first !== undefined) return first
    }
    return undefined
  }
}
