// Sessions of the session revisions over the wire: opened, carried on, ended; their versions and batches; shutting down.
import {
  MemoryEventLog,
  MemorySessionStore,
  type GatewayOptions,
  type HeadersContext,
  type SessionStore,
} from '../lib/index.ts'
import { startGateway, type Host, type RunningGateway } from './support/gateway.ts'
import { createJournal } from './support/journal.ts'
import { initialize, initializeMessage, openStream, post, send, type Answer } from './support/rpc.ts'
import { startUpstream, type RpcMessage, type Upstream } from './support/upstream.ts'
import { head, wire } from './support/wire.ts'

const ping = { jsonrpc: '2.0', id: 'p', method: 'ping' }

let upstream: Upstream
const running: (() => Promise<void>)[] = []

beforeEach(async () => {
  upstream = await startUpstream()
})
afterEach(async () => {
  await Promise.all(running.splice(0).map((close) => close()))
  await upstream.close()
})

async function start(options: Partial<GatewayOptions> = {}, host?: Host): Promise<RunningGateway> {
  const gateway = await startGateway({ servers: { weather: { url: upstream.url } }, ...options }, host)
  running.push(gateway.close)
  return gateway
}

/** Who is asking says so in `Authorization`: the name, then the token. */
const byName: GatewayOptions['authenticate'] = ({ headers }) => {
  const id = headers.authorization?.split(' ')[0]
  return id === undefined ? undefined : { id }
}

/** The upstream's id of its newest session. */
function newestUpstreamSession(): string {
  return [...upstream.sessions].at(-1)!
}

/** Everything of an answer but what the clock and the socket say. */
function bare({ status, headers, body }: Answer): unknown {
  const same = Object.entries(headers).filter(([name]) => name !== 'date' && name !== 'connection')
  return { status, headers: Object.fromEntries(same), body }
}

