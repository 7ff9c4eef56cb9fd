// Faults that real clients and servers met: what works without a gateway must work with one.
import {
  type Gateway,
  type GatewayOptions,
  MemoryEventLog,
  MemorySessionStore,
  mcpGateway,
  SealedSessionStore,
  type SessionStore,
} from '../../lib/index.ts'
import { connectSdkV1 } from '../support/clients.ts'
import { type RunningGateway, startGateway } from '../support/gateway.ts'
import { listen } from '../support/listen.ts'
import { modernRequest, standardHeaders } from '../support/modern.ts'
import { type Answer, initialize, initializeMessage, openStream, post, send, type Session } from '../support/rpc.ts'
import { soon } from '../support/soon.ts'
import { type Exchange, startUpstream, type Upstream, type UpstreamOptions } from '../support/upstream.ts'
import { refusalOf } from './support-clients.ts'

let upstream: Upstream
let gateway: RunningGateway
const cleanups: Array<() => unknown> = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

/** A scripted server `a` behind a gateway. */
async function start(options: Partial<GatewayOptions> = {}, behind: UpstreamOptions = {}): Promise<void> {
  upstream = await startUpstream(behind)
  cleanups.push(upstream.close)
  const servers = { a: { url: upstream.url }, recovering: { url: upstream.url, recover: true } }
  gateway = await startGateway({ servers, ...options })
  cleanups.push(gateway.close)
}

const call = { jsonrpc: '2.0', id: 'call-1', method: 'tools/call', params: { name: 'echo', arguments: {} } }
const toolsList = { jsonrpc: '2.0', id: 'list-1', method: 'tools/list' }
const initialized = { jsonrpc: '2.0', method: 'notifications/initialized' }

describe('A3: the 404 of a session that is gone carries "id": null, as that of SDK servers does', () => {
  const authenticate: GatewayOptions['authenticate'] = ({ headers: { authorization = 'nobody' } }) => ({
    id: authorization,
  })

  test.each<[string, (url: string) => Promise<Answer>]>([
    [
      'was ended by its client',
      async (url) => {
        const session = await initialize(url)
        await session.end()
        return session.request('tools/list')
      },
    ],
    [
      'the server has forgotten',
      async (url) => {
        const session = await initialize(url)
        upstream.sessions.clear()
        return session.request('tools/list')
      },
    ],
    [
      'the server has forgotten, and does not open anew',
      async (url) => {
        const session = await initialize(url.replace('/a/', '/recovering/'))
        upstream.sessions.clear()
        upstream.on('initialize', (exchange) => exchange.error(-32000, 'no', 500))
        return session.request('tools/list')
      },
    ],
    ['never was', (url) => post(url, toolsList, { 'mcp-session-id': 'unknown' })],
    [
      'is another’s',
      async (url) => {
        const session = await initialize(url, { headers: { authorization: 'ada' } })
        return session.post(toolsList, { authorization: 'grace' })
      },
    ],
  ])('that %s (SS3, SS8)', async (_, ask) => {
    await start({ authenticate })
    const { status, body } = await ask(gateway.url('a'))
    expect(status).toBe(404)
    expect(JSON.parse(body)).toMatchObject({ id: null, error: { message: expect.any(String) } })
  })

  test('a call that is refused for another reason keeps its id (RPC3)', async () => {
    await start()
    const session = await initialize(gateway.url('a'))
    upstream.on('tools/list', (exchange) => exchange.status(500))
    expect((await session.post(toolsList)).message).toMatchObject({ id: 'list-1' })
  })
})

