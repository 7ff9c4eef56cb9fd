/** The part of a list that fits the limits of a page. */
import type { JsonObject } from '../util/json.ts'
import { sizeOf, withoutDeepMembers } from './json-size.ts'

/** How many items of a list are taken, and how many bytes of it. */
const MAX_ITEMS = 500
const LIST_BYTES = 2 * 1024 * 1024

/** A list within its limits. `budget` is the rest of the limit of all lists together. */
export class BoundedList {
  readonly items: JsonObject[] = []
  readonly #budget: { bytes: number }
  /** The bytes of all items that the server sent, taken or not. */
  #receivedBytes = 0
  #bytes = 0
  #isTruncated = false

  constructor(budget: { bytes: number }) {
    this.#budget = budget
  }

  get isFull(): boolean {
    return this.#isTruncated || this.#receivedBytes >= LIST_BYTES || this.items.length >= MAX_ITEMS
  }

  /** Whether an item was left out. */
  get isTruncated(): boolean {
    return this.#isTruncated
  }

  /** Takes an item, or leaves it out when it is too large: smaller ones of the same page may still fit. */
  add(item: JsonObject): void {
    this.#receivedBytes += sizeOf(item)
    const shown = withoutDeepMembers(item)
    const bytes = sizeOf(shown)
    if (this.items.length >= MAX_ITEMS || this.#bytes + bytes > LIST_BYTES || bytes > this.#budget.bytes) {
      this.#isTruncated = true
      return
    }
    this.#bytes += bytes
    this.#budget.bytes -= bytes
    this.items.push(shown)
  }
}
