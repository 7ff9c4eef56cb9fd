// How long and how often a broken stream is resumed, and everything that ends the attempt.
import { once } from 'node:events'
import { jest } from '@jest/globals'
import { startFaultProxy, type FaultProxy } from '../support/fault-proxy.ts'
import { startGateway, type RunningGateway } from '../support/gateway.ts'
import { initialize, type OpenStream, type Session } from '../support/rpc.ts'
import { startUpstream, type EventStream, type Exchange, type Upstream } from '../support/upstream.ts'

let upstream: Upstream
let proxy: FaultProxy
let gateway: RunningGateway
let session: Session

beforeEach(async () => {
  upstream = await startUpstream()
  proxy = await startFaultProxy(upstream.origin)
  gateway = await startGateway({ servers: { a: { url: `${proxy.origin}/mcp` } } })
  session = await initialize(gateway.url('a'))
})

afterEach(async () => {
  jest.useRealTimers()
  await gateway.close()
  await proxy.close()
  await upstream.close()
})

const call = { jsonrpc: '2.0', id: 'call-1', method: 'tools/call', params: { name: 'slow' } }
const answer = 'id: 9\ndata: {"jsonrpc":"2.0","id":"call-1","result":{}}\n\n'

interface Call {
  readonly client: OpenStream
  readonly exchange: Exchange
  readonly there: EventStream
}

/** A call whose client has got these events, which came one after the other. */
async function startCall(...events: string[]): Promise<Call> {
  upstream.once('tools/call', (exchange) => void exchange.stream())
  const [client, exchange] = await Promise.all([session.stream(call), upstream.nextRequest('tools/call')])
  const there = exchange.stream()
  let length = 0
  for (const event of events) {
    await there.write(event)
    length += Buffer.byteLength(event)
    while (client.bytes().length < length) await once(client.res, 'data')
  }
  return { client, exchange, there }
}

/** A call whose connection breaks after these events. */
async function startBroken(...events: string[]): Promise<OpenStream> {
  const { client, exchange } = await startCall(...events)
  exchange.cut()
  await exchange.over
  return client
}

/** The ids that the gateway has asked to go on from. */
function resumes(): unknown[] {
  return upstream.requests('GET').map(({ headers }) => headers['last-event-id'])
}

/** Enough turns of the one event loop that all sides share for whatever can happen to have happened. */
async function settle(turns = 10): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) await session.request('ping')
}

