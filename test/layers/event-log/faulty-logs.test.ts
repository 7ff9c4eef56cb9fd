// Event logs that fail, hang, refuse or forget: who waits is told, and nobody else notices.
import { jest } from '@jest/globals'
import {
  MemoryEventLog,
  type Awaitable,
  type EventLog,
  type EventStreamName,
  type LoggedEvent,
} from '../../../lib/index.ts'
import { startGateway, type RunningGateway } from '../../support/gateway.ts'
import { initialize, initializeMessage, post, type OpenStream, type Session } from '../../support/rpc.ts'
import {
  startUpstream,
  type EventStream,
  type Exchange,
  type RpcMessage,
  type Upstream,
} from '../../support/upstream.ts'

type Method = 'append' | 'read' | 'last' | 'claim' | 'release' | 'forget' | 'close'
type Fault = (usual: () => Awaitable<unknown>) => Awaitable<unknown>

/** A log in memory that does what a test wants instead; `async` makes it answer a turn later, as one elsewhere does. */
class FaultyLog implements EventLog {
  readonly inner: MemoryEventLog
  readonly faults = new Map<Method, Fault>()
  readonly calls: Method[] = []
  readonly #isAsync: boolean

  constructor(isAsync: boolean, options = {}) {
    this.#isAsync = isAsync
    this.inner = new MemoryEventLog(options)
  }

  append(name: EventStreamName, events: readonly LoggedEvent[]): Awaitable<boolean> {
    return this.#do('append', () => this.inner.append(name, events)) as Awaitable<boolean>
  }

  read(name: EventStreamName, after: number, waitMs: number): Awaitable<readonly LoggedEvent[]> {
    return this.#do('read', () => this.inner.read(name, after, waitMs)) as Awaitable<readonly LoggedEvent[]>
  }

  last(name: EventStreamName): Awaitable<LoggedEvent | undefined> {
    return this.#do('last', () => this.inner.last(name)) as Awaitable<LoggedEvent | undefined>
  }

  claim(name: EventStreamName, writer: string, leaseMs: number): Awaitable<boolean> {
    return this.#do('claim', () => this.inner.claim(name, writer, leaseMs)) as Awaitable<boolean>
  }

  release(name: EventStreamName, writer: string): Awaitable<void> {
    return this.#do('release', () => this.inner.release(name, writer)) as Awaitable<void>
  }

  forget(session: string): Awaitable<void> {
    return this.#do('forget', () => this.inner.forget(session)) as Awaitable<void>
  }

  close(): Awaitable<void> {
    return this.#do('close', () => this.inner.close()) as Awaitable<void>
  }

  #do(method: Method, usual: () => Awaitable<unknown>): Awaitable<unknown> {
    this.calls.push(method)
    const fault = this.faults.get(method)
    if (fault) return fault(usual)
    return this.#isAsync ? new Promise((resolve) => void setImmediate(() => resolve(usual()))) : usual()
  }
}

const throws: Fault = () => {
  throw new Error('the log throws')
}
const rejects: Fault = () => Promise.reject(new Error('the log rejects'))
const hangs: Fault = () => new Promise(() => {})
const rejectsLate: Fault = () =>
  new Promise((_, reject) => void setImmediate(() => reject(new Error('the log rejects late'))))
/** Does what it should, and says that it has failed. */
const keepsAndRejects: Fault = async (usual) => {
  await usual()
  throw new Error('the log is not sure')
}
/** Does what it should, and never gets to say so. */
const keepsAndHangs: Fault = async (usual) => {
  await usual()
  return new Promise(() => {})
}

let upstream: Upstream
let gateway: RunningGateway
let log: FaultyLog

async function setUp(events: FaultyLog): Promise<void> {
  log = events
  upstream = await startUpstream()
  upstream.on('tools/call', () => {})
  gateway = await startGateway({ servers: { a: { url: upstream.url } }, events })
}

afterEach(async () => {
  jest.useRealTimers()
  // A recorder that nobody ends would hold this up until the deadline.
  const closing = gateway.gateway.close({ graceMs: 20_000 })
  const startedAt = performance.now()
  await closing
  expect(performance.now() - startedAt).toBeLessThan(19_000)
  await gateway.close()
  await upstream.close()
})

