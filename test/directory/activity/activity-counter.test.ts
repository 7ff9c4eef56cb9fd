// What the activity counts: by whose fault, under which name, for how long, and within which limits.
import { jest } from '@jest/globals'
import { ActivityCounter } from '../../../lib/directory/activity/activity-counter.ts'
import { GatewayError, type AuditRecord } from '../../../lib/index.ts'

const record = (given: Partial<AuditRecord> = {}): AuditRecord =>
  ({
    time: '2026-11-22T00:00:00.000Z',
    durationMs: 10,
    server: 'one',
    from: 'client',
    method: 'tools/call',
    target: 'echo',
    id: 1,
    outcome: 'ok',
    ...given,
  }) as AuditRecord

beforeEach(() => void jest.useFakeTimers({ now: 0, doNotFake: ['nextTick', 'queueMicrotask'] }))
afterEach(() => jest.useRealTimers())

test.each<[Partial<AuditRecord>, string]>([
  [{ outcome: 'refused', by: 'scopes', code: 'insufficient_scope' }, 'refused'],
  [{ outcome: 'tool_error' }, 'server'],
  [{ outcome: 'error', code: 'upstream_timeout' }, 'server'],
  [{ outcome: 'error', code: -32603 }, 'server'],
  [{ outcome: 'error', code: 502 }, 'server'],
  [{ outcome: 'error', code: -32602 }, 'client'],
  [{ outcome: 'error', code: 404 }, 'client'],
  [{ outcome: 'error', code: 'client_stalled' }, 'client'],
  [{ outcome: 'error', code: 'internal' }, 'gateway'],
])('%j is the fault of: %s', (given, fault) => {
  const activity = new ActivityCounter()
  activity.recorded(record(given))
  const { client, refused, server, gateway } = activity.counts().errors
  expect({ client, refused, server, gateway }).toEqual({ client: 0, refused: 0, server: 0, gateway: 0, [fault]: 1 })
})

test('what is cancelled, or has no answer, is no error; listeners, notifications and GET are no calls', () => {
  const activity = new ActivityCounter()
  activity.recorded(record({ outcome: 'cancelled', durationMs: 1e6 }))
  activity.recorded(record({ method: 'subscriptions/listen' }))
  activity.recorded(record({ method: 'GET', id: undefined }))
  activity.recorded(record({ method: 'notifications/initialized', id: undefined }))
  const { calls, errors, series } = activity.counts()
  expect(calls.total).toBe(1)
  expect(errors.perMinute.every((count) => count === 0)).toBe(true)
  expect(series).toMatchObject([{ name: 'others', calls: 1, p50: undefined }])
})

test('a name has figures of its own after an answer, and 512 names at most', () => {
  const activity = new ActivityCounter()
  activity.recorded(record({ target: 'made-up', outcome: 'error', code: -32602 }))
  activity.recorded(record({ method: 'prompts/get', target: 'mine' }))
  expect(activity.counts().series).toMatchObject([
    { server: 'one', name: 'prompts/get', calls: 1 },
    { server: '', name: 'others', errors: 1 },
  ])
  for (let name = 0; name < 600; name += 1) activity.recorded(record({ target: `tool-${name}` }))
  activity.recorded(record({ target: 'x'.repeat(10_000) }))
  const { series } = activity.counts()
  expect(series).toHaveLength(513)
  expect(series[0]).toMatchObject({ name: 'others', calls: 1 + 600 - 511 + 1 })
})

test('figures are of the last hour, and a name that is not used for an hour makes room', () => {
  const activity = new ActivityCounter()
  for (let name = 0; name < 512; name += 1) activity.recorded(record({ target: `tool-${name}`, durationMs: 1_000 }))
  jest.advanceTimersByTime(59 * 60_000)
  expect(activity.counts().calls.total).toBe(512)
  expect(activity.counts().series[0]!.p50).toBeGreaterThan(900)
  jest.advanceTimersByTime(10 * 60_000)
  expect(activity.counts()).toMatchObject({ calls: { total: 0 }, series: [] })
  activity.recorded(record({ target: 'new' }))
  expect(activity.counts().series).toMatchObject([{ name: 'new', calls: 1 }])
})

test('quantiles have a course: of all calls together, and the p95 of the forty most used', () => {
  const activity = new ActivityCounter()
  for (let name = 0; name < 50; name += 1) activity.recorded(record({ target: `tool-${name}`, durationMs: 10 }))
  jest.advanceTimersByTime(30 * 60_000)
  activity.recorded(record({ target: 'tool-49', durationMs: 1_000 }))
  const { durations, series } = activity.counts()
  expect(durations.p50).toHaveLength(12)
  expect(durations.p50.map((ms) => ms && Math.round(Math.log10(ms)))).toEqual([
    ...Array.from({ length: 5 }),
    1,
    ...Array.from({ length: 5 }),
    3,
  ])
  expect(series[0]).toMatchObject({ name: 'tool-49', calls: 2 })
  expect(series[0]!.p95PerSpan!.filter((ms) => ms !== undefined)).toHaveLength(2)
  expect(series.filter(({ p95PerSpan }) => p95PerSpan)).toHaveLength(40)
})

test('the last fifty refusals are kept, short, without whose they were', () => {
  const activity = new ActivityCounter()
  for (let id = 0; id < 60; id += 1) {
    activity.recorded(
      record({
        id,
        outcome: 'refused',
        by: 'authenticate',
        code: 'unauthorized',
        server: 'x'.repeat(1_000),
        principal: { id: 'ada' },
      }),
    )
  }
  const { refusals } = activity.counts()
  expect(refusals).toHaveLength(50)
  expect(refusals[0]!.server).toHaveLength(128)
  expect(JSON.stringify(refusals)).not.toContain('ada')
})

test('requests and streams that are under way, and clients that stopped reading', () => {
  const activity = new ActivityCounter()
  activity.began('POST')
  activity.began('GET')
  activity.began('POST')
  activity.over('POST')
  activity.reported(new GatewayError('client_stalled', 'The client stopped reading'))
  activity.reported(new Error('other'))
  expect(activity.counts()).toMatchObject({
    underWay: { requests: 1, streams: 1 },
    stalledClients: { total: 1 },
  })
  const { requests, streams } = activity.counts().underWay.peaks
  expect([requests.at(-1), requests.at(-2), streams.at(-1)]).toEqual([2, undefined, 1])
})

test('a full set of figures takes less than 4 MB', () => {
  const activity = new ActivityCounter()
  const before = process.memoryUsage().arrayBuffers
  for (let name = 0; name < 512; name += 1) activity.recorded(record({ target: `tool-${name}` }))
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4 * 1024 * 1024)
})
