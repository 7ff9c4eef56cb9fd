/** Patterns of names: a glob with `*` alone. */

/** Without a regular expression: those backtrack, while this takes linear time. */
export function compilePattern(pattern: string): (name: string) => boolean {
  const [first = '', ...rest] = pattern.split('*')
  const last = rest.pop()
  if (last === undefined) return (name) => name === pattern
  return (name) => {
    if (!name.startsWith(first) || !name.endsWith(last) || name.length < first.length + last.length) return false
    let from = first.length
    for (const piece of rest) {
      const at = name.indexOf(piece, from)
      if (at === -1 || at + piece.length > name.length - last.length) return false
      from = at + piece.length
    }
    return true
  }
}
