/** Counts what clients do, while `activity` is on: how often, how long, how it ended. No content, bounded in bytes. */
import { GatewayError } from '../../errors.ts'
import type { RequestWatcher } from '../../exchange/request-watcher.ts'
import type { AuditRecord } from '../../types.ts'
import { quantile } from './log-histogram.ts'
import { MinutePeaks } from './minute-peaks.ts'
import { MinuteCounts, Series } from './series.ts'

/** Who is at fault when a message does not succeed. */
export const FAULTS = ['client', 'refused', 'server', 'gateway'] as const
export type ActivityFault = (typeof FAULTS)[number]

/** How many tools and methods have figures of their own: 2.8 MB. The rest share one. */
const MAX_SERIES = 512
const MAX_REFUSALS = 50

/** How many of them, the most used, have a course of their p95, and are shown. */
const MAX_COURSES = 40

/** The longest name that is kept, in characters: clients choose names. */
const MAX_NAME_LENGTH = 128

/** A refusal: what was refused and who decided it, but neither whose it was nor what it said. */
export interface RecordedRefusal {
  readonly at: string
  readonly server: string
  readonly method: string
  readonly by: string
  readonly code: string
}

/** The figures of one tool or method. Durations are in milliseconds. */
export interface SeriesFigures {
  readonly server: string
  readonly name: string
  readonly calls: number
  readonly errors: number
  readonly p50: number | undefined
  readonly p95: number | undefined
  readonly p99: number | undefined
  /** By five minutes; of the most used alone. */
  readonly p95PerSpan: Quantiles | undefined
}

/** By five minutes, from an hour ago to now. */
type Quantiles = readonly (number | undefined)[]

/** What was counted in the last hour. */
export interface ActivityCounts {
  readonly calls: { readonly perMinute: readonly number[]; readonly total: number }
  readonly errors: Readonly<Record<ActivityFault, number>> & { readonly perMinute: readonly number[] }
  readonly series: readonly SeriesFigures[]
  /** Of all calls together. */
  readonly durations: { readonly p50: Quantiles; readonly p95: Quantiles; readonly p99: Quantiles }
  /** Now, and the most by the minute. */
  readonly underWay: {
    readonly requests: number
    readonly streams: number
    readonly peaks: { readonly requests: MinuteList; readonly streams: MinuteList }
  }
  readonly refusals: readonly RecordedRefusal[]
  readonly stalledClients: { readonly total: number; readonly perMinute: readonly number[] }
}

/** `undefined` for the minutes before the counting began. */
type MinuteList = readonly (number | undefined)[]

export class ActivityCounter implements RequestWatcher {
  readonly #calls = new MinuteCounts()
  readonly #faults = Object.fromEntries(FAULTS.map((fault) => [fault, new MinuteCounts()])) as Record<
    ActivityFault,
    MinuteCounts
  >
  readonly #series = new Map<string, Series>()
  /** Everything that has no figures of its own. */
  readonly #others = new Series('', 'others')
  readonly #all = new Series('', 'all')
  readonly #refusals: RecordedRefusal[] = []
  readonly #stalled = new MinuteCounts()
  readonly #requests = new MinutePeaks(performance.now())
  readonly #streams = new MinutePeaks(performance.now())

  began(verb: string | undefined): void {
    this.#change(verb, 1)
  }

  over(verb: string | undefined): void {
    this.#change(verb, -1)
  }

  reported(error: unknown): void {
    if (error instanceof GatewayError && error.code === 'client_stalled') this.#stalled.add(performance.now())
  }

  recorded(record: AuditRecord): void {
    const now = performance.now()
    const fault = faultOfRecord(record)
    if (record.outcome === 'refused') this.#refuse(record)
    if (fault) this.#faults[fault].add(now)
    if (!isCall(record)) return
    this.#calls.add(now)
    const series = this.#seriesOf(record)
    series.calls.add(now)
    if (fault) series.errors.add(now)
    if (!hasAnswer(record)) return
    series.time(now, record.durationMs)
    this.#all.time(now, record.durationMs)
  }

