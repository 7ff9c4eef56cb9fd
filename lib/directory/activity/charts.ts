/** Charts as texts: courses over the last hour, shares of a whole, and bars. The server and the script render them. */

/** How a line or an area looks, in both colour schemes. */
export type Tone = 'accent' | 'ink' | 'soft' | 'good' | 'bad'

/** A chart: SVG without a word in it, and the words around it. */
export interface Chart {
  readonly kind: 'course' | 'share' | 'bars'
  /** What a screen reader says instead of it. */
  readonly sentence: string
  readonly caption: string
  /** In units of the chart. */
  readonly height: number
  readonly paths: readonly { readonly tone: Tone; readonly d: string }[]
  readonly key: readonly { readonly tone: Tone; readonly text: string }[]
}

/** The line of a course; `undefined` where nothing is known. */
export interface CourseLine {
  readonly tone: Tone
  /** Named where there are several. */
  readonly name?: string
  readonly values: readonly (number | undefined)[]
}

/** The width of a chart, in its own units: ten for a minute. */
export const CHART_WIDTH = 590
const COURSE_HEIGHT = 80
const SHARE_HEIGHT = 12
const BAR_ROW_HEIGHT = 24
const BAR_HEIGHT = 12

/** Makes a scale of all values: where a value is. */
type Scale = (values: readonly (number | undefined)[]) => (value: number) => number

const linear: Scale = () => (value) => value

/** For values that are a hundred times as large as others, such as p99 and p50. Zero stays zero. */
export const logarithmic: Scale = (values) => {
  const least = values.reduce<number>((min, value = Infinity) => (value > 0 ? Math.min(min, value) : min), Infinity)
  return (value) => Math.log1p(value / least)
}

/** Lines from an hour ago to now, from zero to the peak of them all, which `format` makes a text of. */
export function course(
  caption: string,
  lines: readonly CourseLine[],
  format: (value: number) => string,
  scale: Scale = linear,
): Chart {
  const all = lines.flatMap(({ values }) => values)
  const most = peakOf(all)
  const place = scale(all)
  return {
    kind: 'course',
    sentence: `${caption} over the last hour: the peak is ${format(most)}, the last value ${lines.map(({ values, name }) => `${lastOf(values, format)}${name === undefined ? '' : ` (${name})`}`).join(', ')}.`,
    caption: `${caption}, peak ${format(most)}`,
    height: COURSE_HEIGHT,
    paths: lines.map(({ tone, values }) => ({
      tone,
      d: linePath(
        values.map((value) => (value === undefined ? undefined : place(value))),
        place(most),
        CHART_WIDTH,
        COURSE_HEIGHT,
      ),
    })),
    key: lines.flatMap(({ tone, name }) => (name === undefined ? [] : [{ tone, text: name }])),
  }
}

/** A part of a whole, or a row of bars. */
export interface ChartPart {
  readonly tone: Tone
  readonly name: string
  readonly value: number
}

/** The parts of a whole, one behind the other; what is left of the whole stays empty. */
export function shareBar(caption: string, parts: readonly ChartPart[], whole: number): Chart {
  let start = 0
  const paths = parts.map(({ tone, value }) => {
    const width = whole === 0 ? 0 : (CHART_WIDTH * Math.min(value, whole)) / whole
    const d = rectangle(start, 0, width, SHARE_HEIGHT)
    start += width
    return { tone, d }
  })
  return { ...chartOfParts('share', caption, parts), height: SHARE_HEIGHT, paths }
}

/** A bar for each part, the longest for the largest. */
export function bars(caption: string, parts: readonly ChartPart[]): Chart {
  const most = peakOf(parts.map(({ value }) => value))
  const rows = parts.map(({ value }, row) => {
    const top = BAR_ROW_HEIGHT * row + (BAR_ROW_HEIGHT - BAR_HEIGHT) / 2
    return rectangle(0, top, most === 0 ? 0 : (CHART_WIDTH * value) / most, BAR_HEIGHT)
  })
  const paths = [{ tone: parts[0]?.tone ?? 'soft', d: rows.join('') }]
  return { ...chartOfParts('bars', caption, parts), height: BAR_ROW_HEIGHT * parts.length, paths }
}

/** A line in an area of this size; none where all is zero. What is known of one moment alone becomes a dot. */
export function linePath(values: readonly (number | undefined)[], most: number, width: number, height: number): string {
  if (most === 0) return ''
  const step = width / (values.length - 1)
  let isDrawing = false
  return values
    .map((value, at) => {
      const command = isDrawing ? 'L' : 'M'
      isDrawing = value !== undefined
      if (value === undefined) return ''
      const y = height - (height * value) / most
      const isAlone = command === 'M' && values[at + 1] === undefined
      return `${command}${short(at * step)} ${short(y)}${isAlone ? 'h0' : ''}`
    })
    .join('')
}

export function peakOf(values: readonly (number | undefined)[]): number {
  return values.reduce<number>((most, value = 0) => Math.max(most, value), 0)
}

function chartOfParts(kind: 'share' | 'bars', caption: string, parts: readonly ChartPart[]) {
  const key = parts.map(({ tone, name, value }) => ({ tone, text: `${name} ${value.toLocaleString('en')}` }))
  const texts = key.map(({ text }) => text).join(', ')
  return { kind, caption, key, sentence: `${caption}: ${texts === '' ? 'none' : texts}.` }
}

function lastOf(values: readonly (number | undefined)[], format: (value: number) => string): string {
  const last = values.findLast((value) => value !== undefined)
  return last === undefined ? 'unknown' : format(last)
}

function rectangle(x: number, y: number, width: number, height: number): string {
  return width === 0 ? '' : `M${short(x)} ${y}h${short(width)}v${height}h-${short(width)}z`
}

function short(value: number): string {
  return String(Math.round(value * 10) / 10)
}
