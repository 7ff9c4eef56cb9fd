// Two gateways on one event log: who writes a stream, who goes on with it, and that never both do.
import { jest } from '@jest/globals'
import {
  MemoryEventLog,
  SealedSessionStore,
  type Awaitable,
  type EventLog,
  type EventStreamName,
} from '../../../lib/index.ts'
import { startGateway, type RunningGateway } from '../../support/gateway.ts'
import { initialize, openStream, type OpenStream, type Session } from '../../support/rpc.ts'
import {
  startUpstream,
  type EventStream,
  type Exchange,
  type RpcMessage,
  type Upstream,
} from '../../support/upstream.ts'

const KEYS = ['a secret of 32 characters or more, the same on each node']

/** A gateway's own view of the log that both have. */
interface View extends EventLog {
  /** Its leases are not prolonged any more, as if the process stood still. */
  isStill: boolean
}

function viewOf(log: MemoryEventLog): View {
  const claimed = new Set<string>()
  return {
    isStill: false,
    append: (name, events) => log.append(name, events),
    read: (name, after, waitMs) => log.read(name, after, waitMs),
    last: (name) => log.last(name),
    claim(name: EventStreamName, writer: string, leaseMs: number): Awaitable<boolean> {
      if (this.isStill && claimed.has(name.stream)) return true
      claimed.add(name.stream)
      return log.claim(name, writer, leaseMs)
    },
    release: (name, writer) => log.release(name, writer),
  }
}

let upstream: Upstream
let log: MemoryEventLog
let views: View[]
let gateways: RunningGateway[]

beforeEach(async () => {
  jest.useFakeTimers({
    doNotFake: ['hrtime', 'nextTick', 'queueMicrotask', 'setImmediate', 'clearImmediate'],
  })
  upstream = await startUpstream()
  upstream.on('tools/call', () => {})
  log = new MemoryEventLog()
  views = [viewOf(log), viewOf(log)]
  gateways = await Promise.all(
    views.map((events) => {
      const sessions = new SealedSessionStore({ keys: KEYS })
      return startGateway({ servers: { a: { url: upstream.url } }, events, sessions })
    }),
  )
})

afterEach(async () => {
  // Whoever was left behind would keep it waiting until a deadline that never comes: the clock stands still.
  for (const { gateway } of gateways) await gateway.close({ graceMs: 60_000 })
  for (const gateway of gateways) await gateway.close()
  log.close()
  await upstream.close()
  jest.useRealTimers()
})

const call = { jsonrpc: '2.0', id: 'call-1', method: 'tools/call', params: { name: 'slow' } }
const progress = (step: number): RpcMessage => ({
  jsonrpc: '2.0',
  method: 'notifications/progress',
  params: { step },
})
const answer: RpcMessage = { jsonrpc: '2.0', id: 'call-1', result: { content: [] } }
const failed = { id: 'call-1', error: { code: 502 } }

interface Running {
  readonly session: Session
  readonly client: OpenStream
  readonly asked: Exchange
  readonly stream: EventStream
  /** Of the event that the client had last. */
  readonly id: string
}

/** A call at the first gateway whose client has one message. */
async function begin(upstreamId?: string): Promise<Running> {
  const session = await initialize(gateways[0]!.url('a'))
  const opening = session.stream(call)
  const asked = await upstream.nextRequest('tools/call')
  const stream = asked.stream()
  await stream.write('retry: 1\n\n')
  await stream.send(progress(1), upstreamId === undefined ? {} : { id: upstreamId })
  const client = await opening
  for (;;) {
    const { id, data } = await client.next()
    if (data !== '' && id !== undefined) return { session, client, asked, stream, id }
  }
}

function resumeAt(node: number, session: Session, id: string): Promise<OpenStream> {
  return openStream(gateways[node]!.url('a'), { headers: { ...session.headers, 'last-event-id': id } })
}

