// The default store: the contract of every store, and what only a store in memory does.
import fc from 'fast-check'
import { MemorySessionStore, type MemorySessionStoreOptions, type SessionRecord } from '../../lib/index.ts'
import { sessionStoreContract } from '../../lib/testing.ts'

const { jest } = import.meta
const MINUTE = 60_000
const RECORD: SessionRecord = {
  server: 'weather',
  principal: 'ann',
  protocolVersion: '2025-11-25',
  upstream: { upstream: 'digest', protocolVersion: '2025-11-25', id: 'upstream-1' },
}
const CHANGED: SessionRecord = { ...RECORD, upstream: { ...RECORD.upstream, id: 'upstream-2' } }

describe('keeps the contract', () => {
  const limits = { ttlMs: MINUTE, lifetimeMs: 10 * MINUTE, maxSessionsPerPrincipal: 4 }
  const contract = sessionStoreContract({
    create: () => new MemorySessionStore(limits),
    ...limits,
    wait: (ms) => {
      jest.advanceTimersByTime(ms)
    },
  })
  for (const { id, name, fn } of contract) test(`SS1 ${id}: ${name}`, fn)
})

interface Hosted {
  readonly store: MemorySessionStore
  /** Ids the store is told are in use. */
  readonly inUse: Set<string>
  /** How often the store has asked which are. */
  readonly asked: () => number
  /** What the store told of having ended by itself, in order. */
  readonly ended: [id: string, record: SessionRecord][]
  /** Opens a session of this principal. */
  open(principal?: string): string
  /** When the store ended a session by itself. */
  endedAt(id: string): number | undefined
  /** Whether a session is alive, without using it. */
  isAlive(id: string): boolean
}

const stores: MemorySessionStore[] = []

/** Lets time pass of which no timer hears, as where the process stood still. */
function late(ms: number): { mockRestore(): void } {
  return jest.spyOn(performance, 'now').mockReturnValue(performance.now() + ms)
}

function host(options?: MemorySessionStoreOptions): Hosted {
  const store = new MemorySessionStore(options)
  stores.push(store)
  const inUse = new Set<string>()
  const ended: Hosted['ended'] = []
  const endedAt = new Map<string, number>()
  let asked = 0
  store.attach({
    inUse() {
      asked += 1
      return new Set(inUse)
    },
    ended(id, record) {
      ended.push([id, record])
      endedAt.set(id, Date.now())
    },
  })
  return {
    store,
    inUse,
    asked: () => asked,
    ended,
    open: (principal = 'ann') => store.create({ ...RECORD, principal }),
    endedAt: (id) => endedAt.get(id),
    isAlive: (id) => !endedAt.has(id),
  }
}

beforeEach(() => {
  jest.useFakeTimers()
})
afterEach(() => {
  for (const store of stores.splice(0)) store.close()
  expect(jest.getTimerCount()).toBe(0)
  jest.useRealTimers()
})