describe('a session id', () => {
  test('SS1 HD19 is the gateway’s own: visible ASCII, 128 bits or more, new each time', async () => {
    const gateway = await start()
    const ids = new Set<string>()
    for (let count = 0; count < 20; count += 1) ids.add((await initialize(gateway.url('weather'))).id)
    expect(ids.size).toBe(20)
    for (const id of ids) {
      expect(id).toMatch(/^[\x21-\x7e]{22,}$/)
      expect(upstream.sessions.has(id)).toBe(false)
    }
  })

  test('SS10 stands for one session of the upstream, whose id stays inside', async () => {
    const gateway = await start()
    const [ann, bob] = [await initialize(gateway.url('weather')), await initialize(gateway.url('weather'))]
    const inside: unknown[] = []
    for (const session of [ann, bob, ann]) {
      const answer = await session.request('ping')
      const { headers } = await upstream.nextRequest('ping')
      inside.push(headers['mcp-session-id'])
      expect(JSON.stringify(answer.headers)).not.toContain(String(headers['mcp-session-id']))
    }
    expect(inside).toEqual([inside[0], inside[1], inside[0]])
    expect(inside[0]).not.toBe(inside[1])
  })

  test('SS2 that is missing is 400, with the id of the request, where the server is known to have sessions', async () => {
    const gateway = await start()
    const url = gateway.url('weather')
    await initialize(url)
    const before = upstream.requests()
    const answers = [
      await post(url, ping),
      await send('GET', url, { accept: 'text/event-stream' }),
      await send('DELETE', url),
      await post(url, { jsonrpc: '2.0', method: 'notifications/initialized' }),
    ]
    for (const answer of answers) {
      expect(answer).toMatchObject({ status: 400, message: { error: { message: 'Mcp-Session-Id is required' } } })
    }
    expect(answers[0]).toMatchObject({ message: { id: 'p' } })
    expect(upstream.requests()).toEqual(before)
  })

  test('SS2 that is missing is for the server to judge, where nothing is known of it', async () => {
    const gateway = await start()
    const { status, message } = await post(gateway.url('weather'), ping)
    expect([status, message?.error?.message]).toEqual([400, 'Bad Request: Mcp-Session-Id is required'])
    expect(upstream.requests().map(({ kind }) => kind)).toEqual(['ping'])
  })

  test('SS2 that is missing is 400 with an event log, which needs one for every client', async () => {
    const gateway = await start({ events: new MemoryEventLog() })
    expect(await post(gateway.url('weather'), ping)).toMatchObject({ status: 400 })
    expect(upstream.requests()).toEqual([])
  })

  test('SS2 that is missing is no fault where a handshake gave none: the last one that did not is what counts', async () => {
    const gateway = await start()
    const url = gateway.url('weather')
    const agreement = { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: { name: 's', version: '1' } }
    upstream.once('initialize', (exchange) => exchange.result(agreement))
    await post(url, initializeMessage())
    await initialize(url)
    upstream.once('ping', (exchange) => exchange.result({}))
    expect(await post(url, ping)).toMatchObject({ status: 200 })
  })

  test('SS3 SS6 SS7 SC5 unknown, ended, of another principal or of another server: one and the same 404', async () => {
    const config = { url: upstream.url }
    const gateway = await start({ servers: { weather: config, mail: config }, authenticate: byName })
    const ann = { authorization: 'ann' }
    const session = await initialize(gateway.url('weather'), { headers: ann })
    const ended = await initialize(gateway.url('weather'), { headers: ann })
    await ended.end()
    const before = upstream.requests().length
    const cases: [url: string, headers: Record<string, string>][] = [
      [session.url, { ...ann, 'mcp-session-id': 'unknown' }],
      [session.url, { ...ann, 'mcp-session-id': ended.id }],
      [session.url, { authorization: 'bob', 'mcp-session-id': session.id }],
      [gateway.url('mail'), { ...ann, 'mcp-session-id': session.id }],
      [session.url, { ...ann, 'mcp-session-id': newestUpstreamSession() }],
      [session.url, { ...ann, 'mcp-session-id': 'x'.repeat(5_000) }],
    ]
    const posts: unknown[] = []
    const others: unknown[] = []
    for (const [url, headers] of cases) {
      posts.push(bare(await post(url, ping, headers)))
      others.push(bare(await send('GET', url, { accept: 'text/event-stream', ...headers })))
      others.push(bare(await send('DELETE', url, headers)))
    }
    const error = { code: 404, message: 'Session not found' }
    const { headers } = posts[0] as Answer
    expect(posts).toEqual(
      cases.map(() => ({ status: 404, headers, body: JSON.stringify({ jsonrpc: '2.0', id: null, error }) })),
    )
    expect(new Set(others.map((other) => JSON.stringify(other))).size).toBe(1)
    expect(others[0]).toMatchObject({ status: 404, body: JSON.stringify({ jsonrpc: '2.0', id: null, error }) })
    expect(upstream.requests()).toHaveLength(before)
    expect(await session.request('ping')).toMatchObject({ status: 200 })
    expect(gateway.reported.entries).toEqual([])
  })

  test('SS5 a refreshed token keeps the session, a missing one does not open it', async () => {
    const gateway = await start({ authenticate: byName })
    const session = await initialize(gateway.url('weather'), { headers: { authorization: 'ann token-1' } })
    expect(await session.post(ping, { authorization: 'ann token-2' })).toMatchObject({ status: 200 })
    expect(await session.post(ping, { authorization: undefined })).toMatchObject({ status: 401 })
  })

  test('SS2 that is stale does not keep a client from starting anew', async () => {
    const gateway = await start({ authenticate: byName })
    const url = gateway.url('weather')
    const foreign = await initialize(url, { headers: { authorization: 'bob' } })
    for (const stale of ['unknown', foreign.id]) {
      const answer = await post(url, initializeMessage(), { authorization: 'ann', 'mcp-session-id': stale })
      expect(answer).toMatchObject({ status: 200, message: { id: 'init' } })
      expect(answer.headers['mcp-session-id']).toMatch(/^[\x21-\x7e]{22,}$/)
      expect(answer.headers['mcp-session-id']).not.toBe(stale)
      expect(upstream.requests('initialize').at(-1)?.headers).not.toHaveProperty('mcp-session-id')
    }
  })

  test('LC7 a second initialize on a live session gets the answer of its upstream', async () => {
    const gateway = await start()
    const session = await initialize(gateway.url('weather'))
    upstream.once('initialize', (exchange) => exchange.error(-32_600, 'Server already initialized', 400))
    const answer = await session.post(initializeMessage())
    expect(answer).toMatchObject({ status: 400, message: { id: 'init', error: { code: -32_600 } } })
    expect(upstream.requests('initialize').at(-1)?.headers).toMatchObject({ 'mcp-session-id': newestUpstreamSession() })
    expect(await session.request('ping')).toMatchObject({ status: 200 })
  })
})

