/** Parses JSON that every parser reads alike: no duplicate keys, none that folds to a deciding one, no deep nesting. */
import { afterString } from '../util/json-scan.ts'
import { COLON, DOUBLE_QUOTE } from '../util/ascii.ts'
import { isObject } from '../util/json.ts'
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
  // Of members with the same key `JSON.parse` keeps one.
  if (membersInValue(json, 1) < members) return { flaw: 'duplicate-key' }
  const messages: readonly unknown[] = Array.isArray(json) ? json : [json]
  if (messages.some((message) => hasFoldingKey(message, MESSAGE_LEVEL))) return { flaw: 'folding-key' }
  return { json }
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

/** The same of a parsed value that is nested this deep. The innermost level is counted, and not walked. */
function membersInValue(value: unknown, depth: number): number {
  if (typeof value !== 'object' || value === null) return 0
  const inner: readonly unknown[] = Array.isArray(value) ? value : Object.values(value)
  let members = inner === value ? 0 : inner.length
  if (depth === DECIDING_DEPTH) return members
  for (const each of inner) members += membersInValue(each, depth + 1)
  return members
}

function hasFoldingKey(value: unknown, level: Level): boolean {
  if (!isObject(value)) return false
  return Object.keys(value).some((key) => {
    if (level.isConfusable(key)) return true
    const below = level.below.get(key)
    return below !== undefined && hasFoldingKey(value[key], below)
  })
}
