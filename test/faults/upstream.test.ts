// Upstreams that keep a request waiting, break off, or answer with what cannot be sent on.
import { once } from 'node:events'
import v8 from 'node:v8'
import { Client } from 'undici'
import { type GatewayOptions, MemoryEventLog, MemorySessionStore, type SessionRecord } from '../../lib/index.ts'
import { startGateway, type RunningGateway } from '../support/gateway.ts'
import { modernRequest, openModern, postModern, sendModern } from '../support/modern.ts'
import { initialize, initializeMessage, type OpenStream, openStream, post, type Session } from '../support/rpc.ts'
import { soon } from '../support/soon.ts'
import { startUpstream, type Exchange, type Upstream } from '../support/upstream.ts'
import { answerRaw, call } from './support-edges.ts'

let upstream: Upstream
let gateway: RunningGateway
const cleanups: Array<() => unknown> = []

beforeEach(async () => {
  upstream = await startUpstream()
})

afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup()
  await gateway.close()
  await upstream.close()
})

async function start(options: Partial<GatewayOptions> = {}): Promise<void> {
  gateway = await startGateway({ servers: { a: { url: upstream.url } }, ...options })
}

async function open(options: Partial<GatewayOptions> = {}): Promise<Session> {
  await start(options)
  return initialize(gateway.url('a'))
}

const handshake = initializeMessage()
const agreed = { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: { name: 'upstream', version: '1' } }

/** What heads have in common that node knows nothing of: without it node keeps the connection, and never answers there again. */
const closing = ['content-type: application/json', 'connection: close']

/** The head of an answer that never comes. */
const headOf =
  (type: string) =>
  ({ res }: Exchange): void =>
    res.writeHead(200, { 'content-type': type, 'mcp-session-id': 'upstream-1' }).flushHeaders()

describe('an upstream that keeps a request waiting', () => {
  function keepWaiting({ res }: Exchange, status: 102 | 103): void {
    const again = setInterval(() => res.socket?.write(`HTTP/1.1 ${status} Wait\r\n\r\n`), 20)
    cleanups.push(() => clearInterval(again))
  }

  const waits: ReadonlyArray<[kind: string, ask: (session: Session) => Promise<{ status: number }>]> = [
    ['tools/call', (session) => session.post(call)],
    ['initialize', () => post(gateway.url('a'), handshake)],
    ['notifications/x', (session) => session.post({ jsonrpc: '2.0', method: 'notifications/x' })],
    ['DELETE', (session) => session.end()],
  ]

  test.each(waits)('R10: by %s, with a 103 again and again, is ended after responseMs (ER9)', async (kind, ask) => {
    const session = await open({ timeouts: { responseMs: 1_000 } })
    upstream.once(kind, (exchange) => keepWaiting(exchange, 103))
    const answer = await soon(ask(session), `responseMs has not ended ${kind}`)
    expect(answer.status).toBe(kind === 'DELETE' ? 200 : 504)
  })

  test('R10: by a call, with a 102 again and again, is ended after responseMs (ER9)', async () => {
    const session = await open({ timeouts: { responseMs: 1_000 } })
    upstream.once('tools/call', (exchange) => keepWaiting(exchange, 102))
    expect((await soon(session.post(call), 'responseMs has not ended the call')).status).toBe(504)
  })

  test.each(['text/event-stream', 'application/json'])(
    '23: a handshake whose %s never answers gets a head, or an error after responseMs (ER9)',
    async (type) => {
      await start({ timeouts: { responseMs: 1_000 } })
      upstream.once('initialize', headOf(type))
      await soon(openStream(gateway.url('a'), { message: handshake }), 'The client has not even a head')
    },
  )

  test.each(['text/event-stream', 'application/json'])(
    '23: a handshake whose %s never answers lets go of the upstream when its client has left (UC5)',
    async (type) => {
      await start({ timeouts: { responseMs: 1_000 } })
      upstream.once('initialize', headOf(type))
      const client = new AbortController()
      const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }
      const init = { method: 'POST', headers, body: JSON.stringify(handshake), signal: client.signal }
      const asked = fetch(gateway.url('a'), init).catch(() => {})
      const exchange = await upstream.nextRequest('initialize')
      client.abort()
      await asked
      expect(await soon(exchange.over, 'The upstream is held without a client')).toBe('cut')
    },
  )

  test.each(['text/event-stream', 'application/json'])(
    '23: a read that may be cached gets a head, or an error, though its %s never answers (SE15)',
    async (type) => {
      await start({ timeouts: { responseMs: 1_000 }, cache: true })
      upstream.once('tools/list', headOf(type))
      await soon(openModern(gateway.url('a'), modernRequest('tools/list')), 'The client has not even a head')
    },
  )

  test.each(['text/event-stream', 'application/json'])(
    '23: a read that may be cached lets go of a %s that never answers when its client has left (SE5)',
    async (type) => {
      await start({ cache: true })
      upstream.once('tools/list', headOf(type))
      const client = sendModern(gateway.url('a'), modernRequest('tools/list'))
      const exchange = await upstream.nextRequest('tools/list')
      client.leave()
      await client.left
      expect(await soon(exchange.over, 'The upstream is held without a client')).toBe('cut')
    },
  )
})

