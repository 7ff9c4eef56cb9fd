/** Parses JSON that every parser reads alike: no duplicate keys, none that folds to a deciding one, no deep nesting. */
import { COLON, DOUBLE_QUOTE } from '../util/ascii.ts'
import { isObject } from '../util/json.ts'
import { closingQuote, closingQuoteInAscii } from '../util/json-bytes.ts'
import { CLOSE, LOWER, OPEN } from '../util/json-outline.ts'
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

/** `bytes` and `text` are the same JSON. Depth is checked before `JSON.parse`, which deep nesting makes expensive. */
export function parseMessage(bytes: Buffer, text: string): ParsedText {
  const members = membersInBytes(bytes, text)
  if (members === undefined) return { flaw: 'too-deep' }
  let json: unknown
  try {
    json = JSON.parse(text)
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
 * One pass over any bytes, since what decides is ASCII.
 */
function membersInBytes(bytes: Buffer, text: string): number | undefined {
  const { length } = bytes
  const isAscii = text.length === length
  let members = 0
  let depth = 0
  for (let at = 0; at < length; at += 1) {
    const byte = bytes[at]!
    if (byte === DOUBLE_QUOTE) {
      at = isAscii ? closingQuoteInAscii(bytes, text, at + 1) : closingQuote(bytes, at + 1)
      if (at === -1) return members
    } else if (byte === COLON) {
      if (depth <= DECIDING_DEPTH) members += 1
    } else if ((byte | LOWER) === OPEN) {
      if (depth === MAX_DEPTH) return undefined
      depth += 1
    } else if ((byte | LOWER) === CLOSE) depth -= 1
  }
  return members
}

/** The same of a parsed value that is nested this deep. */
function membersInValue(value: unknown, depth: number): number {
  if (typeof value !== 'object' || value === null || depth > DECIDING_DEPTH) return 0
  const inner: readonly unknown[] = Array.isArray(value) ? value : Object.values(value)
  let members = inner === value ? 0 : inner.length
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