/** All messages to the end of the stream. */
async function rest(client: OpenStream): Promise<RpcMessage[]> {
  await client.over
  const messages: RpcMessage[] = []
  for (;;) {
    try {
      messages.push(await client.nextMessage())
    } catch {
      return messages
    }
  }
}

/** Lets so much time pass, and whatever it brings about. */
async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 100) {
    jest.advanceTimersByTime(100)
    for (let turn = 0; turn < 3; turn += 1) await new Promise(setImmediate)
  }
}

/** An orderly end, without any grace. */
async function end({ gateway }: RunningGateway): Promise<void> {
  const closing = gateway.close({ graceMs: 0 })
  await pass(100)
  await closing
}

test('what one writes the other gives, as it comes, each event once (SE7)', async () => {
  const { session, client, stream, id } = await begin()
  client.close()
  await client.over
  await stream.send(progress(2))
  const again = await resumeAt(1, session, id)
  expect(await again.nextMessage()).toEqual(progress(2))
  for (const step of [3, 4, 5]) {
    await stream.send(progress(step))
    expect(await again.nextMessage()).toEqual(progress(step))
    await pass(6_000)
  }
  await stream.send(answer)
  stream.end()
  expect(await rest(again)).toEqual([answer])
  expect(upstream.requests('GET')).toEqual([])
})

test.each([
  ['can send again: it goes on', 'u-1', [answer]],
  ['cannot: there is an error for the request', undefined, [failed]],
])(
  'a gateway that ends leaves its stream to the other, whose upstream %s (SE7, ER14)',
  async (_, upstreamId, messages) => {
    const { session, client, id } = await begin(upstreamId)
    client.close()
    await client.over
    const again = await resumeAt(1, session, id)
    upstream.on('GET', async (exchange) => {
      expect(exchange.headers['last-event-id']).toBe('u-1')
      await exchange.stream().send(answer, { id: 'u-2' })
      exchange.stream().end()
    })
    await end(gateways[0]!)
    await pass(300)
    expect(await rest(again)).toMatchObject(messages)
    expect(upstream.requests('GET')).toHaveLength(upstreamId === undefined ? 0 : 1)
  },
)

test('a gateway that stood still finds another in its place: it keeps off, and its client is told to move (SE10)', async () => {
  const { session, client, asked, stream, id } = await begin('u-1')
  views[0]!.isStill = true
  await pass(16_000)
  const again = await resumeAt(1, session, id)
  await pass(6_000)
  const get = await upstream.nextRequest('GET')
  await get.stream().send(progress(2), { id: 'u-2' })
  expect(await again.nextMessage()).toEqual(progress(2))
  // The first one is back, and says the same, or so it thinks.
  views[0]!.isStill = false
  await stream.send(progress(2), { id: 'u-2' })
  expect(await rest(client)).toEqual([])
  expect(await asked.over).toBe('cut')
  const moved = await resumeAt(0, session, id)
  expect(await moved.nextMessage()).toEqual(progress(2))
  await get.stream().send(answer, { id: 'u-3' })
  expect(await rest(again)).toEqual([])
  expect(await rest(moved)).toEqual([answer])
})

test('several who come back to a stream that nobody writes have the upstream asked once', async () => {
  const { session, client, id } = await begin('u-1')
  client.close()
  await end(gateways[0]!)
  const clients = await Promise.all([1, 1, 1].map((node) => resumeAt(node, session, id)))
  await pass(1_000)
  const get = await upstream.nextRequest('GET')
  await get.stream().send(answer, { id: 'u-2' })
  const got = await Promise.all(clients.map(rest))
  // A stream has one client: the last of them. The others were told to come back, if they are still there.
  expect(got.toSorted((one, other) => one.length - other.length)).toEqual([[], [], [answer]])
  expect(upstream.requests('GET')).toHaveLength(1)
})