describe('opening', () => {
  test('PU3 LC4 LC9 what the client declares and what the server offers cross as they are', async () => {
    const gateway = await start()
    const capabilities = {
      sampling: {},
      elicitation: { url: {} },
      'example.com/own': { deep: [1] },
      roots: { listChanged: false },
    }
    const result = {
      protocolVersion: '2025-11-25',
      capabilities,
      serverInfo: { name: 's', version: '1' },
      instructions: 'é',
    }
    upstream.once('initialize', (exchange) => exchange.result(result))
    const answer = await post(gateway.url('weather'), initializeMessage('2025-11-25', capabilities))
    expect(answer.body).toBe(JSON.stringify({ jsonrpc: '2.0', id: 'init', result }))
    const { body } = await upstream.nextRequest('initialize')
    expect(body.toString()).toBe(JSON.stringify(initializeMessage('2025-11-25', capabilities)))
  })

  test('SC8 SS6 clients that call themselves the same are not the same', async () => {
    const gateway = await start({ authenticate: byName })
    const [ann, bob] = [
      await initialize(gateway.url('weather'), { headers: { authorization: 'ann' } }),
      await initialize(gateway.url('weather'), { headers: { authorization: 'bob' } }),
    ]
    const [first, second] = upstream.requests('initialize')
    expect(first!.message?.params).toEqual(second!.message?.params)
    expect(upstream.sessions.size).toBe(2)
    expect(await post(bob.url, ping, { ...bob.headers, 'mcp-session-id': ann.id })).toMatchObject({ status: 404 })
  })

  test('an upstream that refuses opens no session', async () => {
    const gateway = await start()
    upstream.on('initialize', (exchange) => exchange.error(-32_602, 'no'))
    const answer = await post(gateway.url('weather'), initializeMessage())
    expect(answer).toMatchObject({ status: 200, message: { id: 'init', error: { code: -32_602 } } })
    expect(answer.headers).not.toHaveProperty('mcp-session-id')
  })

  test('an upstream without sessions gets one all the same, in front of it, where an event log needs it', async () => {
    const plain = await startUpstream({ sessions: false })
    running.push(plain.close)
    const gateway = await start({ servers: { weather: { url: plain.url } }, events: new MemoryEventLog() })
    const session = await initialize(gateway.url('weather'))
    expect(await session.request('ping')).toMatchObject({ status: 200 })
    expect(await session.end()).toMatchObject({ status: 200 })
    expect(plain.requests().map(({ kind, headers }) => [kind, headers['mcp-session-id']])).toEqual([
      ['initialize', undefined],
      ['notifications/initialized', undefined],
      ['ping', undefined],
    ])
  })

  test('SS1 an answer that comes as an event stream opens a session as well, and arrives byte for byte', async () => {
    const gateway = await start()
    upstream.once('initialize', (exchange) => {
      upstream.sessions.add('upstream-sse')
      const stream = exchange.stream({ 'mcp-session-id': 'upstream-sse' })
      void stream.write('id: 1\r\nretry: 500\r\ndata:\r\n\r\n')
      stream.finish({ protocolVersion: '2025-11-25', capabilities: {}, serverInfo: { name: 's', version: '1' } })
    })
    const stream = await openStream(gateway.url('weather'), { message: initializeMessage() })
    const id = String(stream.headers['mcp-session-id'])
    expect(await stream.next()).toMatchObject({ id: '1', retry: '500', data: '' })
    expect(await stream.nextMessage()).toMatchObject({ id: 'init', result: { protocolVersion: '2025-11-25' } })
    expect(await stream.over).toBe('complete')
    expect(await post(gateway.url('weather'), ping, { 'mcp-session-id': id })).toMatchObject({ status: 200 })
  })

  test('SS4 LC6 a client that leaves before it learns its id cancels nothing, and leaves no session behind', async () => {
    const ids: string[] = []
    const store = new MemorySessionStore()
    const sessions: SessionStore = {
      create(record) {
        const id = store.create(record)
        ids.push(id)
        return id
      },
      get: (id) => store.get(id),
      delete: (id) => store.delete(id),
    }
    const left = createJournal<boolean>()
    const watched: Host = {
      prefix: '',
      mount: (mounted) => (req, res) => {
        res.once('close', () => left.record(true))
        mounted(req, res)
      },
    }
    const gateway = await start({ sessions }, watched)
    upstream.once('initialize', async (exchange) => {
      socket.destroy()
      await left.next()
      exchange.result({ protocolVersion: '2025-11-25' }, { 'mcp-session-id': 'upstream-left' })
    })
    const body = JSON.stringify(initializeMessage())
    const { socket } = wire(gateway.origin, head(gateway.url('weather'), { 'content-length': body.length }) + body)
    const { headers } = await upstream.nextRequest('DELETE')
    expect(headers['mcp-session-id']).toBe('upstream-left')
    expect(await upstream.requests('initialize')[0]!.over).toBe('complete')
    for (const id of ids) expect(store.get(id)).toBeUndefined()
  })
})

