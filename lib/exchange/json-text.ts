/** Edits JSON text in place: finds the range of a value and replaces it, so that the rest stays byte for byte. */
import { COMMA } from '../util/ascii.ts'
import { OPEN } from '../util/json-outline.ts'
import { afterSpace, afterString, afterValue, ESCAPE, STRING_END } from '../util/json-scan.ts'

/** A member of an object: the text of its key, and the range of its value. */
interface MemberRange {
  readonly key: string
  readonly keyStart: number
  readonly start: number
  readonly end: number
}

/** The members of the object that opens at `open`, in the order of the text; a duplicate key is yielded twice. */
export function* membersOf(text: string, open: number): Generator<MemberRange> {
  let at = afterSpace(text, open + 1)
  while (text[at] === '"') {
    const keyStart = at
    const keyEnd = afterString(text, at)
    const start = afterSpace(text, afterSpace(text, keyEnd) + 1)
    const end = afterValue(text, start)
    yield { key: keyText(text, keyStart, keyEnd), keyStart, start, end }
    at = afterSpace(text, end)
    if (text[at] === ',') at = afterSpace(text, at + 1)
  }
}

/** Only keys with an escape are parsed: parsing costs more than the rest of the scan, and hardly any key has one. */
function keyText(text: string, start: number, end: number): string {
  const key = text.slice(start + 1, end - 1)
  return key.includes('\\') ? (JSON.parse(text.slice(start, end)) as string) : key
}

/** A member of an object as text: its key, the text of key and value, and the text of the value. */
export interface MemberText {
  readonly key: string
  readonly text: string
  readonly value: string
}

/** The members of an object, in the order of the text. */
export function* memberTexts(text: string): Generator<MemberText> {
  for (const { key, keyStart, start, end } of membersOf(text, text.indexOf('{'))) {
    yield { key, text: text.slice(keyStart, end), value: text.slice(start, end) }
  }
}

/** The range of a member's value in the object that opens at `open`; of duplicates the last one, as in JSON.parse. */
export function rangeOfMember(text: string, open: number, name: string): readonly [number, number] | undefined {
  return rangeAt(text, [name], open)
}

/** The range of the value at a path of keys below the object that opens at `open`. Each byte is read once. */
export function rangeAt(
  text: string,
  path: readonly string[],
  open: number = text.indexOf('{'),
): readonly [number, number] | undefined {
  const found = { start: -1, end: -1 }
  if (text.charCodeAt(open) === OPEN) seek(text, open, path, 0, found)
  return found.start === -1 ? undefined : [found.start, found.end]
}

/** Looks for a path's value, the last of duplicates. Returns where the object ends. No generator: this runs for each call. */
function seek(
  text: string,
  open: number,
  path: readonly string[],
  depth: number,
  found: { start: number; end: number },
): number {
  const isLast = depth === path.length - 1
  let at = afterSpace(text, open + 1)
  while (text.charCodeAt(at) === STRING_END) {
    const keyEnd = afterString(text, at)
    const start = afterSpace(text, afterSpace(text, keyEnd) + 1)
    const isWanted = isKey(text, at, keyEnd, path[depth]!)
    if (isWanted) found.start = -1
    const leads = isWanted && !isLast && text.charCodeAt(start) === OPEN
    const end = leads ? seek(text, start, path, depth + 1, found) : afterValue(text, start)
    if (isWanted && isLast) {
      found.start = start
      found.end = end
    }
    at = afterSpace(text, end)
    if (text.charCodeAt(at) === COMMA) at = afterSpace(text, at + 1)
  }
  return at + 1
}

/** Whether a key is this one. It is cut out only if it may have an escape, which makes it longer. */
function isKey(text: string, start: number, end: number, key: string): boolean {
  const longer = end - start - 2 - key.length
  if (longer === 0) return text.startsWith(key, start + 1) && !key.includes('\\')
  if (longer < 0) return false
  const first = text.charCodeAt(start + 1)
  return (first === key.charCodeAt(0) || first === ESCAPE) && keyText(text, start, end) === key
}

/** Where a member's value begins in the object that opens at `open`; -1 without one. It reads no further than that. */
export function startOfMember(text: string, open: number, name: string): number {
  let at = afterSpace(text, open + 1)
  while (text.charCodeAt(at) === STRING_END) {
    const keyEnd = afterString(text, at)
    const start = afterSpace(text, afterSpace(text, keyEnd) + 1)
    if (isKey(text, at, keyEnd, name)) return start
    at = afterSpace(text, afterValue(text, start))
    if (text.charCodeAt(at) === COMMA) at = afterSpace(text, at + 1)
  }
  return -1
}

/** Where the first member of the object that opens at `open` begins; that of its closing brace where it has none. */
export function startOfMembers(text: string, open: number): number {
  return afterSpace(text, open + 1)
}

