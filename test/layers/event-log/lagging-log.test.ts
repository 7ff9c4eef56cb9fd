// An event log that lacks the last events that its client has had: what comes back is never given again, nor its ids.
import { jest } from '@jest/globals'
import { type EventLog, MemoryEventLog, SealedSessionStore } from '../../../lib/index.ts'
import { startGateway, type RunningGateway } from '../../support/gateway.ts'
import { initialize, openStream, type OpenStream, type Session } from '../../support/rpc.ts'
import { startUpstream, type EventStream, type RpcMessage, type Upstream } from '../../support/upstream.ts'

const KEYS = ['a secret of 32 characters or more, the same on each node']

/** A gateway's own view of the log that both have. */
interface View extends EventLog {
  /** Whatever writes is refused, as by a Redis that is full. */
  isFull: boolean
  /** Whatever is appended is stored, and no answer comes in time. */
  isInDoubt: boolean
  /** Nothing is answered, as if the gateway had been killed. */
  isDead: boolean
}

function viewOfLog(): View {
  const view = { isFull: false, isInDoubt: false, isDead: false }
  const guard = (isWrite: boolean): void => {
    if (view.isDead || (view.isFull && isWrite)) throw new Error('OOM command not allowed')
  }
  const guarded =
    <A extends unknown[], R>(isWrite: boolean, method: (...args: A) => R) =>
    (...args: A): R => {
      guard(isWrite)
      return method(...args)
    }
  return Object.assign(view, {
    append: guarded(true, (...args: Parameters<EventLog['append']>) => {
      appended.push(args)
      const answer = log.append(...args)
      if (view.isInDoubt) throw new Error('The event log did not answer append() in time')
      return answer
    }),
    read: guarded(false, (...args: Parameters<EventLog['read']>) => log.read(...args)),
    last: guarded(false, (...args: Parameters<EventLog['last']>) => log.last(...args)),
    claim: guarded(true, (...args: Parameters<EventLog['claim']>) => log.claim(...args)),
    release: guarded(false, (...args: Parameters<EventLog['release']>) => log.release(...args)),
  })
}

let upstream: Upstream
let log: MemoryEventLog
/** All that was appended to it. */
let appended: Parameters<EventLog['append']>[]
let views: View[]
let gateways: RunningGateway[]
/** All that the server has said, and its open listening streams: it sends again what comes after `Last-Event-ID`. */
let said: RpcMessage[]
let streams: EventStream[]

beforeEach(async () => {
  jest.useFakeTimers({ doNotFake: ['hrtime', 'nextTick', 'queueMicrotask', 'setImmediate', 'clearImmediate'] })
  said = []
  streams = []
  upstream = await startUpstream()
  upstream.on('GET', async (exchange) => {
    const last = exchange.headers['last-event-id']
    const stream = exchange.stream()
    streams.push(stream)
    await stream.write(': hello\n\n')
    if (last === undefined) return
    for (const [at, message] of said.entries()) if (at > Number(last)) await stream.send(message, { id: String(at) })
  })
  log = new MemoryEventLog()
  appended = []
  views = [viewOfLog(), viewOfLog()]
  gateways = await Promise.all(
    views.map((events) => {
      const sessions = new SealedSessionStore({ keys: KEYS })
      return startGateway({ servers: { a: { url: upstream.url } }, events, sessions })
    }),
  )
})

afterEach(async () => {
  for (const { gateway } of gateways) await gateway.close({ graceMs: 60_000 })
  for (const gateway of gateways) await gateway.close()
  log.close()
  await upstream.close()
  jest.useRealTimers()
})

/** The server says the next thing. */
async function say(): Promise<RpcMessage> {
  const message = { jsonrpc: '2.0', method: 'notifications/message', params: { number: said.length } } as const
  said.push(message)
  await streams.at(-1)!.send(message, { id: String(said.length - 1) })
  return message
}

/** Lets so much time pass, and whatever it brings about. */
async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 100) {
    jest.advanceTimersByTime(100)
    for (let turn = 0; turn < 3; turn += 1) await new Promise(setImmediate)
  }
}

/** A client that listens at one gateway after another. */
class Listener {
  readonly ids: string[] = []
  readonly heard: unknown[] = []
  readonly #session: Session
  #stream: OpenStream | undefined

  constructor(session: Session) {
    this.#session = session
  }

  async listenAt(node: number, isAnew = false): Promise<number> {
    const last = isAnew ? undefined : this.ids.at(-1)
    const headers = { ...this.#session.headers, ...(last !== undefined && { 'last-event-id': last }) }
    const stream = await openStream(gateways[node]!.url('a'), { headers })
    this.#stream = stream
    if (stream.status === 200) void this.#read(stream)
    return stream.status
  }

  async leave(): Promise<void> {
    this.#stream?.close()
    await this.#stream?.over
    await pass(100)
  }

  async #read(stream: OpenStream): Promise<void> {
    for (;;) {
      const event = await stream.next().catch(() => undefined)
      if (!event) return
      if (event.id !== undefined) this.ids.push(event.id)
      if (event.data !== '') this.heard.push((JSON.parse(event.data) as RpcMessage).params!['number'])
    }
  }
}

