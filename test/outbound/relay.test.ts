// The relay against real sockets: every byte, every way a stream can end, and a client that does not read.
import { once } from 'node:events'
import { jest } from '@jest/globals'
import fc from 'fast-check'
import { startGateway, type RunningGateway } from '../support/gateway.ts'
import { initialize, type OpenStream, type Session } from '../support/rpc.ts'
import { startUpstream, type EventStream, type Exchange, type Upstream } from '../support/upstream.ts'
import { cutAt, cuts, streamOf } from './streams.ts'

let upstream: Upstream
let gateway: RunningGateway
let session: Session

beforeEach(async () => {
  upstream = await startUpstream()
  gateway = await startGateway({ servers: { a: { url: upstream.url } } })
  session = await initialize(gateway.url('a'))
})

afterEach(async () => {
  jest.useRealTimers()
  await gateway.close()
  await upstream.close()
})

const call = { jsonrpc: '2.0', id: 'call-1', method: 'tools/call', params: { name: 'slow' } }
const response = 'event: message\ndata: {"jsonrpc":"2.0","id":"call-1","result":{"content":[]}}\n\n'
const notification = 'event: message\ndata: {"jsonrpc":"2.0","method":"notifications/message","params":{}}\n\n'
const MiB = 1024 * 1024

interface Call {
  readonly exchange: Exchange
  readonly there: EventStream
  readonly client: OpenStream
}

/** A call that the upstream answers with an event stream, its head out and nothing else. */
async function startCall(headers = {}): Promise<Call> {
  upstream.once('tools/call', (exchange) => void exchange.stream(headers))
  const [client, exchange] = await Promise.all([session.stream(call), upstream.nextRequest('tools/call')])
  return { exchange, there: exchange.stream(), client }
}

async function startListening(): Promise<Call> {
  const [client, exchange] = await Promise.all([session.listen(), upstream.nextRequest('GET')])
  return { exchange, there: exchange.stream(), client }
}

/** Enough turns of the one event loop that client, gateway and upstream share for whatever can happen to have happened. */
async function settle(turns = 25): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) expect((await session.request('ping')).status).toBe(200)
}

async function isReceived(client: OpenStream, length: number): Promise<void> {
  while (client.bytes().length < length) await once(client.res, 'data')
}

/** The error event that stands for the answer, and nothing behind it. */
async function expectError(client: OpenStream, code: number): Promise<void> {
  expect(await client.nextMessage()).toMatchObject({ id: 'call-1', error: { code } })
  expect(await client.over).toBe('complete')
  await expect(client.next()).rejects.toThrow('the stream ended')
}

describe('the head of a stream', () => {
  test('is there before the first event, with what keeps others from buffering it (RT12, SE16)', async () => {
    const { client, there } = await startCall({ 'cache-control': 'public, max-age=60', 'x-accel-buffering': 'yes' })
    expect(client.status).toBe(200)
    expect(client.headers).toMatchObject({
      'content-type': 'text/event-stream',
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
    })
    expect(client.bytes()).toHaveLength(0)
    there.finish({})
    await client.over
  })

  test('of a listener is there before anything is said (RT3, RT12)', async () => {
    const { client } = await startListening()
    expect(client.headers).toMatchObject({
      'content-type': 'text/event-stream',
      'cache-control': 'no-cache, no-transform',
    })
  })

  test('gives the content type exactly, parameters included (HD20)', async () => {
    const { client, there } = await startCall({ 'content-type': 'text/event-stream;charset=utf-8' })
    expect(client.headers['content-type']).toBe('text/event-stream;charset=utf-8')
    there.finish({})
    await client.over
  })

  test('promises no length, since comments and errors may be added (SE15, ER13)', async () => {
    upstream.once('tools/call', ({ res }) => {
      res.writeHead(200, { 'content-type': 'text/event-stream', 'content-length': 10_000 })
      res.write(notification)
    })
    const client = await session.stream(call)
    expect(client.headers['content-length']).toBeUndefined()
    client.close()
  })
})

