/** Looking into parsed JSON of any shape. */

export type JsonObject = Readonly<Record<string, unknown>>

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * An object whose keys are names. An array, a Map, a Set or `Headers` has its entries elsewhere, and a promise has none
 * yet: with their keys they would say nothing, in silence.
 */
export function isDictionary(value: unknown): value is JsonObject {
  return isObject(value) && !(Symbol.iterator in value) && typeof value['then'] !== 'function'
}

/** What a value is, for an error that may not repeat it. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (typeof value !== 'object') return `a ${typeof value}`
  if (Array.isArray(value)) return 'an array'
  return `an object of the class ${value.constructor?.name ?? 'null'}`
}

/** An own member, so that no prototype speaks for the client. */
export function member(value: unknown, key: string): unknown {
  return isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined
}

/** Whether a text may be JSON-RPC, by its first and last characters: telling costs no SyntaxError. */
export function mayBeMessage(text: string): boolean {
  const last = text.trimEnd().at(-1)
  return (last === '}' || last === ']') && /^\s*(?:\{\s*["}]|\[\s*[{\]])/.test(text)
}

/** The value of a JSON text; `undefined` for what is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