describe('an upstream that answers under another id', () => {
  const others: ReadonlyArray<[what: string, asked: string | number, answered: string | number]> = [
    ['of its own', 'call-1', 'other'],
    ['of another type', 1, '1'],
    ['of another type', '1', 1],
  ]

  test.each(
    others.flatMap(([what, asked, answered]) =>
      ['without', 'with'].map((log) => [what, asked, answered, log] as const),
    ),
  )(
    '18: %s (%j, %j) leaves the id that waits its error, %s an event log (RPC3, ER14)',
    async (_, asked, answered, log) => {
      const session = await open({ events: log === 'with' ? new MemoryEventLog() : undefined })
      upstream.once('tools/call', async (exchange) => {
        await exchange.stream().send({ id: answered, result: {} })
        exchange.stream().end()
      })
      const answer = await soon(session.post({ ...call, id: asked }), 'The stream does not end')
      expect(answer.message).toMatchObject({ id: asked, error: { code: 502 } })
    },
  )

  test('18: in a stream that is whole at once leaves the id that waits its error (RPC3, ER14)', async () => {
    const session = await open()
    const body = 'data: {"jsonrpc":"2.0","id":"other","result":{}}\n\n'
    upstream.once('tools/call', (exchange) => exchange.status(200, body, { 'content-type': 'text/event-stream' }))
    expect((await session.post(call)).message).toMatchObject({ id: 'call-1', error: { code: 502 } })
  })

  test.each([
    ['text/event-stream', (message: string) => `data: ${message}\n\n`],
    ['application/json', (message: string) => message],
  ])('18: in %s opens no session (RPC3)', async (type, body) => {
    await start()
    upstream.once('initialize', (exchange) =>
      exchange.status(200, body(JSON.stringify({ jsonrpc: '2.0', id: 'other', result: agreed })), {
        'content-type': type,
        'mcp-session-id': 'upstream-1',
      }),
    )
    const answer = await post(gateway.url('a'), handshake)
    expect(answer.headers['mcp-session-id']).toBeUndefined()
  })

  test('18: has said nothing that the cache may keep (RPC3, ST11)', async () => {
    await start({ cache: true })
    const result = { resultType: 'complete', tools: [], ttlMs: 60_000, cacheScope: 'public' }
    upstream.once('tools/list', (exchange) => exchange.json({ jsonrpc: '2.0', id: 'other', result }))
    await postModern(gateway.url('a'), modernRequest('tools/list'))
    await postModern(gateway.url('a'), modernRequest('tools/list'))
    expect(upstream.requests('tools/list')).toHaveLength(2)
  })
})

