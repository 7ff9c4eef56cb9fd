// Whatever of the embedder's the gateway calls runs in the async context of the request that it is called for: a host
// that keeps its user in AsyncLocalStorage never sees another one's. Ada opens the connection to the upstream, which
// Bob's requests use after her: what its socket calls back runs in her context by itself.
import { AsyncLocalStorage } from 'node:async_hooks'
import { request } from 'node:http'
import { jest } from '@jest/globals'
import type { GatewayOptions } from '../../lib/index.ts'
import { startGateway, type Host, type RunningGateway } from '../support/gateway.ts'
import { createJournal, type Journal } from '../support/journal.ts'
import { initialize, type OpenStream, type Session } from '../support/rpc.ts'
import { soon } from '../support/soon.ts'
import { startUpstream, type Exchange, type Upstream } from '../support/upstream.ts'
import { bearer, byToken, call, note, plainStore, watchedLog } from './support-seam.ts'

/** One call of the gateway's to the embedder: of which hook or method, for which user, and in whose context. */
interface Asked {
  readonly what: string
  readonly for: string | undefined
  readonly in: string | undefined
}

const users = new AsyncLocalStorage<string>()

/** Middleware as an app has it, which keeps the user of each request in its async context. */
const host: Host = {
  prefix: '',
  mount: (gateway) => (req, res) => users.run(byToken(req)?.id ?? 'nobody', () => gateway(req, res)),
}

let upstream: Upstream
let gateway: RunningGateway
let asked: Journal<Asked>
let ada: Session
let bob: Session

beforeEach(async () => {
  upstream = await startUpstream()
  asked = createJournal()
})
afterEach(async () => {
  jest.useRealTimers()
  await gateway.close()
  await upstream.close()
})

function ask(what: string, user: string | undefined): void {
  asked.record({ what, for: user, in: users.getStore() })
}

/** Only Bob has streams to be kept. */
const tell = (method: string): void => ask(`events.${method}`, 'bob')

/** Starts a gateway all of whose hooks tell who asks them, and two sessions; Ada's request is the first. */
async function start(options: Partial<GatewayOptions> = {}, config: { recover?: boolean } = {}): Promise<void> {
  gateway = await startGateway(
    {
      authenticate(incoming) {
        const principal = byToken(incoming)
        ask('authenticate', principal?.id)
        return principal
      },
      servers(_, { principal }) {
        ask('servers', principal?.id)
        return {
          url: upstream.url,
          ...config,
          headers({ principal: asking, refused }) {
            ask(refused ? 'headers again' : 'headers', asking?.id)
            return { authorization: refused ? 'fresh' : 'stale' }
          },
        }
      },
      onError: (_, { principal }) => ask('onError', principal?.id),
      sessions: plainStore((method, record) => ask(`sessions.${method}`, record?.principal)),
      ...options,
    },
    host,
  )
  ada = await initialize(gateway.url('a'), { headers: bearer('ada') })
  bob = await initialize(gateway.url('a'), { headers: bearer('bob') })
  expect((await ada.request('ping')).status).toBe(200)
}

/** Waits for a call to the embedder; then all of that kind must have run in the context of who they were for. */
async function expectOwnContext(what: string, count = 1): Promise<void> {
  const isOne = (each: Asked): boolean => each.what === what
  for (let seen = 0; seen < count; seen += 1) await soon(asked.next(isOne), `${what} is asked`)
  const all = asked.entries.filter(isOne)
  expect(all).toEqual(all.map((each) => ({ what, for: each.for, in: each.for })))
}

/** Bob's call, which his upstream answers over the connection that Ada's request opened, with a stream. */
async function callOn(headers: Record<string, string> = {}): Promise<{ client: OpenStream; exchange: Exchange }> {
  upstream.on('tools/call', (exchange) => exchange.stream().send(note))
  const client = await soon(bob.stream(call, headers), 'the stream begins')
  expect(await soon(client.nextMessage(), 'the first event')).toMatchObject(note)
  const exchange = await upstream.nextRequest('tools/call')
  expectPooled(exchange)
  return { client, exchange }
}