const call = { jsonrpc: '2.0', id: 'call-1', method: 'tools/call', params: { name: 'slow' } }
const progress = (step: number): RpcMessage => ({
  jsonrpc: '2.0',
  method: 'notifications/progress',
  params: { step },
})
const answer: RpcMessage = { jsonrpc: '2.0', id: 'call-1', result: { content: [] } }
const gone = { jsonrpc: '2.0', id: 'call-1', error: { code: 400 } }

interface Running {
  readonly session: Session
  readonly client: OpenStream
  readonly asked: Exchange
  readonly stream: EventStream
}

/** A call whose client knows one id. */
async function begin(version = '2025-11-25', open?: Session): Promise<Running & { readonly id: string }> {
  const session = open ?? (await initialize(gateway.url('a'), { version }))
  const opening = session.stream(call)
  const asked = await upstream.nextRequest('tools/call')
  const stream = asked.stream()
  const client = await opening
  const { id } = await client.next()
  return { session, client, asked, stream, id: id! }
}

const resume = (session: Session, id: string): Promise<OpenStream> => session.listen({ 'last-event-id': id })

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

/**
 * Enough turns of the one event loop that all sides share for whatever can happen to have happened; without
 * "initialized", at which the gateway listens, for a while that may be faked.
 */
async function settle(turns = 5): Promise<void> {
  for (let turn = 0; turn <= turns; turn += 1) await post(gateway.url('a'), initializeMessage())
}

/** Only what waits is faked: sockets go on in real time. */
function fakeTimeouts(): void {
  jest.useFakeTimers({
    doNotFake: [
      'Date',
      'hrtime',
      'nextTick',
      'performance',
      'queueMicrotask',
      'setImmediate',
      'clearImmediate',
      'setInterval',
      'clearInterval',
    ],
  })
}

/** That another session, and another call of this one, are served while a log does what it does. */
async function expectOthersServed(session: Session): Promise<void> {
  const other = await initialize(gateway.url('a'))
  for (const each of [session, other]) {
    upstream.once('tools/call', (exchange) => exchange.result({ quick: true }))
    expect((await each.post({ ...call, id: 'other' })).message).toMatchObject({ result: { quick: true } })
  }
}

const kinds = [
  ['at once', false],
  ['later', true],
] as const

