// One answer as it arrives, over a real connection: kept until wanted, handed from sink to sink, let go of.
import { Client, type Dispatcher } from 'undici'
import type { Sink } from '../../../lib/exchange/body.ts'
import { UpstreamReply } from '../../../lib/upstream/http/upstream-reply.ts'
import { createJournal } from '../../support/journal.ts'
import { startUpstream, type Exchange, type Upstream } from '../../support/upstream.ts'

let upstream: Upstream
let client: Client

beforeEach(async () => {
  upstream = await startUpstream({ sessions: false })
  client = new Client(upstream.origin)
})

afterEach(async () => {
  await client.destroy()
  await upstream.close()
})

/** Sends one request; the head has been seen when this resolves. */
async function ask(answer: (exchange: Exchange) => void): Promise<{ reply: UpstreamReply; exchange: Exchange }> {
  upstream.once('GET', answer)
  const arrived = upstream.nextRequest('GET')
  const reply = await new Promise<UpstreamReply>((resolve, reject) => {
    client.dispatch({ path: '/', method: 'GET' }, new UpstreamReply(resolve, reject))
  })
  return { reply, exchange: await arrived }
}

interface Collected extends Sink {
  readonly bytes: () => string
  /** How the body ended. */
  readonly over: Promise<string>
  /** Waits for one more chunk. */
  more(): Promise<unknown>
}

function collect(takes: (chunk: Buffer) => boolean = () => true): Collected {
  const chunks: Buffer[] = []
  const arrivals = createJournal<number>()
  let finish: (how: string) => void
  const over = new Promise<string>((resolve) => (finish = resolve))
  return {
    data(chunk) {
      chunks.push(chunk)
      arrivals.record(chunk.length)
      return takes(chunk)
    },
    end: (end) => finish(end.how === 'broken' ? `failed: ${end.error.message}` : end.how),
    bytes: () => Buffer.concat(chunks).toString(),
    over,
    more: () => arrivals.next(),
  }
}

/** Enough turns of the event loop for whatever can happen to have happened. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 200; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}

test('the head is there before the body', async () => {
  const { reply } = await ask((exchange) => void exchange.stream({ 'x-one': '1' }))
  expect(reply.status).toBe(200)
  expect(reply.headers).toMatchObject({ 'content-type': 'text/event-stream', 'x-one': '1' })
})

test('undici does not keep the lines of a head, a Buffer each, for as long as a stream lasts', async () => {
  upstream.once('GET', (exchange) => void exchange.stream())
  const arrived = upstream.nextRequest('GET')
  const controller = await new Promise<Dispatcher.DispatchController>((resolve, reject) => {
    let started: Dispatcher.DispatchController
    const reply = new UpstreamReply(() => resolve(started), reject)
    const start = reply.onRequestStart.bind(reply)
    reply.onRequestStart = (given) => start((started = given))
    client.dispatch({ path: '/', method: 'GET' }, reply)
  })
  expect(controller.rawHeaders).toBeNull()
  ;(await arrived).stream().finish({})
})

test('heads of 1xx are passed over', async () => {
  const { reply } = await ask(({ res }) => {
    res.socket?.write('HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n')
    res.writeHead(200, { 'x-final': '1' }).end('body')
  })
  const sink = collect()
  reply.pipe(sink)
  expect(await sink.over).toBe('complete')
  expect(reply.status).toBe(200)
  expect(reply.headers).toMatchObject({ 'x-final': '1' })
  expect(sink.bytes()).toBe('body')
})

test('what came before anybody wanted it is kept, then follows the rest', async () => {
  const { reply, exchange } = await ask((asked) => void asked.stream().write('early '))
  await settle()
  const sink = collect()
  reply.pipe(sink)
  exchange.res.end('late')
  expect(await sink.over).toBe('complete')
  expect(sink.bytes()).toBe('early late')
})

test('a body that is over before anybody wanted it is not lost, nor is its end', async () => {
  const { reply, exchange } = await ask((asked) => asked.status(200, 'whole'))
  expect(await exchange.over).toBe('complete')
  await settle()
  const sink = collect()
  reply.pipe(sink)
  expect(await sink.over).toBe('complete')
  expect(sink.bytes()).toBe('whole')
})

test('a body that broke before anybody wanted it says so', async () => {
  const { reply, exchange } = await ask((asked) => void asked.stream().write('half'))
  await settle()
  exchange.cut()
  await settle()
  const sink = collect()
  reply.pipe(sink)
  expect(await sink.over).toMatch(/^failed: /)
  expect(sink.bytes()).toBe('half')
})

test('bytes given back come first for the next sink, and once', async () => {
  const { reply, exchange } = await ask((asked) => void asked.stream().write('one '))
  const first = collect()
  reply.pipe(first)
  await first.more()
  reply.unread([Buffer.from(first.bytes())])
  await exchange.stream().write('two ')
  await settle()
  const second = collect()
  reply.pipe(second)
  exchange.res.end('three')
  expect(await second.over).toBe('complete')
  expect(first.bytes()).toBe('one ')
  expect(second.bytes()).toBe('one two three')
})

test('bytes given back one after the other come in the order of the stream', async () => {
  const { reply, exchange } = await ask((asked) => void asked.stream().write('one two '))
  const first = collect()
  reply.pipe(first)
  await first.more()
  for (const part of ['two ', 'one ']) reply.unread([Buffer.from(part)])
  const second = collect()
  reply.pipe(second)
  exchange.res.end('three')
  expect(await second.over).toBe('complete')
  expect(second.bytes()).toBe('one two three')
})

test('a sink that gives bytes back in the middle leaves the rest to the next', async () => {
  // Shorter chunks may be joined while they are kept, so that there would be no middle.
  const [one, two] = ['1', '2'].map((digit) => digit.repeat(1024)) as [string, string]
  const { reply, exchange } = await ask((asked) => void asked.stream().write(one))
  await settle()
  await exchange.stream().write(two)
  await settle()
  const peek = collect()
  reply.pipe({
    ...peek,
    data(chunk) {
      peek.data(chunk, true)
      reply.unread([chunk])
      return true
    },
  })
  const second = collect()
  reply.pipe(second)
  exchange.res.end('three')
  expect(await second.over).toBe('complete')
  expect(peek.bytes()).toBe(one)
  expect(second.bytes()).toBe(`${one}${two}three`)
})

describe('backpressure (SE16)', () => {
  const chunk = Buffer.alloc(64 * 1024, 'x')
  /** More than the kernel takes between the two. */
  const TOO_MUCH = 64 * 1024 * 1024

  async function isStuck({ res }: Exchange): Promise<number> {
    for (let written = 0; written < TOO_MUCH;) {
      written += chunk.length
      if (res.write(chunk)) continue
      let drained = false
      res.once('drain', () => (drained = true))
      await settle()
      if (!drained) return written
    }
    throw new Error(`${TOO_MUCH} bytes were taken that nobody wanted`)
  }

  test('an upstream waits as long as nobody wants its body, then goes on', async () => {
    const { reply, exchange } = await ask((asked) => void asked.stream())
    const written = await isStuck(exchange)
    const sink = collect()
    reply.pipe(sink)
    exchange.res.end()
    expect(await sink.over).toBe('complete')
    expect(sink.bytes()).toHaveLength(written)
  })

  test('an upstream waits for a sink that has enough, until it is told to go on', async () => {
    const { reply, exchange } = await ask((asked) => void asked.stream())
    let full = true
    const sink = collect(() => !full)
    reply.pipe(sink)
    const written = await isStuck(exchange)
    expect(sink.bytes().length).toBeLessThan(written)
    full = false
    reply.resume()
    exchange.res.end()
    expect(await sink.over).toBe('complete')
    expect(sink.bytes()).toHaveLength(written)
  })
})

