/** Strings in the bytes of JSON text: where they end, without decoding them. */
import { DOUBLE_QUOTE, REVERSE_SOLIDUS } from './ascii.ts'

/** How far a string is read byte by byte before a search for its end is cheaper. */
const NEAR_BYTES = 64

/** The index of the quote that ends a string, -1 when it is not in this chunk. */
export function closingQuote(chunk: Buffer, from: number): number {
  const { length } = chunk
  let at = from
  while (at < length) {
    for (const near = Math.min(length, at + NEAR_BYTES); at < near; at += chunk[at] === REVERSE_SOLIDUS ? 2 : 1) {
      if (chunk[at] === DOUBLE_QUOTE) return at
    }
    if (at >= length) return -1
    const found = chunk.indexOf(DOUBLE_QUOTE, at)
    if (found === -1) return -1
    if (!isEscapedAt(chunk, found, at)) return found
    at = found + 1
  }
  return -1
}

/** Whether an odd number of backslashes stands in front. */
export function isEscapedAt(chunk: Buffer, at: number, from: number): boolean {
  let first = at
  while (first > from && chunk[first - 1] === REVERSE_SOLIDUS) first -= 1
  return ((at - first) & 1) === 1
}