describe('ending', () => {
  test('SS3 SS4 DELETE ends the session here and at the upstream', async () => {
    const gateway = await start()
    const session = await initialize(gateway.url('weather'))
    const inside = newestUpstreamSession()
    expect(await session.end()).toMatchObject({ status: 200, body: '' })
    const { headers } = await upstream.nextRequest('DELETE')
    expect(headers).toMatchObject({ 'mcp-session-id': inside, 'mcp-protocol-version': '2025-11-25' })
    expect(upstream.sessions.size).toBe(0)
    for (const answer of [await session.request('ping'), await session.end()])
      expect(answer).toMatchObject({ status: 404 })
    expect(await send('GET', session.url, { ...session.headers, accept: 'text/event-stream' })).toMatchObject({
      status: 404,
    })
    expect(upstream.requests('DELETE')).toHaveLength(1)
  })

  test.each([405, 404, 400, 500])(
    'RT6 SS4 an upstream that answers DELETE with %i changes nothing for the client',
    async (status) => {
      const gateway = await start()
      const session = await initialize(gateway.url('weather'))
      upstream.once('DELETE', (exchange) => exchange.status(status))
      expect(await session.end()).toMatchObject({ status: 200 })
      expect(await session.request('ping')).toMatchObject({ status: 404 })
      // That an upstream may refuse (405) or have forgotten (404) is no news to anybody.
      expect(gateway.reported.entries).toHaveLength(status === 405 || status === 404 ? 0 : 1)
    },
  )

  test('SS4 an upstream that is gone does not keep a client from ending its session', async () => {
    const gateway = await start()
    const session = await initialize(gateway.url('weather'))
    upstream.once('DELETE', (exchange) => exchange.cut())
    expect(await session.end()).toMatchObject({ status: 200 })
    expect(await session.request('ping')).toMatchObject({ status: 404 })
  })

  test('SS12 the streams in flight end: with an error for the request that waits, a GET as it is', async () => {
    const gateway = await start()
    const session = await initialize(gateway.url('weather'))
    const other = await initialize(gateway.url('weather'))
    upstream.on('tools/stream', (exchange) => void exchange.stream())
    const listening = await session.listen()
    const calling = await session.stream({ jsonrpc: '2.0', id: 'c', method: 'tools/stream' })
    const waiting = session.post({ jsonrpc: '2.0', id: 'w', method: 'tools/hang' })
    upstream.on('tools/hang', () => {})
    await upstream.nextRequest('tools/hang')
    const untouched = await other.stream({ jsonrpc: '2.0', id: 'o', method: 'tools/stream' })
    await session.end()
    expect(await calling.nextMessage()).toMatchObject({ id: 'c', error: { code: 404 } })
    expect([await calling.over, await listening.over]).toEqual(['complete', 'complete'])
    expect(listening.bytes().toString()).toBe('')
    expect(await waiting).toMatchObject({ status: 404, message: { id: null } })
    const [first, second] = upstream.requests('tools/stream')
    expect(await first!.over).toBe('cut')
    second!.stream().finish({})
    expect(await untouched.nextMessage()).toMatchObject({ id: 'o', result: {} })
  })

  test('SS8 SS3 an upstream that has forgotten the session ends it: 404, and from then on without asking', async () => {
    const gateway = await start()
    const session = await initialize(gateway.url('weather'))
    upstream.sessions.clear()
    expect(await session.request('ping')).toMatchObject({
      status: 404,
      message: { error: { message: 'Session not found' } },
    })
    const before = upstream.requests().length
    expect(await session.request('ping')).toMatchObject({ status: 404 })
    expect(upstream.requests()).toHaveLength(before)
    expect(await initialize(session.url)).toMatchObject({ opening: { status: 200 } })
  })

  test('SS11 a session that expires is ended at the upstream, and is 404', async () => {
    const gateway = await start({ sessions: new MemorySessionStore({ ttlMs: 500 }) })
    const { headers } = await post(gateway.url('weather'), initializeMessage())
    const inside = newestUpstreamSession()
    expect((await upstream.nextRequest('DELETE')).headers['mcp-session-id']).toBe(inside)
    const id = String(headers['mcp-session-id'])
    expect(await post(gateway.url('weather'), ping, { 'mcp-session-id': id })).toMatchObject({ status: 404 })
  })

  test('SS11 a session that has to make room is ended at the upstream; one with an open stream never has to', async () => {
    const gateway = await start({ sessions: new MemorySessionStore({ maxSessions: 2 }) })
    const streaming = await initialize(gateway.url('weather'))
    const stream = await streaming.listen()
    const idle = await initialize(gateway.url('weather'))
    const inside = newestUpstreamSession()
    await initialize(gateway.url('weather'))
    expect((await upstream.nextRequest('DELETE')).headers['mcp-session-id']).toBe(inside)
    expect(await idle.request('ping')).toMatchObject({ status: 404 })
    await (await upstream.nextRequest('GET')).stream().send({ method: 'notifications/message' })
    expect(await stream.nextMessage()).toMatchObject({ method: 'notifications/message' })
    expect(await streaming.request('ping')).toMatchObject({ status: 200 })
  })

  test('the headers function of a server is asked for the DELETE of an expired session too, without a request', async () => {
    const asked: unknown[] = []
    const headers = ({ principal, request, server }: HeadersContext) => {
      if (request === undefined) asked.push({ principal, server })
      return { authorization: 'Bearer upstream' }
    }
    const gateway = await start({
      servers: { weather: { url: upstream.url, headers } },
      authenticate: () => ({ id: 'ann', tenant: 'acme' }),
      sessions: new MemorySessionStore({ ttlMs: 20 }),
    })
    await post(gateway.url('weather'), initializeMessage())
    expect((await upstream.nextRequest('DELETE')).headers.authorization).toBe('Bearer upstream')
    expect(asked).toEqual([{ principal: { id: 'ann', tenant: 'acme' }, server: 'weather' }])
  })
})

