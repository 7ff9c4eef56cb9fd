// Charts as texts: courses, shares and bars, and how many bytes all figures take at most.
import { ActivityCounter } from '../../../lib/directory/activity/activity-counter.ts'
import { bars, course, linePath, logarithmic, shareBar } from '../../../lib/directory/activity/charts.ts'
import { activityPage } from '../../../lib/directory/activity/activity-page.ts'
import { type ActivitySnapshot, figuresOf } from '../../../lib/directory/activity/figures.ts'
import type { AuditRecord } from '../../../lib/index.ts'

test('a line goes from zero to the peak, is interrupted where nothing is known; one value is a dot, and zero is none', () => {
  expect(linePath([0, 5, 10], 10, 100, 80)).toBe('M0 80L50 40L100 0')
  expect(linePath([undefined, 1, undefined, 1, 1], 1, 100, 80)).toBe('M25 0h0M75 0L100 0')
  expect(linePath([0, 0], 0, 100, 80)).toBe('')
})

test('a course says its peak and its last values; on a logarithmic scale what is small is seen', () => {
  const lines = [
    { tone: 'accent', name: 'p50', values: [1, 1] },
    { tone: 'soft', name: 'p99', values: [1_000, undefined] },
  ] as const
  const { sentence, caption, paths, key } = course('Time', lines, String, logarithmic)
  expect(sentence).toBe('Time over the last hour: the peak is 1000, the last value 1 (p50), 1000 (p99).')
  expect(caption).toBe('Time, peak 1000')
  expect(paths.map(({ d }) => d)).toEqual(['M0 72L590 72', 'M0 0h0'])
  expect(key.map(({ text }) => text)).toEqual(['p50', 'p99'])
  const nothing = course('Time', [{ tone: 'ink', values: [undefined, undefined] }], String, logarithmic)
  expect(nothing).toMatchObject({ sentence: 'Time over the last hour: the peak is 0, the last value unknown.' })
  expect(course('Time', [{ tone: 'ink', values: [0, 0] }], String, logarithmic).paths[0]!.d).toBe('')
})

test('the parts of a whole stand one behind the other, and bars one below the other', () => {
  const parts = [
    { tone: 'good', name: 'up', value: 1 },
    { tone: 'bad', name: 'down', value: 0 },
    { tone: 'soft', name: 'unused', value: 1 },
  ] as const
  const share = shareBar('Servers', parts, 4)
  expect(share.sentence).toBe('Servers: up 1, down 0, unused 1.')
  expect(share.paths.map(({ d }) => d)).toEqual(['M0 0h147.5v12h-147.5z', '', 'M147.5 0h147.5v12h-147.5z'])
  expect(shareBar('Servers', parts, 0).paths.map(({ d }) => d)).toEqual(['', '', ''])
  expect(bars('By', parts)).toMatchObject({ height: 72, paths: [{ d: 'M0 6h590v12h-590zM0 54h590v12h-590z' }] })
  expect(bars('By', [])).toMatchObject({ sentence: 'By: none.', height: 0, paths: [{ d: '' }] })
})

test('all figures take less than 64 kB, and the page less than 200 kB, however many tools, servers and refusals there are', () => {
  const activity = new ActivityCounter()
  const record = { time: '2026-11-22T00:00:00.000Z', durationMs: 10, server: 's'.repeat(60), from: 'client', id: 1 }
  for (let at = 0; at < 600; at += 1) {
    const message = { ...record, method: 'tools/call', target: `${at}`.padEnd(60, 't'), outcome: 'ok' }
    activity.recorded(message as AuditRecord)
    activity.recorded({ ...message, outcome: 'refused', by: `${at}`.padEnd(500, 'b'), code: 'c' } as AuditRecord)
  }
  const minutes = Array.from({ length: 60 }, (_, at) => 1e9 + at / 3)
  const snapshot: ActivitySnapshot = {
    at: record.time,
    ...activity.counts(),
    sessions: { open: 1, cap: 10, opened: 1, ended: 1, peaks: minutes },
    servers: Array.from({ length: 1_000 }, (_, at) => ({
      name: `server-${at}`,
      title: 'x'.repeat(100),
      health: { status: at === 999 ? 'failing' : 'unknown' },
    })),
    process: {
      eventLoopP99: 1,
      rssBytes: 1,
      heapBytes: 1,
      peaks: { eventLoopP99: minutes, rssBytes: minutes, heapBytes: minutes },
    },
  }
  const figures = figuresOf(snapshot)
  expect(JSON.stringify(figures).length).toBeLessThan(64 * 1024)
  expect(
    activityPage('Servers', snapshot, { principal: undefined, signIn: undefined, mayTry: false }, 'nonce').text.length,
  ).toBeLessThan(200 * 1024)
  const [servers, refusals] = ['servers', 'refusals'].map((id) => figures.find((figure) => figure.id === id)!)
  expect(servers!.rows).toHaveLength(40)
  expect(servers!.rows[0]![1]).toBe('did not answer')
  expect(servers!.sentence).toBe('1 of 1000 did not answer when last used. 40 of 1,000 are listed.')
  expect(refusals!.charts[0]!.key).toHaveLength(7)
  expect(figures.every(({ charts }) => charts.length > 0)).toBe(true)
})
