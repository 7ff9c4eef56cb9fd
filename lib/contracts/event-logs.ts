/** The contract of an EventLog, as tests that any runner can run. */
import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict'
import type { Awaitable, EventLog, EventStreamName, LoggedEvent } from '../types.ts'
import { type ContractTest, checkFactory, contractOf, type RequirementOf, sleep } from './contract.ts'

/** The log to be tested. */
export interface EventLogFactory {
  /**
   * Creates a log that keeps at least 100 events per stream. It may hold events of other tests. Each test creates one
   * log and closes it.
   */
  create(): Awaitable<EventLog>
  /**
   * Creates another log on the same events, as another node would. The requirements that concern several nodes are
   * tested where this is given.
   */
  createAnother?: (() => Awaitable<EventLog>) | undefined
}

type Requirement = RequirementOf<EventLog>

let streams = 0

/** The name of a stream that no other test uses. */
function newName(): EventStreamName {
  streams += 1
  return { session: `session-${process.pid}-${streams}`, stream: 'stream_1' }
}

function events(from: number, to: number): LoggedEvent[] {
  return Array.from({ length: to - from + 1 }, (_, index) => ({
    position: from + index,
    text: `{"event":"${from + index}"}`,
  }))
}

const plain = (read: readonly LoggedEvent[]): LoggedEvent[] => read.map(({ position, text }) => ({ position, text }))

/** All events after a position, read in portions. */
async function readAll(log: EventLog, name: EventStreamName, after = 0): Promise<LoggedEvent[]> {
  const all: LoggedEvent[] = []
  for (;;) {
    const portion = plain(await log.read(name, all.at(-1)?.position ?? after, 0))
    if (portion.length === 0) return all
    all.push(...portion)
  }
}

/**
 * The tests of the `EventLog` contract. A log keeps the contract when the `fn` of every test resolves.
 *
 * @example
 * ```js
 * import { test } from 'node:test'
 * import { eventLogContract } from 'express-mcp-gateway/testing'
 *
 * for (const { name, fn } of eventLogContract({ create: () => new MyEventLog() })) test(name, fn)
 * ```
 */
export function eventLogContract(factory: EventLogFactory): ContractTest[] {
  checkFactory('eventLogContract', factory)
  const shared = factory.createAnother ? sharedRequirements(factory) : []
  return contractOf([...REQUIREMENTS, ...shared], () => factory.create())
}