describe('MCP-Protocol-Version', () => {
  test.each(['2025-06-18', '2025-11-25'])('HD3 UC1 %s, negotiated, crosses on every request', async (version) => {
    const gateway = await start()
    const session = await initialize(gateway.url('weather'), { version })
    await session.request('ping')
    ;(await session.listen()).close()
    await session.end()
    for (const { kind, headers } of upstream.requests().slice(1)) {
      expect([kind, headers['mcp-protocol-version']]).toEqual([kind, version])
    }
  })

  test('HD5 UC1 a client that does not say it speaks what was negotiated', async () => {
    const gateway = await start()
    const session = await initialize(gateway.url('weather'), { version: '2025-11-25' })
    await session.post(ping, { 'mcp-protocol-version': undefined })
    expect((await upstream.nextRequest('ping')).headers['mcp-protocol-version']).toBe('2025-11-25')
  })

  test('HD5 2025-03-26 has no such header, so none is sent', async () => {
    const gateway = await start()
    const session = await initialize(gateway.url('weather'), { version: '2025-03-26' })
    await session.request('ping')
    await session.end()
    for (const { headers } of upstream.requests()) expect(headers).not.toHaveProperty('mcp-protocol-version')
  })

  test('LC1 LC5 the version is the one the server answers with, whatever the client asked for', async () => {
    const gateway = await start()
    upstream.once('initialize', (exchange) => {
      upstream.sessions.add('older')
      exchange.result({ protocolVersion: '2025-06-18', capabilities: {} }, { 'mcp-session-id': 'older' })
    })
    const answer = await post(gateway.url('weather'), initializeMessage('2099-01-01'))
    expect(answer.message).toMatchObject({ result: { protocolVersion: '2025-06-18' } })
    await post(gateway.url('weather'), ping, { 'mcp-session-id': String(answer.headers['mcp-session-id']) })
    expect((await upstream.nextRequest('ping')).headers['mcp-protocol-version']).toBe('2025-06-18')
  })

  test('HD3 on initialize it is let through', async () => {
    const gateway = await start()
    const headers = { 'mcp-protocol-version': '2025-11-25' }
    expect(await post(gateway.url('weather'), initializeMessage(), headers)).toMatchObject({ status: 200 })
  })

  const versions = ['1999-01-01', 'latest', '2025-11-25x']

  test.each(versions)('HD4 %s is 400 on POST and GET, and does not go upstream', async (version) => {
    const gateway = await start()
    const session = await initialize(gateway.url('weather'))
    const before = upstream.requests().length
    const headers = { ...session.headers, 'mcp-protocol-version': version }
    expect(await session.post(ping, headers)).toMatchObject({ status: 400, message: { id: 'p' } })
    expect(await send('GET', session.url, { ...headers, accept: 'text/event-stream' })).toMatchObject({ status: 400 })
    expect(upstream.requests()).toHaveLength(before)
  })

  test.each(versions)('HD4 %s is 400 on DELETE, and ends nothing', async (version) => {
    const gateway = await start()
    const session = await initialize(gateway.url('weather'))
    expect(await session.end({ 'mcp-protocol-version': version })).toMatchObject({ status: 400 })
    expect(await session.request('ping')).toMatchObject({ status: 200 })
  })
})