describe.each(kinds)('a log that answers %s', (_, isAsync) => {
  describe.each([
    ['throws', throws],
    ['rejects', rejects],
    ['rejects late', rejectsLate],
  ])('and %s', (__, fault) => {
    test('at an append costs the live client nothing, and the operator hears of it once', async () => {
      await setUp(new FaultyLog(isAsync))
      const { session, client, stream } = await begin()
      log.faults.set('append', fault)
      for (const step of [1, 2]) {
        await stream.send(progress(step))
        expect(await client.nextMessage()).toEqual(progress(step))
      }
      await expectOthersServed(session)
      await stream.send(answer)
      stream.end()
      expect(await rest(client)).toEqual([answer])
      expect(gateway.reported.entries).toHaveLength(1)
    })

    test('from the first append on, so does the whole call', async () => {
      await setUp(new FaultyLog(isAsync))
      const session = await initialize(gateway.url('a'))
      for (const method of ['append', 'read', 'last', 'claim', 'release'] as const) log.faults.set(method, fault)
      upstream.once('tools/call', async (exchange) => {
        await exchange.stream().send(progress(1))
        await exchange.stream().send(answer)
        exchange.stream().end()
      })
      expect((await session.post(call)).messages).toEqual([progress(1), answer])
    })

    test.each([
      ['before the log is well again', false],
      ['after that', true],
    ])('at an append is told to a client that comes back for what was lost %s (SE8)', async (___, isWell) => {
      await setUp(new FaultyLog(isAsync))
      const { session, client, stream, id } = await begin()
      log.faults.set('append', fault)
      await stream.send(progress(1))
      await client.nextMessage()
      client.close()
      await client.over
      if (isWell) log.faults.clear()
      expect(await rest(await resume(session, id))).toMatchObject([gone])
      await stream.send(answer)
      stream.end()
    })

    test('at an append is told to a client that comes back for its second answer, and no more (ER14, SE8)', async () => {
      await setUp(new FaultyLog(isAsync))
      const session = await initialize(gateway.url('a'), { version: '2025-03-26' })
      upstream.on('batch', () => {})
      const opening = session.stream([call, { ...call, id: 'call-2' }])
      const batch = await upstream.nextRequest('batch')
      const stream = batch.stream()
      await stream.send(progress(1))
      const client = await opening
      const { id } = await client.next()
      client.close()
      await client.over
      await stream.send(answer)
      await settle(1)
      log.faults.set('append', fault)
      await stream.send(progress(2))
      while (gateway.reported.entries.length === 0) await settle(1)
      log.faults.clear()
      expect(await rest(await resume(session, id!))).toMatchObject([answer, { ...gone, id: 'call-2' }])
      await stream.send({ ...answer, id: 'call-2' })
      stream.end()
    })

    test('at an append is told to a client that comes back when the stream is over (SE8)', async () => {
      await setUp(new FaultyLog(isAsync))
      const { session, client, asked, stream, id } = await begin()
      log.faults.set('append', fault)
      await stream.send(progress(1))
      await client.nextMessage()
      client.close()
      log.faults.clear()
      await stream.send(answer)
      stream.end()
      await asked.over
      await settle()
      expect(await rest(await resume(session, id))).toMatchObject([gone])
    })

    test.each(['read', 'last', 'claim'] as const)(
      'at %s is a 503, or an end that can be come back from',
      async (method) => {
        await setUp(new FaultyLog(isAsync))
        const { session, client, stream, id } = await begin()
        client.close()
        await client.over
        await stream.send(progress(1))
        log.faults.set(method, fault)
        const broken = await resume(session, id)
        if (broken.status !== 200) expect(broken.status).toBe(503)
        else {
          await stream.send(answer)
          stream.end()
        }
        await broken.over
        expect((await session.request('ping')).status).toBe(200)
        if (method !== 'claim') expect((await session.listen()).status).toBe(method === 'read' ? 200 : 503)
        log.faults.clear()
        if (broken.status === 200) return
        await stream.send(answer)
        stream.end()
        expect(await rest(await resume(session, id))).toEqual([progress(1), answer])
      },
    )
  })

  test('and has kept an answer of which it said that it failed: that comes, and no error behind it (SE7, ER14)', async () => {
    await setUp(new FaultyLog(isAsync))
    const { session, client, stream, id } = await begin()
    client.close()
    await client.over
    log.faults.set('append', keepsAndRejects)
    await stream.send(answer)
    while (gateway.reported.entries.length === 0) await settle(1)
    log.faults.clear()
    expect(await rest(await resume(session, id))).toEqual([answer])
    stream.end()
  })

  test('and refuses an append, since another writes: the stream ends, and goes on where the other is (SE7)', async () => {
    await setUp(new FaultyLog(isAsync))
    const { session, client, asked, stream, id } = await begin()
    log.faults.set('append', () => false)
    await stream.send(progress(1))
    expect(await rest(client)).toEqual([])
    expect(await asked.over).toBe('cut')
    log.faults.clear()
    // Nobody writes it any more: this gateway goes on with it, and has nowhere to go on from.
    expect(await rest(await resume(session, id))).toMatchObject([{ id: 'call-1', error: { code: 502 } }])
  })

  test('and refuses an append for a client that knows no id yet: it gets an error for its request (ER14)', async () => {
    await setUp(new FaultyLog(isAsync))
    const session = await initialize(gateway.url('a'), { version: '2025-06-18' })
    log.faults.set('append', () => false)
    const opening = session.stream(call)
    await (await upstream.nextRequest('tools/call')).stream().send(progress(1))
    expect(await rest(await opening)).toMatchObject([{ id: 'call-1', error: { code: 502 } }])
  })

  test('and keeps only the last event of a session: whoever was too slow is told, whoever is not gets all (SE8)', async () => {
    await setUp(new FaultyLog(isAsync, { maxEvents: 1 }))
    const { session, client, stream, id } = await begin()
    for (const step of [1, 2, 3]) {
      await stream.send(progress(step))
      expect(await client.nextMessage()).toEqual(progress(step))
    }
    client.close()
    await client.over
    expect(await rest(await resume(session, id))).toMatchObject([gone])
    await stream.send(answer)
    stream.end()
    await settle()
    expect(await rest(await resume(session, id))).toMatchObject([gone])
  })

  test('and keeps nothing: who is back before anything else came has missed nothing (SE7)', async () => {
    await setUp(new FaultyLog(isAsync, { maxBytes: 1 }))
    const { session, client, stream, id } = await begin()
    client.close()
    await client.over
    const again = await resume(session, id)
    await stream.send(progress(1))
    expect(await again.nextMessage()).toEqual(progress(1))
    again.close()
    await again.over
    await stream.send(progress(2))
    const late = await resume(session, id)
    expect(late.status === 400 ? [gone] : await rest(late)).toMatchObject([gone])
    await stream.send(answer)
    stream.end()
  })

  test('and keeps nothing: a session can listen all the same, and come back to it (SE10)', async () => {
    await setUp(new FaultyLog(isAsync, { maxBytes: 1 }))
    const session = await initialize(gateway.url('a'))
    const client = await session.listen()
    const get = (await upstream.nextRequest('GET')).stream()
    await get.send(progress(1))
    expect(await client.nextMessage()).toEqual(progress(1))
    client.close()
    await client.over
    const again = await session.listen()
    await get.send(progress(2))
    expect(await again.nextMessage()).toEqual(progress(2))
    expect(upstream.requests('GET')).toHaveLength(1)
    await session.end()
  })
})