describe('the bytes of a stream', () => {
  test.each([
    [
      'ids, retry, comments, empty data and priming',
      `id: 1\nretry: 250\ndata: \n\n: comment\n\n:\n\nid\ndata\ndata\n\n${notification}`,
    ],
    ['CRLF', `id: 1\r\ndata: {"a":\r\ndata: 1}\r\n\r\n: c\r\n\r\n`],
    ['CR', `id: 1\rdata: {"a":\rdata: 1}\r\r`],
    ['a byte order mark', `\uFEFF${notification}`],
    ['unknown fields and unknown events', 'foo: bar\nevent: other\ndata: x\n\n'],
    [
      'numbers and keys as they were written',
      'data: {"method":"x","params":{"b":12345678901234567890,"a":1.50,"b2":1e5}}\n\n',
    ],
  ])('reach the client as they are: %s (SE2, SE18, RPC14)', async (_, bytes) => {
    const { client, there } = await startCall()
    const sent = Buffer.from(bytes + response)
    for (let at = 0; at < sent.length; at += 7) await there.write(sent.subarray(at, at + 7))
    there.end()
    expect(await client.over).toBe('complete')
    expect(client.bytes().toString()).toBe(sent.toString())
  })

  test('reach the client as they are, whatever they are and however they are cut (SE18)', async () => {
    await fc.assert(
      fc.asyncProperty(streamOf(['\n', '\r\n', '\r']), cuts, async (stream, fractions) => {
        const { client, there } = await startCall()
        const sent = Buffer.concat([stream, Buffer.from(`\n\n${response}`)])
        for (const chunk of cutAt(sent, fractions)) await there.write(chunk)
        there.end()
        expect(await client.over).toBe('complete')
        expect(client.bytes().equals(sent)).toBe(true)
      }),
      { numRuns: 25 },
    )
  })

  test('go out event by event, each while the next does not exist yet (SE1, SE16)', async () => {
    const { client, there } = await startCall()
    for (let step = 1; step <= 5; step += 1) {
      await there.send({ method: 'notifications/progress', params: { progressToken: 1, progress: step } })
      expect(await client.nextMessage()).toMatchObject({ params: { progress: step } })
    }
    there.finish({ done: true })
    expect(await client.nextMessage()).toEqual({ jsonrpc: '2.0', id: 'call-1', result: { done: true } })
    expect(await client.over).toBe('complete')
  })

  test('of an event of 3 MiB reach the client as they are (SC6)', async () => {
    const { client, there } = await startCall()
    const giant = Buffer.from(`data: {"jsonrpc":"2.0","id":"call-1","result":{"text":"${'ü'.repeat(1.5 * MiB)}"}}\n\n`)
    await there.write(giant)
    there.end()
    expect(await client.over).toBe('complete')
    expect(client.bytes().equals(giant)).toBe(true)
  })

  test('a listener that names Last-Event-ID gets what the upstream replays (SE2)', async () => {
    const [client, exchange] = await Promise.all([
      session.listen({ 'last-event-id': 'stream-1/42' }),
      upstream.nextRequest('GET'),
    ])
    expect(exchange.headers['last-event-id']).toBe('stream-1/42')
    await exchange.stream().write(`id: stream-1/43\n${response}`)
    await client.next()
    expect(client.bytes().toString()).toBe(`id: stream-1/43\n${response}`)
  })
})

