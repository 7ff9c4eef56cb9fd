/** Looking into parsed JSON of any shape. */

export type JsonObject = Readonly<Record<string, unknown>>

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
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
