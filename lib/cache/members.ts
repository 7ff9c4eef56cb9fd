/** Where the members of a JSON object stand in its text, so that one can be replaced and the rest stay byte for byte. */

/** The range of a member's value in the object that opens at `open`; the last one counts, as in JSON.parse. */
export function rangeOfMember(text: string, open: number, name: string): readonly [number, number] | undefined {
  let found: readonly [number, number] | undefined
  let at = afterSpace(text, open + 1)
  while (text[at] === '"') {
    const keyEnd = afterString(text, at)
    const start = afterSpace(text, afterSpace(text, keyEnd) + 1)
    const end = afterValue(text, start)
    if (JSON.parse(text.slice(at, keyEnd)) === name) found = [start, end]
    at = afterSpace(text, end)
    if (text[at] === ',') at = afterSpace(text, at + 1)
  }
  return found
}

function afterSpace(text: string, from: number): number {
  let at = from
  while (text[at] === ' ' || text[at] === '\n' || text[at] === '\r' || text[at] === '\t') at += 1
  return at
}

function afterString(text: string, start: number): number {
  let at = start + 1
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1
  return at + 1
}

/** `text` is valid JSON, so brackets are counted, not matched. */
function afterValue(text: string, start: number): number {
  let depth = 0
  let at = start
  while (at < text.length) {
    const letter = text[at]!
    if (letter === '"') at = afterString(text, at) - 1
    else if (letter === '{' || letter === '[') depth += 1
    else if (depth === 0 && (letter === ',' || letter === '}' || letter === ']')) return at
    else if (letter === '}' || letter === ']') depth -= 1
    if (depth === 0 && (letter === '"' || letter === '}' || letter === ']')) return at + 1
    at += 1
  }
  return at
}
