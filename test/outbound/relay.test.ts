// The relay against real sockets: every byte, every way a stream can end, and a client that does not read.
import { once } from 'node:events'
import { jest } from '@jest/globals'
import fc from 'fast-check'
import { startGateway, type RunningGateway } from '../support/gateway.ts'
import { initialize, type OpenStream, type Session } from '../support/rpc.ts'
import { startUpstream, type EventStream, type Exchange, type Upstream } from '../support/upstream.ts'
import { cutAt, cuts, streamOf } from '../exchange/streams.ts'

let upstream: Upstream
let gateway: RunningGateway
let session: Session

beforeEach(async () => {
  upstream = await startUpstream()
  await openSession()
})

afterEach(async () => {
  jest.useRealTimers()
  await gateway.close()
  await upstream.close()
})

async function openSession(): Promise<void> {
  gateway = await startGateway({ servers: { a: { url: upstream.url } } })
  session = await initialize(gateway.url('a'))
}

const call = { jsonrpc: '2.0', id: 'call-1', method: 'tools/call', params: { name: 'slow' } }
const response = 'event: message\ndata: {"jsonrpc":"2.0","id":"call-1","result":{"content":[]}}\n\n'
const notification = 'event: message\ndata: {"jsonrpc":"2.0","method":"notifications/message","params":{}}\n\n'
const KiB = 1024
const MiB = 1024 * KiB
/** More than what is joined, less than what is held back. */
const longNotification = notification.replace('{}', JSON.stringify({ data: 'x'.repeat(64 * KiB) }))

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

/** Only intervals are faked: sockets go on in real time. The gateway is a new one, whose timer does not run yet. */
async function fakeIntervals(): Promise<void> {
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
  await gateway.close()
  await openSession()
}

