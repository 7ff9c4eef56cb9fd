// A map that forgets its oldest entries.
import { boundedSet } from '../../lib/util/bounded-map.ts'

function mapOf(...keys: readonly string[]): Map<string, number> {
  const map = new Map<string, number>()
  for (const [value, key] of keys.entries()) boundedSet(map, 3, key, value)
  return map
}

test('up to its bound it has everything', () => {
  expect([...mapOf('a', 'b', 'c')]).toEqual([
    ['a', 0],
    ['b', 1],
    ['c', 2],
  ])
})

test('past its bound the oldest entry goes, one for one', () => {
  expect([...mapOf('a', 'b', 'c', 'd').keys()]).toEqual(['b', 'c', 'd'])
  expect([...mapOf('a', 'b', 'c', 'd', 'e').keys()]).toEqual(['c', 'd', 'e'])
})

test('an entry that is set again has the new value, is the newest, and pushes nothing out', () => {
  const map = mapOf('a', 'b', 'c', 'a')
  expect([...map]).toEqual([
    ['b', 1],
    ['c', 2],
    ['a', 3],
  ])
  boundedSet(map, 3, 'd', 4)
  expect([...map.keys()]).toEqual(['c', 'a', 'd'])
})

test('a large map loses several at a time, the oldest, and is never larger than its bound', () => {
  const map = new Map<number, number>()
  const sizes = Array.from({ length: 10_000 }, (_, key) => {
    boundedSet(map, 4_096, key, key)
    return map.size
  })
  expect(Math.max(...sizes)).toBe(4_096)
  expect(Math.min(...sizes.slice(4_096))).toBe(4_093)
  expect([...map.keys()]).toEqual(Array.from({ length: map.size }, (_, index) => 10_000 - map.size + index))
})
