// The store of kept results: bounded in bytes, fresh or gone.
import { jest } from '@jest/globals'
import { type CachedResult, ResultStore } from '../../../lib/layers/cache/result-store.ts'

const HOUR_MS = 3_600_000

function kept(text: string, uri?: string): CachedResult {
  const target = { upstream: 'a', method: 'resources/read', uri }
  return { target, beforeTtl: text, afterTtl: '}', freshUntil: performance.now() + HOUR_MS }
}

/** Two bytes a character, of the key too, and what an entry itself takes. */
const WEIGHT = 400 + 2 * (1 + 100 + 1)

test('what does not fit pushes out the oldest that was not used', () => {
  const store = new ResultStore(2 * WEIGHT)
  store.set('a', kept('a'.repeat(100)))
  store.set('b', kept('b'.repeat(100)))
  expect(store.get('a')).toBeDefined()
  store.set('c', kept('c'.repeat(100)))
  expect(['a', 'b', 'c'].filter((key) => store.get(key))).toEqual(['a', 'c'])
})

test('where all is in use, the oldest makes room all the same', () => {
  const store = new ResultStore(2 * WEIGHT)
  const there = (): string[] => ['a', 'b', 'c', 'd'].filter((key) => store.get(key))
  store.set('a', kept('a'.repeat(100)))
  store.set('b', kept('b'.repeat(100)))
  expect(there()).toEqual(['a', 'b'])
  store.set('c', kept('c'.repeat(100)))
  store.set('d', kept('d'.repeat(100)))
  expect(there()).toEqual(['c', 'd'])
})

test('what is larger than the store is not kept, and pushes nothing out', () => {
  const store = new ResultStore(WEIGHT)
  store.set('a', kept('a'.repeat(100)))
  store.set('b', kept('b'.repeat(101)))
  expect(store.get('a')).toBeDefined()
  expect(store.get('b')).toBeUndefined()
})

test('what is replaced counts once', () => {
  const store = new ResultStore(2 * WEIGHT)
  for (let time = 0; time < 5; time += 1) store.set('a', kept('a'.repeat(100)))
  store.set('b', kept('b'.repeat(100)))
  expect(store.get('a')).toBeDefined()
})

test('what is no longer fresh is gone', () => {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask'] })
  try {
    const store = new ResultStore(10 * WEIGHT)
    store.set('a', kept('a'))
    jest.advanceTimersByTime(HOUR_MS - 1)
    expect(store.get('a')).toBeDefined()
    jest.advanceTimersByTime(1)
    expect(store.get('a')).toBeUndefined()
  } finally {
    jest.useRealTimers()
  }
})

test('what the test is true of is dropped, the rest stays', () => {
  const store = new ResultStore(10 * WEIGHT)
  store.set('a', kept('a', 'file:///a'))
  store.set('b', kept('b', 'file:///b'))
  store.drop(({ uri }) => uri === 'file:///a')
  expect([store.get('a'), store.get('b')?.beforeTtl]).toEqual([undefined, 'b'])
})
