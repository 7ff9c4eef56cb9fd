/** A Map that forgets its oldest entries. */

/** Sets an entry, as the newest one; past `max` entries the oldest goes. */
export function boundedSet<K, V>(map: Map<K, V>, max: number, key: K, value: V): void {
  map.delete(key)
  map.set(key, value)
  if (map.size <= max) return
  const [oldest] = map.keys()
  map.delete(oldest!)
}
