/** A FIFO queue whose `shift()` does not move the remaining items. */

/** How many empty slots may precede the first item before the array is compacted. */
const SLACK = 64

export class Queue<T> {
  /** Slots of removed items are `undefined`, so that the items can be garbage-collected. */
  #items: (T | undefined)[] = []
  #head = 0

  get length(): number {
    return this.#items.length - this.#head
  }

  get first(): T | undefined {
    return this.#items[this.#head]
  }

  get last(): T | undefined {
    return this.length > 0 ? this.#items.at(-1) : undefined
  }

  push(item: T): void {
    this.#items.push(item)
  }

  shift(): T | undefined {
    const { first } = this
    if (this.length > 0) this.#items[this.#head++] = undefined
    if (this.#head > SLACK && this.#head > this.length) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
    return first
  }

  /** The longest run of items at the end for which the predicate holds. */
  tail(holds: (item: T) => boolean): T[] {
    let from = this.#items.length
    while (from > this.#head && holds(this.#items[from - 1]!)) from -= 1
    return this.#items.slice(from) as T[]
  }
}
