// What a server says right after "initialized", before the client's own GET can be there. (A2 of the faults)
import { jest } from '@jest/globals'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { type GatewayOptions, MemoryEventLog, MemorySessionStore, SealedSessionStore } from '../../lib/index.ts'
import { connectSdkV1 } from '../support/clients.ts'
import { type RunningGateway, startGateway } from '../support/gateway.ts'
import { createJournal } from '../support/journal.ts'
import { initialize, initializeMessage, post } from '../support/rpc.ts'
import { serveSessions } from '../support/sessions.ts'
import { soon } from '../support/soon.ts'
import { type Exchange, startUpstream, type Upstream, type UpstreamOptions } from '../support/upstream.ts'
import { collected } from './support-clients.ts'

let upstream: Upstream
let gateway: RunningGateway
const cleanups: Array<() => unknown> = []

afterEach(async () => {
  jest.useRealTimers()
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

/** A scripted server `a` behind a gateway. */
async function start(options: Partial<GatewayOptions> = {}, behind: UpstreamOptions = {}): Promise<void> {
  upstream = await startUpstream({ early: true, ...behind })
  cleanups.push(upstream.close)
  gateway = await startGateway({ servers: { a: { url: upstream.url } }, ...options })
  cleanups.push(gateway.close)
}

const sealed = (): SealedSessionStore => new SealedSessionStore({ keys: ['k'.repeat(43)] })
const initialized = { jsonrpc: '2.0', method: 'notifications/initialized' }

describe('A2: what a server says right after "initialized"', () => {
  const question = { id: 'question-1', method: 'roots/list' }

  /** One stream for each session, a second is refused, and what is said while nobody listens is lost: as in the SDKs. */
  function listenAsSdkServers(): void {
    const streams = new Map<unknown, Exchange>()
    upstream.on('GET', (exchange) => {
      const session = exchange.headers['mcp-session-id']
      if (streams.has(session)) return exchange.error(-32000, 'Conflict: Only one stream is allowed', 409)
      streams.set(session, exchange)
      void exchange.over.then(() => streams.delete(session))
      exchange.stream()
    })
    upstream.on('notifications/initialized', async (exchange) => {
      await streams.get(exchange.headers['mcp-session-id'])?.stream().send(question)
      exchange.status(202)
    })
  }

  test.each<[string, () => Partial<GatewayOptions>]>([
    ['a memory store', () => ({})],
    ['an event log', () => ({ sessions: sealed(), events: new MemoryEventLog() })],
  ])('reaches the client that listens a moment later, with %s (PU2)', async (_, options) => {
    await start(options())
    listenAsSdkServers()
    const session = await initialize(gateway.url('a'))
    const listener = await session.listen()
    expect(listener.status).toBe(200)
    expect(await soon(listener.nextMessage(), 'the question')).toMatchObject(question)
    await upstream.requests('GET')[0]!.stream().send({ method: 'notifications/tools/list_changed' })
    expect(await soon(listener.nextMessage(), 'what is said later')).toMatchObject({
      method: 'notifications/tools/list_changed',
    })
  })

  test('reaches a real client from a real server that asks for its roots at once (PU2)', async () => {
    const roots = createJournal<unknown>()
    const server = await serveSessions(async (_stage, opened) => {
      const transport = new StreamableHTTPServerTransport({
        sessionIdGenerator: () => crypto.randomUUID(),
        onsessioninitialized: opened,
      })
      const asking = new McpServer({ name: 'asks-at-once', version: '1.0.0' })
      asking.server.oninitialized = () => void asking.server.listRoots().then(roots.record, () => {})
      await asking.connect(transport)
      return transport
    })
    cleanups.push(server.close)
    gateway = await startGateway({ servers: { a: { url: server.url } } })
    cleanups.push(gateway.close)
    const client = await connectSdkV1(gateway.url('a'))
    cleanups.push(client.close)
    expect(await soon(roots.next(), 'the answer to the question')).toMatchObject({ roots: [{ name: 'home' }] })
  })

  test('is held within bounds while no client listens', async () => {
    await start()
    await initialize(gateway.url('a'))
    const early = await soon(upstream.nextRequest('GET'), 'a listener before the client')
    const chunk = Buffer.from(`event: message\ndata: {"jsonrpc":"2.0","method":"${'m'.repeat(64 * 1024)}"}\n\n`)
    const before = collected()
    let isTaken = true
    for (let sent = 0; sent < 32 * 1024 * 1024 && isTaken; sent += chunk.length) {
      const taken = early.stream().write(chunk)
      isTaken = await soon(
        Promise.race([taken.then(() => true), early.over.then(() => false)]),
        'room for another event',
        300,
      ).catch(() => false)
    }
    expect(collected() - before).toBeLessThan(4 * 1024 * 1024)
  })

  test('is held for 10 seconds, and then the server is no longer listened to', async () => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask', 'performance'] })
    await start()
    const session = await initialize(gateway.url('a'))
    const early = await soon(upstream.nextRequest('GET'), 'a listener before the client')
    jest.advanceTimersByTime(11_000)
    await soon(early.over, 'the end of the stream')
    expect((await session.listen()).status).toBe(200)
  })

  test('is not waited for where another node could not find it: a sealed store and no event log', async () => {
    await start({ sessions: sealed() })
    const session = await initialize(gateway.url('a'))
    expect(upstream.requests('GET').map(({ kind }) => kind)).toEqual([])
    expect((await session.listen()).status).toBe(200)
  })

  test('is not waited for at a server without sessions', async () => {
    await start({}, { sessions: false })
    const { headers } = await post(gateway.url('a'), initializeMessage())
    const accepted = await post(gateway.url('a'), initialized, { 'mcp-session-id': headers['mcp-session-id'] })
    expect(accepted.status).toBe(202)
    expect(upstream.requests('GET').map(({ kind }) => kind)).toEqual([])
  })

  test('holds nobody up: a server that withholds the head of its stream is told "initialized" all the same', async () => {
    await start()
    upstream.on('GET', () => {})
    const session = await soon(initialize(gateway.url('a')), 'the answer to "initialized"')
    expect(await session.request('ping')).toMatchObject({ status: 200 })
  })

  describe('of a server that may say something, by the capabilities of both sides, alone', () => {
    const bare = { tools: {}, resources: {}, prompts: {}, completions: {} }

    async function earlyStreams(ofServer: object, ofClient: object): Promise<number> {
      await start()
      upstream.once('initialize', (exchange) => {
        const serverInfo = { name: 'scripted-upstream', version: '1.0.0' }
        const result = { protocolVersion: '2025-11-25', capabilities: ofServer, serverInfo }
        upstream.sessions.add('upstream-1')
        exchange.result(result, { 'mcp-session-id': 'upstream-1' })
      })
      upstream.on('GET', (exchange) => void exchange.stream())
      await initialize(gateway.url('a'), { capabilities: ofClient })
      return upstream.requests('GET').length
    }

    test('a server without any to a client without any is not listened to', async () => {
      expect(await earlyStreams(bare, {})).toBe(0)
    })

    test.each<[string, object, object]>([
      ['changes of its tools', { ...bare, tools: { listChanged: true } }, {}],
      ['updates of resources', { ...bare, resources: { subscribe: true } }, {}],
      ['logging', { ...bare, logging: {} }, {}],
      ['an extension', { ...bare, experimental: { 'com.example/pushes': {} } }, {}],
      ['questions for roots', bare, { roots: {} }],
      ['questions', bare, { elicitation: {} }],
    ])('one that may send %s is listened to', async (_, ofServer, ofClient) => {
      expect(await earlyStreams(ofServer, ofClient)).toBe(1)
    })
  })

  test('is asked for once at a server that has no such stream (405)', async () => {
    await start()
    upstream.on('GET', (exchange) => exchange.status(405, '', { allow: 'POST, DELETE' }))
    await initialize(gateway.url('a'))
    const asked = upstream.requests('GET').length
    await initialize(gateway.url('a'))
    expect(asked).toBeLessThanOrEqual(1)
    expect(upstream.requests('GET')).toHaveLength(asked)
  })

  test('keeps no session alive whose client never listens', async () => {
    await start({ sessions: new MemorySessionStore({ ttlMs: 100 }) })
    await initialize(gateway.url('a'))
    await soon(upstream.nextRequest('DELETE'), 'the end of the session')
  })
})