const REQUIREMENTS: readonly Requirement[] = [
  [
    'append-read',
    'MUST give back what was appended, in order, behind any position',
    async (log) => {
      const name = newName()
      strictEqual(await log.append(name, events(1, 1)), true)
      strictEqual(await log.append(name, events(2, 5)), true)
      deepStrictEqual(await readAll(log, name), events(1, 5))
      deepStrictEqual(await readAll(log, name, 3), events(4, 5))
      deepStrictEqual(await readAll(log, name, 5), [])
    },
  ],
  [
    'append-many',
    'MUST keep 100 events of a stream',
    async (log) => {
      const name = newName()
      strictEqual(await log.append(name, events(1, 100)), true)
      deepStrictEqual(await readAll(log, name), events(1, 100))
    },
  ],
  [
    'append-conflict',
    'MUST refuse, and not keep any of, events that do not come last',
    async (log) => {
      const name = newName()
      await log.append(name, events(1, 3))
      strictEqual(await log.append(name, [{ position: 3, text: 'another' }, ...events(4, 4)]), false)
      strictEqual(await log.append(name, [{ position: 2, text: 'another' }]), false)
      deepStrictEqual(await readAll(log, name), events(1, 3))
    },
  ],
  [
    'append-gap',
    'MUST take a stream that begins anywhere and has gaps',
    async (log) => {
      const name = newName()
      strictEqual(await log.append(name, events(1_763_700_000_000, 1_763_700_000_001)), true)
      strictEqual(await log.append(name, events(1_763_700_000_009, 1_763_700_000_009)), true)
      const positions = (await readAll(log, name, 1_763_700_000_000)).map(({ position }) => position)
      deepStrictEqual(positions, [1_763_700_000_001, 1_763_700_000_009])
    },
  ],
  [
    'append-text',
    'MUST keep any text: quotes, line ends, other scripts, 256 KiB of it',
    async (log) => {
      const name = newName()
      const text = `"quoted"\r\n\u0000\\ \u00e9\u6f22\u{1f511}${'x'.repeat(256 * 1024)}`
      await log.append(name, [{ position: 1, text }])
      deepStrictEqual(await readAll(log, name), [{ position: 1, text }])
    },
  ],
  [
    'append-concurrent',
    'MUST answer appends that come at the same time as if they had come one by one',
    async (log) => {
      const name = newName()
      const answers = await Promise.all([1, 2, 3].map(async () => log.append(name, events(1, 2))))
      deepStrictEqual(answers.filter(Boolean), [true])
      deepStrictEqual(await readAll(log, name), events(1, 2))
    },
  ],
  [
    'apart',
    'MUST keep streams apart, of one session and of others',
    async (log) => {
      const name = newName()
      const others = [
        { ...name, stream: 'stream_2' },
        { ...newName(), stream: name.stream },
      ]
      await log.append(name, events(1, 2))
      for (const other of others) {
        deepStrictEqual(await readAll(log, other), [])
        strictEqual(await log.last(other), undefined)
        strictEqual(await log.append(other, events(1, 1)), true)
      }
      deepStrictEqual(await readAll(log, name), events(1, 2))
    },
  ],
  [
    'last',
    'MUST answer last() with the newest event, undefined where there is none',
    async (log) => {
      const name = newName()
      strictEqual(await log.last(name), undefined)
      await log.append(name, events(1, 3))
      const last = await log.last(name)
      deepStrictEqual(last && plain([last]), events(3, 3))
    },
  ],
  [
    'read-wait',
    'MUST answer a read() that waits when an event comes, long before its time',
    async (log) => {
      const name = newName()
      await log.append(name, events(1, 1))
      const reading = log.read(name, 1, 10_000)
      await sleep(20)
      const appendedAt = Date.now()
      await log.append(name, events(2, 2))
      deepStrictEqual(plain(await reading), events(2, 2))
      ok(Date.now() - appendedAt < 2_000)
    },
  ],
  [
    'read-wait-begin',
    'MUST wait for the first event of a stream as for any other',
    async (log) => {
      const name = newName()
      const reading = log.read(name, 0, 10_000)
      await sleep(20)
      await log.append(name, events(1, 1))
      deepStrictEqual(plain(await reading), events(1, 1))
    },
  ],
  [
    'read-wait-many',
    'MUST have many wait at the same time, for one stream and for several',
    async (log) => {
      const names = [newName(), newName(), newName()]
      const readings = names.flatMap((name) => [log.read(name, 0, 10_000), log.read(name, 0, 10_000)])
      await sleep(20)
      for (const name of names) await log.append(name, events(1, 1))
      for (const reading of readings) deepStrictEqual(plain(await reading), events(1, 1))
    },
  ],
  [
    'read-wait-end',
    'MUST answer a read() without events when its time is over',
    async (log) => deepStrictEqual(await log.read(newName(), 0, 30), []),
  ],
  [
    'claim',
    'MUST let one writer have a stream, as often as it asks',
    async (log) => {
      const name = newName()
      strictEqual(await log.claim(name, 'one', 60_000), true)
      strictEqual(await log.claim(name, 'two', 60_000), false)
      strictEqual(await log.claim(name, 'one', 60_000), true)
      strictEqual(await log.claim({ ...name, stream: 'stream_2' }, 'two', 60_000), true)
    },
  ],
  [
    'claim-expiry',
    'MUST let another writer have a stream whose lease is over',
    async (log) => {
      const name = newName()
      strictEqual(await log.claim(name, 'one', 50), true)
      await sleep(150)
      strictEqual(await log.claim(name, 'two', 60_000), true)
    },
  ],
  [
    'release',
    'MUST let another writer have a stream that was released, and nobody release another one’s',
    async (log) => {
      const name = newName()
      await log.claim(name, 'one', 60_000)
      await log.release(name, 'two')
      strictEqual(await log.claim(name, 'two', 60_000), false)
      await log.release(name, 'one')
      strictEqual(await log.claim(name, 'two', 60_000), true)
      await log.release({ ...name, stream: 'unknown' }, 'one')
    },
  ],
  [
    'forget',
    'MUST have nothing of a session after forget(), where there is forget()',
    async (log) => {
      if (!log.forget) return
      const [name, other] = [newName(), newName()]
      await log.append(name, events(1, 2))
      await log.append(other, events(1, 2))
      await log.forget(name.session)
      deepStrictEqual(await readAll(log, name), [])
      deepStrictEqual(await readAll(log, other), events(1, 2))
    },
  ],
  [
    'close-waiting',
    'MUST answer who waits when it is closed',
    async (log) => {
      if (!log.close) return
      const reading = log.read(newName(), 0, 60_000)
      await sleep(20)
      await log.close()
      deepStrictEqual(await reading, [])
      await log.close()
    },
  ],
]

function sharedRequirements(factory: EventLogFactory): readonly Requirement[] {
  const shared = (check: (log: EventLog, other: EventLog) => Promise<void>) => async (log: EventLog) => {
    const other = (await factory.createAnother?.()) ?? log
    try {
      await check(log, other)
    } finally {
      if (other !== log) await other.close?.()
    }
  }
  return [
    [
      'shared-events',
      'MUST give another node the same events, those too that it waits for',
      shared(async (log, other) => {
        const name = newName()
        await log.append(name, events(1, 1))
        deepStrictEqual(await readAll(other, name), events(1, 1))
        const reading = other.read(name, 1, 10_000)
        await sleep(20)
        await log.append(name, events(2, 2))
        deepStrictEqual(plain(await reading), events(2, 2))
      }),
    ],
    [
      'shared-lease',
      'MUST keep a stream from another node while it is claimed',
      shared(async (log, other) => {
        const name = newName()
        strictEqual(await log.claim(name, 'one', 60_000), true)
        strictEqual(await other.claim(name, 'two', 60_000), false)
        await log.release(name, 'one')
        strictEqual(await other.claim(name, 'two', 60_000), true)
      }),
    ],
  ]
}