test('a log that answers late holds nothing up for long, and gets at once what came meanwhile (SE7)', async () => {
  await setUp(new FaultyLog(true))
  const { session, client, stream, id } = await begin()
  const before = log.calls.filter((method) => method === 'append').length
  const late: Fault = (usual) => new Promise((resolve) => void setTimeout(() => resolve(usual()), 50))
  for (const method of ['append', 'read', 'last'] as const) log.faults.set(method, late)
  const all = Array.from({ length: 200 }, (_, step) => progress(step))
  for (const message of all) await stream.send(message)
  await stream.send(answer)
  stream.end()
  expect(await rest(client)).toEqual([...all, answer])
  expect(await rest(await resume(session, id))).toEqual([...all, answer])
  expect(log.calls.filter((method) => method === 'append').length - before).toBeLessThan(150)
})

describe('a log that does not answer', () => {
  /** Lets so much time pass, and whatever it brings about. */
  async function pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 1_000) {
      jest.advanceTimersByTime(1_000)
      for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate)
    }
  }

  test.each([
    ['never', hangs],
    ['never, having kept it', keepsAndHangs],
  ])('an append (%s) counts as failed after a while: events go on, and nothing comes twice (SE8)', async (_, fault) => {
    await setUp(new FaultyLog(true))
    const { session, client, stream, id } = await begin()
    fakeTimeouts()
    log.faults.set('append', fault)
    await stream.send(progress(1))
    await settle()
    await pass(10_000)
    expect(await client.nextMessage()).toEqual(progress(1))
    await stream.send(progress(2))
    expect(await client.nextMessage()).toEqual(progress(2))
    expect(gateway.reported.entries).toHaveLength(1)
    await expectOthersServed(session)
    client.close()
    await client.over
    await stream.send(answer)
    stream.end()
    log.faults.clear()
    await settle()
    await pass(10_000)
    const messages = await rest(await resume(session, id))
    expect(messages.filter(({ method }) => method === undefined)).toMatchObject([gone])
  })

  test.each(['last', 'read'] as const)('to %s: a client that comes back gets a 503 in time', async (method) => {
    await setUp(new FaultyLog(true))
    const { session, client, stream, id } = await begin()
    fakeTimeouts()
    client.close()
    await client.over
    await stream.send(progress(1))
    await settle()
    log.faults.set(method, hangs)
    const opening = resume(session, id)
    await settle()
    await pass(10_000)
    expect((await opening).status).toBe(503)
    log.faults.clear()
    await stream.send(answer)
    stream.end()
    expect(await rest(await resume(session, id))).toEqual([progress(1), answer])
  })

  test('to claim, release, forget and close keeps nobody waiting', async () => {
    await setUp(new FaultyLog(true))
    for (const method of ['claim', 'release', 'forget', 'close'] as const) log.faults.set(method, hangs)
    const { session, client, stream } = await begin()
    await stream.send(answer)
    stream.end()
    expect(await rest(client)).toEqual([answer])
    fakeTimeouts()
    const ending = session.end()
    await settle()
    await pass(10_000)
    expect((await ending).status).toBe(200)
    const closing = gateway.gateway.close({ graceMs: 600_000 })
    for (let turn = 0; turn < 30; turn += 1) await pass(1_000)
    await closing
  })
})