type Fault = 'isFull' | 'isInDoubt'

/** A client at the first gateway that has heard 0 from the log and 1 and 2 while that failed, and has left. */
async function hearUnlogged(version = '2025-11-25', fault: Fault = 'isFull'): Promise<Listener> {
  const client = new Listener(await initialize(gateways[0]!.url('a'), { version }))
  await client.listenAt(0)
  await say()
  await pass(200)
  for (const view of views) view[fault] = true
  await say()
  await say()
  await pass(200)
  expect(client.heard).toEqual([0, 1, 2])
  await client.leave()
  for (const view of views) view[fault] = false
  return client
}

/** Whether each thing that the server said came at most once, each under an id of its own, and what it says now comes. */
async function expectOnce(client: Listener): Promise<void> {
  await pass(25_000)
  const number = said.length
  await say()
  await pass(500)
  expect(client.heard).toEqual([0, 1, 2, number])
  expect(new Set(client.ids).size).toBe(client.ids.length)
}

describe.each<[version: string, words: string, Fault]>([
  ['2025-06-18', 'refused it', 'isFull'],
  ['2025-06-18', 'has stored some of it, and not said so', 'isInDoubt'],
  ['2025-11-25', 'refused it', 'isFull'],
  ['2025-11-25', 'has stored some of it, and not said so', 'isInDoubt'],
])('a %s client that had more than the log, which %s, hears none of it again', (version, _, fault) => {
  test('at another node while its own one goes on (SE6, SE7)', async () => {
    const client = await hearUnlogged(version, fault)
    expect(await client.listenAt(1)).toBe(200)
    await expectOnce(client)
  })

  test('at another node after its own one was killed (SE6, SE7)', async () => {
    const client = await hearUnlogged(version, fault)
    views[0]!.isDead = true
    expect(await client.listenAt(1)).toBe(200)
    await expectOnce(client)
  })

  test('at another node where it listens once the lease has expired (SE6, SE7)', async () => {
    const client = await hearUnlogged(version, fault)
    views[0]!.isDead = true
    await pass(16_000)
    expect(await client.listenAt(1)).toBe(200)
    await expectOnce(client)
  })

  test.each([false, true])(
    'at another node where it begins anew, its own one killed: %s (SE6, SE7)',
    async (isDead) => {
      const client = await hearUnlogged(version, fault)
      views[0]!.isDead = isDead
      expect(await client.listenAt(1, true)).toBe(200)
      await expectOnce(client)
    },
  )

  test('when it comes and goes while another node waits for its own one (SE6, SE7)', async () => {
    const client = await hearUnlogged(version, fault)
    views[0]!.isDead = true
    for (let times = 0; times < 3; times += 1) {
      expect(await client.listenAt(1)).toBe(200)
      await pass(1_000)
      await client.leave()
    }
    expect(await client.listenAt(1)).toBe(200)
    await expectOnce(client)
  })
})

test('a client that had less than the log and no more hears what was not logged, once (SE7)', async () => {
  const client = new Listener(await initialize(gateways[0]!.url('a')))
  await client.listenAt(0)
  await say()
  await pass(200)
  await client.leave()
  for (const view of views) view.isFull = true
  await say()
  await pass(200)
  for (const view of views) view.isFull = false
  expect(await client.listenAt(1)).toBe(200)
  await pass(25_000)
  await say()
  await pass(500)
  expect(client.heard).toEqual([0, 1, 2])
})

test.each<Fault>(['isFull', 'isInDoubt'])(
  'a log that is well again, and was not (%s), has all that comes then: a client that moves misses nothing of it (SE7)',
  async (fault) => {
    const client = await hearUnlogged(undefined, fault)
    // As long as it takes until the log is tried again.
    await pass(6_000)
    await say()
    await pass(200)
    expect(await client.listenAt(1)).toBe(200)
    await pass(200)
    await say()
    await pass(500)
    expect(client.heard).toEqual([0, 1, 2, 3, 4])
    await client.leave()
    expect(await client.listenAt(0)).toBe(200)
    await pass(200)
    await say()
    await pass(500)
    expect(client.heard).toEqual([0, 1, 2, 3, 4, 5])
    expect(new Set(client.ids).size).toBe(client.ids.length)
    expect(streams).toHaveLength(1)
  },
)

test.each([
  ['before its client comes', true],
  ['while its client waits at another node', false],
])('a log that forgets its end %s has nothing sent again (SE6, SE7)', async (_, isBefore) => {
  const client = new Listener(await initialize(gateways[0]!.url('a')))
  await client.listenAt(0)
  await say()
  await pass(200)
  const kept = appended.length
  await say()
  await say()
  await pass(200)
  expect(client.heard).toEqual([0, 1, 2])
  await client.leave()
  views[0]!.isDead = true
  if (!isBefore) expect(await client.listenAt(1)).toBe(200)
  await pass(200)
  log.close()
  log = new MemoryEventLog()
  for (const [name, events] of appended.slice(0, kept)) log.append(name, events)
  if (isBefore) expect(await client.listenAt(1)).toBe(200)
  await expectOnce(client)
})
