/** JSON in which the order of keys and white space make no difference. (RFC 8785) */

/** The same text for values that differ in the order of keys alone. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  const json = value as Readonly<Record<string, unknown>>
  const members = Object.keys(json).toSorted((one, other) => (one < other ? -1 : 1))
  return `{${members.map((key) => `${JSON.stringify(key)}:${canonicalJson(json[key])}`).join(',')}}`
}
