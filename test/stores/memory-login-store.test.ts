// The login's store in memory: its contract, and what goes when there is too much.
import { loginStoreContract } from '../../lib/testing.ts'
import { MemoryLoginStore } from '../../lib/stores/memory-login-store.ts'

const { jest } = import.meta
afterEach(() => {
  jest.restoreAllMocks()
})

describe('keeps the contract', () => {
  const wait = (ms: number): void => {
    const now = Date.now()
    jest.spyOn(Date, 'now').mockReturnValue(now + ms)
  }
  for (const { id, name, fn } of loginStoreContract({ create: () => new MemoryLoginStore(), wait })) {
    test(`${id}: ${name}`, fn)
  }
})

test('over maxEntries, what would end first goes, and nothing of another kind', () => {
  const store = new MemoryLoginStore({ maxEntries: 3 })
  store.set('grant:1', 'kept', { ttlMs: 500 })
  store.set('client:let-in', 'kept', { ttlMs: 9_000 })
  for (let index = 0; index < 100; index += 1) store.set(`client:${index}`, 'one', { ttlMs: 1_000 + index })
  expect(store.get('client:let-in')).toBe('kept')
  expect(store.get('grant:1')).toBe('kept')
  expect(store.get('client:97')).toBeUndefined()
  expect(store.get('client:99')).toBe('one')
})

test('over maxEntries, what has ended goes first', () => {
  const store = new MemoryLoginStore({ maxEntries: 2 })
  const now = Date.now()
  store.set('grant:old', 'one', { ttlMs: 10 })
  store.set('grant:soon', 'two', { ttlMs: 100 })
  jest.spyOn(Date, 'now').mockReturnValue(now + 50)
  store.set('grant:new', 'three', { ttlMs: 1_000 })
  expect([store.get('grant:soon'), store.get('grant:new')]).toEqual(['two', 'three'])
})

test('refuses a maxEntries that is no positive number', () => {
  for (const maxEntries of [0, -1, Number.NaN, '5' as unknown as number]) {
    expect(() => new MemoryLoginStore({ maxEntries })).toThrow(/"maxEntries" of MemoryLoginStore must be/)
  }
})
