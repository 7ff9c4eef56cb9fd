/** Histograms of durations with logarithmic buckets, four to an octave: from 1/64 ms to 17 minutes in 416 bytes. */

export const DURATION_BUCKETS = 104
const PER_OCTAVE = 4
const LEAST_MS = 1 / 64

/** The bucket of a duration in milliseconds. */
export function bucketOf(ms: number): number {
  return Math.min(DURATION_BUCKETS - 1, Math.max(0, Math.floor(PER_OCTAVE * Math.log2(ms / LEAST_MS))))
}

/** The duration below which this share of the values lies, in milliseconds; `undefined` without values. */
export function quantile(counts: Uint32Array, share: number): number | undefined {
  const target = share * counts.reduce((sum, count) => sum + count, 0)
  let before = 0
  for (const [bucket, count] of counts.entries()) {
    if (count > 0 && before + count >= target) {
      return LEAST_MS * 2 ** ((bucket + Math.max(0, target - before) / count) / PER_OCTAVE)
    }
    before += count
  }
  return undefined
}
