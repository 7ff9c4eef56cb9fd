/** Checks of single options: each throws a TypeError that names the option and the cure. */

export function parseList(option: string, list: readonly string[] = [], pattern: RegExp, example: string): string[] {
  if (!Array.isArray(list)) throw new TypeError(`"${option}" must be an array, such as [${inspect(example)}]`)
  return list.map((value: unknown) => {
    const lower = String(value).toLowerCase()
    if (typeof value === 'string' && pattern.test(lower)) return lower
    throw new TypeError(`"${option}" takes values such as ${inspect(example)}, not ${inspect(value)}`)
  })
}

/** `undefined` is the default; `null` is not. */
export function parseNumber(option: string, given: number | undefined, otherwise: number, least: number): number {
  const value = given === undefined ? otherwise : given
  if (Number.isFinite(value) && value >= least) return value
  throw new TypeError(`"${option}" must be a number of at least ${least}, not ${inspect(value)}`)
}

export function inspect(value: unknown): string {
  return JSON.stringify(value) ?? String(value)
}
