/** What makes a JSON text ambiguous or too deep: a key twice, a key that folds to a deciding one, endless nesting. */
import { type Level, MESSAGE_LEVEL } from './deciding-keys.ts'

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COLON = 0x3a
const SPACE = 0x20

const FEW = 8

/** Up to how many objects and arrays may stand inside each other, as in many parsers: recursion ends there, too. */
export const MAX_DEPTH = 128

/** How deep deciding keys lie: batch > message > params > _meta. A key that stands twice there is ambiguous. */
const DECIDING_DEPTH = 4

/** Parsers that do not agree read such a text as different messages, or one of them not at all. */
export type TextFlaw = 'too-deep' | 'duplicate-key' | 'folding-key'

/** An object of the upper levels that is open. */
interface OpenObject {
  readonly level: Level | undefined
  readonly keys: string[]
}

/**
 * The first flaw that is found; nesting comes before all others, so that a text without that flaw can be parsed. One
 * pass over any text, before it is known to be JSON.
 */
export function findFlaw(text: string): TextFlaw | undefined {
  const open: (OpenObject | undefined)[] = []
  const isBatch = text.charCodeAt(skipSpace(text, 0)) === 0x5b
  let flaw: TextFlaw | undefined
  for (let at = 0; at < text.length; at += 1) {
    switch (text.charCodeAt(at)) {
      case QUOTE: {
        const end = endOfString(text, at)
        const inner = open.at(-1)
        if (inner && isKey(text, end)) {
          const key = keyOf(text, at, end)
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
        if (repeats(open.pop()?.keys)) flaw ??= 'duplicate-key'
        break
      default:
    }
  }
  return flaw
}

/** An object that opens inside of these: what its keys decide goes by the key that it stands at. */
function opened(open: readonly (OpenObject | undefined)[], isBatch: boolean): OpenObject {
  const around = open.at(-1)
  const isMessage = open.length === (isBatch ? 1 : 0)
  return { level: isMessage ? MESSAGE_LEVEL : around?.level?.below.get(around.keys.at(-1) ?? ''), keys: [] }
}

/** Most objects have a key or two, for which a set costs more than a look. */
function repeats(keys: readonly string[] = []): boolean {
  if (keys.length > FEW) return new Set(keys).size < keys.length
  return keys.some((key, index) => keys.indexOf(key) < index)
}

/** The key as parsers read it: escapes are another way to write the same letters. */
function keyOf(text: string, start: number, end: number): string {
  const key = text.slice(start + 1, end - 1)
  if (!key.includes('\\')) return key
  try {
    return JSON.parse(text.slice(start, end)) as string
  } catch {
    // What is no JSON is refused when it is parsed.
    return key
  }
}

/** Where the string that opens at `start` has ended. A long string is skipped in one leap. */
function endOfString(text: string, start: number): number {
  let end = start
  do {
    end = text.indexOf('"', end + 1)
    if (end === -1) return text.length
  } while (isEscaped(text, end))
  return end + 1
}

/** An odd number of backslashes stands before it. */
function isEscaped(text: string, at: number): boolean {
  let first = at
  while (text.charCodeAt(first - 1) === BACKSLASH) first -= 1
  return (at - first) % 2 === 1
}

/** Whether the string that ends here is a key: a colon follows. */
function isKey(text: string, end: number): boolean {
  return text.charCodeAt(skipSpace(text, end)) === COLON
}

function skipSpace(text: string, from: number): number {
  let at = from
  while (text.charCodeAt(at) <= SPACE) at += 1
  return at
}
