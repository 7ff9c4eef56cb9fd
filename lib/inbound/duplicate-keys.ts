/** Whether a JSON text says a key twice where that could decide a message's fate: parsers differ on which one counts. */

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COLON = 0x3a
const SPACE = 0x20

const FEW = 8

/** How deep deciding keys lie: batch > message > params > _meta. */
const DEPTH = 4

/** `text` is valid JSON. One pass, with the keys of each open object of the upper levels. */
export function hasDuplicateKeys(text: string): boolean {
  const open: (string[] | undefined)[] = []
  for (let at = 0; at < text.length; at += 1) {
    switch (text.charCodeAt(at)) {
      case QUOTE: {
        const end = endOfString(text, at)
        const keys = open.at(-1)
        if (keys && isKey(text, end)) keys.push(keyOf(text, at, end))
        at = end - 1
        break
      }
      case 0x7b: // {
        open.push(open.length < DEPTH ? [] : undefined)
        break
      case 0x5b: // [
        open.push(undefined)
        break
      case 0x7d: // }
      case 0x5d: // ]
        if (repeats(open.pop())) return true
        break
      default:
    }
  }
  return false
}

/** Most objects have a key or two, for which a set costs more than a look. */
function repeats(keys: readonly string[] = []): boolean {
  if (keys.length > FEW) return new Set(keys).size < keys.length
  return keys.some((key, index) => keys.indexOf(key) < index)
}

/** The key as parsers read it: escapes are another way to write the same letters. */
function keyOf(text: string, start: number, end: number): string {
  const key = text.slice(start + 1, end - 1)
  return key.includes('\\') ? (JSON.parse(text.slice(start, end)) as string) : key
}

/** Where the string that opens at `start` has ended. A long string is skipped in one leap. */
function endOfString(text: string, start: number): number {
  let end = start
  do {
    end = text.indexOf('"', end + 1)
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
  let at = end
  while (text.charCodeAt(at) <= SPACE) at += 1
  return text.charCodeAt(at) === COLON
}
