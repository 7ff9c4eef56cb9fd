// `recover`: an upstream that has forgotten a session is told again what the client told it. (SS8)
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { ServerConfig } from '../../lib/index.ts'
import { startGateway, type RunningGateway } from '../support/gateway.ts'
import { initialize, type Session } from '../support/rpc.ts'
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

  test('a store without update() makes "recover" an honest 404', async () => {
    const records = new Map<string, never>()
    const sessions = {
      create: (record: never) => `id-${records.set(`id-${records.size}`, record).size - 1}`,
      get: (id: string) => records.get(id),
      delete: (id: string) => void records.delete(id),
    }
    gateway = await startGateway({ servers: { a: { url: upstream.url, recover: true } }, sessions })
    session = await initialize(gateway.url('a'))
    upstream.sessions.clear()
    expect((await session.request('ping')).status).toBe(404)
  })
})

describe('a real server that is killed and started again', () => {
  const SERVER = join(import.meta.dirname, '..', 'fixtures', 'dual-era-server.mjs')
  let child: ChildProcess
  let port = 0

  async function startServer(): Promise<void> {
    child = spawn(process.execPath, [SERVER, '--port', String(port), '--legacy-only'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [url] = (await once(createInterface({ input: child.stdout! }), 'line')) as [string]
    port = Number(new URL(url).port)
  }

  async function kill(): Promise<void> {
    child.kill('SIGKILL')
    await once(child, 'exit')
  }

  test('SS8 an SDK client calls on as if nothing had happened', async () => {
    await startServer()
    const gateway = await startGateway({ servers: { a: { url: `http://127.0.0.1:${port}/mcp`, recover: true } } })
    const client = new Client({ name: 'test', version: '1.0.0' })
    try {
      await client.connect(new StreamableHTTPClientTransport(new URL(gateway.url('a'))))
      const call = () => client.callTool({ name: 'test_simple_text', arguments: {} })
      const before = await call()
      await kill()
      await startServer()
      expect(await call()).toEqual(before)
    } finally {
      await client.close()
      await gateway.close()
      await kill()
    }
  })
})
