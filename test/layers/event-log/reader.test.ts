// How a connection says in the log that it reads, beside others that write there.
import { MemoryEventLog, type EventLog, type LoggedEvent } from '../../../lib/index.ts'
import { decode, encode } from '../../../lib/layers/event-log/entry.ts'
import { EventLogBody } from '../../../lib/layers/event-log/event-log-body.ts'
import { Reader, repeatAnnouncement } from '../../../lib/layers/event-log/reader.ts'
import { Replay } from '../../../lib/layers/event-log/replay.ts'

const name = { session: 's', stream: 't' }
const nobody = (): undefined => undefined
let log: MemoryEventLog
beforeEach(() => {
  log = new MemoryEventLog()
})
afterEach(() => {
  log.close()
})

test('it repeats what the newest entry says, so that another node can go on behind it (SE7)', async () => {
  const said = { upstreamId: 'u-1', retryMs: 5, owed: [2], asked: [1, 2] }
  log.append(name, [encode(1, { event: 'data: x\n\n', ...said })])
  const reader = new Reader()
  expect(await reader.announce(name, log, 1, nobody)).toBe(2)
  expect(decode(log.last(name)!)).toEqual({ ...said, reader: reader.id })
  expect(reader.isAnnounced).toBe(true)
})

test('who had more than the log has is after all of it, and is not told where the server is to go on (SE6, SE7)', async () => {
  log.append(name, [encode(1, { event: 'data: x\n\n', upstreamId: 'u-1', retryMs: 5, owed: [2], asked: [1, 2] })])
  const reader = new Reader()
  expect(await reader.announce(name, log, 7, nobody)).toBe(8)
  expect(decode(log.last(name)!)).toEqual({ owed: [2], asked: [1, 2], reader: reader.id })
  const next = new Reader()
  expect(await next.announce(name, log, 8, nobody)).toBe(9)
})

test('a stream that is over takes no more', async () => {
  log.append(name, [encode(1, { owed: [], over: true })])
  const reader = new Reader()
  await reader.announce(name, log, 0, nobody)
  expect([log.last(name)!.position, reader.isAnnounced]).toEqual([1, true])
})

test('somebody who writes at the same time comes first, and it is said behind that', async () => {
  let writes = 3
  const busy = {
    claim: () => true,
    release: () => {},
    read: () => [],
    last: () => log.last(name),
    append(of: typeof name, events: readonly LoggedEvent[]) {
      if (writes > 0) log.append(of, [encode((log.last(of)?.position ?? 0) + 1, { owed: [] })])
      writes -= 1
      return log.append(of, events)
    },
  }
  log.append(name, [encode(1, { owed: [] })])
  expect(await new Reader().announce(name, busy, 0, nobody)).toBe(5)
  writes = Infinity
  const late = new Reader()
  expect(await late.announce(name, busy, 0, nobody)).toBeUndefined()
  expect(late.isAnnounced).toBe(false)
})

test('another that was said before is not the later one; one that was said behind it is', () => {
  const [own, other] = [new Reader(), new Reader()]
  const said = ({ id }: Reader): { reader: string; owed: [] } => ({ reader: id, owed: [] })
  expect([own.isReplacedBy(said(other)), own.isReplacedBy(said(own)), own.isReplacedBy({ owed: [] })]).toEqual([
    false,
    false,
    false,
  ])
  expect(own.isReplacedBy(said(other))).toBe(true)
  const third = new Reader()
  third.beginAnew()
  expect(third.isReplacedBy(said(other))).toBe(true)
})

describe('of a writer that has stopped', () => {
  test('the reader that is announced last is told, since nothing follows its announcement', async () => {
    log.append(name, [encode(1, { owed: [1], upstreamId: 'u-1' })])
    const reader = new Reader()
    await reader.announce(name, log, 1, nobody)
    await repeatAnnouncement(name, log)
    const told = log.last(name)!
    expect([told.position, decode(told)]).toEqual([3, { owed: [1], upstreamId: 'u-1', reader: reader.id }])
  })

  test.each<[string, () => void]>([
    ['an event', () => log.append(name, [encode(1, { owed: [] }), encode(2, { event: 'data: x\n\n', owed: [] })])],
    ['nothing', () => {}],
  ])('nobody is told in a log whose newest entry is %s', async (_, write) => {
    write()
    const before = log.last(name)
    await repeatAnnouncement(name, log)
    expect(log.last(name)).toEqual(before)
  })

  test('a reader that comes in this moment finds out by itself that nobody writes (SE7)', async () => {
    log.append(name, [encode(1, { owed: [1] })])
    const reader = new Reader()
    const asked: string[] = []
    const tools = {
      log: {
        ...methodsOf(),
        read: (_: typeof name, after: number, waitMs: number) => {
          if (waitMs > 0) asked.push('waits')
          return log.read(name, after, 0)
        },
      },
      reader,
      recorderOf: nobody,
      takeOver: () => Promise.resolve(asked.push(reader.isAnnounced ? 'again' : 'first') > 1),
      report: () => {},
    }
    const body = new EventLogBody(name, [], 1)
    body.pipe({ data: () => true, end: () => {} })
    await new Replay(name, body, 1, tools).run([])
    expect(asked).toEqual(['first', 'again'])
  })
})

/** The log as it is, as an object whose methods can be replaced. */
function methodsOf(): EventLog {
  return {
    claim: () => true,
    release: () => {},
    read: (...args) => log.read(...args),
    last: (of) => log.last(of),
    append: (of, events) => log.append(of, events),
  }
}