describe('batches', () => {
  const requests = [
    { jsonrpc: '2.0', id: 1, method: 'ping' },
    { jsonrpc: '2.0', method: 'notifications/progress' },
    { jsonrpc: '2.0', id: '1', method: 'tools/list' },
  ]
  const silent = [
    { jsonrpc: '2.0', id: 9, result: {} },
    { jsonrpc: '2.0', method: 'notifications/progress' },
  ]

  test('RPC5 RPC7 RPC14 of 2025-03-26 go upstream as they are, and their answers come back as they are', async () => {
    const gateway = await start()
    const session = await initialize(gateway.url('weather'), { version: '2025-03-26' })
    const answers = [
      { jsonrpc: '2.0', id: '1', result: { tools: [] } },
      { jsonrpc: '2.0', id: 1, result: {} },
    ]
    upstream.once('batch', (exchange) => exchange.json(answers))
    const answer = await session.post(requests)
    expect(answer).toMatchObject({ status: 200, body: JSON.stringify(answers) })
    expect((await upstream.nextRequest('batch')).body.toString()).toBe(JSON.stringify(requests))
  })

  test('RPC7 ER14 of requests may be answered by a stream, where each one is owed its answer', async () => {
    const gateway = await start()
    const session = await initialize(gateway.url('weather'), { version: '2025-03-26' })
    upstream.once('batch', async (exchange) => {
      const stream = exchange.stream()
      await stream.send({ id: '1', result: {} })
      stream.end()
    })
    const { status, messages } = await session.post(requests)
    expect(status).toBe(200)
    expect(messages).toMatchObject([
      { id: '1', result: {} },
      { id: 1, error: { code: 502 } },
    ])
  })

  test('RPC7 RPC10 of responses and notifications are 202 without a body', async () => {
    const gateway = await start()
    const session = await initialize(gateway.url('weather'), { version: '2025-03-26' })
    upstream.once('batch', (exchange) => exchange.status(202))
    expect(await session.post(silent)).toMatchObject({ status: 202, body: '' })
    expect((await upstream.nextRequest('batch')).body.toString()).toBe(JSON.stringify(silent))
  })

  test('RPC6 with initialize in them are 400 -32600', async () => {
    const gateway = await start()
    const session = await initialize(gateway.url('weather'), { version: '2025-03-26' })
    for (const answer of [
      await post(session.url, [initializeMessage()]),
      await session.post([ping, initializeMessage()]),
    ]) {
      expect(answer).toMatchObject({ status: 400, message: { error: { code: -32_600 } } })
    }
    expect(upstream.requests('batch')).toEqual([])
  })

  test.each(['2025-06-18', '2025-11-25'])('RPC8 of %s are 400 -32600', async (version) => {
    const gateway = await start()
    const session = await initialize(gateway.url('weather'), { version })
    for (const batch of [requests, silent, [ping]]) {
      const answer = await session.post(batch)
      expect(answer).toMatchObject({ status: 400, message: { error: { code: -32_600 } } })
    }
    expect(upstream.requests('batch')).toEqual([])
  })

  test('SS2 RPC5 without a session are 400', async () => {
    const gateway = await start()
    expect(await post(gateway.url('weather'), requests)).toMatchObject({ status: 400 })
  })
})

