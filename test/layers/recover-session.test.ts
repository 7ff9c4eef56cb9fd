// `recover`: an upstream that has forgotten a session is told again what the client told it. (SS8)
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import {
  MemoryEventLog,
  SealedSessionStore,
  type ServerConfig,
  type SessionRecord,
  type SessionStore,
} from '../../lib/index.ts'
import { startGateway, type RunningGateway } from '../support/gateway.ts'
import { startKillable } from '../support/killable-server.ts'
import { initialize, post, type Session } from '../support/rpc.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

describe('an upstream that has forgotten the session', () => {
  let upstream: Upstream
  let gateway: RunningGateway
  let session: Session

  async function start(config: Partial<ServerConfig> = { recover: true }): Promise<void> {
    gateway = await startGateway({ servers: { a: { url: upstream.url, ...config } } })
    session = await initialize(gateway.url('a'), { capabilities: { roots: { listChanged: true } } })
  }

  beforeEach(async () => {
    upstream = await startUpstream()
    upstream.on('resources/subscribe', (exchange) => exchange.result({}))
    upstream.on('resources/unsubscribe', (exchange) => exchange.result({}))
  })
  afterEach(async () => {
    await gateway.close()
    await upstream.close()
  })

  const kinds = (): string[] => upstream.requests().map(({ kind }) => kind)

  test('SS8 UC4 is given the same handshake, and the call that it refused', async () => {
    await start()
    upstream.sessions.clear()
    const seen = kinds().length
    const answer = await session.request('tools/call', { name: 'echo', arguments: { a: 1 } })
    expect(answer.status).toBe(200)
    expect(answer.message).toMatchObject({ result: { content: [{ text: '{"a":1}' }] } })
    expect(kinds().slice(seen)).toEqual(['tools/call', 'initialize', 'notifications/initialized', 'tools/call'])
    const [first, again] = upstream.requests('initialize')
    expect(again?.message?.params).toEqual(first?.message?.params)
    expect(again?.headers['mcp-session-id']).toBeUndefined()
    const [refused, taken] = upstream.requests('tools/call')
    expect(taken?.body.equals(refused!.body)).toBe(true)
    expect(taken?.headers['mcp-session-id']).not.toBe(refused?.headers['mcp-session-id'])
    expect(gateway.reported.entries).toEqual([])
  })

  test('SS8 goes on in the new session without another handshake', async () => {
    await start()
    upstream.sessions.clear()
    await session.request('ping')
    expect((await session.request('ping')).status).toBe(200)
    expect(upstream.requests('initialize')).toHaveLength(2)
  })

  test('SS8 UT7 is told the last log level and the live subscriptions', async () => {
    await start()
    await session.request('logging/setLevel', { level: 'debug' })
    await session.request('logging/setLevel', { level: 'error' })
    for (const uri of ['x://a', 'x://b']) await session.request('resources/subscribe', { uri })
    await session.request('resources/unsubscribe', { uri: 'x://b' })
    upstream.sessions.clear()
    const seen = upstream.requests().length
    expect((await session.request('ping')).status).toBe(200)
    const told = upstream.requests().slice(seen + 1)
    expect(told.map(({ kind, message }) => [kind, kind === 'initialize' ? {} : message?.params])).toEqual([
      ['initialize', {}],
      ['notifications/initialized', undefined],
      ['logging/setLevel', { level: 'error' }],
      ['resources/subscribe', { uri: 'x://a' }],
      ['ping', {}],
    ])
  })

  test('SS8 is given one handshake by requests that come at the same time', async () => {
    await start()
    upstream.sessions.clear()
    const answers = await Promise.all(Array.from({ length: 5 }, () => session.request('ping')))
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200])
    expect(upstream.requests('initialize')).toHaveLength(2)
  })

  test('SS8 is listened to again by a GET, without the event id of the old session', async () => {
    await start()
    upstream.sessions.clear()
    const stream = await session.listen({ 'last-event-id': 'old' })
    expect(stream.status).toBe(200)
    const [refused, taken] = upstream.requests('GET')
    expect([refused?.headers['last-event-id'], taken?.headers['last-event-id']]).toEqual(['old', undefined])
    stream.close()
  })

  test('SS8 ER14 does not have the rest of a request of the old session: an error says so', async () => {
    const events = new MemoryEventLog()
    gateway = await startGateway({ servers: { a: { url: upstream.url, recover: true } }, events })
    session = await initialize(gateway.url('a'))
    upstream.on('tools/call', async (exchange) => {
      await exchange.stream().write('retry: 1\n\n')
      await exchange.stream().send({ jsonrpc: '2.0', method: 'notifications/progress', params: {} }, { id: 'u-1' })
      upstream.sessions.clear()
      exchange.stream().end()
    })
    upstream.on('GET', async (exchange) => {
      if (upstream.sessions.has(String(exchange.headers['mcp-session-id']))) await exchange.stream().write(': here\n\n')
      else exchange.status(404)
    })
    const stream = await session.stream({ jsonrpc: '2.0', id: 7, method: 'tools/call', params: { name: 'slow' } })
    let last: string | undefined
    while (
      (await stream
        .next()
        .then(({ id }) => (last = id ?? last))
        .catch(() => undefined)) !== undefined
    );
    const rest = await session.listen({ 'last-event-id': last! })
    expect(await rest.nextMessage()).toMatchObject({ id: 7, error: { message: 'The connection to the server broke' } })
    expect(upstream.requests('GET').map(({ headers }) => headers['last-event-id'])).toEqual(['u-1'])
    // The next request has the session opened anew.
    expect((await session.request('ping')).status).toBe(200)
    expect(upstream.requests('initialize')).toHaveLength(2)
  })

  test('SS4 hears of the end of its new session', async () => {
    await start()
    upstream.sessions.clear()
    await session.request('ping')
    expect((await session.end()).status).toBe(200)
    expect(upstream.sessions.size).toBe(0)
  })

  test('SS3 SS8 leaves the client a 404 without "recover", and the session ends', async () => {
    await start({})
    upstream.sessions.clear()
    expect((await session.request('ping')).status).toBe(404)
    expect((await session.request('ping')).status).toBe(404)
    expect(kinds().filter((kind) => kind === 'ping')).toHaveLength(1)
    expect(upstream.requests('initialize')).toHaveLength(1)
  })

  test.each<[string, (upstream: Upstream) => void]>([
    ['refuses the handshake', (each) => each.on('initialize', (exchange) => exchange.error(-32_000, 'no', 400))],
    ['answers it with an error', (each) => each.on('initialize', (exchange) => exchange.error(-32_000, 'no'))],
    [
      'agrees to another revision',
      (each) => each.on('initialize', (exchange) => exchange.result({ protocolVersion: '2025-06-18' })),
    ],
    ['breaks off', (each) => each.on('initialize', (exchange) => exchange.cut())],
  ])('SS3 SS8 that %s leaves the client a 404, the session ends, and onError hears why', async (_, fail) => {
    await start()
    upstream.sessions.clear()
    fail(upstream)
    expect((await session.request('ping')).status).toBe(404)
    expect(gateway.reported.entries).toHaveLength(1)
    expect((await session.request('ping')).status).toBe(404)
    expect(upstream.requests('ping')).toHaveLength(1)
  })

  test('SE14 UC10 gets nothing twice that it may have processed: only a 404 is a refusal', async () => {
    await start()
    upstream.on('tools/call', (exchange) => exchange.cut())
    expect((await session.request('tools/call', { name: 'echo' })).status).toBe(502)
    expect(upstream.requests('tools/call')).toHaveLength(1)
    expect(upstream.requests('initialize')).toHaveLength(1)
  })
})