describe('an upstream that breaks off its JSON', () => {
  const half = '{"jsonrpc":"2.0","id":"call-1","result":{"text":"half'
  const head = ['HTTP/1.1 200 OK', ...closing]
  const chunked = `${half.length.toString(16)}\r\n${half}\r\n`
  const ends = ['end', 'reset'] as const

  function breakOff({ res: { socket } }: Exchange, how: (typeof ends)[number]): void {
    if (how === 'end') socket?.end()
    else socket?.resetAndDestroy()
  }

  async function isWhole(opened: Promise<OpenStream>): Promise<boolean> {
    const client = await soon(
      opened.catch(() => undefined),
      'There is no head',
    )
    return client !== undefined && client.status < 500 && (await soon(client.over, 'It does not end')) === 'complete'
  }

  test.each(ends)(
    'R8: and sends no length: the client sees it, and the operator hears of it, when the connection is %s (ER14)',
    async (how) => {
      const session = await open()
      upstream.once('tools/call', (exchange) => answerRaw(exchange, head, half))
      const client = await session.stream(call)
      if (client.bytes().length === 0) await once(client.res, 'data')
      breakOff(await upstream.nextRequest('tools/call'), how)
      expect(await soon(client.over, 'The answer does not end')).toBe('cut')
      const { error } = await soon(gateway.reported.next(), 'Nothing was reported')
      expect(error).toMatchObject({ code: 'upstream_broken' })
    },
  )

  test.each(ends)('R8: at once, and sends no length, has not answered a call: %s (ER14)', async (how) => {
    const session = await open()
    upstream.once('tools/call', (exchange) => {
      answerRaw(exchange, head, half)
      setImmediate(breakOff, exchange, how)
    })
    expect(await isWhole(session.stream(call))).toBe(false)
  })

  test.each(ends)('R8: at once, and sends no length, has not agreed to a handshake: %s (ER14)', async (how) => {
    await start()
    upstream.once('initialize', (exchange) => {
      answerRaw(exchange, head, half)
      setImmediate(breakOff, exchange, how)
    })
    expect(await isWhole(openStream(gateway.url('a'), { message: handshake }))).toBe(false)
  })

  test.each(ends)('R8: in chunks, has not answered a call: %s (ER14)', async (how) => {
    const session = await open()
    upstream.once('tools/call', (exchange) => {
      answerRaw(exchange, [...head, 'transfer-encoding: chunked'], chunked)
      setImmediate(breakOff, exchange, how)
    })
    expect(await isWhole(session.stream(call))).toBe(false)
  })

  test('R8: only after it has sent all of it, without a length, has answered (HD21)', async () => {
    const session = await open()
    upstream.once('tools/call', (exchange) => {
      answerRaw(exchange, head, '{"jsonrpc":"2.0","id":"call-1","result":{"text":"whole"}}')
      setImmediate(breakOff, exchange, 'end')
    })
    expect((await session.post(call)).message).toMatchObject({ result: { text: 'whole' } })
  })
})

describe('an upstream that answers a request with nothing', () => {
  const nothing: ReadonlyArray<[status: number, type: string]> = [
    [204, 'application/json'],
    [205, 'application/json'],
    [204, 'text/event-stream'],
    [202, 'application/json'],
    [200, 'application/json'],
  ]

  test.each(nothing)('%i %s to a call is answered with an error (ER14, HD21)', async (status, type) => {
    const session = await open()
    upstream.once('tools/call', (exchange) => exchange.status(status, '', { 'content-type': type }))
    const answer = await soon(session.post(call), 'There is no answer')
    expect(answer.message).toMatchObject({ id: 'call-1', error: { code: 502 } })
  })

  test.each(nothing)('%i %s to a modern call is answered with an error (HD21)', async (status, type) => {
    await start()
    upstream.once('tools/call', (exchange) => exchange.status(status, '', { 'content-type': type }))
    const answer = await soon(postModern(gateway.url('a'), modernRequest('tools/call', { name: 'x' })), 'No answer')
    expect(answer.message).toMatchObject({ id: 1, error: { code: 502 } })
  })

  test.each(nothing)('%i %s to a handshake is answered with an error (HD21)', async (status, type) => {
    await start()
    upstream.once('initialize', (exchange) => exchange.status(status, '', { 'content-type': type }))
    const answer = await soon(post(gateway.url('a'), handshake), 'There is no answer')
    expect(answer.message).toMatchObject({ id: 'init', error: { code: 502 } })
  })

  test.each([204, 205])('%i to a listener is no stream: nothing but 200 and 405 is (RT3)', async (status) => {
    const session = await open()
    upstream.once('GET', (exchange) => exchange.status(status, '', { 'content-type': 'text/event-stream' }))
    expect((await session.listen()).status).toBeGreaterThanOrEqual(400)
  })
})

