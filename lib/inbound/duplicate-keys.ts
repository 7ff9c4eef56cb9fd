/** Whether a JSON text says one of the keys that decide a message's fate twice. */

/** The keys that the gateway, and whoever stands behind it, decide on. */
const DECIDING = ['"jsonrpc"', '"id"', '"method"', '"params"', '"name"', '"uri"', '"_meta"', '"result"', '"error"']

/**
 * `text` is valid JSON. Most texts hold each key's letters once and no escapes, which settles it without a scan; for
 * the others every object in the upper levels is looked at.
 */
export function hasDuplicateKeys(text: string): boolean {
  return mayRepeat(text) && scan(text)
}

function mayRepeat(text: string): boolean {
  if (text.includes('\\u')) return true
  return DECIDING.some((key) => {
    const first = text.indexOf(key)
    return first !== -1 && text.includes(key, first + key.length)
  })
}

/** How deep deciding keys lie: batch > message > params > _meta. */
const DEPTH = 4

/** One pass over the text with a set of keys for each open object of the upper levels. */
function scan(text: string): boolean {
  const open: (Set<string> | undefined)[] = []
  let at = 0
  while (at < text.length) {
    const letter = text[at]
    if (letter === '"') {
      const end = endOfString(text, at)
      const keys = open.at(-1)
      if (keys && isKey(text, end)) {
        const key = JSON.parse(text.slice(at, end)) as string
        if (keys.has(key)) return true
        keys.add(key)
      }
      at = end
      continue
    }
    if (letter === '{') open.push(open.length < DEPTH ? new Set() : undefined)
    else if (letter === '[') open.push(undefined)
    else if (letter === '}' || letter === ']') open.pop()
    at += 1
  }
  return false
}

/** Where the string that opens at `start` has ended. */
function endOfString(text: string, start: number): number {
  let at = start + 1
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1
  return at + 1
}

/** Whether the string that ends here is a key: a colon follows. */
function isKey(text: string, end: number): boolean {
  let at = end
  while (text[at] === ' ' || text[at] === '\n' || text[at] === '\r' || text[at] === '\t') at += 1
  return text[at] === ':'
}
