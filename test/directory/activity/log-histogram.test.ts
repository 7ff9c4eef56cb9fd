// Durations in logarithmic buckets: how exact the quantiles are.
import { DURATION_BUCKETS, bucketOf, quantile } from '../../../lib/directory/activity/log-histogram.ts'

function histogramOf(values: readonly number[]): Uint32Array {
  const counts = new Uint32Array(DURATION_BUCKETS)
  for (const value of values) counts[bucketOf(value)]! += 1
  return counts
}

test('a quantile is within five per cent, over six orders of magnitude', () => {
  const values = Array.from({ length: 20_000 }, (_, index) => 0.1 * 10 ** ((6 * index) / 20_000))
  const counts = histogramOf(values)
  for (const share of [0.1, 0.5, 0.9, 0.95, 0.99]) {
    const exact = values[Math.floor(share * values.length)]!
    expect(Math.abs(quantile(counts, share)! / exact - 1)).toBeLessThan(0.05)
  }
})

test('it takes 416 bytes; what is shorter or longer than its range is in the first or the last bucket', () => {
  expect(new Uint32Array(DURATION_BUCKETS).byteLength).toBe(416)
  expect([0, 1e-9, 1e12, Infinity].map(bucketOf)).toEqual([0, 0, 103, 103])
  expect(quantile(new Uint32Array(DURATION_BUCKETS), 0.5)).toBeUndefined()
  expect(quantile(histogramOf([10]), 0.99)).toBeCloseTo(10, -0.5)
})