async function expectError(client: OpenStream): Promise<void> {
  const text = (await client.over, client.bytes().toString())
  expect(await client.over).toBe('complete')
  expect(JSON.parse(text.slice(text.lastIndexOf('data: ') + 6))).toMatchObject({ id: 'call-1', error: { code: 502 } })
  expect(text.match(/"error"/g)).toHaveLength(1)
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

describe('the time before a stream is resumed', () => {
  async function expectWait(ms: number, ...events: string[]): Promise<void> {
    fakeTimeouts()
    const client = await startBroken(...events)
    await settle()
    jest.advanceTimersByTime(ms - 1)
    await settle()
    expect(resumes()).toEqual([])
    upstream.once('GET', (exchange) => void exchange.stream().write(answer).then(exchange.stream().end))
    jest.advanceTimersByTime(1)
    expect((await upstream.nextRequest('GET')).headers).toMatchObject({ 'last-event-id': 's/1' })
    expect(await client.over).toBe('complete')
    expect(client.bytes().toString()).toBe(events.join('') + answer)
  }

  test('is a second when the stream says nothing of it', () => expectWait(1_000, 'id: s/1\ndata: \n\n'))

  test('is what the event with the id says (UC6)', () => expectWait(7_000, 'id: s/1\nretry: 7000\ndata: \n\n'))

  test('is what an event of its own says (UC6)', () => expectWait(7_000, 'id: s/1\ndata: \n\n', 'retry: 7000\n\n'))

  test('is what was said before the first id (UC6)', () => expectWait(7_000, 'retry: 7000\n\n', 'id: s/1\ndata: \n\n'))

  test('is what was said last (UC6)', () =>
    expectWait(7_000, 'id: s/0\nretry: 2000\ndata: \n\n', 'id: s/1\r\nretry: 7000\r\ndata: \r\n\r\n'))
})

describe('resuming ends', () => {
  test.each([400, 401, 404, 405])(
    'with an error for the id as soon as the upstream refuses (%i): it is asked once (ER14)',
    async (status) => {
      upstream.on('GET', (exchange) => exchange.status(status))
      const client = await startBroken('id: s/1\nretry: 1\ndata: \n\n')
      await expectError(client)
      expect(resumes()).toEqual(['s/1'])
    },
  )

  test('with an error of its own when the refusal is JSON, as the SDK writes it (ER14)', async () => {
    upstream.on('GET', (exchange) => exchange.error(-32000, 'Invalid event ID format', 400))
    const client = await startBroken('id: s/1\nretry: 1\ndata: \n\n')
    await expectError(client)
    expect(client.bytes().toString()).not.toContain('-32000')
    expect(resumes()).toEqual(['s/1'])
  })

  test.each([409, 503])(
    'not with a refusal of the moment (%i), such as of an upstream that has not seen the connection break (UC10)',
    async (status) => {
      const events = 'id: s/1\nretry: 1\ndata: \n\n'
      upstream.once('GET', (exchange) => exchange.status(status))
      upstream.on('GET', (exchange) => void exchange.stream().write(answer).then(exchange.stream().end))
      const client = await startBroken(events)
      expect(await client.over).toBe('complete')
      expect(client.bytes().toString()).toBe(events + answer)
    },
  )

  test('with an error for the id when the upstream stays away (ER14)', async () => {
    const { client, exchange } = await startCall('id: s/1\nretry: 1\ndata: \n\n')
    proxy.mode = 'refuse'
    exchange.cut()
    await expectError(client)
  })

  test('with an error for the id when every connection breaks before anything new comes (ER14)', async () => {
    upstream.on('GET', (exchange) => void exchange.stream().write(': hello\n\n').then(exchange.cut))
    const client = await startBroken('id: s/1\nretry: 1\ndata: \n\n')
    await expectError(client)
    expect(resumes().length).toBeGreaterThan(1)
    expect(resumes().length).toBeLessThan(30)
  })

  test('never while each connection brings something new (SE7)', async () => {
    let position = 1
    upstream.on('GET', (exchange) => {
      position += 1
      const last = position === 20
      const event = last ? answer : `id: s/${position}\ndata: {"method":"x"}\n\n`
      void exchange
        .stream()
        .write(event)
        .then(last ? exchange.stream().end : exchange.cut)
    })
    const client = await startBroken('id: s/1\nretry: 1\ndata: \n\n')
    expect(await client.over).toBe('complete')
    expect(
      client
        .bytes()
        .toString()
        .match(/^id: .*$/gm),
    ).toEqual([...Array.from({ length: 19 }, (_, at) => `id: s/${at + 1}`), 'id: 9'])
  })

  test('with the answer, even when the upstream leaves the resumed stream open behind it (SE1)', async () => {
    upstream.on('GET', (exchange) => void exchange.stream().write(answer))
    const client = await startBroken('id: s/1\nretry: 1\ndata: \n\n')
    expect(await client.over).toBe('complete')
    expect(await (await upstream.nextRequest('GET')).over).toBe('cut')
  })

  test('with the answer, even when that is giant, comes in pieces and the stream stays open behind it (SE1)', async () => {
    const events = 'id: s/1\nretry: 1\ndata: \n\n'
    const giant = answer.replace('{}', `{"text":"${'x'.repeat(600_000)}"}`)
    upstream.on('GET', async (exchange) => {
      for (let at = 0; at < giant.length; at += 150_000) {
        await exchange.stream().write(giant.slice(at, at + 150_000))
        await settle(3)
      }
    })
    const client = await startBroken(events)
    expect(await client.over).toBe('complete')
    expect(client.bytes().toString() === events + giant).toBe(true)
  })

  test('with the stream when the upstream ends it: then the client comes back (SE3)', async () => {
    upstream.on('GET', (exchange) => exchange.stream().end())
    const client = await startBroken('id: s/1\nretry: 1\ndata: \n\n')
    expect(await client.over).toBe('complete')
    expect(client.bytes().toString()).toBe('id: s/1\nretry: 1\ndata: \n\n')
    expect(resumes()).toEqual(['s/1'])
  })
})

describe('what cannot be resumed', () => {
  test.each([
    ['an id that was taken back', 'id: s/1\ndata: \n\nid:\ndata: {"method":"x"}\n\n'],
    ['an id that was taken back by a field without a colon', 'id: s/1\ndata: \n\nid\ndata: {"method":"x"}\n\n'],
    ['an id with a NUL in it', 'id: s\0/1\ndata: \n\n'],
    ['no id but text that looks like one', 'data: {"method":"x",\ndata: "grid:":"id: 7"}\n\n'],
  ])('is answered with an error at once: %s (ER14, SE18)', async (_, events) => {
    upstream.on('GET', (exchange) => exchange.status(400))
    const client = await startBroken(`retry: 1\n\n${events}`)
    await expectError(client)
    expect(resumes()).toEqual([])
  })

  test('is a stream without ids, though a long event came in pieces of which one begins like an id (ER14)', async () => {
    upstream.once('tools/call', (exchange) => void exchange.stream())
    const [client, exchange] = await Promise.all([session.stream(call), upstream.nextRequest('tools/call')])
    upstream.on('GET', (again) => again.status(400))
    const pieces = [`retry: 1\ndata: {"method":"x","params":{"gr`, `id: ${'x'.repeat(20_000)}"}}\n\n`]
    for (const piece of pieces) {
      await exchange.stream().write(piece)
      await settle()
    }
    exchange.cut()
    await expectError(client)
    expect(resumes()).toEqual([])
  })
})

describe('an id in pieces', () => {
  test.each([
    ['of a long event', 'i', `d: s/1\nretry: 1\ndata: {"method":"x","params":"${'x'.repeat(20_000)}"}\n\n`],
    ['behind a long event', `retry: 1\ndata: {"method":"x","params":"${'x'.repeat(20_000)}"}\ni`, 'd: s/1\n\n'],
    ['behind a giant event', `retry: 1\ndata: {"method":"x","params":"${'x'.repeat(300_000)}"}\ni`, 'd: s/1\n\n'],
  ])('%s is found (SE7)', async (_, first, second) => {
    upstream.once('GET', (exchange) => void exchange.stream().write(answer).then(exchange.stream().end))
    upstream.once('tools/call', (exchange) => void exchange.stream())
    const [client, exchange] = await Promise.all([session.stream(call), upstream.nextRequest('tools/call')])
    await exchange.stream().write(first)
    await settle()
    await exchange.stream().write(second)
    while (client.bytes().length < first.length + second.length) await once(client.res, 'data')
    exchange.cut()
    expect(await client.over).toBe('complete')
    expect(client.bytes().toString() === first + second + answer).toBe(true)
    expect((await upstream.nextRequest('GET')).headers).toMatchObject({ 'last-event-id': 's/1' })
  })
})

test('a giant event with its id behind it never comes twice, wherever it was cut (SE7)', async () => {
  const giant = `data: {"method":"x","params":"${'x'.repeat(300_000)}"}\nid: s/12\n\n`
  const events = ['id: s/1\nretry: 1\ndata: \n\n', giant, answer]
  upstream.on('GET', (exchange) => {
    const at = events.findIndex((event) => event.includes(`id: ${String(exchange.headers['last-event-id'])}\n`))
    if (at === -1) return exchange.status(400)
    void exchange
      .stream()
      .write(events.slice(at + 1).join(''))
      .then(exchange.stream().end)
  })
  for (let back = 1; back < 13; back += 1) {
    upstream.once('tools/call', (exchange) => void exchange.stream())
    const [client, exchange] = await Promise.all([session.stream(call), upstream.nextRequest('tools/call')])
    const sent = events[0]! + giant
    await exchange.stream().write(sent.slice(0, -back))
    await settle(3)
    await exchange.stream().write(sent.slice(-back))
    while (client.bytes().length < sent.length) await once(client.res, 'data')
    exchange.cut()
    expect({ back, over: await client.over }).toEqual({ back, over: 'complete' })
    const text = client.bytes().toString()
    expect(text.slice(sent.length)).toMatch(/^(id: 9\ndata: \{.*"result".*|event: message\ndata: \{.*"error".*)\n\n$/)
    expect(text.startsWith(sent)).toBe(true)
  }
})

describe('while a stream is being resumed', () => {
  const events = 'id: s/1\nretry: 1\ndata: \n\n'

  /** A call that broke, and the GET that is to go on with it, not answered yet. */
  async function startResuming(): Promise<{ client: OpenStream; again: Exchange }> {
    upstream.on('GET', () => {})
    const client = await startBroken(events)
    return { client, again: await upstream.nextRequest('GET') }
  }

  test('a client that leaves takes the GET along (SE3)', async () => {
    const { client, again } = await startResuming()
    client.close()
    expect(await again.over).toBe('cut')
    await gateway.gateway.close({ graceMs: 60_000 })
  })

  test('a client that leaves before the GET is made keeps it from being made (SE3)', async () => {
    fakeTimeouts()
    const client = await startBroken(events)
    await settle()
    client.close()
    await settle()
    jest.advanceTimersByTime(60_000)
    await settle()
    expect(resumes()).toEqual([])
  })

  test('the end of the session is an error for the id, and the GET is let go (SS12)', async () => {
    const { client, again } = await startResuming()
    expect((await session.end()).status).toBe(200)
    expect(await again.over).toBe('cut')
    expect(await client.over).toBe('complete')
    expect(await client.next()).toMatchObject({ id: 's/1' })
    expect(await client.nextMessage()).toMatchObject({ id: 'call-1', error: { code: 404 } })
  })

  test('the gateway can close: the client is told to come back, and the GET is let go', async () => {
    const { client, again } = await startResuming()
    await gateway.gateway.close({ graceMs: 0 })
    expect(await again.over).toBe('cut')
    expect(await client.over).toBe('complete')
    expect(client.bytes().toString()).toBe(`${events}retry: 1000\n\n`)
  })

  test('the gateway can close before the GET is made', async () => {
    const client = await startBroken('id: s/1\nretry: 20000\ndata: \n\n')
    await settle()
    await gateway.gateway.close({ graceMs: 0 })
    expect(await client.over).toBe('complete')
    expect(client.bytes().toString()).toBe('id: s/1\nretry: 20000\ndata: \n\nretry: 1000\n\n')
    expect(resumes()).toEqual([])
  })

  test('close() lets it come to its end within the grace', async () => {
    const { client, again } = await startResuming()
    const closed = gateway.gateway.close({ graceMs: 60_000 })
    await again.stream().write(answer)
    again.stream().end()
    await closed
    expect(await client.over).toBe('complete')
    expect(client.bytes().toString()).toBe(events + answer)
  })

  test('the GET goes to the same session with the same revision, and says nothing of the call (SE7, HD5)', async () => {
    const { again } = await startResuming()
    expect(again.headers).toMatchObject({
      'last-event-id': 's/1',
      'mcp-session-id': [...upstream.sessions][0],
      'mcp-protocol-version': '2025-11-25',
    })
    expect(again.headers['content-type']).toBeUndefined()
  })
})

test('a listener is not resumed behind its back: the client does that (SE7)', async () => {
  const [client, exchange] = await Promise.all([session.listen(), upstream.nextRequest('GET')])
  await exchange.stream().write('id: s/1\nretry: 1\ndata: \n\n')
  await client.next()
  exchange.cut()
  expect(await client.over).toBe('complete')
  await settle()
  expect(resumes()).toEqual([undefined])
})

test('a stream that breaks behind its answer has nothing to be resumed for (SE1)', async () => {
  const client = await startBroken(`id: s/1\nretry: 1\ndata: \n\n${answer}`)
  expect(await client.over).toBe('complete')
  await settle()
  expect(resumes()).toEqual([])
})
