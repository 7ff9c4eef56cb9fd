/** Content negotiation. (RFC 9110, 12.5.1) */

/** The media type of the highest quality, the first of several; `undefined` when a client accepts none of them. */
export function preferred<T extends string>(accept: string | undefined, types: readonly T[]): T | undefined {
  const ranges = (accept ?? '*/*').split(',').map(parseRange)
  let best: T | undefined
  let most = 0
  for (const type of types) {
    const quality = qualityOf(type, ranges)
    if (quality > most) [best, most] = [type, quality]
  }
  return best
}

interface Range {
  readonly type: string
  readonly quality: number
}

function parseRange(range: string): Range {
  const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase())
  const weight = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2)
  const quality = weight === undefined ? 1 : Number(weight)
  return { type, quality: quality >= 0 && quality <= 1 ? quality : 0 }
}

/** The quality of the most specific range that matches, even where a wider range has a higher one. */
function qualityOf(type: string, ranges: readonly Range[]): number {
  const fitting = [type, `${type.split('/', 1)[0]}/*`, '*/*']
  for (const candidate of fitting) {
    const range = ranges.find((one) => one.type === candidate)
    if (range) return range.quality
  }
  return 0
}
