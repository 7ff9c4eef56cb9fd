// The shelf of kept results: bounded in bytes, fresh or gone.
import { jest } from '@jest/globals'
import { Shelf, type Kept } from '../../../lib/layers/cache/result-store.ts'

const HOUR_MS = 3_600_000

function kept(text: string, uri?: string): Kept {
  const subject = { url: 'http://a/', method: 'resources/read', uri }
  return { subject, beforeTtl: text, afterTtl: '}', freshUntil: Date.now() + HOUR_MS }
}

/** Two bytes a character, of the key too. */
const WEIGHT = 2 * (1 + 100 + 1)

test('what does not fit pushes out the oldest that was not used', () => {
  const shelf = new Shelf(2 * WEIGHT)
  shelf.set('a', kept('a'.repeat(100)))
  shelf.set('b', kept('b'.repeat(100)))
  expect(shelf.get('a')).toBeDefined()
  shelf.set('c', kept('c'.repeat(100)))
  expect(['a', 'b', 'c'].filter((key) => shelf.get(key))).toEqual(['a', 'c'])
})

test('where all is in use, the oldest makes room all the same', () => {
  const shelf = new Shelf(2 * WEIGHT)
  const there = (): string[] => ['a', 'b', 'c', 'd'].filter((key) => shelf.get(key))
  shelf.set('a', kept('a'.repeat(100)))
  shelf.set('b', kept('b'.repeat(100)))
  expect(there()).toEqual(['a', 'b'])
  shelf.set('c', kept('c'.repeat(100)))
  shelf.set('d', kept('d'.repeat(100)))
  expect(there()).toEqual(['c', 'd'])
})

test('what is larger than the shelf is not kept, and pushes nothing out', () => {
  const shelf = new Shelf(WEIGHT)
  shelf.set('a', kept('a'.repeat(100)))
  shelf.set('b', kept('b'.repeat(101)))
  expect(shelf.get('a')).toBeDefined()
  expect(shelf.get('b')).toBeUndefined()
})

test('what is replaced counts once', () => {
  const shelf = new Shelf(2 * WEIGHT)
  for (let time = 0; time < 5; time += 1) shelf.set('a', kept('a'.repeat(100)))
  shelf.set('b', kept('b'.repeat(100)))
  expect(shelf.get('a')).toBeDefined()
})

test('what is no longer fresh is gone', () => {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask'] })
  try {
    const shelf = new Shelf(1_000)
    shelf.set('a', kept('a'))
    jest.setSystemTime(Date.now() + HOUR_MS - 1)
    expect(shelf.get('a')).toBeDefined()
    jest.setSystemTime(Date.now() + 1)
    expect(shelf.get('a')).toBeUndefined()
  } finally {
    jest.useRealTimers()
  }
})

test('what the test is true of is dropped, the rest stays', () => {
  const shelf = new Shelf(1_000)
  shelf.set('a', kept('a', 'file:///a'))
  shelf.set('b', kept('b', 'file:///b'))
  shelf.drop(({ uri }) => uri === 'file:///a')
  expect([shelf.get('a'), shelf.get('b')?.beforeTtl]).toEqual([undefined, 'b'])
})
