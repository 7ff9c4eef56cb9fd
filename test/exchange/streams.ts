// Event streams for property tests: any events, any line ends, cut anywhere; and where their events end, by the letter.
import fc from 'fast-check'

const text = fc.string({ unit: 'grapheme', maxLength: 12 }).map((value) => value.replace(/[\r\n]/g, ' '))
const field = fc.oneof(
  text.map((value) => `data: ${value}`),
  text.map((value) => `data:${value}`),
  fc.constant('data'),
  text.map((value) => `: ${value}`),
  text.map((value) => `id: ${value}`),
  fc.constant('event: message'),
  fc.nat({ max: 9999 }).map((value) => `retry: ${value}`),
)

/** A stream whose line ends come from `lineEnds`, with an unfinished event at its end now and then. */
export function streamOf(lineEnds: readonly string[]): fc.Arbitrary<Buffer> {
  const line = fc.tuple(field, fc.constantFrom(...lineEnds)).map((parts) => parts.join(''))
  const event = fc.tuple(fc.array(line, { minLength: 1, maxLength: 4 }), fc.constantFrom(...lineEnds))
  const whole = fc.array(
    event.map(([lines, blank]) => lines.join('') + blank),
    { maxLength: 5 },
  )
  return fc
    .tuple(whole, fc.array(line, { maxLength: 2 }))
    .map(([events, rest]) => Buffer.from([...events, ...rest].join('')))
}

/** Where to cut: fractions of the length. */
export const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 8 })

export function cutAt(bytes: Buffer, fractions: readonly number[]): Buffer[] {
  const places = [...new Set(fractions.map((fraction) => Math.floor(fraction * bytes.length))), bytes.length]
  const chunks: Buffer[] = []
  let from = 0
  for (const to of places.toSorted((a, b) => a - b)) {
    if (to > from) chunks.push(bytes.subarray(from, to))
    from = to
  }
  return chunks
}

/** Every byte a chunk of its own. */
export function singly(bytes: Buffer): Buffer[] {
  return Array.from(bytes, (_, at) => bytes.subarray(at, at + 1))
}

/** Just past each event that is complete: a blank line, which is a line end where a line begins. CRLF, LF and CR are line ends. */
export function eventEnds(bytes: Buffer): number[] {
  const ends: number[] = []
  let lineStart = 0
  for (const match of bytes.toString('latin1').matchAll(/\r\n|\n|\r/g)) {
    const end = match.index + match[0].length
    if (match.index === lineStart) ends.push(end)
    lineStart = end
  }
  return ends
}
