/** What values out of a server's JSON weigh in memory, and which of them can be shown. */
import { isObject, type JsonObject } from '../util/json.ts'

/** How deeply a member may be nested: whatever walks it, as JSON.stringify() does, has a stack of its own depth. */
const MAX_NESTING = 64

/** About what a value takes beside its text. */
const VALUE_BYTES = 32

/** About how many bytes a value takes; `Infinity` for one that is nested too deeply. */
export function weightOf(value: unknown, depth: number = 0): number {
  if (typeof value === 'string') return VALUE_BYTES + 2 * value.length
  if (typeof value !== 'object' || value === null) return VALUE_BYTES
  if (depth === MAX_NESTING) return Infinity
  let bytes = VALUE_BYTES
  if (Array.isArray(value)) for (const item of value as unknown[]) bytes += weightOf(item, depth + 1)
  else if (isObject(value)) for (const key in value) bytes += 2 * key.length + weightOf(value[key], depth + 1)
  return bytes
}

/** An object without the members that are nested too deeply. */
export function withoutDepths(object: JsonObject): JsonObject {
  const entries = Object.entries(object)
  const shown = entries.filter(([, value]) => weightOf(value, 1) < Infinity)
  return shown.length === entries.length ? object : Object.fromEntries(shown)
}

/** A text of a few words, or as much of it. */
export function clip(long: string, max: number): string {
  return long.length <= max ? long : `${long.slice(0, max - 1)}…`
}