describe('with a store that cannot change a record', () => {
  let upstream: Upstream
  const nodes: RunningGateway[] = []

  /** A store without update(), as an embedder might write one. */
  function plainStore(): SessionStore {
    const records = new Map<string, SessionRecord>()
    return {
      create: (record) => `id-${records.set(`id-${records.size}`, record).size - 1}`,
      get: (id) => records.get(id),
      delete: (id) => void records.delete(id),
    }
  }

  async function startNode(sessions: SessionStore): Promise<RunningGateway> {
    const node = await startGateway({ servers: { a: { url: upstream.url, recover: true } }, sessions })
    nodes.push(node)
    return node
  }

  beforeEach(async () => {
    upstream = await startUpstream()
    upstream.on('resources/subscribe', (exchange) => exchange.result({}))
  })
  afterEach(async () => {
    await Promise.all(nodes.splice(0).map((node) => node.close()))
    await upstream.close()
  })

  const sealed = (): SessionStore => new SealedSessionStore({ keys: ['a secret of 32 characters at least'] })
  const stores: [what: string, store: () => SessionStore][] = [
    ['a plain store', plainStore],
    ['sealed ids', sealed],
  ]

  test.each(stores)('SS8 with %s the node that saw the 404 goes on in the new session', async (_, store) => {
    const node = await startNode(store())
    const session = await initialize(node.url('a'))
    upstream.sessions.clear()
    for (let time = 0; time < 2; time += 1) expect((await session.request('ping')).status).toBe(200)
    expect(upstream.requests('initialize')).toHaveLength(2)
    const [first, again] = upstream.requests('initialize')
    expect(again?.message?.params).toEqual(first?.message?.params)
    expect(node.reported.entries).toEqual([])
    expect((await session.end()).status).toBe(200)
    expect(upstream.sessions.size).toBe(0)
  })

  test.each(stores)('SS8 with %s every other node that sees it opens one of its own', async (_, store) => {
    const shared = store()
    const [here, there] = [await startNode(shared), await startNode(shared)]
    const session = await initialize(here.url('a'))
    upstream.sessions.clear()
    const ping = { jsonrpc: '2.0', id: 1, method: 'ping' }
    for (const node of [here, there, here, there]) {
      expect((await post(node.url('a'), ping, session.headers)).status).toBe(200)
    }
    expect(upstream.requests('initialize')).toHaveLength(3)
    const [atHere, atThere, ...more] = upstream.requests('ping').slice(-2)
    expect(more).toEqual([])
    expect(atHere!.headers['mcp-session-id']).not.toBe(atThere!.headers['mcp-session-id'])
  })

  test.each(stores)('SS8 with %s the node tells the new session what its client told the old one', async (_, store) => {
    const node = await startNode(store())
    const session = await initialize(node.url('a'))
    await session.request('logging/setLevel', { level: 'error' })
    await session.request('resources/subscribe', { uri: 'x://a' })
    upstream.sessions.clear()
    const seen = upstream.requests().length
    expect((await session.request('ping')).status).toBe(200)
    expect(
      upstream
        .requests()
        .slice(seen)
        .map(({ kind }) => kind),
    ).toEqual(['ping', 'initialize', 'notifications/initialized', 'logging/setLevel', 'resources/subscribe', 'ping'])
  })

  test('SS3 SS8 a handshake that is too long for an id is not kept: the session opens, and its 404 is honest', async () => {
    const node = await startNode(sealed())
    const session = await initialize(node.url('a'), { capabilities: { experimental: { long: 'x'.repeat(4_000) } } })
    expect(node.reported.entries.map(({ error }) => error.cause)).toEqual([
      expect.objectContaining({ message: expect.stringContaining('what "recover" keeps of the handshake') }),
    ])
    expect((await session.request('ping')).status).toBe(200)
    upstream.sessions.clear()
    expect((await session.request('ping')).status).toBe(404)
    expect(upstream.requests('initialize')).toHaveLength(1)
  })
})

describe('a real server that is killed and started again', () => {
  test('SS8 an SDK client calls on as if nothing had happened', async () => {
    const server = await startKillable()
    const gateway = await startGateway({ servers: { a: { url: server.url, recover: true } } })
    const client = new Client({ name: 'test', version: '1.0.0' })
    try {
      await client.connect(new StreamableHTTPClientTransport(new URL(gateway.url('a'))))
      const call = () => client.callTool({ name: 'test_simple_text', arguments: {} })
      const before = await call()
      await server.kill()
      await server.start()
      expect(await call()).toEqual(before)
    } finally {
      await client.close()
      await gateway.close()
      await server.close()
    }
  })
})