/** A new value, as JSON text, for a path of keys. */
export interface Replacement {
  readonly path: readonly string[]
  readonly value: string
}

/** Replaces the values at these paths, which must not overlap, in the text of an object. */
export function replaceValues(text: string, replacements: readonly Replacement[]): string {
  return exchangeValues(text, replacements).text
}

/** The same, with the text that stood at each path before; of duplicates the last one, as in JSON.parse. */
export function exchangeValues(
  text: string,
  replacements: readonly Replacement[],
): { readonly text: string; readonly before: readonly (string | undefined)[] } {
  const splice: Splice = { text, replacements, before: replacements.map(() => undefined), spliced: '', at: 0 }
  const open = text.indexOf('{')
  if (open !== -1) exchangeMembers(splice, open, [])
  return { text: splice.spliced + text.slice(splice.at), before: splice.before }
}

interface Splice {
  readonly text: string
  readonly replacements: readonly Replacement[]
  readonly before: (string | undefined)[]
  /** The new text so far, which stands for the old one up to `at`. */
  spliced: string
  at: number
}

/**
 * Replaces what stands in the object that opens at `open`, to which the keys of `parent` lead. Returns where it ends. No
 * generator, and each byte is read once: this runs twice for each call to a server at the end of a pipe.
 */
function exchangeMembers(splice: Splice, open: number, parent: readonly string[]): number {
  const { text, replacements } = splice
  const depth = parent.length
  let at = afterSpace(text, open + 1)
  while (text.charCodeAt(at) === STRING_END) {
    const keyEnd = afterString(text, at)
    const start = afterSpace(text, afterSpace(text, keyEnd) + 1)
    const index = indexOfKey(splice, at, keyEnd, parent)
    const found = replacements[index]
    const leads = found && found.path.length > depth + 1 && text.charCodeAt(start) === OPEN
    const end = leads ? exchangeMembers(splice, start, found.path.slice(0, depth + 1)) : afterValue(text, start)
    if (found?.path.length === depth + 1) {
      splice.before[index] = text.slice(start, end)
      splice.spliced += text.slice(splice.at, start) + found.value
      splice.at = end
    }
    at = afterSpace(text, end)
    if (text.charCodeAt(at) === COMMA) at = afterSpace(text, at + 1)
  }
  return at + 1
}

/** The first path that leads through this key below `parent`, or ends there; -1 if none does. */
function indexOfKey({ text, replacements }: Splice, start: number, end: number, parent: readonly string[]): number {
  const depth = parent.length
  for (let index = 0; index < replacements.length; index += 1) {
    const { path } = replacements[index]!
    if (depth < path.length && isKey(text, start, end, path[depth]!) && startsWith(path, parent)) return index
  }
  return -1
}

function startsWith(path: readonly string[], parent: readonly string[]): boolean {
  for (let depth = 0; depth < parent.length; depth += 1) if (path[depth] !== parent[depth]) return false
  return true
}

/** The original text of the value at this path; of duplicates the last one, as in JSON.parse. */
export function valueText(text: string, path: readonly string[]): string | undefined {
  const range = rangeAt(text, path)
  return range && text.slice(range[0], range[1])
}

/** The ranges of the items of an array. */
export function* itemsOf(text: string): Generator<readonly [number, number]> {
  let at = afterSpace(text, text.indexOf('[') + 1)
  while (at < text.length && text[at] !== ']') {
    const end = afterValue(text, at)
    yield [at, end]
    at = afterSpace(text, end)
    if (text[at] === ',') at = afterSpace(text, at + 1)
  }
}

/** The texts of the items of an array. */
export function itemTexts(text: string): string[] {
  return Array.from(itemsOf(text), ([start, end]) => text.slice(start, end))
}

/** What a text says of its members without being parsed. */
export interface Outline {
  /** The keys of its outermost object, as often as they stand there. */
  readonly keys: readonly string[]
  /** How many members all its objects have: more than what is parsed where a key stands twice. */
  readonly members: number
}

/** Without `withKeys` members are counted alone. */
export function outlineOf(text: string, withKeys: boolean = false): Outline {
  const keys: string[] = []
  let members = 0
  let depth = 0
  let keyStart = 0
  let keyEnd = 0
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    if (code === STRING_END) {
      keyStart = at
      keyEnd = afterString(text, at)
      at = keyEnd - 1
    } else if (code === 0x3a) {
      members += 1
      if (withKeys && depth === 1) keys.push(keyText(text, keyStart, keyEnd))
    } else if (code === 0x7b || code === 0x5b) depth += 1
    else if (code === 0x7d || code === 0x5d) depth -= 1
  }
  return { keys, members }
}