describe('idle expiry', () => {
  test('SS3 SS11 a session without use ends after 30 minutes, and the host is told', () => {
    const { store, ended, open } = host()
    const id = open()
    jest.advanceTimersByTime(30 * MINUTE - 1)
    expect(ended).toEqual([])
    jest.advanceTimersByTime(1)
    expect(ended).toEqual([[id, RECORD]])
    expect(store.get(id)).toBeUndefined()
    expect(ended).toHaveLength(1)
  })

  test('SS11 every get() starts the time anew', () => {
    const { store, isAlive, open } = host({ ttlMs: MINUTE })
    const id = open()
    for (let time = 0; time < 5; time += 1) {
      jest.advanceTimersByTime(MINUTE - 1)
      expect(store.get(id)).toBeDefined()
    }
    jest.advanceTimersByTime(MINUTE)
    expect(isAlive(id)).toBe(false)
  })

  test('SS11 update() starts the time anew', () => {
    const { store, isAlive, open } = host({ ttlMs: MINUTE })
    const id = open()
    jest.advanceTimersByTime(MINUTE - 1)
    store.update(id, CHANGED)
    jest.advanceTimersByTime(MINUTE - 1)
    expect(isAlive(id)).toBe(true)
    jest.advanceTimersByTime(1)
    expect(isAlive(id)).toBe(false)
  })

  test('each session has a time of its own, in whatever order they are used', () => {
    const { store, ended, open } = host({ ttlMs: MINUTE })
    const first = open('first')
    jest.advanceTimersByTime(20_000)
    const second = open('second')
    jest.advanceTimersByTime(20_000)
    const third = open('third')
    store.get(first)
    jest.advanceTimersByTime(40_000)
    expect(ended.map(([id]) => id)).toEqual([second])
    jest.advanceTimersByTime(20_000)
    expect(ended.map(([id]) => id).toSorted()).toEqual([first, second, third].toSorted())
  })

  test('SS11 a session in use does not end, and its time starts when the use is over', () => {
    const { inUse, isAlive, open } = host({ ttlMs: MINUTE })
    const [streaming, idle] = [open(), open()]
    inUse.add(streaming)
    jest.advanceTimersByTime(10 * MINUTE)
    expect([isAlive(streaming), isAlive(idle)]).toEqual([true, false])
    inUse.delete(streaming)
    jest.advanceTimersByTime(MINUTE)
    expect(isAlive(streaming)).toBe(false)
  })

  test('SS11 a session whose use ends between two looks of the store keeps most of its time', () => {
    const { inUse, isAlive, open } = host({ ttlMs: MINUTE })
    const streaming = open()
    inUse.add(streaming)
    jest.advanceTimersByTime(2 * MINUTE - 1_000)
    inUse.delete(streaming)
    jest.advanceTimersByTime(45_000)
    expect(isAlive(streaming)).toBe(true)
    jest.advanceTimersByTime(MINUTE)
    expect(isAlive(streaming)).toBe(false)
  })

  test('SS11 no session ends before its time, and none lives a hundredth of it longer, whatever is used when', () => {
    const step = fc.record({ pauseMs: fc.nat({ max: 40_000 }), use: fc.nat({ max: 9 }), opens: fc.boolean() })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        const { store, endedAt, open } = host({ ttlMs: MINUTE })
        const usedAt = new Map([[open(), Date.now()]])
        const wait = (ms: number): void => {
          jest.advanceTimersByTime(ms)
          for (const [id, used] of usedAt) {
            const idleMs = (endedAt(id) ?? Date.now()) - used
            expect(idleMs).toBeLessThanOrEqual(1.01 * MINUTE)
            if (endedAt(id) === undefined) continue
            expect(idleMs).toBeGreaterThanOrEqual(MINUTE)
            usedAt.delete(id)
          }
        }
        for (const { pauseMs, use, opens } of steps) {
          wait(pauseMs)
          if (opens) usedAt.set(open(), Date.now())
          const used = [...usedAt.keys()].at(use)
          if (used !== undefined && store.get(used)) usedAt.set(used, Date.now())
        }
        wait(1.01 * MINUTE)
        expect(usedAt.size).toBe(0)
      }),
    )
  })

  test('SC6 sessions that fall due one after another end together, not with a look at all of them for each', () => {
    const { asked, ended, open } = host({ ttlMs: MINUTE })
    for (let count = 0; count < 1_000; count += 1) {
      open()
      jest.advanceTimersByTime(1)
    }
    const before = asked()
    jest.advanceTimersByTime(1.01 * MINUTE)
    expect(ended).toHaveLength(1_000)
    expect(asked() - before).toBeLessThan(10)
  })

  test('SS3 a session that is due is gone even before the timer has come round', () => {
    const { store, ended, open } = host({ ttlMs: MINUTE })
    const id = open()
    const clock = late(MINUTE)
    expect(store.get(id)).toBeUndefined()
    expect(ended.map(([gone]) => gone)).toEqual([id])
    clock.mockRestore()
    jest.advanceTimersByTime(MINUTE)
    expect(ended).toHaveLength(1)
  })

  test('a session that was deleted does not expire as well', () => {
    const { store, ended, open } = host({ ttlMs: MINUTE })
    store.delete(open())
    jest.advanceTimersByTime(2 * MINUTE)
    expect(ended).toEqual([])
  })

  test('a store that has emptied expires sessions again when new ones come', () => {
    const { ended, open } = host({ ttlMs: MINUTE })
    open()
    jest.advanceTimersByTime(5 * MINUTE)
    expect(jest.getTimerCount()).toBe(0)
    open()
    jest.advanceTimersByTime(MINUTE)
    expect(ended).toHaveLength(2)
  })

  test('a time beyond what a timer takes is kept all the same', () => {
    const days = 24 * 60 * MINUTE
    const { isAlive, open } = host({ ttlMs: 40 * days })
    const id = open()
    jest.advanceTimersByTime(39 * days)
    expect(isAlive(id)).toBe(true)
    jest.advanceTimersByTime(days)
    expect(isAlive(id)).toBe(false)
  })

  test('a store that no gateway has taken up expires too', () => {
    const store = new MemorySessionStore({ ttlMs: MINUTE })
    stores.push(store)
    const id = store.create({ ...RECORD, principal: '' })
    jest.advanceTimersByTime(MINUTE)
    expect(store.get(id)).toBeUndefined()
  })

  test('no timer keeps the process alive', () => {
    jest.useRealTimers()
    const timeouts = (): number => process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length
    const before = timeouts()
    const { store, open } = host()
    open()
    expect(timeouts()).toBe(before)
    store.close()
    jest.useFakeTimers()
  })
})