describe('A4: a server that gives no session id', () => {
  test('gets none from the gateway for its clients (SS1)', async () => {
    await start({}, { sessions: false })
    const opening = await post(gateway.url('a'), initializeMessage())
    expect(opening).toMatchObject({ status: 200, message: { result: { serverInfo: { name: 'scripted-upstream' } } } })
    expect(opening.headers).not.toHaveProperty('mcp-session-id')
    const version = { 'mcp-protocol-version': '2025-11-25' }
    expect(await post(gateway.url('a'), initialized, version)).toMatchObject({ status: 202 })
    expect(await post(gateway.url('a'), toolsList, version)).toMatchObject({ status: 200, message: { id: 'list-1' } })
    for (const { headers } of upstream.requests()) expect(headers).not.toHaveProperty('mcp-session-id')
    expect(upstream.requests('tools/list')[0]!.headers).toMatchObject(version)
  })

  test.each(['GET', 'DELETE'])('is the one who answers %s (RT3)', async (method) => {
    await start({}, { sessions: false })
    upstream.on('GET', (exchange) => exchange.status(405, '', { allow: 'POST' }))
    const answer = await send(method, gateway.url('a'), {
      accept: 'text/event-stream',
      'mcp-protocol-version': '2025-11-25',
    })
    expect(answer.status).toBe(405)
    expect(upstream.requests(method)).toHaveLength(1)
  })

  test('is not told the Last-Event-ID of anybody, which may be another client’s', async () => {
    await start({}, { sessions: false })
    const listener = await openStream(gateway.url('a'), { headers: { 'last-event-id': 'of-another-7' } })
    expect(listener.status).toBe(200)
    const asked = upstream.requests('GET')
    expect(asked).toHaveLength(1)
    expect(asked[0]!.headers).not.toHaveProperty('last-event-id')
  })

  test('is asked without a version, or in a batch, where its client does so (RPC7, HD5)', async () => {
    await start({}, { sessions: false })
    upstream.on('batch', (exchange) => exchange.json([{ jsonrpc: '2.0', id: 'list-1', result: { tools: [] } }]))
    const answer = await post(gateway.url('a'), [toolsList])
    expect(answer).toMatchObject({ status: 200, message: { id: 'list-1', result: { tools: [] } } })
  })

  test('keeps its SDK clients through a deploy, with the memory store too (SS8)', async () => {
    upstream = await startUpstream({ sessions: false })
    cleanups.push(upstream.close)
    const deploy = (): Gateway => mcpGateway({ servers: { a: { url: upstream.url } }, authenticate: false })
    let running = deploy()
    const host = await listen((request, response) => running(request, response))
    cleanups.push(host.close, () => running.close({ graceMs: 0 }))
    const client = await connectSdkV1(`${host.origin}/a/mcp`)
    cleanups.push(client.close)
    expect(await client.tools()).toHaveLength(1)
    const before = running
    running = deploy()
    await before.close({ graceMs: 0 })
    expect(await client.tools()).toHaveLength(1)
  })

  test('has sessions of the gateway all the same where an event log needs them', async () => {
    await start({ events: new MemoryEventLog() }, { sessions: false })
    const session = await initialize(gateway.url('a'))
    expect(await session.request('tools/list')).toMatchObject({ status: 200 })
    for (const { headers } of upstream.requests()) expect(headers).not.toHaveProperty('mcp-session-id')
  })

  test('a server with sessions refuses a message without one, by itself or through the gateway (SS2)', async () => {
    await start()
    expect(await post(gateway.url('a'), toolsList)).toMatchObject({ status: 400 })
  })
})

describe('A4: "recover" with a store that cannot update', () => {
  /** Whoever writes a store by the contract may leave `update` out. */
  function withoutUpdate(): SessionStore {
    const store = new MemorySessionStore()
    return {
      create: (record) => store.create(record),
      get: (id) => store.get(id),
      delete: (id) => store.delete(id),
      close: () => store.close(),
    }
  }

  test.each<[string, () => SessionStore]>([
    ['the sealed store', () => new SealedSessionStore({ keys: ['k'.repeat(43)] })],
    ['a store of one’s own', withoutUpdate],
  ])('is refused with the cure, or works: %s (SS8)', async (_, store) => {
    upstream = await startUpstream()
    cleanups.push(upstream.close)
    const options: GatewayOptions = {
      servers: { a: { url: upstream.url, recover: true } },
      authenticate: false,
      sessions: store(),
    }
    const refusal = refusalOf(() => cleanups.push(mcpGateway(options).close))
    if (refusal !== undefined) return expect(refusal).toMatch(/"recover".*update/s)
    gateway = await startGateway({ ...options, sessions: store() })
    cleanups.push(gateway.close)
    const session = await initialize(gateway.url('a'))
    upstream.sessions.clear()
    expect(await session.request('tools/list')).toMatchObject({ status: 200 })
  })
})