test('a body that is cancelled closes its connection', async () => {
  const { reply, exchange } = await ask((asked) => void asked.stream())
  reply.cancel()
  expect(await exchange.over).toBe('cut')
})

test('a short body that nobody wants is read away, and its connection is used again', async () => {
  const { reply, exchange } = await ask((asked) => asked.status(500, 'x'.repeat(10_000)))
  reply.drain()
  const { exchange: next } = await ask((asked) => asked.status(200))
  expect(next.req.socket).toBe(exchange.req.socket)
})

test('a long body that nobody wants is cut off', async () => {
  const { reply, exchange } = await ask((asked) => void asked.stream())
  reply.drain()
  void exchange.stream().write(Buffer.alloc(1024 * 1024, 'x'))
  expect(await exchange.over).toBe('cut')
})

test('a request that is stopped before it has a connection fails at once and reaches nobody', async () => {
  const outcome = new Promise<string>((resolve) => {
    const reply = new UpstreamReply(
      () => resolve('answered'),
      (error) => resolve(error.message),
    )
    client.dispatch({ path: '/', method: 'GET' }, reply)
    reply.abort(new Error('stopped'))
  })
  expect(await outcome).toBe('stopped')
  const { exchange } = await ask((asked) => asked.status(200))
  expect(upstream.requests()).toEqual([exchange])
})

test('a request that is stopped while it waits for the head fails with the reason, once', async () => {
  upstream.once('GET', () => {})
  const failures: string[] = []
  const reply = new UpstreamReply(
    () => failures.push('answered'),
    (error) => failures.push(error.message),
  )
  client.dispatch({ path: '/', method: 'GET' }, reply)
  const exchange = await upstream.nextRequest('GET')
  reply.abort(new Error('stopped'))
  reply.abort(new Error('again'))
  expect(await exchange.over).toBe('cut')
  await settle()
  expect(failures).toEqual(['stopped'])
})

test('a request whose upstream hangs up before the head fails', async () => {
  upstream.once('GET', (exchange) => exchange.cut())
  const failure = new Promise<Error>((resolve, reject) => {
    client.dispatch({ path: '/', method: 'GET' }, new UpstreamReply(() => reject(new Error('answered')), resolve))
  })
  expect(await failure).toMatchObject({ code: 'UND_ERR_SOCKET' })
})
