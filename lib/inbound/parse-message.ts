/** Parses JSON that every parser reads alike: no duplicate keys, none that folds to a deciding one, no deep nesting. */
import { afterString } from '../util/json-scan.ts'
import { COLON, DOUBLE_QUOTE } from '../util/ascii.ts'
import type { JsonObject } from '../util/json.ts'
import { CLOSE, LOWER, OPEN } from '../util/json-outline.ts'
import { jsonValue } from '../util/json-value.ts'
import { type Level, MESSAGE_LEVEL } from './deciding-keys.ts'

/** How deep objects and arrays may be nested, as in many parsers. It bounds recursion over the parsed value, too. */
export const MAX_DEPTH = 128

/** How deep deciding keys are nested: batch > message > params > _meta. Only there are duplicate keys looked for. */
const DECIDING_DEPTH = 4

/** Why a text is no message: it is not JSON, or different parsers may read it as different messages, or fail. */
export type TextFlaw = 'not-json' | 'too-deep' | 'duplicate-key' | 'folding-key'

export interface ParsedText {
  readonly json?: unknown
  readonly flaw?: TextFlaw
}

/** Depth is checked before `JSON.parse`, which deep nesting makes expensive. */
export function parseMessage(text: string): ParsedText {
  const members = membersInText(text)
  if (members === undefined) return { flaw: 'too-deep' }
  let json: unknown
  try {
    json = jsonValue(text)
  } catch {
    return { flaw: 'not-json' }
  }
  const census = new Census()
  if (Array.isArray(json)) for (const message of json) census.take(message, 2, MESSAGE_LEVEL)
  else census.take(json, 1, MESSAGE_LEVEL)
  // Of members with the same key `JSON.parse` keeps one.
  if (census.members < members) return { flaw: 'duplicate-key' }
  return census.hasFolding ? { flaw: 'folding-key' } : { json }
}

/**
 * How many members the objects within the deciding depth have, in JSON; `undefined` for a text that is nested too deep.
 * The text is scanned and not its bytes, since a search in a string needs no call into C++.
 */
function membersInText(text: string): number | undefined {
  const { length } = text
  let members = 0
  let depth = 0
  for (let at = 0; at < length; at += 1) {
    const code = text.charCodeAt(at)
    // Digits, commas and white space, which most of what is outside of strings is, are less than a colon.
    if (code < COLON) {
      if (code === DOUBLE_QUOTE) at = afterString(text, at) - 1
    } else if (code === COLON) {
      if (depth <= DECIDING_DEPTH) members += 1
    } else if ((code | LOWER) === OPEN) {
      if (depth === MAX_DEPTH) return undefined
      depth += 1
    } else if ((code | LOWER) === CLOSE) depth -= 1
  }
  return members
}

/** Of a parsed value: how many members it has within the deciding depth, and whether a key folds to a deciding one. */
class Census {
  members = 0
  hasFolding = false

  /** `depth` is that of the value. `level` has the deciding keys of an object that has some. */
  take(value: unknown, depth: number, level: Level | undefined): void {
    if (typeof value !== 'object' || value === null) return
    const isInnermost = depth === DECIDING_DEPTH
    if (Array.isArray(value)) {
      if (!isInnermost) for (const each of value) this.take(each, depth + 1, undefined)
      return
    }
    const keys = Object.keys(value)
    this.members += keys.length
    for (const key of keys) {
      if (level?.isConfusable(key)) this.hasFolding = true
      if (!isInnermost) this.take((value as JsonObject)[key], depth + 1, level?.below.get(key))
    }
  }
}
