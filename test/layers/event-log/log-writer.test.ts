// What a writer does when the log refuses, fails or is slow, and how its queue is counted.
import { MemoryEventLog, type EventLog, type LoggedEvent } from '../../../lib/index.ts'
import { announcementOf, decode, encode } from '../../../lib/layers/event-log/entry.ts'
import { LogWriter } from '../../../lib/layers/event-log/log-writer.ts'

const name = { session: 's', stream: 't' }
/** How far the positions of events are that the log lacks. */
const FAR = 2 ** 30
const event = (text: string): { event: string; owed: [] } => ({ event: `data: ${text}\n\n`, owed: [] })

interface Written {
  readonly writer: LogWriter
  readonly log: MemoryEventLog
  /** All that was told, in order. */
  readonly told: string[]
  /** What is in the log. */
  texts(): string[]
}

const logs: MemoryEventLog[] = []
afterEach(() => {
  for (const log of logs.splice(0)) log.close()
})

function write(over: (log: MemoryEventLog) => Partial<EventLog> = () => ({}), position = 0): Written {
  const log = new MemoryEventLog()
  logs.push(log)
  const own: EventLog = {
    append: (of, events) => log.append(of, events),
    read: (of, after, waitMs) => log.read(of, after, waitMs),
    last: (of) => log.last(of),
    claim: () => true,
    release: () => {},
    ...over(log),
  }
  const told: string[] = []
  const writer = new LogWriter(own, name, position, ['call'], {
    deliver: (bytes, at) => told.push(`${at} ${bytes.toString().trim().replaceAll('\n', ' ')}`.trim()),
    pass: (bytes) => told.push(bytes.toString()),
    onIdle: () => {},
    onReader: (reader) => told.push(`reader ${reader}`),
    onConflict: () => told.push('conflict'),
    onFailure: () => told.push('failure'),
  })
  const texts = (): string[] =>
    (log.read(name, 0, 0) as readonly LoggedEvent[]).map((logged) => {
      const { event: said, reader, lost } = decode(logged)
      return `${logged.position} ${said?.trim() ?? reader ?? (lost && 'lost') ?? ''}`.trim()
    })
  return { writer, log, told, texts }
}

const turns = (): Promise<void> => new Promise((resolve) => void setImmediate(() => void setImmediate(resolve)))

describe('another node adds who reads', () => {
  test('the writer goes on behind it, and what it has not said yet keeps its order (SE10)', async () => {
    const { writer, log, told, texts } = write()
    writer.put(event('one'))
    writer.flush()
    log.append(name, [encode(2, announcementOf('a', undefined)), encode(3, announcementOf('b', undefined))])
    writer.put(event('two'))
    writer.pass(Buffer.from('retry'), true)
    writer.put(event('three'))
    writer.flush()
    writer.put(event('four'))
    await turns()
    expect(texts()).toEqual(['1 data: one', '2 a', '3 b', '4 data: two', '5 data: three', '6 data: four'])
    expect(told).toEqual([
      '1 id: t.1 data: one',
      'reader b',
      '4 id: t.4 data: two',
      'retry',
      '5 id: t.5 data: three',
      '6 id: t.6 data: four',
    ])
  })

  test('far ahead, where nothing was kept any more (SE10)', async () => {
    const { writer, log, told } = write(undefined, 10)
    log.append(name, [encode(1_000, announcementOf('a', undefined))])
    writer.put(event('one'))
    writer.flush()
    await turns()
    expect(told).toEqual(['reader a', '1001 id: t.1001 data: one'])
  })

  test('a reader that waits here to be said comes later, so the other one has lost (SE10)', async () => {
    const { writer, log, told, texts } = write()
    log.append(name, [encode(1, announcementOf('other', undefined))])
    writer.put({ reader: 'own', owed: [] })
    writer.flush()
    await turns()
    expect(texts()).toEqual(['1 other', '2 own'])
    expect(told).toEqual(['2'])
  })

  test('a look finds it where there is nothing to append, once (SE10)', async () => {
    const { writer, log, told } = write()
    writer.look()
    await turns()
    expect(told).toEqual([])
    log.append(name, [encode(1, announcementOf('a', undefined))])
    for (let look = 0; look < 2; look += 1) {
      writer.look()
      await turns()
    }
    expect(told).toEqual(['reader a'])
    expect([writer.position, writer.delivered]).toEqual([1, 1])
  })

  test('a look that fails says nothing', async () => {
    const { writer, told } = write(() => ({ read: () => Promise.reject(new Error('down')) }))
    writer.look()
    await turns()
    expect(told).toEqual([])
    expect(writer.isIdle).toBe(true)
  })

  test('a writer whose log failed gives up: the reader gets on when another writes (SE10)', async () => {
    let isDown = true
    const { writer, log, told } = write((own) => ({
      append: (of, events) => (isDown ? Promise.reject(new Error('down')) : own.append(of, events)),
    }))
    writer.put(event('one'))
    writer.flush()
    await turns()
    isDown = false
    log.append(name, [encode(1, announcementOf('a', undefined))])
    writer.look()
    await turns()
    expect(told).toEqual(['failure', `${FAR + 1} id: t.${FAR + 1} data: one`, 'conflict'])
  })

  test('a reader that begins anew leaves out where the server is to go on: the writer says that again (SE7)', async () => {
    const { writer, log, told } = write()
    const state = { owed: [1], asked: [1, 2], upstreamId: 'u-1', retryMs: 7 }
    writer.put({ event: 'data: one\n\n', ...state })
    writer.flush()
    log.append(name, [encode(2, { owed: [1], asked: [1, 2], reader: 'a' })])
    writer.look()
    await turns()
    expect(told).toEqual(['1 id: t.1 data: one', 'reader a', '3'])
    expect(decode(log.last(name)!)).toEqual(state)
    // Nothing is said behind one that says it.
    log.append(name, [encode(4, { ...state, reader: 'b' })])
    writer.look()
    await turns()
    expect(log.last(name)!.position).toBe(4)
  })

  test('and an event that waits says it as well: no older state comes behind that', async () => {
    const { writer, log } = write()
    writer.put({ event: 'data: one\n\n', owed: [1], upstreamId: 'u-1' })
    writer.flush()
    log.append(name, [encode(2, { owed: [1], reader: 'a' })])
    writer.put({ event: 'data: two\n\n', owed: [], upstreamId: 'u-2' })
    writer.flush()
    await turns()
    expect(log.last(name)!.position).toBe(3)
    expect(decode(log.last(name)!).upstreamId).toBe('u-2')
  })
})

