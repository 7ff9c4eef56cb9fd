/** A Map of bounded size, with first-in-first-out eviction. */

/** The part of a full map that is evicted at a time: 1 / 2^10, and one entry at least. */
const EVICTED_SHIFT = 10

/**
 * Sets an entry, as the newest one; past `max` entries the oldest are evicted. Of a large map several go at once, since an
 * iterator has to pass all the deleted entries in front of the oldest: 6 µs for each set of a full map of 10 000.
 */
export function boundedSet<K, V>(map: Map<K, V>, max: number, key: K, value: V): void {
  map.delete(key)
  map.set(key, value)
  if (map.size <= max) return
  let left = Math.max(1, max >> EVICTED_SHIFT)
  for (const oldest of map.keys()) {
    map.delete(oldest)
    left -= 1
    if (left === 0) return
  }
}
