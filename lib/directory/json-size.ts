/** Bounds a server's JSON: the approximate size in memory, the depth of objects, the length of texts. */
import { isObject, type JsonObject } from '../util/json.ts'

/** The deepest nesting of a member: recursion over it, as in `JSON.stringify()`, must not overflow the stack. */
const MAX_NESTING = 64

/** The approximate overhead of a value in memory. */
const VALUE_BYTES = 32

/** The approximate size of a value in memory, in bytes; `Infinity` for one that is nested too deeply. */
export function sizeOf(value: unknown, depth: number = 0): number {
  if (typeof value === 'string') return VALUE_BYTES + 2 * value.length
  if (typeof value !== 'object' || value === null) return VALUE_BYTES
  if (depth === MAX_NESTING) return Infinity
  let bytes = VALUE_BYTES
  if (Array.isArray(value)) for (const item of value as unknown[]) bytes += sizeOf(item, depth + 1)
  else if (isObject(value)) for (const key in value) bytes += 2 * key.length + sizeOf(value[key], depth + 1)
  return bytes
}

/** The object without the members that are nested too deeply. */
export function withoutDeepMembers(object: JsonObject): JsonObject {
  const entries = Object.entries(object)
  const shown = entries.filter(([, value]) => sizeOf(value, 1) < Infinity)
  return shown.length === entries.length ? object : Object.fromEntries(shown)
}

/** The text, or the beginning of it with an ellipsis: at most `max` characters. */
export function truncate(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, max - 1)}…`
}