describe('A6: a call that its client has cancelled is answered no more (UT4)', () => {
  const cancel = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 'call-1' } }
  type End = [string, (end: { session: Session; exchange: Exchange }) => unknown]

  test.each<End>([
    ['its client ends the session', ({ session }) => session.end()],
    ['the server ends its stream', ({ exchange }) => exchange.stream().end()],
    ['the connection to the server breaks', ({ exchange }) => exchange.cut()],
    ['the gateway closes', () => gateway.gateway.close({ graceMs: 0 })],
  ])('when %s', async (_, end) => {
    await start()
    upstream.on('tools/call', (exchange) => void exchange.stream())
    const session = await initialize(gateway.url('a'))
    const stream = await session.stream(call)
    const exchange = await upstream.nextRequest('tools/call')
    expect(await session.post(cancel)).toMatchObject({ status: 202 })
    await end({ session, exchange })
    await soon(stream.over, 'the end of the stream')
    expect(stream.bytes().toString()).not.toContain('"id":"call-1"')
  })

  test('when the server ends its stream, and an event log keeps it', async () => {
    await start({ events: new MemoryEventLog() })
    upstream.on('tools/call', (exchange) => void exchange.stream())
    const session = await initialize(gateway.url('a'))
    const stream = await session.stream(call)
    const exchange = await upstream.nextRequest('tools/call')
    await session.post(cancel)
    exchange.stream().end()
    await soon(stream.over, 'the end of the stream')
    expect(stream.bytes().toString()).not.toContain('"id":"call-1"')
  })

  test('when its session ends before the server has begun an answer', async () => {
    await start()
    upstream.on('tools/call', () => {})
    const session = await initialize(gateway.url('a'))
    const answer = session.post(call)
    await upstream.nextRequest('tools/call')
    await session.post(cancel)
    await session.end()
    const { messages } = await soon(answer, 'the answer')
    expect(messages.filter(({ id }) => id === 'call-1')).toEqual([])
  })

  test('in a batch, the others are (RPC7, ER14)', async () => {
    await start()
    upstream.on('batch', (exchange) => void exchange.stream())
    const session = await initialize(gateway.url('a'), { version: '2025-03-26' })
    const stream = await session.stream([call, { ...call, id: 'call-2' }])
    await session.post([cancel])
    await session.end()
    await soon(stream.over, 'the end of the stream')
    const text = stream.bytes().toString()
    expect(text).not.toContain('"id":"call-1"')
    expect(text).toContain('"id":"call-2"')
  })

  test('when its session ends, and a client has come back for it to an event log', async () => {
    await start({ events: new MemoryEventLog() })
    upstream.on('tools/call', (exchange) => void exchange.stream())
    const session = await initialize(gateway.url('a'))
    const first = await session.stream(call)
    const { id = '' } = await first.next()
    expect(id).not.toBe('')
    first.close()
    const stream = await session.listen({ 'last-event-id': id })
    await session.post(cancel)
    await session.end()
    await soon(stream.over, 'the end of the stream')
    expect(stream.bytes().toString()).not.toContain('"id":"call-1"')
  })

  test('while a call of the same id in another session, or of the number in place of the string, is still owed', async () => {
    await start()
    upstream.on('tools/call', (exchange) => void exchange.stream())
    const session = await initialize(gateway.url('a'))
    const other = await initialize(gateway.url('a'))
    const stream = await session.stream({ ...call, id: '1' })
    await other.post({ ...cancel, params: { requestId: '1' } })
    await session.post({ ...cancel, params: { requestId: 1 } })
    await session.end()
    expect(await soon(stream.nextMessage(), 'the error')).toMatchObject({ id: '1', error: {} })
  })
})

describe('A7: what a client accepts', () => {
  const question = { id: 'q', method: 'elicitation/create', params: { message: '?', requestedSchema: {} } }

  test.each(['*/*', 'application/json', 'application/*', 'text/html, */*;q=0.1'])(
    '%j takes an answer in JSON (HD1)',
    async (accept) => {
      await start()
      const opening = await post(gateway.url('a'), initializeMessage(), { accept })
      expect(opening).toMatchObject({ status: 200, message: { id: 'init', result: {} } })
      expect(opening.headers['content-type']).toMatch(/^application\/json/)
      expect(upstream.requests('initialize')[0]!.headers.accept).toBe('application/json, text/event-stream')
    },
  )

  test('"application/json" alone gets the response out of an event stream (HD1)', async () => {
    await start()
    const session = await initialize(gateway.url('a'))
    upstream.on('tools/call', async (exchange) => {
      await exchange.stream().send({ method: 'notifications/message', params: { level: 'info', data: 'on the way' } })
      exchange.stream().finish({ content: [] })
    })
    const answer = await session.post(call, { accept: 'application/json' })
    expect(answer.status).toBe(200)
    expect(answer.headers['content-type']).toMatch(/^application\/json/)
    expect(JSON.parse(answer.body)).toMatchObject({ id: 'call-1', result: { content: [] } })
  })

  test('a question to a client that takes JSON alone is refused in its place, and its call goes on', async () => {
    await start()
    const session = await initialize(gateway.url('a'), { capabilities: { elicitation: {} } })
    upstream.on('tools/call', (exchange) => void exchange.stream().send(question))
    const answer = session.post(call, { accept: 'application/json' })
    const refused = await soon(upstream.nextRequest('response'), 'the answer to the question')
    expect(refused.message).toMatchObject({ id: 'q', error: { code: -32603 } })
    upstream.requests('tools/call')[0]!.stream().finish({ content: [] })
    expect((await soon(answer, 'the answer')).message).toMatchObject({ id: 'call-1', result: { content: [] } })
  })

  test.each(['text/event-streams', 'text/event-stream;q=0', 'text/html;why="text/event-stream"'])(
    'GET with %j does not take an event stream (HD1)',
    async (accept) => {
      await start()
      const session = await initialize(gateway.url('a'))
      const listener = await session.listen({ accept })
      expect(listener.status).toBe(406)
    },
  )

  test('a listener of the modern era has to take event streams: another one would never be answered (HD1)', async () => {
    await start()
    const message = modernRequest('subscriptions/listen', { notifications: {} })
    const headers = { ...standardHeaders(message), accept: 'application/json' }
    expect(await post(gateway.url('a'), message, headers)).toMatchObject({ status: 406 })
  })

  test.each(['text/html', 'image/png, audio/*;q=0.5'])('%j takes no answer there is (HD1)', async (accept) => {
    await start()
    expect(await post(gateway.url('a'), initializeMessage(), { accept })).toMatchObject({ status: 406 })
    expect(upstream.requests().map(({ kind }) => kind)).toEqual([])
  })
})