describe('a stream that ends without the answer', () => {
  test('brings an error for exactly the waiting id (ER14, ER13)', async () => {
    const { client, there } = await startCall()
    await there.write(notification)
    there.end()
    expect(client.status).toBe(200)
    expect(await client.nextMessage()).toMatchObject({ method: 'notifications/message' })
    await expectError(client, 502)
  })

  test('brings the error instead of half an event when the upstream is killed in the middle of one (ER14)', async () => {
    const { client, there, exchange } = await startCall()
    await there.write(`${notification}event: message\ndata: {"jsonrpc":"2.0","id":"call-1","resu`)
    expect(await client.nextMessage()).toMatchObject({ method: 'notifications/message' })
    exchange.cut()
    await expectError(client, 502)
    expect(client.bytes().toString()).not.toContain('"resu')
  })

  test('brings the error when the upstream promised a length and broke off (ER14)', async () => {
    upstream.once('tools/call', ({ res }) => {
      res.writeHead(200, { 'content-type': 'text/event-stream', 'content-length': 10_000 })
      res.write(notification)
    })
    const [client, exchange] = await Promise.all([session.stream(call), upstream.nextRequest('tools/call')])
    expect(await client.nextMessage()).toMatchObject({ method: 'notifications/message' })
    exchange.cut()
    await expectError(client, 502)
  }, 2_000)

  test('is cut where a giant event was half out, so that nobody takes it for whole (ER14)', async () => {
    const { client, there, exchange } = await startCall()
    const half = `data: {"jsonrpc":"2.0","id":"call-1","result":{"text":"${'x'.repeat(MiB)}`
    await there.write(half)
    await isReceived(client, half.length)
    exchange.cut()
    expect(await client.over).toBe('cut')
  })

  test.each([
    ['ends', 'complete'],
    ['is killed', 'cut'],
  ] as const)('just ends when it %s and has had event ids: the client resumes it (SE3)', async (_, how) => {
    const { client, there, exchange } = await startCall()
    const sent = `id: s1/0\nretry: 10\ndata: \n\n${notification}`
    await there.write(sent)
    await isReceived(client, sent.length)
    if (how === 'complete') there.end()
    else exchange.cut()
    expect(await client.over).toBe('complete')
    expect(client.bytes().toString()).toBe(sent)
  })

  test('just ends when the event id came in two pieces (SE3)', async () => {
    const { client, there } = await startCall()
    await there.write(`${notification}i`)
    await client.next()
    await there.write('d: s1/0\ndata: \n\n')
    await isReceived(client, notification.length + 16)
    there.end()
    expect(await client.over).toBe('complete')
    expect(client.bytes().toString()).toBe(`${notification}id: s1/0\ndata: \n\n`)
  })

  test.each([
    ['a comment', ': bye\n\n'],
    ['one more blank line', '\n'],
    ['a late notification', notification],
  ])('is no such stream when %s follows the answer: nothing is added (SE1, ER14)', async (_, late) => {
    const { client, there } = await startCall()
    await there.write(response + late)
    there.end()
    expect(await client.over).toBe('complete')
    expect(client.bytes().toString()).toBe(response + late)
  })

  test('is no such stream when the line end before the answer came in two pieces: nothing is added (SE1, ER14)', async () => {
    const { client, there } = await startCall()
    await there.write(notification + notification.slice(0, -1))
    await client.next()
    await there.write(`\n${response}`)
    there.end()
    expect(await client.over).toBe('complete')
    expect(client.bytes().toString()).toBe(notification + notification + response)
  })

  test('of a batch brings an error for each id without an answer (RPC7, ER14)', async () => {
    const old = await initialize(gateway.url('a'), { version: '2025-03-26' })
    upstream.once('batch', (exchange) => void exchange.stream())
    const batch = [1, '1', 2].map((id) => ({ jsonrpc: '2.0', id, method: 'tools/list' }))
    const [client, exchange] = await Promise.all([old.stream(batch), upstream.nextRequest('batch')])
    await exchange.stream().send({ id: '1', result: {} })
    exchange.stream().end()
    expect(await client.over).toBe('complete')
    const messages = [await client.nextMessage(), await client.nextMessage(), await client.nextMessage()]
    expect(messages).toMatchObject([
      { id: '1', result: {} },
      { id: 1, error: { code: 502 } },
      { id: 2, error: { code: 502 } },
    ])
  })

  test('of a listener just ends: it owes nothing (SE9)', async () => {
    const { client, there, exchange } = await startListening()
    await there.write(notification)
    await client.next()
    exchange.cut()
    expect(await client.over).toBe('complete')
    expect(client.bytes().toString()).toBe(notification)
  })
})

describe('a session that is ended', () => {
  test('ends its streams: an error for who waits, a plain end for who listens, and the upstream is let go (SS12)', async () => {
    const waiting = await startCall()
    const listening = await startListening()
    await waiting.there.write(notification)
    await waiting.client.next()
    expect((await session.end()).status).toBe(200)
    await expectError(waiting.client, 404)
    expect(await listening.client.over).toBe('complete')
    expect(listening.client.bytes()).toHaveLength(0)
    expect(await waiting.exchange.over).toBe('cut')
    expect(await listening.exchange.over).toBe('cut')
    expect((await session.request('ping')).status).toBe(404)
  })

  test('answers who waits even on a stream with event ids, since nothing can be resumed any more (SS12)', async () => {
    const { client, there } = await startCall()
    await there.write('id: 1\ndata: \n\n')
    await client.next()
    await session.end()
    expect(await client.nextMessage()).toMatchObject({ id: 'call-1', error: { code: 404 } })
    expect(await client.over).toBe('complete')
  })

  test('answers a call that has no answer yet with 404 and its id (SS12)', async () => {
    upstream.once('tools/call', () => {})
    const answer = session.post(call)
    const { over } = await upstream.nextRequest('tools/call')
    await session.end()
    expect(await answer).toMatchObject({ status: 404, message: { id: 'call-1', error: { code: 404 } } })
    expect(await over).toBe('cut')
  })
})