  counts(): ActivityCounts {
    const now = performance.now()
    const all = [...this.#series.values(), this.#others].filter((one) => one.calls.total(now) > 0)
    const faults = FAULTS.map((fault) => this.#faults[fault])
    const spans = this.#all.spans(now)
    const overTime = (share: number): Quantiles => spans.map((span) => quantile(span, share))
    const minutes = faults.map((counts) => counts.list(now))
    return {
      calls: { perMinute: this.#calls.list(now), total: this.#calls.total(now) },
      errors: {
        client: this.#faults.client.total(now),
        refused: this.#faults.refused.total(now),
        server: this.#faults.server.total(now),
        gateway: this.#faults.gateway.total(now),
        perMinute: minutes[0]!.map((_, at) => minutes.reduce((sum, list) => sum + list[at]!, 0)),
      },
      series: all
        .toSorted((one, other) => other.calls.total(now) - one.calls.total(now))
        .map((one, index) => seriesFigures(one, now, index < MAX_COURSES)),
      durations: { p50: overTime(0.5), p95: overTime(0.95), p99: overTime(0.99) },
      underWay: {
        requests: this.#requests.level,
        streams: this.#streams.level,
        peaks: { requests: this.#requests.list(now), streams: this.#streams.list(now) },
      },
      refusals: this.#refusals.toReversed(),
      stalledClients: { total: this.#stalled.total(now), perMinute: this.#stalled.list(now) },
    }
  }

  #change(verb: string | undefined, by: number): void {
    const peaks = verb === 'GET' ? this.#streams : this.#requests
    peaks.set(performance.now(), peaks.level + by)
  }

  /** A name gets figures of its own by an answer without an error: until then a client may have made it up. */
  #seriesOf(record: AuditRecord): Series {
    const { server, method, target } = record
    const name = (method === 'tools/call' ? target : method) ?? ''
    const key = JSON.stringify([server, name])
    const known = this.#series.get(key)
    if (known) return known
    const mayBeNew = hasAnswer(record) && key.length <= 2 * MAX_NAME_LENGTH
    if (!mayBeNew || !this.#hasRoom()) return this.#others
    const series = new Series(server, name)
    this.#series.set(key, series)
    return series
  }

  /** Makes room by forgetting what was not called for an hour. */
  #hasRoom(): boolean {
    if (this.#series.size < MAX_SERIES) return true
    const now = performance.now()
    for (const [key, { calls }] of this.#series) if (calls.total(now) === 0) return this.#series.delete(key)
    return false
  }

  #refuse({ time, server, method, by, code }: AuditRecord): void {
    const short = (text: string | number = ''): string => String(text).slice(0, MAX_NAME_LENGTH)
    this.#refusals.push({ at: time, server: short(server), method: short(method), by: short(by), code: short(code) })
    if (this.#refusals.length > MAX_REFUSALS) this.#refusals.shift()
  }
}

/** Requests that have an answer; a listener waits for none, however long it listens. */
function isCall({ method, id }: AuditRecord): boolean {
  return method !== undefined && id !== undefined && method !== 'response' && method !== 'subscriptions/listen'
}

function hasAnswer({ outcome }: AuditRecord): boolean {
  return outcome === 'ok' || outcome === 'tool_error'
}

/** The codes of JSON-RPC that say that the request was wrong, and not found. */
const CLIENT_CODES: ReadonlySet<unknown> = new Set([-32700, -32600, -32601, -32602, -32002])
const GATEWAY_CODES: ReadonlySet<unknown> = new Set(['internal', 'unavailable', 'closing', 'loop_detected'])

function faultOfRecord({ outcome, code }: AuditRecord): ActivityFault | undefined {
  if (outcome === 'refused') return 'refused'
  if (outcome === 'tool_error') return 'server'
  if (outcome !== 'error') return undefined
  if (typeof code !== 'string') return CLIENT_CODES.has(code) || isClientStatus(code) ? 'client' : 'server'
  if (GATEWAY_CODES.has(code)) return 'gateway'
  return code.startsWith('upstream_') ? 'server' : 'client'
}

function isClientStatus(code: number | undefined): boolean {
  return code !== undefined && code >= 400 && code < 500
}

function seriesFigures(series: Series, now: number, hasCourse: boolean): SeriesFigures {
  const durations = series.durations(now)
  const { server, name } = series
  return {
    server,
    name,
    calls: series.calls.total(now),
    errors: series.errors.total(now),
    p50: quantile(durations, 0.5),
    p95: quantile(durations, 0.95),
    p99: quantile(durations, 0.99),
    p95PerSpan: hasCourse ? series.spans(now).map((span) => quantile(span, 0.95)) : undefined,
  }
}