describe('an upstream whose words cannot be sent', () => {
  test.each(['2025-11-25\r\nx-injected: 1', '2025-11-25\u0000', '2025-11-25 \u65E5'])(
    '05: that names the revision %j is refused, or the session it opened works (LC2, SC6)',
    async (protocolVersion) => {
      await start()
      upstream.once('initialize', (exchange) => {
        upstream.sessions.add('upstream-1')
        exchange.result({ ...agreed, protocolVersion }, { 'mcp-session-id': 'upstream-1' })
      })
      const { status, headers } = await post(gateway.url('a'), handshake)
      const id = headers['mcp-session-id']
      if (id === undefined) return expect(status).toBe(502)
      const ping = await post(gateway.url('a'), { jsonrpc: '2.0', id: 1, method: 'ping' }, { 'mcp-session-id': id })
      expect(ping.status).toBe(200)
    },
  )

  test.each([
    ['long', 'x'.repeat(100_000)],
    ['not in ASCII', '2025-11-25 \u65E5'],
  ])('05: that names a revision which is %s has none of it kept (SC6)', async (_, protocolVersion) => {
    const records: SessionRecord[] = []
    class Kept extends MemorySessionStore {
      override create(record: SessionRecord): string {
        records.push(record)
        return super.create(record)
      }
    }
    await start({ sessions: new Kept() })
    upstream.once('initialize', (exchange) => exchange.result({ ...agreed, protocolVersion }))
    await post(gateway.url('a'), handshake)
    for (const record of records) expect(record.protocolVersion).toMatch(/^[!-~]{1,64}$/)
  })

  test('05: that gives a session id beyond ASCII is refused, or the session works (HD19)', async () => {
    await start()
    upstream.once('initialize', (exchange) => {
      const body = JSON.stringify({ jsonrpc: '2.0', id: 'init', result: agreed })
      const lines = ['HTTP/1.1 200 OK', ...closing, `content-length: ${body.length}`]
      answerRaw(exchange, [...lines, 'mcp-session-id: upstream-\u65E5'], body)
      upstream.sessions.add(Buffer.from('upstream-\u65E5').toString('latin1'))
    })
    const { status, headers } = await post(gateway.url('a'), handshake)
    const id = headers['mcp-session-id']
    if (id === undefined) return expect(status).toBe(502)
    const ping = await post(gateway.url('a'), { jsonrpc: '2.0', id: 1, method: 'ping' }, { 'mcp-session-id': id })
    expect(ping.status).toBe(200)
  })

  test.each([
    ['503', 'retry-after: \u65E5'],
    ['405', 'allow: \u65E5'],
    ['200', 'cache-control: \u65E5'],
  ])(
    '01: in the headers of a %s, are no reason to leave a client without an answer: %s (ER9)',
    async (status, line) => {
      const session = await open()
      const body = '{"jsonrpc":"2.0","id":"call-1","result":{}}'
      upstream.once('tools/call', (exchange) =>
        answerRaw(exchange, [`HTTP/1.1 ${status} Hm`, ...closing, `content-length: ${body.length}`, line], body),
      )
      expect((await soon(session.post(call), 'There is no answer')).status).toBe(Number(status))
    },
  )

  test.each(['without', 'with'])('10: in the id of an event, are resumed from, %s an event log (SE7)', async (log) => {
    const session = await open({ events: log === 'with' ? new MemoryEventLog() : undefined })
    const id = 'stream-\u00FC-\u65E5'
    upstream.once('tools/call', async (exchange) => {
      await exchange.stream().write(`id: ${id}\nretry: 10\ndata: \n\n`)
      exchange.cut()
    })
    upstream.on('GET', (exchange) => {
      const asked = Buffer.from(String(exchange.headers['last-event-id']), 'latin1').toString()
      if (asked !== id) return exchange.status(400)
      return void exchange.stream().send({ id: 'call-1', result: { resumed: true } })
    })
    const client = await session.stream(call)
    expect(await soon(client.nextMessage(), 'There is no answer')).toMatchObject({ result: { resumed: true } })
    client.close()
  })

  test('10: in the ids of events, leave no connection behind for each try to resume', async () => {
    const session = await open()
    const ids = ['\u65E5', '\u0001']
    upstream.on('tools/call', async (exchange) => {
      await exchange.stream().write(`id: ${ids[Number(exchange.message?.id) % 2]}\nretry: 1\ndata: \n\n`)
      exchange.cut()
    })
    upstream.on('GET', (exchange) => exchange.status(404, '', { connection: 'close' }))
    for (let id = 0; id < 20; id += 1) await session.post({ ...call, id })
    await session.request('ping')
    // An error whose stack nobody has read holds what was on the stack, and the journal holds the errors.
    for (const { error } of gateway.reported.entries) {
      for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) void cause.stack
    }
    expect(v8.queryObjects(Client, { format: 'count' })).toBeLessThan(30)
  })

  test('10: in the Last-Event-ID of a client cross as they are (SE2)', async () => {
    const session = await open()
    const id = Buffer.from('stream-\u00FC-\u65E5').toString('latin1')
    const [client, exchange] = await Promise.all([session.listen({ 'last-event-id': id }), upstream.nextRequest('GET')])
    expect(exchange.headers['last-event-id']).toBe(id)
    client.close()
  })
})
