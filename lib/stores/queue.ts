/** First in, first out, without moving all the others each time. */

/** How many places may be empty in front before the rest moves up. */
const SLACK = 64

export class Queue<T> {
  /** What was taken out is not held by its place. */
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

  /** The items from the first of those at the end for which this holds. */
  tail(holds: (item: T) => boolean): T[] {
    let from = this.#items.length
    while (from > this.#head && holds(this.#items[from - 1]!)) from -= 1
    return this.#items.slice(from) as T[]
  }
}