describe('a JSON answer', () => {
  test.each([
    ['with a length', { 'content-length': 100 }],
    ['without a length', {}],
  ])('that breaks off %s looks broken (ER14)', async (_, headers) => {
    upstream.once('tools/call', ({ res }) => {
      res.writeHead(200, { 'content-type': 'application/json', ...headers })
      res.write('{"jsonrpc":"2.0",')
    })
    const [client, exchange] = await Promise.all([session.stream(call), upstream.nextRequest('tools/call')])
    await isReceived(client, 17)
    exchange.cut()
    expect(await client.over).toBe('cut')
  })

  test('keeps its bytes, its length and its content type (RPC13, RPC14, HD20)', async () => {
    const body = '{ "id" :"call-1","jsonrpc":"2.0",\r\n "result":{"n":12345678901234567890,"x":1.0,"ü":"\\u00fc"} }'
    upstream.once('tools/call', (exchange) =>
      exchange.status(200, body, { 'content-type': 'application/json; charset=UTF-8' }),
    )
    const answer = await session.post(call)
    expect(answer.body).toBe(body)
    expect(answer.headers['content-type']).toBe('application/json; charset=UTF-8')
  })
})

describe('a client that leaves', () => {
  test('has not cancelled its call: the upstream finishes undisturbed (SE4)', async () => {
    const { client, there, exchange } = await startCall()
    await there.write(notification)
    await client.next()
    client.close()
    await settle()
    await there.write(notification)
    there.finish({})
    expect(await exchange.over).toBe('complete')
    expect(gateway.reported.entries).toEqual([])
  })

  test('before the head has not cancelled either (SE4)', async () => {
    upstream.once('tools/call', () => {})
    const socket = new AbortController()
    const gone = fetch(session.url, {
      method: 'POST',
      body: JSON.stringify(call),
      headers: {
        ...session.headers,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
      },
      signal: socket.signal,
    }).catch((error: Error) => error.name)
    const exchange = await upstream.nextRequest('tools/call')
    socket.abort()
    expect(await gone).toBe('AbortError')
    await settle()
    exchange.result({})
    expect(await exchange.over).toBe('complete')
  })

  test('lets go of a stream with event ids, so that the upstream keeps what follows for a resume (SE3, SE4)', async () => {
    const { client, there, exchange } = await startCall()
    await there.write('id: 1\ndata: \n\n')
    await client.next()
    client.close()
    expect(await exchange.over).toBe('cut')
  })

  test('closes the upstream of a listener (SE16)', async () => {
    const { client, exchange } = await startListening()
    client.close()
    expect(await exchange.over).toBe('cut')
  })

  test('closes the upstream of a listener that has no head yet', async () => {
    upstream.once('GET', () => {})
    const leaving = new AbortController()
    const gone = fetch(session.url, {
      headers: { ...session.headers, accept: 'text/event-stream' },
      signal: leaving.signal,
    }).catch((error: Error) => error.name)
    const exchange = await upstream.nextRequest('GET')
    leaving.abort()
    expect(await gone).toBe('AbortError')
    expect(await exchange.over).toBe('cut')
  })
})