test('RPC3 RPC4 the same ids of several clients at once never meet', async () => {
  const gateway = await start()
  upstream.on('tools/call', (exchange) => exchange.result({ said: exchange.message?.params?.['name'] }))
  const sessions = await Promise.all(Array.from({ length: 5 }, () => initialize(gateway.url('weather'))))
  const calls = sessions.flatMap((session, index) =>
    [1, '1', 0, ''].map(async (id) => {
      const params = { name: `${index}` }
      const { message } = await session.post({ jsonrpc: '2.0', id, method: 'tools/call', params })
      expect(message).toEqual({ jsonrpc: '2.0', id, result: { said: `${index}` } })
    }),
  )
  await Promise.all(calls)
})

test('ER12 ER8 an error comes back with its code and its data as they are', async () => {
  const gateway = await start()
  const session = await initialize(gateway.url('weather'))
  const elicitations = [{ mode: 'url', elicitationId: 'e', url: 'https://login.example.com/', message: 'é' }]
  const error = { code: -32_042, message: 'This request requires more', data: { elicitations } }
  upstream.once('tools/call', (exchange) => exchange.json({ jsonrpc: '2.0', id: 'p', error }))
  const answer = await session.post({ jsonrpc: '2.0', id: 'p', method: 'tools/call' })
  expect(answer).toMatchObject({ status: 200, body: JSON.stringify({ jsonrpc: '2.0', id: 'p', error }) })
})

test.each([400, 404, 500])(
  'RPC10 ER8 a notification that the upstream refuses with %i stays refused',
  async (status) => {
    const gateway = await start()
    const session = await initialize(gateway.url('weather'))
    upstream.on('notifications/progress', (exchange) => exchange.status(status))
    const answer = await session.post({ jsonrpc: '2.0', method: 'notifications/progress' })
    expect(answer.status).toBe(status === 500 ? 502 : status)
  },
)

