// A Map that is bounded in number and in bytes.
import { WeightedMap } from '../../lib/util/weighted-map.ts'

test('holds no more entries than it may: the oldest go', () => {
  const map = new WeightedMap<number>(2, 1_000)
  for (const [at, key] of ['a', 'b', 'a', 'c'].entries()) map.set(key, at, 1)
  expect(['a', 'b', 'c'].map((key) => map.get(key))).toEqual([2, undefined, 3])
  expect([map.size, map.bytes]).toEqual([2, 2])
})

test('holds no more bytes than it may: as many of the oldest go as make room', () => {
  const map = new WeightedMap<number>(10, 100)
  for (const key of ['a', 'b', 'c']) map.set(key, 0, 30)
  map.set('d', 0, 60)
  expect(['a', 'b', 'c', 'd'].map((key) => map.get(key) !== undefined)).toEqual([false, false, true, true])
  expect(map.bytes).toBe(90)
})

test('does not keep what is too large by itself, and counts what is deleted no more', () => {
  const map = new WeightedMap<number>(10, 100)
  map.set('a', 1, 40)
  map.set('b', 2, 50)
  map.deleteWhere((value) => value === 1)
  map.delete('unknown')
  expect([map.size, map.bytes]).toEqual([1, 50])
  map.set('huge', 3, 101)
  expect([map.size, map.bytes, map.get('huge')]).toEqual([1, 50, undefined])
})