describe('another node writes', () => {
  test.each([
    ['an event', [event('theirs')]],
    ['the end', [{ owed: [], over: true }]],
    ['that it goes on', [{ owed: [] }]],
    ['an event, behind who reads', [announcementOf('a', undefined), event('theirs')]],
  ])('%s: this one writes no more, and says nothing more (SE7)', async (_, entries) => {
    for (const isLooking of [false, true]) {
      const { writer, log, told } = write()
      log.append(
        name,
        entries.map((entry, at) => encode(at + 1, entry)),
      )
      if (isLooking) writer.look()
      else {
        writer.put(event('own'))
        writer.flush()
      }
      await turns()
      expect(told).toEqual(['conflict'])
    }
  })

  test('a log that refuses and has nothing is somebody else’s, too', async () => {
    const { writer, told } = write(() => ({ append: () => false }))
    writer.put(event('own'))
    writer.flush()
    await turns()
    expect(told).toEqual(['conflict'])
  })
})

describe('a log that has failed', () => {
  const flaky = (): { isDown: boolean; isDeaf: boolean; written: Written } => {
    const state = { isDown: false, isDeaf: false }
    const written = write((log) => ({
      append: (of, events) => (state.isDown ? Promise.reject(new Error('down')) : log.append(of, events)),
      read: (of, after, waitMs) => (state.isDeaf ? Promise.reject(new Error('deaf')) : log.read(of, after, waitMs)),
    }))
    return Object.assign(state, { written })
  }

  /** One event that is stored and one that is not. */
  async function fail(): Promise<ReturnType<typeof flaky>> {
    const state = flaky()
    const { writer } = state.written
    writer.put({ ...event('one'), upstreamId: 'u-1' })
    writer.flush()
    state.isDown = true
    writer.put({ ...event('two'), upstreamId: 'u-2' })
    writer.flush()
    await turns()
    return state
  }

  test('is tried again at a look: what it lacks is between two positions, and whoever had that has missed nothing (SE6, SE7)', async () => {
    const state = await fail()
    const { writer, log, told, texts } = state.written
    state.isDown = false
    writer.look()
    await turns()
    expect(writer.isLost).toBe(false)
    expect(writer.deliveredEvent).toBe(FAR + 2)
    expect(decode(log.last(name)!)).toEqual({ owed: [], upstreamId: 'u-2' })
    writer.put(event('three'))
    writer.flush()
    await turns()
    expect(texts()).toEqual(['1 data: one', String(FAR + 3), `${FAR + 4} data: three`])
    expect(told.filter((each) => each === 'failure')).toHaveLength(1)
  })

  test('is left alone while it cannot be read; where another node wrote, this one gives up', async () => {
    const state = await fail()
    const { writer, log, told, texts } = state.written
    state.isDown = false
    state.isDeaf = true
    writer.look()
    await turns()
    expect(writer.isLost).toBe(true)
    expect(told).not.toContain('conflict')
    state.isDeaf = false
    log.append(name, [encode(2, event('theirs'))])
    writer.look()
    await turns()
    expect(texts()).toEqual(['1 data: one', '2 data: theirs'])
    expect(told.at(-1)).toBe('conflict')
  })

  describe('and has stored what it said had failed', () => {
    /** Two events in one append, which is executed, and fails. */
    async function doubt(): Promise<Written & { failNext(): void }> {
      let isFailing = false
      let isStoring = true
      const written = write((log) => ({
        append(of, events) {
          if (!isFailing) return log.append(of, events)
          isFailing = false
          if (isStoring) log.append(of, events)
          isStoring = false
          return Promise.reject(new Error('not in time'))
        },
      }))
      const failNext = (): void => void (isFailing = true)
      written.writer.put({ ...event('one'), owed: ['call'] })
      written.writer.flush()
      failNext()
      written.writer.put({ ...event('two'), owed: ['call'] })
      written.writer.put(event('three'))
      written.writer.flush()
      await turns()
      expect(written.texts()).toEqual(['1 data: one', '2 data: two', '3 data: three'])
      return { ...written, failNext }
    }

    test('is written to again: the writer knows its own events, and they are nobody else’s (SE7)', async () => {
      const { writer, told, texts } = await doubt()
      writer.look()
      await turns()
      expect(writer.isLost).toBe(false)
      writer.put(event('four'))
      writer.flush()
      await turns()
      expect(texts().slice(3)).toEqual([String(FAR + 4), `${FAR + 5} data: four`])
      expect(told).not.toContain('conflict')
    })

    test('is left to another writer where somebody reads at another node: later events are not in it (SE10)', async () => {
      const { writer, log, told } = await doubt()
      log.append(name, [encode(4, announcementOf('a', undefined))])
      writer.look()
      await turns()
      expect(told.at(-1)).toBe('conflict')
    })

    test('gets a gap behind what it lost after that, with the requests of the newest event it has (SE8)', async () => {
      const { writer, log, texts, failNext } = await doubt()
      failNext()
      writer.look()
      await turns()
      expect(writer.isLost).toBe(true)
      await writer.writeGap()
      expect(texts().at(-1)).toMatch(/lost$/)
      expect(decode(log.last(name)!).owed).toEqual([])
    })
  })

  test('and fails again is reported once, and moves the positions once', async () => {
    const state = await fail()
    const { writer, told } = state.written
    for (let look = 0; look < 3; look += 1) {
      writer.look()
      await turns()
      expect(writer.isLost).toBe(true)
    }
    expect(told.filter((each) => each === 'failure')).toHaveLength(1)
    expect(writer.position).toBe(FAR + 5)
    state.isDown = false
    writer.look()
    await turns()
    state.isDown = true
    writer.put(event('late'))
    writer.flush()
    await turns()
    expect(told.filter((each) => each === 'failure')).toHaveLength(2)
    expect(writer.position).toBe(2 * FAR + 7)
  })
})

