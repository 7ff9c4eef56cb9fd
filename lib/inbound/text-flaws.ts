/** Finds what makes a JSON text ambiguous or too deep: duplicate keys, keys that fold to deciding ones, deep nesting. */
import { type Level, MESSAGE_LEVEL } from './deciding-keys.ts'
import { COLON, DOUBLE_QUOTE, SPACE } from '../util/ascii.ts'

const BACKSLASH = 0x5c

/** Up to how many keys comparing each with each is faster than a Set. */
const MAX_COMPARED_KEYS = 8

/** How deep objects and arrays may be nested, as in many parsers. It bounds recursion over the parsed value, too. */
export const MAX_DEPTH = 128

/** How deep deciding keys are nested: batch > message > params > _meta. Only there are duplicate keys looked for. */
const DECIDING_DEPTH = 4

/** Why different parsers may read a text as different messages, or fail to read it. */
export type TextFlaw = 'too-deep' | 'duplicate-key' | 'folding-key'

/** An object within the deciding depth whose closing brace has not been read yet. */
interface OpenObject {
  readonly level: Level | undefined
  readonly keys: string[]
}

/**
 * The first flaw of a text, `too-deep` before all others: a text without that flaw is safe to parse. One pass over any
 * text, which need not be JSON.
 */
export function findFlaw(text: string): TextFlaw | undefined {
  const open: (OpenObject | undefined)[] = []
  const isBatch = text.charCodeAt(skipSpace(text, 0)) === 0x5b
  let flaw: TextFlaw | undefined
  for (let at = 0; at < text.length; at += 1) {
    switch (text.charCodeAt(at)) {
      case DOUBLE_QUOTE: {
        const end = endOfString(text, at)
        const inner = open.at(-1)
        if (inner && isKey(text, end)) {
          const key = decodeKey(text, at, end)
          inner.keys.push(key)
          if (inner.level?.isConfusable(key)) flaw ??= 'folding-key'
        }
        at = end - 1
        break
      }
      case 0x7b: // {
      case 0x5b: // [
        if (open.length === MAX_DEPTH) return 'too-deep'
        open.push(text.charCodeAt(at) === 0x7b && open.length < DECIDING_DEPTH ? opened(open, isBatch) : undefined)
        break
      case 0x7d: // }
      case 0x5d: // ]
        if (hasDuplicates(open.pop()?.keys)) flaw ??= 'duplicate-key'
        break
      default:
    }
  }
  return flaw
}

/** The entry for an object that opens here: the key whose value it is selects its deciding keys. */
function opened(open: readonly (OpenObject | undefined)[], isBatch: boolean): OpenObject {
  const around = open.at(-1)
  const isMessage = open.length === (isBatch ? 1 : 0)
  return { level: isMessage ? MESSAGE_LEVEL : around?.level?.below.get(around.keys.at(-1) ?? ''), keys: [] }
}

function hasDuplicates(keys: readonly string[] = []): boolean {
  if (keys.length > MAX_COMPARED_KEYS) return new Set(keys).size < keys.length
  return keys.some((key, index) => keys.indexOf(key) < index)
}

/** The key with its escapes decoded, as parsers read it. */
function decodeKey(text: string, start: number, end: number): string {
  const key = text.slice(start + 1, end - 1)
  if (!key.includes('\\')) return key
  try {
    return JSON.parse(text.slice(start, end)) as string
  } catch {
    // The text is not JSON: parsing will refuse it.
    return key
  }
}

/** The index behind the string that begins at `start`. `indexOf` is faster than looking at each character. */
function endOfString(text: string, start: number): number {
  let end = start
  do {
    end = text.indexOf('"', end + 1)
    if (end === -1) return text.length
  } while (isEscaped(text, end))
  return end + 1
}

/** Whether an odd number of backslashes precedes the character. */
function isEscaped(text: string, at: number): boolean {
  let first = at
  while (text.charCodeAt(first - 1) === BACKSLASH) first -= 1
  return (at - first) % 2 === 1
}

/** Whether the string that ends here is a key, that is, whether a colon follows. */
function isKey(text: string, end: number): boolean {
  return text.charCodeAt(skipSpace(text, end)) === COLON
}

function skipSpace(text: string, from: number): number {
  let at = from
  while (text.charCodeAt(at) <= SPACE) at += 1
  return at
}
