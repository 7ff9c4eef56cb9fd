// The small parts of a directory, each for itself.
import { jest } from '@jest/globals'
import { RateLimit } from '../../lib/directory/rate-limit.ts'
import { sizeOf, withoutDeepMembers } from '../../lib/directory/json-size.ts'
import { CoalescingCache } from '../../lib/directory/coalescing-cache.ts'
import { preferred } from '../../lib/directory/negotiate.ts'

describe('preferred', () => {
  const ours = ['application/json', 'text/html'] as const

  test.each([
    [undefined, 'application/json'],
    ['*/*', 'application/json'],
    ['text/html', 'text/html'],
    ['TEXT/HTML', 'text/html'],
    ['text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', 'text/html'],
    ['application/json;q=0.9, text/html;q=0.8', 'application/json'],
    ['text/*;q=0.3, text/html;q=0.1, application/json;q=0.2', 'application/json'],
    ['*/*;q=0.5, application/json;q=0', 'text/html'],
    ['text/html;level=1;q=0.7, application/json;q=0.6', 'application/json'],
    ['text/html;q=nonsense, application/json;q=0.1', 'application/json'],
    ['image/png', undefined],
    ['', undefined],
  ])('%j is answered by %s', (accept, type) => {
    expect(preferred(accept, ours)).toBe(type)
  })
})

describe('CoalescingCache', () => {
  const asking = <T>(value: T, bytes = 1, ttlMs = 60_000) => jest.fn(async () => ({ value, bytes, ttlMs }))

  test('asks once at a time, and again when it is too old', async () => {
    const cache = new CoalescingCache<string>()
    const ask = asking('a')
    expect(await Promise.all([cache.get('k', ask), cache.get('k', ask)])).toEqual(['a', 'a'])
    await cache.get('k', ask)
    expect(ask).toHaveBeenCalledTimes(1)
    const brief = asking('b', 1, 0)
    await cache.get('other', brief)
    await cache.get('other', brief)
    expect(brief).toHaveBeenCalledTimes(2)
  })

  test('keeps no failure, and no more than its bytes: the least recently used goes first', async () => {
    const cache = new CoalescingCache<string>()
    await expect(cache.get('k', () => Promise.reject(new Error('no')))).rejects.toThrow('no')
    const [one, two, three] = [asking('1', 8 * 1024 * 1024), asking('2', 8 * 1024 * 1024), asking('3')]
    for (const [key, ask] of [
      ['1', one],
      ['2', two],
      ['3', three],
    ] as const)
      await cache.get(key, ask)
    await cache.get('2', two)
    await cache.get('1', one)
    expect([one, two, three].map((ask) => ask.mock.calls.length)).toEqual([2, 1, 1])
    const empty = asking('', 0)
    expect([await cache.get('empty', empty), await cache.get('empty', empty)]).toEqual(['', ''])
    expect(empty).toHaveBeenCalledTimes(1)
    const giant = asking('giant', 17 * 1024 * 1024)
    await cache.get('giant', giant)
    await cache.get('giant', giant)
    expect(giant).toHaveBeenCalledTimes(2)
  })
})

describe('what a value weighs', () => {
  const nested = (levels: number): unknown => (levels === 0 ? 1 : [nested(levels - 1)])

  test('goes by its text and its values', () => {
    expect(sizeOf('x'.repeat(1_000))).toBeGreaterThan(2_000)
    expect(sizeOf({ ['k'.repeat(1_000)]: 1 })).toBeGreaterThan(2_000)
    expect(sizeOf(Array.from({ length: 1_000 }, () => ({})))).toBeGreaterThan(30_000)
    expect(sizeOf({ a: [1, 'b', null, undefined, true] })).toBeLessThan(1_000)
  })

  test('has no end where it is nested too deeply, and such members are not shown (24)', () => {
    expect(sizeOf(nested(64))).toBeLessThan(Infinity)
    expect(sizeOf(nested(65))).toBe(Infinity)
    const shallow = { name: 'a', inputSchema: { enum: nested(60) } }
    expect(withoutDeepMembers(shallow)).toBe(shallow)
    expect(withoutDeepMembers({ name: 'a', inputSchema: { enum: nested(100) } })).toEqual({ name: 'a' })
  })

  test('is nothing that can exhaust the stack', () => {
    const deep = JSON.parse('['.repeat(500_000) + ']'.repeat(500_000)) as unknown
    expect(withoutDeepMembers({ name: 'a', deep })).toEqual({ name: 'a' })
  })
})

describe('the limit of asking', () => {
  const ask = async (): Promise<string> => 'asked'

  beforeEach(() => void jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask'] }))
  afterEach(() => jest.useRealTimers())

  test('is one for each principal, and is made up for with time (SC6)', async () => {
    const limit = new RateLimit()
    for (let count = 0; count < 30; count += 1) expect(await limit.run('ada', ask)).toBe('asked')
    expect(await limit.run('ada', ask)).toBeUndefined()
    expect(await limit.run('bob', ask)).toBe('asked')
    jest.advanceTimersByTime(1_000)
    expect([await limit.run('ada', ask), await limit.run('ada', ask)]).toEqual(['asked', undefined])
  })

  test('lets eight ask at a time, whether they fail or not (SC6)', async () => {
    const limit = new RateLimit()
    let fail: (error: Error) => void
    const failing = new Promise<never>((_, reject) => (fail = reject))
    const running = Array.from({ length: 8 }, () => limit.run('ada', () => failing).catch(() => 'failed'))
    expect(await limit.run('ada', ask)).toBeUndefined()
    fail!(new Error('no'))
    await Promise.all(running)
    expect(await limit.run('ada', ask)).toBe('asked')
  })
})