describe('the lifetime', () => {
  test('SS3 SS11 a session ends after 24 hours however often it is used, with a stream open too, and the host is told', () => {
    const { store, inUse, ended, open } = host()
    const [used, streaming] = [open(), open()]
    inUse.add(streaming)
    for (let minute = 20; minute < 24 * 60; minute += 20) {
      jest.advanceTimersByTime(20 * MINUTE)
      expect(store.get(used)).toBeDefined()
    }
    expect(ended).toEqual([])
    jest.advanceTimersByTime(20 * MINUTE)
    expect(ended.map(([id]) => id)).toEqual([used, streaming])
  })

  test('SS3 a session that has outlived it is gone even before the timer has come round', () => {
    const { store, inUse, ended, open } = host({ lifetimeMs: MINUTE })
    const id = open()
    inUse.add(id)
    const clock = late(MINUTE)
    expect(store.get(id)).toBeUndefined()
    expect(ended).toHaveLength(1)
    clock.mockRestore()
  })

  test('an update does not lengthen it', () => {
    const { store, isAlive, open } = host({ lifetimeMs: MINUTE })
    const id = open()
    jest.advanceTimersByTime(MINUTE - 1)
    store.update(id, CHANGED)
    expect(isAlive(id)).toBe(true)
    jest.advanceTimersByTime(0.01 * MINUTE)
    expect(isAlive(id)).toBe(false)
  })

  test('a shorter one than ttlMs counts to the moment, and Infinity never ends', () => {
    const short = host({ ttlMs: 60 * MINUTE, lifetimeMs: MINUTE })
    const id = short.open()
    jest.advanceTimersByTime(MINUTE)
    expect(short.isAlive(id)).toBe(false)
    const endless = host({ lifetimeMs: Infinity })
    const kept = endless.open()
    endless.inUse.add(kept)
    jest.advanceTimersByTime(100 * 24 * 60 * MINUTE)
    expect(endless.isAlive(kept)).toBe(true)
  })
})

describe('the cap of a principal', () => {
  test('SC6 who opens too many loses their own oldest idle session, and nobody else any', () => {
    const { store, ended, isAlive, open } = host({ maxSessionsPerPrincipal: 2 })
    const bob = open('bob')
    const [first, second] = [open('ann'), open('ann')]
    jest.advanceTimersByTime(1)
    store.get(first)
    const third = open('ann')
    expect(ended.map(([id]) => id)).toEqual([second])
    expect([bob, first, third].every(isAlive)).toBe(true)
  })

  test('SC6 SS11 with none of theirs idle the oldest goes though it is in use; an idle one is spared the others', () => {
    const { store, inUse, ended, open } = host({ maxSessionsPerPrincipal: 2 })
    const [first, second] = [open('ann'), open('ann')]
    inUse.add(first)
    jest.advanceTimersByTime(1)
    store.get(second)
    const third = open('ann')
    expect(ended.map(([id]) => id)).toEqual([second])
    inUse.add(third)
    open('ann')
    expect(ended.map(([id]) => id)).toEqual([second, first])
  })

  test('is 1 000 by default, holds with room left for others, and counts what is there', () => {
    const { store, ended, open } = host()
    for (let count = 0; count < 1_000; count += 1) open('ann')
    const last = open('bob')
    expect(ended).toEqual([])
    open('ann')
    expect(ended).toHaveLength(1)
    store.delete(open('ann'))
    expect(ended).toHaveLength(2)
    open('ann')
    expect(ended).toHaveLength(2)
    store.delete(last)
    store.delete(last)
    jest.advanceTimersByTime(31 * MINUTE)
    expect(ended).toHaveLength(1_002)
    for (let count = 0; count < 1_000; count += 1) open('ann')
    expect(ended).toHaveLength(1_002)
  })

  test('does not hold for nobody: without authentication sessions have no owner', () => {
    const { ended, open } = host({ maxSessionsPerPrincipal: 1 })
    for (let count = 0; count < 5; count += 1) open('')
    expect(ended).toEqual([])
  })
})

