/** Parses JSON as editors have it, with comments and trailing commas, and keeps where each member stands. */

/** A fault in the text, and the offset where it is. */
export class JsonFault extends Error {
  override readonly name = 'JsonFault'
  readonly offset: number

  constructor(message: string, offset: number) {
    super(message)
    this.offset = offset
  }
}

/** The value of a text, and the offsets of the members of its objects. */
export interface JsonText {
  readonly value: unknown
  /** The offset of a member's key, or of its value; 0 for what is not in the text. */
  readonly offsetOf: (object: unknown, key: string) => number
}

/** Objects and arrays that are nested deeper are refused. */
const MAX_JSON_DEPTH = 100

/** White space and comments. A byte order mark is white space to `\s`. */
const BLANK = /(?:\s|\/\/[^\n]*|\/\*[^]*?\*\/)*/y
// oxlint-disable-next-line no-control-regex -- JSON allows none of these in a string.
const STRING = /"(?:[^"\\\u0000-\u001f]|\\.)*"/y
const SCALAR = /(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)(?![\w.])/y

/** Throws a JsonFault. */
export function readJson(text: string): JsonText {
  const reader = new JsonReader(text)
  const value = reader.whole()
  return { value, offsetOf: (object, key) => reader.places.get(object as object)?.get(key) ?? 0 }
}

/** The line and the column of an offset, counted from 1, as editors show them. */
export function lineAndColumn(text: string, offset: number): string {
  const lines = text.slice(0, offset).split('\n')
  return `${lines.length}:${lines.at(-1)!.length + 1}`
}

class JsonReader {
  readonly places = new WeakMap<object, Map<string, number>>()
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  whole(): unknown {
    const value = this.#value(0)
    if (this.#peek() !== '') throw this.#fault('there is more after the end of the JSON text')
    return value
  }

  #value(depth: number): unknown {
    const first = this.#peek()
    if (depth > MAX_JSON_DEPTH) throw this.#fault('this is nested too deeply')
    if (first === '{') return this.#object(depth)
    if (first === '[') return this.#array(depth)
    if (first === '"') return this.#string()
    const scalar = this.#take(SCALAR)
    if (scalar !== undefined) return JSON.parse(scalar)
    throw this.#fault(first === '' ? 'the file ends in the middle' : `${this.#shown(first)} is no JSON value`)
  }

  #object(depth: number): object {
    const object: Record<string, unknown> = {}
    const places = new Map<string, number>()
    this.places.set(object, places)
    this.#list('}', () => {
      if (this.#peek() !== '"') throw this.#fault('a name in double quotes is expected')
      const start = this.#at
      const key = this.#string()
      if (places.has(key)) throw new JsonFault(`${JSON.stringify(key)} is there twice`, start)
      places.set(key, start)
      if (this.#peek() !== ':') throw this.#fault('a colon is expected')
      this.#at += 1
      const value = this.#value(depth + 1)
      // An assignment to `__proto__` would not add a member.
      Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true })
    })
    return object
  }

  #array(depth: number): unknown[] {
    const array: unknown[] = []
    this.#list(']', () => void array.push(this.#value(depth + 1)))
    return array
  }

  /** Reads items between commas, the last of which may stand before the end. */
  #list(end: '}' | ']', item: () => void): void {
    this.#at += 1
    while (this.#peek() !== end) {
      item()
      const next = this.#peek()
      if (next === ',') this.#at += 1
      else if (next === '') throw this.#fault('the file ends in the middle')
      else if (next !== end) throw this.#fault(`a comma or ${JSON.stringify(end)} is expected`)
    }
    this.#at += 1
  }

  #string(): string {
    const start = this.#at
    const literal = this.#take(STRING)
    if (literal === undefined) throw new JsonFault('this text has no end on its line', start)
    try {
      return JSON.parse(literal) as string
    } catch {
      throw new JsonFault('this text has an escape that JSON does not know', start)
    }
  }

  /** The next character that is neither blank nor a comment; empty at the end. */
  #peek(): string {
    this.#take(BLANK)
    return this.#text.charAt(this.#at)
  }

  #take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at
    const [found] = pattern.exec(this.#text) ?? []
    if (found !== undefined) this.#at += found.length
    return found
  }

  /** The word or the character at the current place. */
  #shown(first: string): string {
    return JSON.stringify(/^[\w.+-]{1,20}/.exec(this.#text.slice(this.#at, this.#at + 20))?.[0] ?? first)
  }

  #fault(message: string): JsonFault {
    return new JsonFault(message, this.#at)
  }
}
