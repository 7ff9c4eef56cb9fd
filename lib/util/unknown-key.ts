/** Finds unknown keys in a configuration, and suggests the known key that was probably meant. */

/** The first unknown key. A key whose value is `undefined` does not count. */
export function unknownKey(given: object, known: Readonly<Record<string, true>>): string | undefined {
  for (const key of Object.keys(given)) {
    if (!Object.hasOwn(known, key) && given[key as keyof typeof given] !== undefined) return key
  }
  return undefined
}

/** The known keys, for the error about an unknown one; the most similar key comes first, as a suggestion. */
export function alternatives(key: string, known: Readonly<Record<string, true>>): string {
  const names = Object.keys(known)
  const nearest = nearestName(key, names)
  const list = names.join(', ')
  return nearest === undefined ? `there are: ${list}` : `did you mean "${nearest}"? There are: ${list}`
}

/** Throws a TypeError for an unknown option; `prefix` is the path of the object that has it, with a dot at its end. */
export function rejectUnknown(given: object, known: Readonly<Record<string, true>>, prefix: string): void {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new TypeError(`"${prefix.slice(0, -1)}" must be an object with ${Object.keys(known).join(', ')}`)
  }
  const name = unknownKey(given, known)
  if (name === undefined) return
  throw new TypeError(`"${prefix}${name}" is not an option; ${alternatives(name, known)}`)
}

/** The most similar name, ignoring case, that differs from the key in at most a third of its letters. */
export function nearestName(key: string, names: readonly string[]): string | undefined {
  let least = Math.max(1, Math.floor(key.length / 3)) + 1
  let nearest: string | undefined
  for (const name of names) {
    if (Math.abs(name.length - key.length) >= least) continue
    const distance = editDistance(name.toLowerCase(), key.toLowerCase())
    if (distance < least) [least, nearest] = [distance, name]
  }
  return nearest
}

/** The Levenshtein distance, row by row, where two letters that changed places are one edit (Damerau). */
function editDistance(one: string, other: string): number {
  let before: readonly number[] = []
  let row = Array.from({ length: other.length + 1 }, (_, index) => index)
  for (let left = 1; left <= one.length; left += 1) {
    const next = [left]
    for (let right = 1; right <= other.length; right += 1) {
      const replaced = row[right - 1]! + Number(one[left - 1] !== other[right - 1])
      const isSwapped = left > 1 && one[left - 1] === other[right - 2] && one[left - 2] === other[right - 1]
      const swapped = isSwapped ? before[right - 2]! + 1 : Infinity
      next.push(Math.min(row[right]! + 1, next[right - 1]! + 1, replaced, swapped))
    }
    before = row
    row = next
  }
  return row[other.length]!
}
