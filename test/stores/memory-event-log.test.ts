// Events in this process: the contract, the bounds, and how eviction shows.
import { MemoryEventLog, type EventStreamName, type LoggedEvent } from '../../lib/index.ts'
import { eventLogContract } from '../../lib/testing.ts'

describe('keeps the contract', () => {
  for (const { id, name, fn } of eventLogContract({ create: () => new MemoryEventLog() })) test(`${id}: ${name}`, fn)
})

const { jest } = import.meta

const name = (session = 's', stream = 'a'): EventStreamName => ({ session, stream })
const event = (position: number, bytes = 10): LoggedEvent => ({ position, text: 'x'.repeat(bytes) })
const positions = (events: readonly LoggedEvent[]): number[] => events.map(({ position }) => position)
const kept = (log: MemoryEventLog, of = name()): number[] => positions(log.read(of, 0, 0) as readonly LoggedEvent[])

test('no more than maxEvents of a session are kept, whatever streams they are of: the oldest go first (SE8)', () => {
  const log = new MemoryEventLog({ maxEvents: 3 })
  log.append(name('s', 'a'), [event(1), event(2)])
  log.append(name('s', 'b'), [event(1), event(2)])
  expect([kept(log, name('s', 'a')), kept(log, name('s', 'b'))]).toEqual([[2], [1, 2]])
  log.close()
})

test('no more than maxBytes of a session are kept, be it one event (SE8)', () => {
  const log = new MemoryEventLog({ maxBytes: 4_000 })
  log.append(name(), [event(1, 800), event(2, 800)])
  expect(kept(log)).toEqual([1, 2])
  log.append(name(), [event(3, 800)])
  expect(kept(log)).toEqual([2, 3])
  log.append(name(), [event(4, 5_000)])
  expect(kept(log)).toEqual([])
  log.close()
})

test('no more than maxTotalBytes are kept of all sessions: who holds most loses its oldest first (SE8)', () => {
  const log = new MemoryEventLog({ maxTotalBytes: 4_000 })
  log.append(name('one'), [event(1, 800)])
  log.append(name('two'), [event(1, 800)])
  log.append(name('one'), [event(2, 800)])
  expect([kept(log, name('one')), kept(log, name('two'))]).toEqual([[2], [1]])
  log.close()
})

test('who brings more than all others, in however many sessions, pushes out none that holds less than half (SE8)', () => {
  const log = new MemoryEventLog({ maxTotalBytes: 100_000 })
  log.append(name('small'), [event(1), event(2)])
  for (let position = 1; position <= 50; position += 1) {
    for (let session = 0; session < 20; session += 1) log.append(name(`large-${session}`), [event(position, 500)])
  }
  expect(kept(log, name('small'))).toEqual([1, 2])
  const shares = Array.from({ length: 20 }, (_, session) => kept(log, name(`large-${session}`)).length)
  expect(Math.min(...shares)).toBeGreaterThanOrEqual(Math.max(...shares) / 2)
  log.close()
})

test('sessions that hold the same lose in turn, the longest silent first', () => {
  const log = new MemoryEventLog({ maxTotalBytes: 4_000 })
  for (const session of ['one', 'two', 'three']) log.append(name(session), [event(1, 800)])
  expect(['one', 'two', 'three'].map((session) => kept(log, name(session)))).toEqual([[], [1], [1]])
  log.close()
})

test('what is forgotten makes room', () => {
  const log = new MemoryEventLog({ maxTotalBytes: 4_000 })
  log.append(name('one'), [event(1, 800)])
  log.forget('one')
  log.append(name('two'), [event(1, 800)])
  log.append(name('three'), [event(1, 800)])
  expect([kept(log, name('two')), kept(log, name('three'))]).toEqual([[1], [1]])
  log.close()
})

test('what is older than ttlMs goes by itself, and no timer stays when all has gone', () => {
  jest.useFakeTimers()
  try {
    const log = new MemoryEventLog({ ttlMs: 60_000 })
    log.append(name(), [event(1)])
    jest.advanceTimersByTime(40_000)
    log.append(name(), [event(2)])
    log.claim(name(), 'me', 30_000)
    jest.advanceTimersByTime(40_000)
    expect(kept(log)).toEqual([2])
    jest.advanceTimersByTime(200_000)
    expect(kept(log)).toEqual([])
    expect(jest.getTimerCount()).toBe(0)
  } finally {
    jest.useRealTimers()
  }
})

test.each(['maxEvents', 'maxBytes', 'maxTotalBytes', 'ttlMs'])('%s must be a positive number', (option) => {
  for (const value of [0, -1, Number.NaN, '1']) {
    expect(() => new MemoryEventLog({ [option]: value })).toThrow(new RegExp(`"${option}" of MemoryEventLog`))
  }
})
