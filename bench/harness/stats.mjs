// @ts-check
// The few statistics of the bench.

/** @param {readonly number[]} values */
export function median(values) {
  return percentile(values, 0.5)
}

/** @param {readonly number[]} values @param {number} share of the values below the answer, 0 to 1 */
export function percentile(values, share) {
  const sorted = Float64Array.from(values).toSorted()
  if (sorted.length === 0) return NaN
  const at = share * (sorted.length - 1)
  const below = sorted[Math.floor(at)] ?? NaN
  const above = sorted[Math.ceil(at)] ?? NaN
  return below + (above - below) * (at - Math.floor(at))
}