describe('a gap', () => {
  async function lose(isKept: boolean): Promise<Written> {
    let isDown = false
    const written = write((log) => ({
      append(of, events) {
        if (!isDown) return log.append(of, events)
        isDown = false
        if (isKept) log.append(of, events)
        return Promise.reject(new Error('down'))
      },
    }))
    written.writer.put(event('one'))
    written.writer.flush()
    isDown = true
    written.writer.put(event('two'))
    written.writer.flush()
    await turns()
    expect(written.writer.isLost).toBe(true)
    return written
  }

  test.each([true, false])('is said behind an event that may be in the log: %s (SE8)', async (isKept) => {
    const { writer, texts } = await lose(isKept)
    await writer.writeGap()
    expect(texts()).toEqual(['1 data: one', ...(isKept ? ['2 data: two'] : []), `${FAR + 3} lost`])
  })

  test.each([true, false])(
    'is not said behind what another wrote, the doubtful one there: %s (SE7)',
    async (isKept) => {
      const { writer, log, texts } = await lose(isKept)
      log.append(name, [encode(isKept ? 3 : 2, event('theirs'))])
      const before = texts()
      await writer.writeGap()
      expect(texts()).toEqual(before)
    },
  )
})

test.each([
  ['events of one byte', (writer: LogWriter) => writer.put(event('x'))],
  ['pieces of one byte', (writer: LogWriter) => writer.pass(Buffer.from('x'), false)],
  [
    'events of a long batch',
    (writer: LogWriter) => writer.put({ ...event('x'), owed: Array.from({ length: 100 }, (_, id) => id) }),
  ],
])('03: %s count as what they cost while the log is slow (SC6)', (_, put) => {
  const { writer } = write(() => ({ append: () => new Promise(() => {}) }))
  writer.put(event('first'))
  writer.flush()
  let count = 0
  while (!writer.isFull && count < 10_000) {
    put(writer)
    count += 1
  }
  expect(count).toBeLessThan(5_000)
})
