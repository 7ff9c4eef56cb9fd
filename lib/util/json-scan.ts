/** Steps over what valid JSON text has at an index: white space, a string, or any value. */

export const STRING_END = 0x22
export const ESCAPE = 0x5c

/** How an ASCII character begins if it is written with an escape. */
export const ESCAPED_ASCII = '\\u00'

export function afterSpace(text: string, from: number): number {
  let at = from
  for (;;) {
    const code = text.charCodeAt(at)
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return at
    at += 1
  }
}

/**
 * The index after the string that opens at `start`, or the text's length if nothing ends it. A quote ends it unless an odd
 * number of backslashes precedes it.
 */
export function afterString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let before = end - 1
    while (text.charCodeAt(before) === ESCAPE) before -= 1
    if ((end - before) % 2 === 1) return end + 1
  }
  return text.length
}

/** Brackets are counted without matching their kind, which is enough because `text` is valid JSON. */
export function afterValue(text: string, start: number): number {
  let depth = 0
  let at = start
  for (; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    if (code === STRING_END) {
      at = afterString(text, at) - 1
      if (depth === 0) return at + 1
    } else if (code === 0x7b || code === 0x5b) depth += 1
    else if (code === 0x7d || code === 0x5d) {
      if (depth === 0) return at
      depth -= 1
      if (depth === 0) return at + 1
    } else if (depth === 0 && code === 0x2c) return at
  }
  return at
}