/** What this test is about takes a connection that was opened for somebody else. */
function expectPooled({ req }: Exchange): void {
  const [first] = upstream.requests('initialize')
  expect(req.socket.remotePort).toBe(first!.req.socket.remotePort)
}

/** Only intervals are faked, from before the gateway makes its first: sockets go on in real time. */
function fakeIntervals(): void {
  const real = [
    'Date',
    'hrtime',
    'nextTick',
    'performance',
    'queueMicrotask',
    'setImmediate',
    'clearImmediate',
  ] as const
  jest.useFakeTimers({ doNotFake: [...real, 'setTimeout', 'clearTimeout'] })
}

describe('hooks that are asked on the way of a request', () => {
  test('run in its context: authenticate, servers, headers, and the session store', async () => {
    await start()
    upstream.once('tools/call', (exchange) => exchange.status(500))
    expect((await bob.post(call)).status).toBe(502)
    expect((await bob.end()).status).toBe(200)
    for (const what of ['authenticate', 'servers', 'headers', 'sessions.create', 'sessions.get', 'sessions.delete']) {
      await expectOwnContext(what)
    }
    await expectOwnContext('onError')
  })

  test('run in its context when its body comes late', async () => {
    await start()
    const body = JSON.stringify(call)
    const headers = {
      ...bob.headers,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
    }
    const sent = request(gateway.url('a'), { method: 'POST', headers, agent: false })
    const answered = new Promise((resolve) => sent.once('response', (res) => resolve(res.resume().statusCode)))
    asked = createJournal()
    sent.write(body.slice(0, 10))
    await soon(
      asked.next(({ what }) => what === 'servers'),
      'servers is asked',
    )
    sent.end(body.slice(10))
    expect(await soon(answered, 'the answer')).toBe(200)
    for (const what of ['sessions.get', 'headers']) await expectOwnContext(what)
  })

  test('run in its context when the upstream has forgotten the session', async () => {
    await start({}, { recover: true })
    upstream.sessions.clear()
    expect((await bob.post(call)).status).toBe(200)
    for (const what of ['sessions.update', 'headers']) await expectOwnContext(what)
  })
})

describe('headers', () => {
  test('are asked again after a 401 in the context of their request (E2)', async () => {
    await start()
    upstream.once('tools/call', (exchange) => exchange.status(401))
    expect((await bob.post(call)).status).toBe(200)
    expectPooled(upstream.requests('tools/call')[0]!)
    expect(upstream.requests('tools/call').map(({ headers }) => headers.authorization)).toEqual(['stale', 'fresh'])
    await expectOwnContext('headers again')
  })

  test('are asked for the rest of a stream in the context of the call (SE7)', async () => {
    await start()
    upstream.on('GET', (exchange) => exchange.json({}, 400))
    const { client, exchange } = await callOn()
    await exchange.stream().write(`retry: 1\nid: s-1\ndata: ${JSON.stringify({ jsonrpc: '2.0', ...note })}\n\n`)
    await soon(client.nextMessage(), 'the second event')
    asked = createJournal()
    exchange.cut()
    await soon(upstream.nextRequest('GET'), 'the upstream is asked for the rest')
    await expectOwnContext('headers')
  })

  test('are asked for a cancellation in the context of the call that nobody waits for any more (LC8)', async () => {
    await start()
    // Ada's access ends first: the timer for all of them is set in her context.
    upstream.on('tools/call', (exchange) => exchange.stream().send(note))
    const first = await ada.stream(call, bearer('ada', 300))
    await upstream.nextRequest('tools/call')
    const second = await bob.stream(call, bearer('bob', 350))
    asked = createJournal()
    await soon(Promise.all([first.over, second.over]), 'the streams end')
    for (const _ of ['ada', 'bob']) await soon(upstream.nextRequest('notifications/cancelled'), 'the cancellation')
    await expectOwnContext('headers', 2)
  })
})

