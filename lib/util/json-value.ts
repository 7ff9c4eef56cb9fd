/** Parses JSON to a value, also where the engine's own parser misreads keys. */
import { COLON } from './ascii.ts'
import { afterSpace, afterString, afterValue } from './json-scan.ts'
import { CLOSE, OPEN } from './json-outline.ts'

const BACKSLASH = '\\'
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d

/**
 * The value of a JSON text. `JSON.parse()` of V8 13.6 to 14.6 (Node.js 24 to 26) takes a key with an escape for another key that
 * an earlier text had at its place, when that begins like the escape itself: `"\u006dethod"` for the key `\u006d`. A client that
 * sends both texts could hide a method from the gateway that the server reads. So a text that has a key with an escape is read
 * here, key by key, which takes some four times as long. (https://github.com/nodejs/node/issues/63785)
 *
 * @throws {SyntaxError} for text that is not JSON, and {RangeError} for one with such a key that is nested some thousand deep.
 */
export function jsonValue(text: string): unknown {
  const value: unknown = JSON.parse(text)
  return text.includes(BACKSLASH) && hasEscapedKey(text) ? new KeyReader(text).value() : value
}

function hasEscapedKey(text: string): boolean {
  let escape = text.indexOf(BACKSLASH)
  for (let start = text.indexOf('"'); start !== -1 && escape !== -1;) {
    const end = afterString(text, start)
    if (escape < end) {
      if (text.charCodeAt(afterSpace(text, end)) === COLON) return true
      escape = text.indexOf(BACKSLASH, end)
    }
    start = text.indexOf('"', end)
  }
  return false
}

/** Reads the keys of valid JSON one by one. `JSON.parse()` reads a text that is a key or another primitive value. */
class KeyReader {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  value(): unknown {
    const text = this.#text
    this.#at = afterSpace(text, this.#at)
    const code = text.charCodeAt(this.#at)
    if (code === OPEN) return Object.fromEntries(this.#members())
    if (code === OPEN_BRACKET) return this.#items()
    return this.#primitive(afterValue(text, this.#at))
  }

  #members(): [string, unknown][] {
    const members: [string, unknown][] = []
    while (this.#isNext(CLOSE)) {
      const key = this.#primitive(afterString(this.#text, this.#at)) as string
      this.#at = afterSpace(this.#text, this.#at) + 1
      members.push([key, this.value()])
    }
    return members
  }

  #items(): unknown[] {
    const items: unknown[] = []
    while (this.#isNext(CLOSE_BRACKET)) items.push(this.value())
    return items
  }

  /** Steps over the opening bracket or a comma to what is next; over the closing bracket where there is nothing. */
  #isNext(close: number): boolean {
    const text = this.#text
    const before = afterSpace(text, this.#at)
    this.#at = text.charCodeAt(before) === close ? before : afterSpace(text, before + 1)
    if (text.charCodeAt(this.#at) !== close) return true
    this.#at += 1
    return false
  }

  #primitive(end: number): unknown {
    const value: unknown = JSON.parse(this.#text.slice(this.#at, end))
    this.#at = end
    return value
  }
}