/** Writes pieces that come to the gateway one by one. */
async function writeApart(there: EventStream, pieces: readonly (string | Buffer)[]): Promise<void> {
  for (const piece of pieces) {
    await there.write(piece)
    await settle(2)
  }
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

describe('a stream that is complete before it is relayed', () => {
  /** The answer to the call, its head and all of its bytes in one write. */
  async function callAnswered(stream: string, headers: Record<string, string> = {}): Promise<OpenStream> {
    upstream.once('tools/call', ({ res }) => {
      res.writeHead(200, { 'content-type': 'text/event-stream', ...headers }).end(stream)
    })
    return session.stream(call)
  }

  test.each([
    ['the answer alone', response],
    ['a notification, then the answer', notification + response],
    ['the answer, then a notification', response + notification],
    ['the answer with an id, after priming', `id: s1/0\nretry: 10\ndata: \n\nid: s1/1\n${response}`],
    ['CRLF, comments and a byte order mark', `\uFEFF: hi\r\n\r\n${response.replaceAll('\n', '\r\n')}: bye\r\n\r\n`],
    ['one more blank line', `${response}\n`],
    ['an answer of 40 KiB', response.replace('[]', JSON.stringify(['ü'.repeat(20 * KiB)]))],
  ])('comes as it is, and nothing is added: %s (SE1, SE2, SE18)', async (_, stream) => {
    const client = await callAnswered(stream)
    expect(await client.over).toBe('complete')
    expect(client.bytes().toString()).toBe(stream)
    expect(gateway.reported.entries).toEqual([])
  })

  test('has the head of every stream, and promises no length (RT12, SE15, HD20)', async () => {
    const length = String(Buffer.byteLength(response))
    const client = await callAnswered(response, { 'cache-control': 'max-age=60', 'content-length': length })
    expect(client.headers).toMatchObject({
      'content-type': 'text/event-stream',
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
    })
    expect(client.headers['content-length']).toBeUndefined()
    expect(await client.over).toBe('complete')
    expect(client.bytes().toString()).toBe(response)
  })

  test.each([
    ['nothing', ''],
    ['a comment', ': bye\n\n'],
    ['a notification', notification],
    ["a request of the server's own with the same id", 'data: {"jsonrpc":"2.0","id":"call-1","method":"ping"}\n\n'],
  ])('brings an error for the waiting id when it holds no answer but %s (ER13, ER14)', async (_, stream) => {
    const client = await callAnswered(stream)
    expect(await client.over).toBe('complete')
    expect(client.bytes().toString()).toMatch(stream)
    expect(client.bytes().subarray(stream.length).toString()).toMatch(
      /^event: message\ndata: \{"jsonrpc":"2\.0","id":"call-1","error":\{"code":502,.*\}\n\n$/,
    )
    expect(gateway.reported.entries).toMatchObject([{ error: { code: 'upstream_broken' } }])
  })

  test('just ends without an answer when it had event ids: the client resumes it (SE3)', async () => {
    const stream = `id: s1/0\nretry: 10\ndata: \n\n${notification}`
    const client = await callAnswered(stream)
    expect(await client.over).toBe('complete')
    expect(client.bytes().toString()).toBe(stream)
  })

  test.each([
    ['behind the answer', response, 'data: {"jsonrpc":"2.0","method":"notif'],
    ['behind the answer, its blank line missing', response, notification.slice(0, -1)],
  ])('keeps half an event at its end to itself: %s (SE1, ER14)', async (_, whole, half) => {
    const client = await callAnswered(whole + half)
    expect(await client.over).toBe('complete')
    expect(client.bytes().toString()).toBe(whole)
    expect(gateway.reported.entries).toEqual([])
  })

  test.each([
    ['half an answer alone', ''],
    ['half an answer behind a notification', notification],
  ])('brings the error instead of %s (ER13, ER14)', async (_, whole) => {
    const client = await callAnswered(whole + response.slice(0, -1))
    if (whole !== '') expect(await client.nextMessage()).toMatchObject({ method: 'notifications/message' })
    await expectError(client, 502)
    expect(client.bytes().toString()).not.toContain('"result"')
  })

  test('of a batch brings an error for each id without an answer (RPC7, ER14)', async () => {
    const old = await initialize(gateway.url('a'), { version: '2025-03-26' })
    const stream = 'data: {"jsonrpc":"2.0","id":2,"result":{}}\n\n'
    upstream.once('batch', ({ res }) => void res.writeHead(200, { 'content-type': 'text/event-stream' }).end(stream))
    const client = await old.stream([1, 2, 3].map((id) => ({ jsonrpc: '2.0', id, method: 'tools/list' })))
    const messages = [await client.nextMessage(), await client.nextMessage(), await client.nextMessage()]
    expect(messages).toMatchObject([
      { id: 2, result: {} },
      { id: 1, error: { code: 502 } },
      { id: 3, error: { code: 502 } },
    ])
    expect(await client.over).toBe('complete')
  })

  test('of a listener comes as it is: it owes nothing (SE9)', async () => {
    upstream.once(
      'GET',
      ({ res }) => void res.writeHead(200, { 'content-type': 'text/event-stream' }).end(notification),
    )
    const client = await session.listen()
    expect(await client.over).toBe('complete')
    expect(client.bytes().toString()).toBe(notification)
    expect(gateway.reported.entries).toEqual([])
  })

  test('leaves its connection to the upstream fit for the next request', async () => {
    const sockets = []
    for (const stream of [response, response, notification, response + notification.slice(0, 9)]) {
      const client = await callAnswered(stream)
      await client.over
      sockets.push((await upstream.nextRequest('tools/call')).req.socket)
    }
    expect(new Set(sockets).size).toBe(1)
  })
})

describe('a flood of small events', () => {
  const flood = Array.from(
    { length: 2_000 },
    (_, at) => `event: message\ndata: {"jsonrpc":"2.0","method":"notifications/message","params":{"at":${at}}}\n\n`,
  )

  /** All of them in one tick, each as a chunk of its own; resolves when the client has them. */
  async function pour({ there, client }: Call, events: readonly string[]): Promise<void> {
    const before = client.bytes().length
    await Promise.all(events.map((each) => there.write(each)))
    await isReceived(client, before + events.join('').length)
  }

  test('comes as it is and in order, with the answer at its end (SE2, SE16)', async () => {
    const { client, there } = await startCall()
    for (const each of [...flood, response]) void there.write(each)
    there.end()
    expect(await client.over).toBe('complete')
    expect(client.bytes().toString() === flood.join('') + response).toBe(true)
  })

  test('comes as it is when events are long and short in turn, and cut anywhere (SE2, SE16)', async () => {
    const { client, there } = await startCall()
    const sent = Buffer.from(flood.map((each, at) => (at % 50 === 0 ? longNotification : each)).join('') + response)
    const places = Array.from({ length: 500 }, (_, at) => at / 500)
    for (const chunk of cutAt(sent, places)) void there.write(chunk)
    there.end()
    expect(await client.over).toBe('complete')
    expect(client.bytes().equals(sent)).toBe(true)
  })

  test('is followed by the error when the answer is owed, once all of it is out (ER14)', async () => {
    const { client, there } = await startCall()
    for (const each of flood) void there.write(each)
    there.end()
    expect(await client.over).toBe('complete')
    const all = flood.join('')
    expect(client.bytes().subarray(0, all.length).toString() === all).toBe(true)
    expect(client.bytes().subarray(all.length).toString()).toMatch(
      /^event: message\ndata: \{"jsonrpc":"2\.0","id":"call-1","error":\{"code":502,.*\}\n\n$/,
    )
  })

  test('is followed by the error also when the session ends under it (SS12)', async () => {
    const started = await startCall()
    await pour(started, flood)
    await session.end()
    expect(await started.client.over).toBe('complete')
    const all = flood.join('')
    expect(started.client.bytes().subarray(0, all.length).toString() === all).toBe(true)
    expect(started.client.bytes().subarray(all.length).toString()).toMatch(/"id":"call-1","error":\{"code":404,/)
  })

  test('is followed by heartbeats once it is over, and by none while it lasts (SE15)', async () => {
    await fakeIntervals()
    const started = await startCall()
    const [all, beat] = [flood.join(''), ':\n\n']
    for (let at = 0; at < flood.length; at += 500) {
      await pour(started, flood.slice(at, at + 500))
      jest.advanceTimersByTime(7_500)
    }
    expect(started.client.bytes().toString() === all).toBe(true)
    jest.advanceTimersByTime(7_500)
    await isReceived(started.client, all.length + beat.length)
    expect(started.client.bytes().toString() === all + beat).toBe(true)
    started.there.finish({})
    expect(await started.client.over).toBe('complete')
  })
})

describe('events of 64 KiB in pieces', () => {
  const long = Array.from({ length: 20 }, (_, at) =>
    notification.replace('{}', JSON.stringify({ at, data: String(at % 10).repeat(64 * KiB) })),
  )
  const longResponse = response.replace('[]', JSON.stringify(['x'.repeat(64 * KiB)]))

  test('reach the client as they are, however they are cut (SE18, SC6)', async () => {
    const sent = Buffer.from(long.join('') + longResponse)
    await fc.assert(
      fc.asyncProperty(cuts, async (fractions) => {
        const { client, there } = await startCall()
        for (const chunk of cutAt(sent, fractions)) await there.write(chunk)
        there.end()
        expect(await client.over).toBe('complete')
        expect(client.bytes().equals(sent)).toBe(true)
      }),
      { numRuns: 10 },
    )
  })

  test('come whole or not at all: half of one is held back until the rest is there (SE1, SE16)', async () => {
    const { client, there } = await startCall()
    for (const each of long.slice(0, 3)) {
      const before = client.bytes().length
      await writeApart(there, [each.slice(0, 40_000), each.slice(40_000, -1)])
      expect(client.bytes()).toHaveLength(before)
      await there.write(each.slice(-1))
      await isReceived(client, before + each.length)
    }
    expect(client.bytes().toString() === long.slice(0, 3).join('')).toBe(true)
    there.finish({})
    expect(await client.over).toBe('complete')
  })

  test.each([
    ['within "result"', longResponse.indexOf('"result"') + 4],
    ['within its id', longResponse.indexOf('call-1') + 2],
    ['within its first line', 3],
    ['within its blank line', longResponse.length - 1],
    ['in the middle', 30_000],
  ])('are recognised as the answer when they are cut %s: nothing is added (SE1, ER14)', async (_, at) => {
    const { client, there } = await startCall()
    await writeApart(there, [long[0]!, longResponse.slice(0, at), longResponse.slice(at)])
    there.end()
    expect(await client.over).toBe('complete')
    expect(client.bytes().toString() === long[0]! + longResponse).toBe(true)
    expect(gateway.reported.entries).toEqual([])
  })

  test('are recognised as the answer when it shares a piece with the end of another (SE1, ER14)', async () => {
    const { client, there } = await startCall()
    const sent = long[0]! + response + long[1]!
    await writeApart(there, [sent.slice(0, 50_000), sent.slice(50_000, 100_000), sent.slice(100_000)])
    there.end()
    expect(await client.over).toBe('complete')
    expect(client.bytes().toString() === sent).toBe(true)
  })

  test('are recognised as the answer when it is written on many lines: nothing is added (SE1, ER14)', async () => {
    const { client, there } = await startCall()
    const answer = { jsonrpc: '2.0', id: 'call-1', result: { content: ['x'.repeat(64 * KiB)] } }
    const lines = JSON.stringify(answer, undefined, 2).split('\n')
    const sent = `${lines.map((line) => `data: ${line}\n`).join('')}\n`
    await writeApart(there, [sent.slice(0, 30_000), sent.slice(30_000)])
    there.end()
    expect(await client.over).toBe('complete')
    expect(client.bytes().toString() === sent).toBe(true)
  })

  test('leave the answer owed when they are none, whatever they look like inside (ER14)', async () => {
    const { client, there } = await startCall()
    const sent = long[0]!.replace('"at":0', '"id":"call-1","result":{}')
    await writeApart(there, [sent.slice(0, 90), sent.slice(90, 40_000), sent.slice(40_000)])
    there.end()
    expect(await client.nextMessage()).toMatchObject({ method: 'notifications/message' })
    await expectError(client, 502)
  })

  test('give way to the error when the upstream is killed in the middle of one (ER14)', async () => {
    const { client, there, exchange } = await startCall()
    await writeApart(there, [long[0]!, longResponse.slice(0, 40_000)])
    exchange.cut()
    expect(await client.nextMessage()).toMatchObject({ params: { at: 0 } })
    await expectError(client, 502)
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
  })

  test('is cut where a giant event was half out, so that nobody takes it for whole (ER14)', async () => {
    const { client, there, exchange } = await startCall()
    const half = `data: {"jsonrpc":"2.0","id":"call-1","result":{"text":"${'x'.repeat(MiB)}`
    await there.write(half)
    await isReceived(client, half.length)
    exchange.cut()
    expect(await client.over).toBe('cut')
  })

  test('just ends when it ends and has had event ids: the client resumes it (SE3)', async () => {
    const { client, there } = await startCall()
    const sent = `id: s1/0\nretry: 10\ndata: \n\n${notification}`
    await there.write(sent)
    await isReceived(client, sent.length)
    there.end()
    expect(await client.over).toBe('complete')
    expect(client.bytes().toString()).toBe(sent)
  })

  test('goes on when it is killed and has had event ids: the gateway resumes it behind the same stream (SE3)', async () => {
    const { client, there, exchange } = await startCall()
    const sent = `id: s1/0\nretry: 10\ndata: \n\n${notification}`
    await there.write(`${sent}event: message\ndata: {"jsonrpc":"2.0","id":"call-1","resu`)
    await isReceived(client, sent.length)
    exchange.cut()
    const resumed = await upstream.nextRequest('GET')
    expect(resumed.headers['last-event-id']).toBe('s1/0')
    await resumed.stream().write(response)
    resumed.stream().end()
    expect(await client.over).toBe('complete')
    expect(client.bytes().toString()).toBe(sent + response)
  })

  test('brings the error when it is killed and the upstream does not resume it after all (SE3, ER14)', async () => {
    upstream.on('GET', (exchange) => exchange.status(405))
    const { client, there, exchange } = await startCall()
    await there.write(`id: s1/0\nretry: 10\ndata: \n\n${notification}`)
    expect(await client.nextMessage()).toMatchObject({ method: 'notifications/message' })
    exchange.cut()
    await expectError(client, 502)
    expect(upstream.requests('GET')).toHaveLength(1)
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

  test('just ends when the event id came in two pieces at the end of a long event (SE3)', async () => {
    const { client, there } = await startCall()
    const [first, second] = [`${longNotification.slice(0, -1)}i`, 'd: s1/0\n\n']
    await writeApart(there, [first, second])
    there.end()
    expect(await client.over).toBe('complete')
    expect(client.bytes().toString() === first + second).toBe(true)
  })

  test.each([
    ['at its beginning', `id: s1/0\n${longNotification}`],
    ['at its end', `${longNotification.slice(0, -1)}id: s1/0\n\n`],
    ['at its end, with CRLF', `${longNotification.slice(0, -1)}id: s1/0\n\n`.replaceAll('\n', '\r\n')],
  ])('just ends when a long event in pieces had an id %s (SE3)', async (_, sent) => {
    const { client, there } = await startCall()
    await writeApart(there, cutAt(Buffer.from(sent), [0.2, 0.5, 0.999]))
    there.end()
    expect(await client.over).toBe('complete')
    expect(client.bytes().toString() === sent).toBe(true)
  })

  test('brings the error when what looks like an event id stands inside a long event, at the edge of a piece (SE3, ER14)', async () => {
    const { client, there } = await startCall()
    const text = longNotification.replace('xxxx', 'xid: 7')
    const at = text.indexOf('id: 7')
    await writeApart(there, [text.slice(0, at), text.slice(at)])
    there.end()
    expect(await client.nextMessage()).toMatchObject({ method: 'notifications/message' })
    await expectError(client, 502)
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

  test('answers a call that has no answer yet with 404, as any request of it from now on (SS12)', async () => {
    upstream.once('tools/call', () => {})
    const answer = session.post(call)
    const { over } = await upstream.nextRequest('tools/call')
    await session.end()
    expect(await answer).toMatchObject({ status: 404, message: { id: null, error: { code: 404 } } })
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

  test('come on a quiet call and to a quiet listener, at least every 15 s (SE15)', async () => {
    await fakeIntervals()
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
    await fakeIntervals()
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
    await fakeIntervals()
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
    await fakeIntervals()
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
