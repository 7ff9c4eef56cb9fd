// With an event log, at the edges: giant events, clients that do not read, upstreams to be polled, sessions that end.
import { once } from 'node:events'
import { request, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { jest } from '@jest/globals'
import {
  MemoryEventLog,
  MemorySessionStore,
  type EventLog,
  type Gateway,
  type GatewayOptions,
} from '../../../lib/index.ts'
import { startGateway, type RunningGateway } from '../../support/gateway.ts'
import { createJournal, type Journal } from '../../support/journal.ts'
import { callPatiently } from '../../support/patient-client.ts'
import { initialize, type OpenStream, type Session } from '../../support/rpc.ts'
import { startUpstream, type EventStream, type Exchange, type RpcMessage, type Upstream } from '../../support/upstream.ts'

const KiB = 1024
const MiB = 1024 * KiB

let upstream: Upstream
let gateway: RunningGateway
/** The gateway's own ends. */
let responses: Journal<ServerResponse>

async function setUp(events: EventLog = new MemoryEventLog(), options: Partial<GatewayOptions> = {}): Promise<void> {
  upstream = await startUpstream()
  upstream.on('tools/call', () => {})
  responses = createJournal()
  const host = {
    prefix: '',
    mount: (handle: Gateway): RequestListener => {
      return (req, res) => {
        responses.record(res)
        handle(req, res)
      }
    },
  }
  gateway = await startGateway({ servers: { a: { url: upstream.url } }, events, ...options }, host)
}

afterEach(async () => {
  jest.useRealTimers()
  // A recorder or a follower that nobody ends would hold this up until the deadline.
  const startedAt = performance.now()
  await gateway.gateway.close({ graceMs: 2_000 })
  expect(performance.now() - startedAt).toBeLessThan(1_900)
  await gateway.close()
  await upstream.close()
})

const call = { jsonrpc: '2.0', id: 'call-1', method: 'tools/call', params: { name: 'slow' } }
const progress = (step: number, padding = ''): RpcMessage => ({
  jsonrpc: '2.0',
  method: 'notifications/progress',
  params: { step, padding },
})
const answer: RpcMessage = { jsonrpc: '2.0', id: 'call-1', result: { content: [] } }
const gone = { id: 'call-1', error: { code: 400 } }

interface Running {
  readonly session: Session
  readonly client: OpenStream
  readonly asked: Exchange
  readonly stream: EventStream
  /** Of the priming event. */
  readonly id: string
}

/** A call whose client knows one id. */
async function begin(open?: Session): Promise<Running> {
  const session = open ?? (await initialize(gateway.url('a')))
  const opening = session.stream(call)
  const asked = await upstream.nextRequest('tools/call')
  const stream = asked.stream()
  const client = await opening
  return { session, client, asked, stream, id: (await client.next()).id! }
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

async function leave(client: OpenStream): Promise<void> {
  client.close()
  await client.over
}

/** Enough turns of the one event loop that all sides share for whatever can happen to have happened. */
async function settle(turns = 5): Promise<void> {
  const session = await initialize(gateway.url('a'))
  for (let turn = 0; turn < turns; turn += 1) await session.request('ping')
}

/** Only intervals and timeouts are faked: sockets go on in real time. */
function fakeTimers(...more: Array<'Date'>): void {
  const real = ['hrtime', 'nextTick', 'performance', 'queueMicrotask', 'setImmediate', 'clearImmediate'] as const
  jest.useFakeTimers({ doNotFake: more.includes('Date') ? [...real] : [...real, 'Date'] })
}

describe('an event of more than 16 MiB', () => {
  const giant = 'x'.repeat(17 * MiB)

  /** A call whose client looks at bytes, which is quicker with so many of them. */
  async function beginRaw() {
    const session = await initialize(gateway.url('a'))
    const headers = { ...session.headers, accept: 'text/event-stream, application/json' }
    const sent = request(session.url, { method: 'POST', headers: { ...headers, 'content-type': 'application/json' } })
    sent.end(JSON.stringify(call))
    const asked = await upstream.nextRequest('tools/call')
    const stream = asked.stream()
    const [res] = (await once(sent, 'response')) as [IncomingMessage]
    const chunks: Buffer[] = []
    res.on('data', (chunk: Buffer) => void chunks.push(chunk))
    const bytes = (): Buffer => Buffer.concat(chunks)
    const until = async (isThere: (all: Buffer) => boolean): Promise<void> => {
      while (!isThere(bytes())) await once(res, 'data')
    }
    await until((all) => all.includes('\n\n'))
    const [, id] = /^id: (.*)$/m.exec(bytes().toString())!
    const client = { until, text: () => bytes().toString(), close: () => res.destroy() }
    return { session, client, asked, stream, id: id! }
  }

  test('reaches the client that is there, and what comes behind it can be resumed', async () => {
    await setUp()
    const { session, client, stream, asked } = await beginRaw()
    await stream.send(progress(1, giant))
    await stream.send(progress(2))
    await client.until((bytes) => bytes.includes('"step":2'))
    const [, id, ...others] = [...client.text().matchAll(/^id: (.*)$/gm)].map(([, each]) => each!)
    expect([id, others]).toEqual([expect.stringMatching(/\.3$/), []])
    expect(
      client
        .text()
        .match(/x+/g)!
        .filter(({ length }) => length === giant.length),
    ).toHaveLength(1)
    client.close()
    await stream.send(answer)
    stream.end()
    await asked.over
    expect(await rest(await resume(session, id!))).toEqual([answer])
  }, 15_000)

  test.each([
    ['before anything else came', []],
    ['when more had come', [progress(2)]],
  ])('is told of to a client that missed it and is back %s (SE8)', async (_, more) => {
    await setUp()
    const { session, client, stream, id } = await begin()
    await leave(client)
    await stream.send(progress(1, giant))
    for (const message of more) await stream.send(message)
    await settle()
    expect(await rest(await resume(session, id))).toMatchObject([gone])
    await stream.send(answer)
    stream.end()
    await settle()
    expect(await rest(await resume(session, id))).toMatchObject([gone])
  })

  test('is told of, too, when it is the answer itself (SE8)', async () => {
    await setUp()
    const { session, client, stream, asked, id } = await begin()
    await leave(client)
    await stream.send({ ...answer, result: { giant } })
    stream.end()
    await asked.over
    await settle()
    expect(await rest(await resume(session, id))).toMatchObject([gone])
  })

  test('comes once where the upstream breaks behind it and could send it again (SE7)', async () => {
    await setUp()
    const { client, stream, asked } = await beginRaw()
    upstream.once('GET', async (exchange) => {
      await exchange.stream().send(answer, { id: 'u-3' })
      exchange.stream().end()
    })
    await stream.write('id: u-1\nretry: 1\ndata: \n\n')
    await stream.send(progress(1, giant), { id: 'u-2' })
    await client.until((bytes) => bytes.length > giant.length)
    asked.cut()
    await client.until((bytes) => bytes.subarray(-200).includes('"result"'))
    expect(client.text().match(/"id":"call-1"/g)).toHaveLength(1)
    expect(upstream.requests('GET').map(({ headers }) => headers['last-event-id'])).toEqual(['u-2'])
  }, 15_000)

  test('that breaks off is a broken connection for its client, and told of when it comes back', async () => {
    await setUp()
    const { session, client, stream, asked, id } = await beginRaw()
    await stream.write(`data: {"params":"${giant}`)
    await client.until((bytes) => bytes.length > giant.length)
    asked.cut()
    await expect(client.until(() => false)).rejects.toThrow('aborted')
    expect(await rest(await resume(session, id))).toMatchObject([gone])
  }, 15_000)

  test('but a shorter one is kept whole where the log has room', async () => {
    await setUp(new MemoryEventLog({ maxBytes: 64 * MiB }))
    const { session, client, stream, asked, id } = await begin()
    await leave(client)
    const large = giant.slice(0, 4 * MiB)
    await stream.send({ ...answer, result: { large } })
    stream.end()
    await asked.over
    expect(await rest(await resume(session, id))).toEqual([{ ...answer, result: { large } }])
  })
})

describe('a client that does not read', () => {
  const chunk = progress(1, 'x'.repeat(64 * KiB))

  test('and comes back makes nothing ready for itself that it does not take (SE16)', async () => {
    await setUp(new MemoryEventLog({ maxBytes: 64 * MiB, maxTotalBytes: 64 * MiB }))
    const { session, client, stream, asked, id } = await begin()
    await leave(client)
    for (let step = 0; step < 200; step += 1) await stream.send(chunk)
    await stream.send(answer)
    stream.end()
    await asked.over
    const slow = await resume(session, id)
    slow.res.pause()
    const response = responses.entries.at(-1)!
    while (!response.writableNeedDrain) await settle(1)
    await settle(20)
    expect(response.writableLength).toBeLessThan(256 * KiB)
    slow.res.resume()
    expect(await rest(slow)).toHaveLength(201)
  }, 15_000)

  test('and is replaced holds up neither the upstream nor who comes after it (SE10, SE16)', async () => {
    await setUp(new MemoryEventLog({ maxBytes: 64 * MiB, maxTotalBytes: 64 * MiB }))
    const { session, client, stream, asked, id } = await begin()
    client.res.pause()
    let sent = 0
    while (!asked.res.writableNeedDrain || sent < 100) {
      asked.res.write(`data: ${JSON.stringify(chunk)}\n\n`)
      sent += 1
      await new Promise(setImmediate)
    }
    const again = await resume(session, id)
    for (let step = 0; step < sent; step += 1) await again.nextMessage()
    await stream.send(answer)
    stream.end()
    expect(await rest(again)).toEqual([answer])
    client.close()
  }, 15_000)

  test('at a stream that its upstream wants polled does not keep it from being polled (SE3, SE4)', async () => {
    await setUp(new MemoryEventLog({ maxBytes: 64 * MiB, maxTotalBytes: 64 * MiB }))
    const { session, client, stream, asked, id } = await begin()
    await stream.write('id: u-1\nretry: 1\ndata: \n\n')
    client.res.pause()
    let sent = 0
    while (!asked.res.writableNeedDrain) {
      asked.res.write(`id: u-1\ndata: ${JSON.stringify(chunk)}\n\n`)
      sent += 1
      await new Promise(setImmediate)
    }
    upstream.once('GET', async (exchange) => {
      const polled = exchange.stream()
      for (let step = 0; step < 100; step += 1) await polled.send(progress(2, 'x'.repeat(64 * KiB)))
      await polled.send(answer)
      polled.end()
    })
    stream.end()
    client.close()
    await (
      await upstream.nextRequest('GET')
    ).over
    const messages = await rest(await resume(session, id))
    expect(messages).toHaveLength(sent + 101)
  }, 15_000)
})

describe('an upstream that wants to be polled', () => {
  test('is polled for as long as a client is there to poll it (SE3)', async () => {
    await setUp()
    const polls = 12
    upstream.on('tools/call', async (exchange) => {
      await exchange.stream().write('id: u-1\nretry: 1\ndata: \n\n')
      exchange.stream().end()
    })
    upstream.on('GET', async (exchange) => {
      if (upstream.requests('GET').length === polls) await exchange.stream().send(answer, { id: 'u-2' })
      // Nothing new, in good order. The client is back by then.
      for (let turn = 0; turn < 60; turn += 1) await new Promise(setImmediate)
      exchange.stream().end()
    })
    const session = await initialize(gateway.url('a'))
    const { messages } = await callPatiently(session, call)
    expect(messages).toEqual([answer])
    expect(upstream.requests('GET').length).toBeGreaterThanOrEqual(polls)
    expect(gateway.reported.entries).toEqual([])
  })

  test('is left alone after a while when nobody is there, and polled again for whoever comes back (SE3)', async () => {
    await setUp()
    const { session, client, stream, id } = await begin()
    upstream.on('GET', (exchange) => exchange.stream().end())
    await stream.write('id: u-1\nretry: 1\ndata: \n\n')
    await leave(client)
    stream.end()
    for (let poll = 0; poll < 5; poll += 1) await (await upstream.nextRequest('GET')).over
    await settle(30)
    expect(upstream.requests('GET')).toHaveLength(5)
    upstream.once('GET', async (exchange) => {
      await exchange.stream().send(answer, { id: 'u-2' })
      exchange.stream().end()
    })
    expect(await rest(await resume(session, id))).toEqual([answer])
    expect(upstream.requests('GET').at(-1)!.headers['last-event-id']).toBe('u-1')
  })
})

describe('what is quiet for longer than anything is kept', () => {
  async function age(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 60_000) {
      jest.advanceTimersByTime(60_000)
      await new Promise(setImmediate)
    }
  }

  test('is a call that can be resumed all the same: nothing was missed (SE7)', async () => {
    fakeTimers('Date')
    await setUp(new MemoryEventLog({ ttlMs: 60_000 }))
    const { session, client, stream, id } = await begin()
    await age(5 * 60_000)
    await leave(client)
    const again = await resume(session, id)
    await stream.send(answer)
    stream.end()
    expect(await rest(again)).toEqual([answer])
  })

  test.each([true, false])('is a listener that can come back all the same, with its id: %p (SE10)', async (withId) => {
    fakeTimers('Date')
    await setUp(new MemoryEventLog({ ttlMs: 60_000 }))
    const session = await initialize(gateway.url('a'))
    const client = await session.listen()
    const get = (await upstream.nextRequest('GET')).stream()
    const { id } = await client.next()
    await age(5 * 60_000)
    await leave(client)
    const again = withId ? await resume(session, id!) : await session.listen()
    await get.send(progress(1))
    expect(await again.nextMessage()).toEqual(progress(1))
    expect(upstream.requests('GET')).toHaveLength(1)
    await session.end()
  })

  test('is a call whose events others have pushed out of the log (SE7)', async () => {
    await setUp(new MemoryEventLog({ maxEvents: 10 }))
    const quiet = await begin()
    await leave(quiet.client)
    const loud = await begin(quiet.session)
    for (let step = 0; step < 20; step += 1) await loud.stream.send(progress(step))
    loud.stream.end()
    await loud.client.over
    const again = await resume(quiet.session, quiet.id)
    await quiet.stream.send(answer)
    quiet.stream.end()
    expect(await rest(again)).toEqual([answer])
  })
})

describe('nothing is left behind', () => {
  test('of a listener whose client went while its upstream was asked', async () => {
    await setUp()
    upstream.on('GET', () => {})
    const session = await initialize(gateway.url('a'))
    const opening = session.listen().catch(() => undefined)
    const asked = await upstream.nextRequest('GET')
    await session.end()
    await opening
    expect(await asked.over).toBe('cut')
  })

  test('of a listener that nobody came back to, after a minute', async () => {
    fakeTimers()
    await setUp()
    const session = await initialize(gateway.url('a'))
    const client = await session.listen()
    const asked = await upstream.nextRequest('GET')
    await leave(client)
    await settle()
    jest.advanceTimersByTime(59_000)
    await settle()
    expect(asked.overAt).toBeUndefined()
    jest.advanceTimersByTime(2_000)
    expect(await asked.over).toBe('cut')
  })

  test('of calls and listeners when their session ends (SS10)', async () => {
    await setUp()
    const { session, client, asked } = await begin()
    const resumed = await begin(session)
    await leave(resumed.client)
    const again = await resume(session, resumed.id)
    const listener = await session.listen()
    await session.end()
    for (const each of [client, again, listener]) await each.over
    expect([await asked.over, await resumed.asked.over]).toEqual(['cut', 'cut'])
    expect(await resume(session, resumed.id)).toMatchObject({ status: 404 })
  })

  test('of what goes on in sessions that expire: they do not, while anything does (SS10)', async () => {
    fakeTimers('Date')
    await setUp(new MemoryEventLog(), { sessions: new MemorySessionStore({ ttlMs: 60_000 }) })
    const { session, client, stream, id } = await begin()
    await leave(client)
    for (let minute = 0; minute < 5; minute += 1) {
      jest.advanceTimersByTime(60_000)
      await new Promise(setImmediate)
    }
    const again = await resume(session, id)
    await stream.send(answer)
    stream.end()
    expect(await rest(again)).toEqual([answer])
  })

  test('of a hundred calls whose clients came back and left again', async () => {
    await setUp()
    const session = await initialize(gateway.url('a'))
    for (let count = 0; count < 100; count += 1) {
      const { client, stream, id, asked } = await begin(session)
      await leave(client)
      const again = await resume(session, id)
      if (count % 2 === 0) await leave(again)
      await stream.send(answer)
      stream.end()
      await asked.over
      if (count % 2 === 1) expect(await rest(again)).toEqual([answer])
    }
    // afterEach closes the gateway: it has nobody to wait for.
    expect(gateway.reported.entries).toEqual([])
  })
})

test('a principal who has lost access gets nothing more of what is kept (SE8)', async () => {
  let isIn = true
  await setUp(new MemoryEventLog(), {
    servers: () => (isIn ? { url: upstream.url } : undefined),
  })
  const { session, client, stream, asked, id } = await begin()
  await leave(client)
  await stream.send(answer)
  stream.end()
  await asked.over
  isIn = false
  expect(await resume(session, id)).toMatchObject({ status: 404 })
  isIn = true
  expect(await rest(await resume(session, id))).toEqual([answer])
})
