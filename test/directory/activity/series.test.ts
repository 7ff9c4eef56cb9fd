// Counts by the minute and durations by five minutes: what is older than an hour is gone.
import { MinuteCounts, Series } from '../../../lib/directory/activity/series.ts'

const MINUTE = 60_000

test('minutes are listed from an hour ago to now, and leave after an hour', () => {
  const counts = new MinuteCounts()
  counts.add(100 * MINUTE)
  counts.add(100 * MINUTE + 59_999)
  counts.add(130 * MINUTE)
  expect(counts.list(130 * MINUTE).slice(29)).toEqual([2, ...Array.from({ length: 29 }, () => 0), 1])
  expect([159, 160, 189, 190].map((minute) => counts.total(minute * MINUTE))).toEqual([3, 1, 1, 0])
  counts.add(10_000 * MINUTE)
  expect(counts.list(10_000 * MINUTE).at(-1)).toBe(1)
  expect(counts.total(10_000 * MINUTE)).toBe(1)
})

test('durations leave five minutes at a time', () => {
  const series = new Series('one', 'echo')
  const timed = (minute: number): number => series.durations(minute * MINUTE).reduce((sum, count) => sum + count, 0)
  series.time(100 * MINUTE, 5)
  series.time(130 * MINUTE, 5)
  expect([130, 159, 160, 189, 190].map(timed)).toEqual([2, 2, 1, 1, 0])
  series.time(100_000 * MINUTE, 5)
  expect(timed(100_000)).toBe(1)
})