describe('close()', () => {
  /** A gateway with a session in which a call and a listener are open. */
  async function busy(options?: Partial<GatewayOptions>) {
    const gateway = await start(options)
    const session = await initialize(gateway.url('weather'))
    const listener = await session.listen()
    upstream.once('tools/stream', (exchange) => void exchange.stream())
    const call = await session.stream({ jsonrpc: '2.0', id: 'c', method: 'tools/stream' })
    const { stream } = await upstream.nextRequest('tools/stream')
    return { gateway, session, listener, call, answer: stream() }
  }

  test('SS4 lets a running request finish, ends listeners and upstream sessions', async () => {
    const { gateway, listener, call, answer } = await busy()
    await initialize(gateway.url('weather'))
    const closing = gateway.gateway.close({ graceMs: 60_000 })
    expect(await listener.over).toBe('complete')
    answer.finish({ done: true })
    expect(await call.nextMessage()).toMatchObject({ id: 'c', result: { done: true } })
    expect(await call.over).toBe('complete')
    await closing
    expect(upstream.sessions.size).toBe(0)
    expect(gateway.reported.entries).toEqual([])
  })

  test('ER9 refuses new sessions, requests and listeners with 503 and Retry-After', async () => {
    const { gateway, session, answer } = await busy()
    const closing = gateway.gateway.close({ graceMs: 60_000 })
    const answers = [
      await post(session.url, initializeMessage()),
      await session.post(ping),
      await send('GET', session.url, { ...session.headers, accept: 'text/event-stream' }),
    ]
    for (const refused of answers) {
      expect(refused).toMatchObject({ status: 503, headers: { 'retry-after': expect.stringMatching(/^\d+$/) } })
    }
    expect(answers[0]).toMatchObject({ message: { id: 'init' } })
    answer.finish({})
    await closing
    expect(await post(session.url, initializeMessage())).toMatchObject({ status: 503 })
  })

  test('PU1 still carries the answers a running request waits for', async () => {
    const { gateway, session, call, answer } = await busy()
    const closing = gateway.gateway.close({ graceMs: 60_000 })
    await answer.send({ id: 'q', method: 'elicitation/create' })
    expect(await call.nextMessage()).toMatchObject({ id: 'q' })
    expect(await session.post({ jsonrpc: '2.0', id: 'q', result: { action: 'accept' } })).toMatchObject({ status: 202 })
    expect((await upstream.nextRequest('response')).message).toMatchObject({ id: 'q' })
    answer.finish({})
    expect(await call.nextMessage()).toMatchObject({ id: 'c' })
    await closing
  })

  test('ER13 ER9 cuts what still runs at the deadline, with an error for whoever waits', async () => {
    const { gateway, session, call } = await busy()
    upstream.on('tools/hang', () => {})
    const hanging = session.post({ jsonrpc: '2.0', id: 'h', method: 'tools/hang' })
    const hung = await upstream.nextRequest('tools/hang')
    await gateway.gateway.close({ graceMs: 20 })
    expect(await call.nextMessage()).toMatchObject({ id: 'c', error: { code: 503 } })
    expect(await call.over).toBe('complete')
    expect(await hanging).toMatchObject({ status: 503, message: { id: 'h' } })
    expect(await hung.over).toBe('cut')
  })

  test('SS4 ends upstream sessions also when the grace was used up, with credentials that take a moment', async () => {
    const headers = async () => {
      await new Promise((resolve) => setTimeout(resolve, 10))
      return { authorization: 'Bearer upstream' }
    }
    const { gateway } = await busy({ servers: { weather: { url: upstream.url, headers } } })
    await initialize(gateway.url('weather'))
    await gateway.gateway.close({ graceMs: 20 })
    expect(upstream.requests('DELETE')).toHaveLength(2)
    expect(upstream.sessions.size).toBe(0)
  })

  test('called again is the same promise', async () => {
    const { gateway, answer } = await busy()
    const first = gateway.gateway.close({ graceMs: 60_000 })
    expect(gateway.gateway.close({ graceMs: 0 })).toBe(first)
    answer.finish({})
    await first
    expect(gateway.gateway.close()).toBe(first)
  })

  test('of an idle gateway takes no grace', async () => {
    const gateway = await start()
    await gateway.gateway.close({ graceMs: 2 ** 31 - 1 })
  })

  test('closes the store once; its fault goes to onError and not to whoever closes', async () => {
    let closed = 0
    const store = new MemorySessionStore()
    const sessions: SessionStore = {
      create: (record) => store.create(record),
      get: (id) => store.get(id),
      delete: (id) => store.delete(id),
      close() {
        closed += 1
        throw new Error('of the store')
      },
    }
    const gateway = await start({ sessions })
    await initialize(gateway.url('weather'))
    await gateway.gateway.close({ graceMs: 0 })
    await gateway.gateway.close({ graceMs: 0 })
    expect(closed).toBe(1)
    expect(gateway.reported.entries).toMatchObject([{ error: { cause: new Error('of the store') } }])
  })

  test('an upstream that does not answer its DELETE holds nothing up', async () => {
    const gateway = await start()
    await initialize(gateway.url('weather'))
    upstream.on('DELETE', () => {})
    await gateway.gateway.close({ graceMs: 20 })
    const deletion = await upstream.nextRequest('DELETE')
    expect(await deletion.over).toBe('cut')
  })
})

test('RPC12 a posted response reaches the upstream session that asked, and no other', async () => {
  const gateway = await start()
  const [ann, bob] = [await initialize(gateway.url('weather')), await initialize(gateway.url('weather'))]
  const response: RpcMessage = { jsonrpc: '2.0', id: 1, result: { roots: [] } }
  const inside: unknown[] = []
  for (const session of [ann, bob]) {
    await session.post(response)
    inside.push((await upstream.nextRequest('response')).headers['mcp-session-id'])
  }
  expect(inside).toEqual([...upstream.sessions])
})
