/** Reads parsed JSON of unknown shape. */
import { jsonValue } from './json-value.ts'

export type JsonObject = Readonly<Record<string, unknown>>

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * Whether a value is an object whose keys are its entries. Arrays, maps, sets, `Headers` and promises are not: read by
 * their keys, they would silently look empty.
 */
export function isDictionary(value: unknown): value is JsonObject {
  return isObject(value) && !(Symbol.iterator in value) && typeof value['then'] !== 'function'
}

/** The kind of a value, for an error message that must not repeat the value itself. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (typeof value !== 'object') return `a ${typeof value}`
  if (Array.isArray(value)) return 'an array'
  return `an object of the class ${value.constructor?.name ?? 'null'}`
}

/** An own member of an object; an inherited one, such as `constructor`, is not part of a message. */
export function member(value: unknown, key: string): unknown {
  return isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined
}

/** A member that is a text; `undefined` for an empty one, too. */
export function nonEmptyText(value: unknown, key: string): string | undefined {
  const text = member(value, key)
  return typeof text === 'string' && text !== '' ? text : undefined
}

/** Whether a text may be a JSON-RPC message, by its first and last characters: cheaper than a SyntaxError. */
export function mayBeMessage(text: string): boolean {
  const last = text.trimEnd().at(-1)
  return (last === '}' || last === ']') && /^\s*(?:\{\s*["}]|\[\s*[{\]])/.test(text)
}

/** The value of a JSON text; `undefined` for a text that is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return jsonValue(text)
  } catch {
    return undefined
  }
}