describe('onError', () => {
  test.each([
    ['an event stream', 'text/event-stream', 'data: {}\n\n'],
    ['a document', 'application/json', '{"jsonrpc":'],
  ])('hears that %s broke off in the context of its request', async (_, type, bytes) => {
    await start()
    upstream.on('tools/call', ({ res }) => {
      res.writeHead(200, { 'content-type': type }).flushHeaders()
      res.write(bytes)
    })
    const client = await soon(bob.stream(call), 'the answer begins')
    const exchange = await upstream.nextRequest('tools/call')
    expectPooled(exchange)
    exchange.cut()
    await soon(client.over, 'the end')
    await expectOwnContext('onError')
  })

  test('hears that an event log failed in the context of the request whose stream it was to keep', async () => {
    let isFull = false
    await start({ events: watchedLog(tell, false, () => isFull) })
    const { client, exchange } = await callOn()
    isFull = true
    exchange.stream().finish({})
    await soon(client.over, 'the end')
    await expectOwnContext('onError')
  })

  test('hears of a client that stopped reading in the context of its request (SE16)', async () => {
    fakeIntervals()
    await start({ timeouts: { stallMs: 7_500 } })
    const { client, exchange } = await callOn()
    client.res.pause()
    // Until the upstream's own socket takes no more: nothing in between does.
    for (let quiet = 0; quiet < 20; quiet += 1) {
      if (!exchange.res.writableNeedDrain) quiet = 0
      while (!exchange.res.writableNeedDrain) exchange.res.write(Buffer.from(`data: ${'x'.repeat(65_536)}\n\n`))
      await new Promise((resolve) => setImmediate(resolve))
    }
    // A timer for all of them runs in the context of whoever set it, so of whoever had the first stream.
    for (let tick = 0; tick < 3; tick += 1) users.run('ada', () => jest.advanceTimersByTime(7_500))
    await expectOwnContext('onError')
    client.close()
  })
})

describe('a look at what goes on for long', () => {
  let fails = false

  /** Both listen; from now on only what the timer asks is noted. */
  async function listen(): Promise<void> {
    fails = false
    await start({
      recheckMs: 100,
      servers(_, { principal }) {
        ask('servers', principal?.id)
        if (fails) throw new Error('The database is away')
        return { url: upstream.url }
      },
    })
    await ada.listen()
    await bob.listen()
    asked = createJournal()
  }

  test.each([['servers'], ['sessions.get']])('asks %s in the context of each request', async (what) => {
    await listen()
    await expectOwnContext(what, 2)
  })

  test('tells onError of a lookup that fails in the context of each request', async () => {
    await listen()
    fails = true
    await expectOwnContext('onError', 2)
  })
})

describe('an event log', () => {
  /** Bob's call with an event that comes later, and its end. */
  async function keepOne(answersLater: boolean): Promise<OpenStream> {
    await start({ events: watchedLog(tell, answersLater) })
    // Until here the log was asked whether each session is listened to early.
    asked = createJournal()
    const { client, exchange } = await callOn()
    await exchange.stream().send(note)
    await soon(client.nextMessage(), 'the second event')
    exchange.stream().finish({})
    await soon(client.over, 'the end')
    return client
  }

  test.each([
    ['append', 'at once', false],
    ['append', 'later', true],
    ['release', 'at once', false],
    ['release', 'later', true],
  ])('is asked to %s in the context of the request whose stream it keeps: it answers %s', async (what, _, later) => {
    await keepOne(later)
    await expectOwnContext(`events.${what}`)
  })

  test('is asked to renew a claim in the context of the request whose stream it keeps', async () => {
    fakeIntervals()
    await start({ events: watchedLog(tell, false) })
    asked = createJournal()
    await callOn()
    await expectOwnContext('events.claim')
    for (let seconds = 0; seconds < 15; seconds += 1) users.run('ada', () => jest.advanceTimersByTime(1_000))
    await expectOwnContext('events.claim')
  })

  test.each([
    ['at once', false],
    ['later', true],
  ])('is asked for what a client missed in the context of its request: it answers %s', async (_, answersLater) => {
    const before = await keepOne(answersLater)
    const [, id] = /^id: (.*)$/m.exec(before.bytes().toString()) ?? []
    asked = createJournal()
    const client = await soon(bob.listen({ 'last-event-id': id }), 'the rest')
    expect(await soon(client.nextMessage(), 'the first event')).toMatchObject(note)
    expect(await soon(client.over, 'the end')).toBe('complete')
    for (const what of ['events.last', 'events.read']) await expectOwnContext(what)
  })
})