describe('a client that does not read', () => {
  /** More than all the kernel's buffers between upstream and client can take. */
  const TOO_MUCH = 96 * MiB
  const chunk = Buffer.from(`data: ${'x'.repeat(64 * 1024)}\n\n`)

  /** Writes until the socket takes no more, however long one waits: what was written has nowhere to go. */
  async function writeUntilStuck({ res }: Exchange, bytes: Buffer): Promise<number> {
    for (let written = 0; written < TOO_MUCH;) {
      written += bytes.length
      if (res.write(bytes)) continue
      let drained = false
      res.once('drain', () => (drained = true))
      for (let turn = 0; turn < 25 && !drained; turn += 1) await settle(1)
      if (!drained) return written
    }
    throw new Error(`the gateway took ${TOO_MUCH} bytes that nobody reads`)
  }

  test('stops the upstream, and gets every byte once it reads again (SE16)', async () => {
    const { client, exchange, there } = await startCall()
    client.res.pause()
    const written = await writeUntilStuck(exchange, chunk)
    const sent = exchange.res.socket?.bytesWritten
    await settle()
    expect(exchange.res.socket?.bytesWritten).toBe(sent)
    client.res.resume()
    await there.write(response)
    there.end()
    expect(await client.over).toBe('complete')
    const bytes = client.bytes()
    expect(bytes).toHaveLength(written + response.length)
    expect(bytes.subarray(0, chunk.length).equals(chunk)).toBe(true)
    expect(bytes.subarray(-response.length).toString()).toBe(response)
  })

  test('stops the upstream of a listener as well (SE16)', async () => {
    const { client, exchange } = await startListening()
    client.res.pause()
    await writeUntilStuck(exchange, chunk)
    client.close()
    expect(await exchange.over).toBe('cut')
  })

  test('stops the upstream within a giant event and within JSON (SE16)', async () => {
    const { client, exchange } = await startCall()
    client.res.pause()
    await writeUntilStuck(exchange, Buffer.alloc(64 * 1024, 'x'))
    client.close()
    upstream.once('tools/call', ({ res }) => void res.writeHead(200, { 'content-type': 'application/json' }).write('{'))
    const [other, json] = await Promise.all([session.stream(call), upstream.nextRequest('tools/call')])
    other.res.pause()
    await writeUntilStuck(json, Buffer.alloc(64 * 1024, ' '))
    other.close()
  })

  test('and leaves does not leave its call stuck at the upstream (SE4, SE16)', async () => {
    const { client, exchange, there } = await startCall()
    client.res.pause()
    await writeUntilStuck(exchange, chunk)
    client.close()
    await there.write(response)
    there.end()
    expect(await exchange.over).toBe('complete')
  })

  test('holds up nobody else in its session (SE11, SE16)', async () => {
    const stuck = await startCall()
    stuck.client.res.pause()
    await writeUntilStuck(stuck.exchange, chunk)
    const { client, there } = await startCall()
    there.finish({ quick: true })
    expect(await client.nextMessage()).toMatchObject({ result: { quick: true } })
    stuck.client.close()
  })
})

describe('heartbeats', () => {
  const heartbeat = ':\n\n'

  /** Only intervals are faked: sockets go on in real time. */
  function fakeIntervals(): void {
    jest.useFakeTimers({
      doNotFake: [
        'Date',
        'hrtime',
        'nextTick',
        'performance',
        'queueMicrotask',
        'setImmediate',
        'clearImmediate',
        'setTimeout',
        'clearTimeout',
      ],
    })
  }

  test('come on a quiet call and to a quiet listener, at least every 15 s (SE15)', async () => {
    fakeIntervals()
    const calling = await startCall()
    const listening = await startListening()
    for (let beats = 1; beats <= 3; beats += 1) {
      jest.advanceTimersByTime(15_000)
      await isReceived(calling.client, beats * heartbeat.length)
      await isReceived(listening.client, beats * heartbeat.length)
    }
    expect(calling.client.bytes().toString().replaceAll(heartbeat, '')).toBe('')
    expect(listening.client.bytes().toString().replaceAll(heartbeat, '')).toBe('')
    calling.there.finish({})
    expect(await calling.client.over).toBe('complete')
  })

  test('come between events only: never inside one that is on its way (SE15, SE16)', async () => {
    fakeIntervals()
    const { client, there } = await startCall()
    await there.write(response.slice(0, 30))
    await settle()
    jest.advanceTimersByTime(30_000)
    await isReceived(client, heartbeat.length)
    await there.write(response.slice(30))
    there.end()
    expect(await client.over).toBe('complete')
    expect(client.bytes().toString().replaceAll(heartbeat, '')).toBe(response)
    expect(client.bytes().toString().endsWith(response)).toBe(true)
  })

  test('wait until a giant event is out (SE15, SE16)', async () => {
    fakeIntervals()
    const { client, there } = await startCall()
    const half = `data: {"jsonrpc":"2.0","id":"call-1","result":{"text":"${'x'.repeat(MiB)}`
    await there.write(half)
    await isReceived(client, half.length)
    jest.advanceTimersByTime(60_000)
    await settle()
    await there.write('"}}\n\n')
    there.end()
    expect(await client.over).toBe('complete')
    expect(client.bytes().toString()).toBe(`${half}"}}\n\n`)
  })

  test('are no part of a JSON answer (SE15)', async () => {
    fakeIntervals()
    upstream.once(
      'tools/call',
      ({ res }) => void res.writeHead(200, { 'content-type': 'application/json' }).write('{"jsonrpc":'),
    )
    const [client, exchange] = await Promise.all([session.stream(call), upstream.nextRequest('tools/call')])
    jest.advanceTimersByTime(60_000)
    await settle()
    exchange.res.end('"2.0","id":"call-1","result":{}}')
    expect(await client.over).toBe('complete')
    expect(client.bytes().toString()).toBe('{"jsonrpc":"2.0","id":"call-1","result":{}}')
  })
})