describe('the cap of all', () => {
  test("SC6 the owner's own oldest idle session goes first, and the host is told", () => {
    const { ended, isAlive, open } = host({ maxSessions: 3 })
    const [bob, ann, later] = [open('bob'), open('ann'), open('ann')]
    jest.advanceTimersByTime(1)
    const newest = open('ann')
    expect(ended.map(([id]) => id)).toEqual([ann])
    expect([bob, later, newest].every(isAlive)).toBe(true)
  })

  test('SC6 the oldest use counts, not the oldest session', () => {
    const { store, ended, open } = host({ maxSessions: 2 })
    const [first, second] = [open(), open()]
    jest.advanceTimersByTime(1)
    store.get(first)
    open()
    expect(ended.map(([id]) => id)).toEqual([second])
  })

  test('SC6 an update is a use as well', () => {
    const { store, ended, open } = host({ maxSessions: 2 })
    const [first, second] = [open(), open()]
    jest.advanceTimersByTime(1)
    store.update(first, CHANGED)
    open()
    expect(ended.map(([id]) => id)).toEqual([second])
  })

  test("SC6 who has none of their own takes the place of everybody's oldest idle one", () => {
    const { ended, open } = host({ maxSessions: 2 })
    const oldest = open('ann')
    open('bob')
    open('carol')
    expect(ended.map(([id]) => id)).toEqual([oldest])
  })

  test('SS11 a session in use never goes', () => {
    const { inUse, ended, isAlive, open } = host({ maxSessions: 2 })
    const [streaming, other] = [open('ann'), open('bob')]
    inUse.add(streaming)
    open('ann')
    expect(isAlive(streaming)).toBe(true)
    expect(ended.map(([id]) => id)).toEqual([other])
  })

  test('ER9 when every session is in use a new one is refused as unavailable', () => {
    const { inUse, ended, open } = host({ maxSessions: 1 })
    inUse.add(open())
    expect(() => open()).toThrow(expect.objectContaining({ code: 'unavailable', status: 503 }))
    expect(ended).toEqual([])
  })

  test('a deleted session makes room', () => {
    const { store, ended, open } = host({ maxSessions: 1 })
    store.delete(open())
    open()
    expect(ended).toEqual([])
  })

  test('10 000 sessions are kept by default', () => {
    const { ended, open } = host()
    for (let count = 0; count < 10_000; count += 1) open(`user-${count}`)
    expect(ended).toEqual([])
    open('one more')
    expect(ended).toHaveLength(1)
  })
})

test('close() ends every session, those in use too, tells the host of each, and once', () => {
  const { store, inUse, ended, open } = host()
  const ids = [open(), open()]
  inUse.add(ids[0]!)
  store.close()
  store.close()
  expect(ended.map(([id]) => id)).toEqual(ids)
  expect(store.get(ids[0]!)).toBeUndefined()
})

test.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY, '60000'])('%p is neither a time nor a cap', (value) => {
  const given = value as number
  expect(() => new MemorySessionStore({ ttlMs: given })).toThrow(
    /^"ttlMs" of MemorySessionStore must be a positive number/,
  )
  expect(() => new MemorySessionStore({ maxSessions: given })).toThrow(/^"maxSessions" of MemorySessionStore must be/)
  if (value === Infinity) return
  for (const option of ['lifetimeMs', 'maxSessionsPerPrincipal']) {
    expect(() => new MemorySessionStore({ [option]: given })).toThrow(`"${option}" of MemorySessionStore must be a`)
  }
})