test('of connections at both the last one gets what comes, however often the client moves (SE10)', async () => {
  const { session, stream, id } = await begin()
  const clients: OpenStream[] = []
  for (const [step, node] of [1, 0, 1, 1, 0, 0, 1].entries()) {
    clients.push(await resumeAt(node, session, id))
    await pass(200)
    await stream.send(progress(10 + step))
    await pass(200)
  }
  await stream.send(answer)
  stream.end()
  await pass(6_000)
  const got = await Promise.all(clients.map(rest))
  // Each had what it missed, and one message that came while it was the last.
  const steps = got.map((messages) => messages.filter(({ params }) => params).map(({ params }) => params!['step']))
  expect(steps).toEqual(clients.map((_, at) => Array.from({ length: at + 1 }, (__, step) => 10 + step)))
  expect(got.map((messages) => messages.some(({ id: of }) => of === 'call-1'))).toEqual(
    clients.map((_, at) => at === clients.length - 1),
  )
  expect(gateways.flatMap(({ reported }) => reported.entries)).toEqual([])
})

describe('a session that listens', () => {
  async function listening(): Promise<{ session: Session; id: string }> {
    const session = await initialize(gateways[0]!.url('a'))
    const client = await session.listen()
    await (await upstream.nextRequest('GET')).stream().send(progress(1), { id: 'u-1' })
    await client.next()
    const { id } = await client.next()
    client.close()
    await client.over
    return { session, id: id! }
  }

  test('is listened to by the other when the first has waited for it in vain', async () => {
    const { session, id } = await listening()
    const client = await resumeAt(1, session, id)
    await pass(70_000)
    const get = await upstream.nextRequest('GET')
    expect(get.headers['last-event-id']).toBe('u-1')
    await get.stream().send(progress(2), { id: 'u-2' })
    expect(await client.nextMessage()).toEqual(progress(2))
    client.close()
    await client.over
    await pass(70_000)
    expect(await get.over).toBe('cut')
  })

  test('at the other is listened to by that one when the first has gone without a word (SE10)', async () => {
    const { session, id } = await listening()
    const here = await resumeAt(0, session, id)
    const there = await resumeAt(1, session, id)
    await pass(6_000)
    expect(await rest(here)).toEqual([])
    // The first has nobody left to listen for.
    await pass(66_000)
    const get = await upstream.nextRequest('GET')
    await get.stream().send(progress(2), { id: 'u-2' })
    expect(await there.nextMessage()).toEqual(progress(2))
    expect(upstream.requests('GET')).toHaveLength(2)
  })

  test('and leaves while the upstream is asked anew leaves nothing behind', async () => {
    const { session, id } = await listening()
    const client = await resumeAt(1, session, id)
    upstream.on('GET', () => {})
    await end(gateways[0]!)
    await pass(300)
    const get = await upstream.nextRequest('GET')
    client.close()
    expect(await get.over).toBe('cut')
    await pass(300)
    expect(gateways[1]!.reported.entries).toEqual([])
  })

  test('is told when the upstream does not want to be listened to any more', async () => {
    const { session, id } = await listening()
    const client = await resumeAt(1, session, id)
    upstream.on('GET', (exchange) => exchange.status(405))
    await end(gateways[0]!)
    await pass(300)
    expect(await rest(client)).toEqual([])
    expect(await resumeAt(1, session, id)).toMatchObject({ status: 405 })
  })

  test('and ends at one gateway has ended at the other soon after (SS10)', async () => {
    const { session, id } = await listening()
    const { client: calling, ...running } = await begin()
    const client = await resumeAt(1, session, id)
    const resumed = await resumeAt(1, running.session, running.id)
    await session.end()
    await running.session.end()
    await calling.over
    await pass(7_000)
    expect(await rest(client)).toEqual([])
    const last = await rest(resumed)
    expect(last).toHaveLength(1)
    expect(last[0]).toMatchObject({ id: 'call-1', error: {} })
  })
})
