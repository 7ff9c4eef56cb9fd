/** The eight figures of the activity page: each a sentence, charts, and a table. */
import type { ListedServer } from '../listing.ts'
import type { ActivityCounts } from './activity-counter.ts'
import { bars, type Chart, CHART_WIDTH, course, linePath, logarithmic, peakOf } from './charts.ts'
import { count, duration, rate, timeOf } from './figure-texts.ts'
import type { ProcessState } from './process-gauge.ts'
import type { SessionFigures } from './session-gauge.ts'
import { processFigure, serversFigure, sessionsFigure, underWayFigure } from './state-figures.ts'

/** All that the page shows, as JSON has it. */
export interface ActivitySnapshot extends ActivityCounts {
  /** In ISO 8601. */
  readonly at: string
  readonly sessions: SessionFigures
  readonly servers: readonly Pick<ListedServer, 'name' | 'title' | 'health'>[]
  readonly process: ProcessState
}

/** A figure, with texts alone: the server renders it, and the script replaces what has changed. */
export interface Figure {
  readonly id: string
  readonly title: string
  readonly sentence: string
  /** Always as many, with as many paths each: the script replaces what they draw. */
  readonly charts: readonly Chart[]
  /** Whether it takes the whole width. */
  readonly isWide?: boolean
  readonly columns: readonly string[]
  readonly rows: readonly (readonly string[])[]
  /** The course of each row, in the last column. */
  readonly rowCourses?: readonly RowCourse[]
}

export interface RowCourse {
  readonly sentence: string
  readonly d: string
}

/** The height of a row's course, in the units of charts. */
export const ROW_COURSE_HEIGHT = 100

/** Who decided more than this many kinds of refusals is counted together. */
const MAX_DECIDERS = 6
const SECONDS_PER_MINUTE = 60

export function figuresOf(snapshot: ActivitySnapshot): Figure[] {
  return [
    callsFigure(snapshot),
    errorsFigure(snapshot),
    durationsFigure(snapshot),
    underWayFigure(snapshot),
    sessionsFigure(snapshot),
    serversFigure(snapshot),
    processFigure(snapshot),
    refusalsFigure(snapshot),
  ]
}

function callsFigure({ calls: { perMinute, total } }: ActivitySnapshot): Figure {
  const perSecond = perMinute.map((calls) => calls / SECONDS_PER_MINUTE)
  const lastWhole = perSecond.at(-2)!
  return {
    id: 'calls',
    title: 'Calls',
    sentence: `${count(total)} in the last hour, ${rate(lastWhole)} a second in the last whole minute.`,
    charts: [course('Calls a second', [{ tone: 'accent', values: perSecond }], rate)],
    columns: ['', 'a second'],
    rows: [
      ['last whole minute', rate(lastWhole)],
      ['last ten minutes', rate(mean(perSecond.slice(-11, -1)))],
      ['busiest minute', rate(peakOf(perSecond))],
    ],
  }
}

function errorsFigure({ errors, calls }: ActivitySnapshot): Figure {
  const all = errors.client + errors.refused + errors.server + errors.gateway
  const share = (part: number): string => `${(calls.total === 0 ? 0 : (100 * part) / calls.total).toFixed(1)} %`
  return {
    id: 'errors',
    title: 'Errors, by who is at fault',
    sentence: all === 0 ? 'None in the last hour.' : `${count(all)} in the last hour, ${share(all)} of the calls.`,
    charts: [course('Errors a minute', [{ tone: 'bad', values: errors.perMinute }], count)],
    columns: ['', 'errors', 'of the calls'],
    rows: [
      ['the server', count(errors.server), share(errors.server)],
      ['the client', count(errors.client), share(errors.client)],
      ['refused', count(errors.refused), share(errors.refused)],
      ['the gateway', count(errors.gateway), share(errors.gateway)],
    ],
  }
}

function durationsFigure({ series, durations }: ActivitySnapshot): Figure {
  const slowest = peakOf(series.map(({ p95 }) => p95))
  const shown = series.filter(({ p95PerSpan }) => p95PerSpan !== undefined)
  const more = series.length > shown.length ? ` The ${shown.length} most used:` : ''
  return {
    id: 'durations',
    title: 'How long tools take',
    sentence:
      series.length === 0
        ? 'Nothing was called in the last hour.'
        : `Of ${count(series.length)} tools and methods the slowest takes ${duration(slowest)} (p95).${more}`,
    charts: [
      course(
        'All calls by five minutes, on a logarithmic scale',
        [
          { tone: 'accent', name: 'p50', values: durations.p50 },
          { tone: 'ink', name: 'p95', values: durations.p95 },
          { tone: 'soft', name: 'p99', values: durations.p99 },
        ],
        duration,
        logarithmic,
      ),
    ],
    isWide: true,
    columns: ['server', 'tool or method', 'calls', 'errors', 'p50', 'p95', 'p99', 'p95 over the hour'],
    rows: shown.map(({ server, name, calls, errors, p50, p95, p99 }) => [
      server === '' ? '–' : server,
      name,
      count(calls),
      count(errors),
      duration(p50),
      duration(p95),
      duration(p99),
    ]),
    rowCourses: shown.map(({ p95PerSpan = [] }) => {
      const most = peakOf(p95PerSpan)
      return {
        sentence: `p95 over the hour: the peak is ${duration(most)}.`,
        d: linePath(p95PerSpan, most, CHART_WIDTH, ROW_COURSE_HEIGHT),
      }
    }),
  }
}

function refusalsFigure({ refusals }: ActivitySnapshot): Figure {
  return {
    id: 'refusals',
    title: 'Last refusals',
    sentence: refusals.length === 0 ? 'Nothing was refused.' : `The last ${refusals.length}, and what decided them.`,
    charts: [bars('Decided by', decidersOf(refusals.map(({ by }) => by)))],
    isWide: true,
    columns: ['at', 'server', 'method', 'decided by', 'code'],
    rows: refusals.map(({ at, server, method, by, code }) => [timeOf(at), server, method, by, code]),
  }
}

function decidersOf(all: readonly string[]): { tone: 'bad'; name: string; value: number }[] {
  const found = new Map<string, number>()
  for (const by of all) found.set(by, (found.get(by) ?? 0) + 1)
  const sorted = [...found].toSorted(([, one], [, other]) => other - one)
  const rest = sorted.slice(MAX_DECIDERS).reduce((sum, [, value]) => sum + value, 0)
  const shown = sorted.slice(0, MAX_DECIDERS)
  if (rest > 0) shown.push(['others', rest])
  return shown.map(([name, value]) => ({ tone: 'bad', name, value }))
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
