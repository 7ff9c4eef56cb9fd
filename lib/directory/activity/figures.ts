/** The eight figures of the activity page: each a sentence, a table, and a chart where there is a course of time. */
import type { SessionCount } from '../../exchange/request-watcher.ts'
import type { ListedServer } from '../listing.ts'
import type { ActivityCounts } from './activity-counter.ts'
import type { ProcessState } from './process-gauge.ts'
import { MINUTES } from './series.ts'

/** All that the page shows, as JSON has it. */
export interface ActivitySnapshot extends ActivityCounts {
  /** In ISO 8601. */
  readonly at: string
  readonly sessions: SessionCount
  readonly servers: readonly Pick<ListedServer, 'name' | 'title' | 'health'>[]
  readonly process: ProcessState
}

/** A figure, with texts alone: the server renders it, and the script replaces what has changed. */
export interface Figure {
  readonly id: string
  readonly title: string
  readonly sentence: string
  /** The `d` attributes of the chart's lines; none for a figure without one. */
  readonly paths: readonly string[]
  readonly columns: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

/** The size of a chart, in its own units. */
export const CHART = { width: 600, height: 80 } as const

/** How many tools are shown. JSON has all of them. */
const MAX_ROWS_SHOWN = 40
const SECONDS_PER_MINUTE = 60
const MEBIBYTE = 1024 * 1024

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
  // The last whole minute.
  const perSecond = perMinute.at(-2)! / SECONDS_PER_MINUTE
  const most = Math.max(...perMinute)
  return {
    id: 'calls',
    title: 'Calls',
    sentence: `${count(total)} in the last hour, ${rate(perSecond)} a second in the last whole minute.`,
    paths: [line(perMinute, most)],
    columns: ['', 'a second'],
    rows: [
      ['last whole minute', rate(perSecond)],
      ['last ten minutes', rate(mean(perMinute.slice(-11, -1)))],
      ['busiest minute', rate(most / SECONDS_PER_MINUTE)],
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
    paths: [line(errors.perMinute, Math.max(...calls.perMinute, ...errors.perMinute))],
    columns: ['', 'errors', 'of the calls'],
    rows: [
      ['the server', count(errors.server), share(errors.server)],
      ['the client', count(errors.client), share(errors.client)],
      ['refused', count(errors.refused), share(errors.refused)],
      ['the gateway', count(errors.gateway), share(errors.gateway)],
    ],
  }
}

function durationsFigure({ series }: ActivitySnapshot): Figure {
  const slowest = series.reduce((most, { p95 = 0 }) => Math.max(most, p95), 0)
  const more = series.length - MAX_ROWS_SHOWN
  return {
    id: 'durations',
    title: 'How long tools take',
    sentence:
      series.length === 0
        ? 'Nothing was called in the last hour.'
        : `Of ${count(series.length)} tools and methods the slowest takes ${duration(slowest)} (p95).${more > 0 ? ` The ${MAX_ROWS_SHOWN} most used:` : ''}`,
    paths: [],
    columns: ['server', 'tool or method', 'calls', 'errors', 'p50', 'p95', 'p99'],
    rows: series
      .slice(0, MAX_ROWS_SHOWN)
      .map(({ server, name, calls, errors, p50, p95, p99 }) => [
        server === '' ? '–' : server,
        name,
        count(calls),
        count(errors),
        duration(p50),
        duration(p95),
        duration(p99),
      ]),
  }
}

function underWayFigure({ underWay: { requests, streams } }: ActivitySnapshot): Figure {
  return {
    id: 'under-way',
    title: 'Under way',
    sentence: `${count(requests)} requests and ${count(streams)} listening streams.`,
    paths: [],
    columns: ['', 'now'],
    rows: [
      ['requests without an answer', count(requests)],
      ['listening streams', count(streams)],
    ],
  }
}

function sessionsFigure({ sessions: { open, cap, opened, ended } }: ActivitySnapshot): Figure {
  const most = cap === undefined ? 'the store does not say' : count(cap)
  return {
    id: 'sessions',
    title: 'Sessions',
    sentence: cap === undefined ? `${count(open)} open.` : `${count(open)} open, of ${count(cap)} that there may be.`,
    paths: [],
    columns: ['opened by this process', ''],
    rows: [
      ['open', count(open)],
      ['at most', most],
      ['opened since it began to count', count(opened)],
      ['ended since', count(ended)],
    ],
  }
}

function serversFigure({ servers }: ActivitySnapshot): Figure {
  const failing = servers.filter(({ health }) => health.status === 'failing').length
  const state = { answering: 'answered', failing: 'did not answer', unknown: 'not used yet' } as const
  return {
    id: 'servers',
    title: 'Servers',
    sentence:
      failing === 0 ? 'None is known to fail.' : `${failing} of ${servers.length} did not answer when last used.`,
    paths: [],
    columns: ['server', 'when it was last used', 'at'],
    rows: servers.map(({ title, health }) => [title, state[health.status], timeOf(health.at)]),
  }
}

function refusalsFigure({ refusals }: ActivitySnapshot): Figure {
  return {
    id: 'refusals',
    title: 'Last refusals',
    sentence: refusals.length === 0 ? 'Nothing was refused.' : `The last ${refusals.length}, and what decided them.`,
    paths: [],
    columns: ['at', 'server', 'method', 'decided by', 'code'],
    rows: refusals.map(({ at, server, method, by, code }) => [timeOf(at), server, method, by, code]),
  }
}

function processFigure({ process: { eventLoopP99, rssBytes, heapBytes }, stalledClients }: ActivitySnapshot): Figure {
  const memory = (bytes: number): string => `${(bytes / MEBIBYTE).toFixed(0)} MiB`
  return {
    id: 'process',
    title: 'This process',
    sentence: `${memory(rssBytes)} of memory; ${count(stalledClients)} clients were cut off in the last hour because they stopped reading.`,
    paths: [],
    columns: ['', ''],
    rows: [
      ['delay of the event loop (p99)', duration(eventLoopP99)],
      ['memory (RSS)', memory(rssBytes)],
      ['memory (heap)', memory(heapBytes)],
      ['clients cut off', count(stalledClients)],
    ],
  }
}

/** A line from an hour ago to now; `most` is at the top. */
function line(perMinute: readonly number[], most: number): string {
  const { width, height } = CHART
  const points = perMinute.map((value, minute) => {
    const x = (width * minute) / (MINUTES - 1)
    const y = height - (most === 0 ? 0 : (height * value) / most)
    return `${x.toFixed(1)} ${y.toFixed(1)}`
  })
  return `M${points.join('L')}`
}

function mean(perMinute: readonly number[]): number {
  return perMinute.reduce((sum, value) => sum + value, 0) / perMinute.length / SECONDS_PER_MINUTE
}

function rate(perSecond: number): string {
  return perSecond >= 10 ? perSecond.toFixed(0) : perSecond.toFixed(2)
}

function count(value: number): string {
  return value.toLocaleString('en')
}

function duration(ms: number | undefined): string {
  if (ms === undefined) return '–'
  if (ms >= 10_000) return `${(ms / 1_000).toFixed(1)} s`
  return ms >= 10 ? `${ms.toFixed(0)} ms` : `${ms.toFixed(2)} ms`
}

/** The time of day, in UTC as in logs. */
function timeOf(at: string | undefined): string {
  return at === undefined ? '–' : `${at.slice(11, 19)} UTC`
}
