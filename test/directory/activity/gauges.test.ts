// Levels and what is sampled: peaks by the minute, and sessions of the last hour.
import { jest } from '@jest/globals'
import { MinutePeaks } from '../../../lib/directory/activity/minute-peaks.ts'
import { ProcessGauge } from '../../../lib/directory/activity/process-gauge.ts'
import { SessionGauge } from '../../../lib/directory/activity/session-gauge.ts'

const MINUTE = 60_000

test('a level has its peak in each minute, lasts until it changes, and is unknown before it was measured', () => {
  const peaks = new MinutePeaks(100 * MINUTE)
  peaks.set(100 * MINUTE, 3)
  peaks.set(100 * MINUTE + 1, 1)
  peaks.set(102 * MINUTE, 2)
  expect(peaks.list(103 * MINUTE).slice(-5)).toEqual([undefined, 3, 1, 2, 2])
  expect(peaks.level).toBe(2)
  expect(peaks.list(161 * MINUTE)[0]).toBe(2)
  peaks.set(10_000 * MINUTE, 0)
  expect(peaks.list(10_000 * MINUTE)).toEqual(Array.from({ length: 60 }, () => 2))
  expect(peaks.list(10_001 * MINUTE).at(-1)).toBe(0)
})

test('sessions opened and ended are those of the last hour', () => {
  jest.useFakeTimers({ now: 0 })
  try {
    const count = { open: 0, cap: 5, opened: 0, ended: 0 }
    const gauge = new SessionGauge(() => ({ ...count }))
    Object.assign(count, { open: 3, opened: 4, ended: 1 })
    gauge.sample(MINUTE)
    Object.assign(count, { open: 2, opened: 5, ended: 3 })
    expect(gauge.figures(30 * MINUTE)).toMatchObject({ open: 2, cap: 5, opened: 5, ended: 3 })
    expect(gauge.figures(62 * MINUTE)).toMatchObject({ opened: 1, ended: 2 })
    expect(gauge.figures(100 * MINUTE)).toMatchObject({ open: 2, opened: 0, ended: 0 })
  } finally {
    jest.useRealTimers()
  }
})

test('how late the event loop was is known after a sample, and memory at once', async () => {
  const gauge = new ProcessGauge(0)
  expect(gauge.figures(0).eventLoopP99).toBeUndefined()
  // Two ticks of the timer, at least, one of them late.
  await new Promise((resolve) => setTimeout(resolve, 50))
  const until = performance.now() + 60
  while (performance.now() < until);
  await new Promise((resolve) => setTimeout(resolve, 50))
  const measured = performance.now()
  gauge.sample(measured)
  gauge.close()
  const { eventLoopP99, rssBytes, peaks } = gauge.figures(measured)
  expect(eventLoopP99).toBeGreaterThan(20)
  expect(peaks.eventLoopP99.at(-1)).toBe(eventLoopP99)
  expect(peaks.rssBytes.at(-1)).toBeGreaterThanOrEqual(rssBytes)
})
