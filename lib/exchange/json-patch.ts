/** Patches the text of JSON: whatever a changed value shares with the one before keeps its very bytes. */
import { isObject, type JsonObject, member } from '../util/json.ts'
import { afterSpace, ESCAPED_ASCII } from '../util/json-scan.ts'
import { itemsOf, membersOf, rangeOfMember, startOfMember, startOfMembers } from './json-text.ts'
import { jsonValue } from '../util/json-value.ts'

/**
 * The text of `after`, made of the text of `before`. What is the same value keeps its bytes, numbers beyond 2^53, escapes
 * and white space included; objects and arrays are patched member by member. What JSON cannot say throws a TypeError.
 */
export function patchJson(text: string, before: unknown, after: unknown): string {
  if (before === after) return text
  if (isObject(before) && isObject(after) && typeof after['toJSON'] !== 'function') {
    const changes: Record<string, unknown> = Object.create(null) as Record<string, unknown>
    for (const key of Object.keys(before)) changes[key] = member(after, key)
    for (const key of Object.keys(after)) changes[key] = after[key]
    return patchObject(text, changes, before)
  }
  if (Array.isArray(before) && Array.isArray(after)) return patchArray(text, before, after)
  return stringify(after)
}

/**
 * The text of an object with these members in place of its own: `undefined` takes one away, a new one is added, what is
 * not named stays. Of a key that stands twice nothing is left but the last value. `before` is what the text says, where
 * that has been parsed.
 */
export function patchObject(text: string, changes: JsonObject, before?: JsonObject): string {
  const members = [...membersOf(text, text.indexOf('{'))]
  const lastOf = new Map(members.map((each) => [each.key, each]))
  const kept = [...lastOf.values()].flatMap(({ key, keyStart, start, end }) => {
    if (!Object.hasOwn(changes, key)) return text.slice(keyStart, end)
    const value = text.slice(start, end)
    const change = changes[key]
    if (isNothing(change)) return []
    const said: unknown = before ? member(before, key) : jsonValue(value)
    return `${text.slice(keyStart, start)}${patchJson(value, said, change)}`
  })
  const added = Object.keys(changes).flatMap((key) => {
    const value = changes[key]
    return isNothing(value) || lastOf.has(key) ? [] : `${JSON.stringify(key)}:${stringify(value)}`
  })
  const isSame = added.length === 0 && members.length === lastOf.size && kept.length === members.length
  if (!isSame) return `{${[...kept, ...added].join(',')}}`
  // Every member stays in its place: so does the white space between them.
  let patched = text.slice(0, members[0]?.keyStart ?? text.length)
  for (const [index, { end }] of members.entries()) {
    patched += kept[index]! + text.slice(end, members[index + 1]?.keyStart ?? text.length)
  }
  return patched
}

/**
 * Patches the object at a path of keys, and reads nothing else of the text. What is missing on the way there, or is no
 * object, is made.
 */
export function patchObjectAt(text: string, [key, ...below]: readonly string[], changes: JsonObject): string {
  if (key === undefined) return patchObject(text, changes)
  const range = rangeOfMember(text, text.indexOf('{'), key)
  if (!range || text[range[0]] !== '{') {
    const made = below.reduceRight<JsonObject>((inner, name) => ({ [name]: inner }), changes)
    return patchObject(text, { [key]: made })
  }
  const [start, end] = range
  return text.slice(0, start) + patchObjectAt(text.slice(start, end), below, changes) + text.slice(end)
}

/**
 * Puts the texts of members in front of those of the object at a path of keys, where each must stand once. It reads the
 * text no further than to that object, and changes nothing else. `undefined` without such an object.
 */
export function addMembersAt(text: string, path: readonly string[], members: string): string | undefined {
  let open = text.indexOf('{')
  for (const key of path) {
    open = startOfMember(text, open, key)
    if (text[open] !== '{') return undefined
  }
  return addedAt(text, open, members)
}

/**
 * The same for the object that is the value of this key, which the text is known to have somewhere. It is found by a
 * search of the text instead of a scan; `undefined` where that could find another place: if the key's text stands there
 * twice, or if a key may be written with an escape.
 */
export function addMembersToOnly(text: string, key: string, members: string): string | undefined {
  const quoted = `"${key}"`
  const found = text.indexOf(quoted)
  if (found === -1 || text.includes(quoted, found + 1) || text.includes(ESCAPED_ASCII)) return undefined
  const open = afterSpace(text, afterSpace(text, found + quoted.length) + 1)
  return text[open] === '{' ? addedAt(text, open, members) : undefined
}

function addedAt(text: string, open: number, members: string): string {
  const comma = text[startOfMembers(text, open)] === '}' ? '' : ','
  return `${text.slice(0, open + 1)}${members}${comma}${text.slice(open + 1)}`
}

/** Items are patched wherever they stand now; the white space around them stays as long as all of them do. */
function patchArray(text: string, before: readonly unknown[], after: readonly unknown[]): string {
  const items = [...itemsOf(text)]
  const sources = new ItemSources(before)
  const patched = after.map((value, index) => {
    const source = sources.of(value, index)
    const item = items[source]
    return item ? patchJson(text.slice(...item), before[source], value) : stringify(value)
  })
  if (items.length !== after.length) return `[${patched.join(',')}]`
  let at = 0
  let spliced = ''
  for (const [index, [start, end]] of items.entries()) {
    spliced += text.slice(at, start) + patched[index]!
    at = end
  }
  return spliced + text.slice(at)
}

/** Which item of an array another array's item was made of: a filtered list has its items at other places. */
class ItemSources {
  readonly #before: readonly unknown[]
  /** Items, and the objects that are members of them, by identity. */
  #known: Map<unknown, number> | undefined

  constructor(before: readonly unknown[]) {
    this.#before = before
  }

  of(value: unknown, index: number): number {
    if (this.#before[index] === value) return index
    const known = (this.#known ??= this.#index())
    const same = known.get(value)
    if (same !== undefined || !isObject(value)) return same ?? index
    for (const each of Object.values(value)) {
      const source = typeof each === 'object' && each !== null ? known.get(each) : undefined
      if (source !== undefined) return source
    }
    return index
  }

  #index(): Map<unknown, number> {
    const known = new Map<unknown, number>()
    for (const [index, item] of this.#before.entries()) {
      if (!known.has(item)) known.set(item, index)
      if (!isObject(item)) continue
      for (const each of Object.values(item)) {
        if (typeof each === 'object' && each !== null && !known.has(each)) known.set(each, index)
      }
    }
    return known
  }
}

/** What JSON leaves out of an object. */
function isNothing(value: unknown): boolean {
  return value === undefined || typeof value === 'function' || typeof value === 'symbol'
}

function stringify(value: unknown): string {
  return JSON.stringify(value) ?? 'null'
}
