/** A Map of bounded size, with first-in-first-out eviction. */

/** Sets an entry, as the newest one; past `max` entries the oldest is evicted. */
export function boundedSet<K, V>(map: Map<K, V>, max: number, key: K, value: V): void {
  map.delete(key)
  map.set(key, value)
  if (map.size <= max) return
  const [oldest] = map.keys()
  map.delete(oldest!)
}
