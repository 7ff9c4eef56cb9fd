// Everything an upstream can do to a request, and what the client gets to see of it.
import { createServer, type AddressInfo, type Server } from 'node:net'
import { mcpGateway, type GatewayErrorCode, type GatewayOptions } from '../../../lib/index.ts'
import { startGateway, type RunningGateway } from '../../support/gateway.ts'
import { listen } from '../../support/listen.ts'
import { initialize, openStream, post, type Answer, type Session } from '../../support/rpc.ts'
import { startUpstream, type Exchange, type Upstream } from '../../support/upstream.ts'

let upstream: Upstream
let gateway: RunningGateway
let session: Session

beforeEach(async () => {
  upstream = await startUpstream()
  await start()
})

afterEach(async () => {
  await gateway.close()
  await upstream.close()
})

async function start(options: Partial<GatewayOptions> = {}): Promise<void> {
  await gateway?.close()
  gateway = await startGateway({ servers: { a: { url: upstream.url } }, ...options })
  session = await initialize(gateway.url('a'))
}

const call = { jsonrpc: '2.0', id: 'call-1', method: 'tools/call', params: { name: 'write' } }

/** A JSON-RPC error for the call, told to onError as well when it is the operator's business. */
async function expectRefusal(answer: Answer, status: number, code: GatewayErrorCode): Promise<void> {
  expect(answer.status).toBe(status)
  expect(answer.headers['content-type']).toBe('application/json')
  expect(answer.message).toEqual({ jsonrpc: '2.0', id: 'call-1', error: { code: status, message: expect.any(String) } })
  if (status < 500) return
  const { error, context } = await gateway.reported.next()
  expect(error).toMatchObject({ code })
  expect(context).toMatchObject({ server: 'a' })
  expect(context.request?.method).toBe('POST')
}

/** Puts bytes on the socket that no HTTP server would write. */
function raw(bytes: string): (exchange: Exchange) => void {
  return ({ res }) => void res.socket?.end(bytes)
}

describe('an upstream that cannot be reached', () => {
  test('refuses the connection: 502 with the id (ER9)', async () => {
    const gone = await listen(() => {})
    await gone.close()
    await start({ servers: (name) => ({ url: name === 'a' ? upstream.url : '' }) })
    await upstream.close()
    const answer = await session.post(call)
    upstream = await startUpstream()
    await expectRefusal(answer, 502, 'upstream_unreachable')
    expect(JSON.stringify(answer)).not.toContain('ECONNREFUSED')
  })

  test('has a name that does not exist: 502 (ER9)', async () => {
    await gateway.close()
    gateway = await startGateway({ servers: { a: { url: 'http://no-such-host.invalid/mcp' } } })
    const answer = await post(gateway.url('a'), {
      ...call,
      method: 'initialize',
      params: { protocolVersion: '2025-11-25' },
    })
    await expectRefusal(answer, 502, 'upstream_unreachable')
    expect(answer.body).not.toContain('no-such-host')
  })

  test('takes the connection and never finishes connecting: 502 after timeouts.connectMs (ER9)', async () => {
    const silent = await startSilent()
    await gateway.close()
    gateway = await startGateway({
      servers: { a: { url: `https://127.0.0.1:${(silent.address() as AddressInfo).port}/mcp` } },
      timeouts: { connectMs: 50 },
    })
    const answer = await post(gateway.url('a'), {
      ...call,
      method: 'initialize',
      params: { protocolVersion: '2025-11-25' },
    })
    await expectRefusal(answer, 502, 'upstream_unreachable')
    silent.close()
  })

  /** Accepts, and says nothing: a TLS handshake with it never ends. */
  async function startSilent(): Promise<Server> {
    const server = createServer((socket) => void socket.on('error', () => {}).resume())
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve)
    })
    return server
  }
})

describe('an upstream that does not answer', () => {
  test('is 504 with the id after timeouts.responseMs, and its connection is closed (ER9, LC8)', async () => {
    await start({ timeouts: { responseMs: 700 } })
    upstream.once('tools/call', () => {})
    const answer = await session.post(call)
    await expectRefusal(answer, 504, 'upstream_timeout')
    expect(await (await upstream.nextRequest('tools/call')).over).toBe('cut')
  })

  test('in time has an event stream as long as it likes (ER9, SE17)', async () => {
    await start({ timeouts: { responseMs: 700 } })
    upstream.once('tools/call', (exchange) => void exchange.stream())
    const [stream, exchange] = await Promise.all([session.stream(call), upstream.nextRequest('tools/call')])
    upstream.once('ping', () => {})
    expect((await session.request('ping')).status).toBe(504)
    exchange.stream().finish({ done: true })
    expect(await stream.nextMessage()).toMatchObject({ result: { done: true } })
  })

  test('to a listener is waited for: a quiet server may send its head with the first event (SE17)', async () => {
    await start({ timeouts: { responseMs: 700 } })
    upstream.once('GET', () => {})
    const listening = session.listen()
    const exchange = await upstream.nextRequest('GET')
    upstream.once('ping', () => {})
    expect((await session.request('ping')).status).toBe(504)
    await exchange.stream().send({ method: 'notifications/message' })
    expect(await (await listening).nextMessage()).toMatchObject({ method: 'notifications/message' })
  })

  test('but hangs up is 502 with the id, and is not asked again (ER9, UC10)', async () => {
    upstream.on('tools/call', (exchange) => exchange.cut())
    await expectRefusal(await session.post(call), 502, 'upstream_broken')
    expect(upstream.requests('tools/call')).toHaveLength(1)
  })
})

describe('an upstream that speaks no HTTP, or too much of it', () => {
  test.each([
    ['garbage', 'hello, I am a database\r\n'],
    ['another protocol', 'SSH-2.0-OpenSSH_9.6\r\n'],
    ['a status that is none', 'HTTP/1.1 abc OK\r\n\r\n'],
    ['a header without a colon', 'HTTP/1.1 200 OK\r\ncontent-type application/json\r\n\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab'],
    [
      'a length and a chunked body',
      'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n',
    ],
    ['a head that breaks off', 'HTTP/1.1 200 OK\r\ncontent-ty'],
    [
      'headers of 1 MiB',
      `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-big: ${'x'.repeat(1024 * 1024)}\r\n\r\n{}`,
    ],
    ['20 000 headers', `HTTP/1.1 200 OK\r\n${'x: y\r\n'.repeat(20_000)}\r\n{}`],
    [
      'an upgrade nobody asked for',
      'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n',
    ],
  ])('%s: 502 with the id, and the next call works (ER9, SC6)', async (_, bytes) => {
    upstream.once('tools/call', raw(bytes))
    await expectRefusal(await session.post(call), 502, 'upstream_broken')
    expect((await session.request('ping')).status).toBe(200)
  })

  test('a bad chunk in the middle of JSON looks broken (ER14)', async () => {
    upstream.once(
      'tools/call',
      raw('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{"\r\nzz\r\n'),
    )
    const outcome = session.post(call).then(
      () => 'whole',
      () => 'broken',
    )
    expect(await outcome).toBe('broken')
  })

  test('informational heads are passed over (ER8)', async () => {
    upstream.once('tools/call', (exchange) => {
      exchange.res.writeEarlyHints({ link: '</style.css>; rel=preload' })
      exchange.res.writeProcessing()
      exchange.result({ ok: true })
    })
    expect(await session.post(call)).toMatchObject({ status: 200, message: { id: 'call-1', result: { ok: true } } })
  })

  test('bytes behind an answer belong to no other answer (SC10, RPC3)', async () => {
    const smuggled = '{"jsonrpc":"2.0","id":1,"result":{"smuggled":true}}'
    const head = (length: number): string =>
      `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n`
    const answer = '{"jsonrpc":"2.0","id":"call-1","result":{}}'
    upstream.once(
      'tools/call',
      ({ res }) => void res.socket?.write(head(answer.length) + answer + head(smuggled.length) + smuggled),
    )
    expect((await session.post(call)).body).toBe(answer)
    expect((await session.request('ping')).message).toEqual({ jsonrpc: '2.0', id: 1, result: {} })
  })
})

describe('an upstream that redirects', () => {
  test.each([301, 302, 303, 307, 308])(
    'with %i is not followed, and the credentials stay where they belong: 502 (UC9)',
    async (status) => {
      const elsewhere = await startUpstream()
      await start({ servers: { a: { url: upstream.url, headers: { authorization: 'Bearer upstream-secret' } } } })
      upstream.once('tools/call', (exchange) => exchange.status(status, '', { location: elsewhere.url }))
      const answer = await session.post(call)
      await expectRefusal(answer, 502, 'upstream_invalid')
      expect(answer.headers.location).toBeUndefined()
      expect(JSON.stringify(answer)).not.toContain(elsewhere.origin)
      expect(elsewhere.requests()).toEqual([])
      await elsewhere.close()
    },
  )

  test('within its own origin is not followed either (UC9)', async () => {
    upstream.once('tools/call', (exchange) => exchange.status(307, '', { location: '/mcp/' }))
    await expectRefusal(await session.post(call), 502, 'upstream_invalid')
    expect(upstream.requests('tools/call')).toHaveLength(1)
  })
})

describe('an upstream that refuses', () => {
  test.each([
    [401, 'a page'],
    [403, '{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"upstream says no"}}'],
    [407, ''],
  ])(
    'the credentials of the gateway with %i: 502 and a word to the operator, no challenge (HD20)',
    async (status, body) => {
      upstream.once('tools/call', (exchange) =>
        exchange.status(status, body, {
          'content-type': 'application/json',
          'www-authenticate': 'Bearer resource_metadata="http://upstream/"',
        }),
      )
      const answer = await session.post(call)
      await expectRefusal(answer, 502, 'upstream_unauthorized')
      expect(answer.headers['www-authenticate']).toBeUndefined()
      expect(answer.message?.error?.message).toContain('credentials')
      expect(answer.body).not.toContain('upstream says no')
    },
  )

  test('with 404 has ended the session: 404, also for what comes after, which it is not asked any more (SS3, SS8, UC4)', async () => {
    upstream.sessions.clear()
    const answer = await session.post(call)
    expect(answer).toMatchObject({ status: 404, message: { id: null, error: { code: 404 } } })
    const before = upstream.requests().length
    expect((await session.request('ping')).status).toBe(404)
    expect((await session.listen()).status).toBe(404)
    expect((await session.end()).status).toBe(404)
    expect(upstream.requests()).toHaveLength(before)
  })

  test.each(['notification', 'listener'] as const)(
    'a %s with 404 has ended the session too (SS8, UC4)',
    async (what) => {
      upstream.sessions.clear()
      const answer =
        what === 'listener' ? await session.listen() : await session.post({ jsonrpc: '2.0', method: 'notifications/x' })
      expect(answer.status).toBe(404)
      expect((await session.request('ping')).status).toBe(404)
    },
  )

  test('with 404 ends the other streams of that session (SS8, SS12)', async () => {
    const listener = await session.listen()
    upstream.sessions.clear()
    expect((await session.post(call)).status).toBe(404)
    expect(await listener.over).toBe('complete')
  })

  test('a handshake with 404 is 502: no client shall take it for the end of a session (SS8)', async () => {
    upstream.once('initialize', (exchange) => exchange.status(404, 'nothing here'))
    expect((await post(gateway.url('a'), session.opening.message ?? {}, {})).status).toBe(400)
    const answer = await post(gateway.url('a'), {
      ...call,
      method: 'initialize',
      params: { protocolVersion: '2025-11-25' },
    })
    await expectRefusal(answer, 502, 'upstream_invalid')
  })

  test('a listener with 405 is 405 with Allow, and nothing else is disturbed (RT3, RT7, PU6)', async () => {
    upstream.on('GET', (exchange) => exchange.status(405, 'Method Not Allowed', { allow: 'POST, DELETE' }))
    const refused = await session.listen()
    expect(refused.status).toBe(405)
    expect(refused.headers.allow).toBe('POST, DELETE')
    expect((await session.request('ping')).status).toBe(200)
    expect(gateway.reported.entries).toEqual([])
  })

  test('a listener with 405 and no Allow gets one (RT7)', async () => {
    upstream.on('GET', (exchange) =>
      exchange.json({ jsonrpc: '2.0', id: null, error: { code: -32000, message: 'no' } }, 405),
    )
    const refused = await session.listen()
    expect(refused.status).toBe(405)
    expect(refused.headers.allow).toBe('POST, DELETE')
  })

  test('with a JSON-RPC error of its own is relayed as it is, status and bytes (ER8)', async () => {
    const body =
      '{"jsonrpc":"2.0","id":"call-1","error":{"code":-32602,"message":"Ünknown","data":{"n":12345678901234567890}}}'
    upstream.once('tools/call', (exchange) => exchange.status(400, body, { 'content-type': 'application/json' }))
    expect(await session.post(call)).toMatchObject({ status: 400, body })
  })

  test('a notification keeps it refused (RPC10)', async () => {
    upstream.once('notifications/x', (exchange) => exchange.error(-32600, 'not that', 400))
    expect((await session.post({ jsonrpc: '2.0', method: 'notifications/x' })).status).toBe(400)
  })

  test.each([
    [500, 502],
    [502, 502],
    [503, 503],
    [504, 504],
    [520, 502],
    [429, 429],
  ])('with a page and %i: %i as JSON-RPC, its page stays behind (ER9)', async (status, answered) => {
    upstream.once('tools/call', (exchange) =>
      exchange.status(status, '<h1>nginx secret</h1>', { 'content-type': 'text/html' }),
    )
    const answer = await session.post(call)
    await expectRefusal(answer, answered, 'upstream_refused')
    expect(answer.body).not.toContain('nginx')
  })

  test.each([503, 429])('with %i and Retry-After: both are kept (ER9, HD20)', async (status) => {
    upstream.once('tools/call', (exchange) => exchange.status(status, 'later', { 'retry-after': '17' }))
    const answer = await session.post(call)
    expect(answer).toMatchObject({ status, message: { id: 'call-1' } })
    expect(answer.headers['retry-after']).toBe('17')
  })
})

describe('an upstream that answers something else than asked for', () => {
  test.each<[string, (exchange: Exchange) => void]>([
    ['a page', (exchange) => exchange.status(200, '<html>', { 'content-type': 'text/html' })],
    ['plain text', (exchange) => exchange.status(200, '{}', { 'content-type': 'text/plain' })],
    ['no content type', (exchange) => exchange.status(200, '{}')],
    ['mere acceptance', (exchange) => exchange.status(202)],
    ['nothing', (exchange) => exchange.status(204)],
    [
      'gzip',
      (exchange) => exchange.status(200, 'zipped', { 'content-type': 'application/json', 'content-encoding': 'gzip' }),
    ],
  ])('%s: 502 with the id (HD17, HD21)', async (_, handler) => {
    upstream.once('tools/call', handler)
    await expectRefusal(await session.post(call), 502, 'upstream_invalid')
  })

  test('JSON to a listener: 502 (RT3)', async () => {
    upstream.once('GET', (exchange) => exchange.json({}))
    expect((await session.listen()).status).toBe(502)
  })

  test.each([200, 202, 204])(
    'to a notification, with %i: it was accepted, 202 without a body (RPC10)',
    async (status) => {
      upstream.once('notifications/x', (exchange) => exchange.status(status, status === 200 ? '<html>' : ''))
      expect(await session.post({ jsonrpc: '2.0', method: 'notifications/x' })).toMatchObject({ status: 202, body: '' })
    },
  )

  test('an endless body where nobody wants one is closed instead of kept open for ever (SC6)', async () => {
    upstream.once('notifications/x', (exchange) => void exchange.stream())
    expect((await session.post({ jsonrpc: '2.0', method: 'notifications/x' })).status).toBe(202)
    expect(await (await upstream.nextRequest('notifications/x')).over).toBe('cut')
  })

  test('an endless error page is closed instead of kept open for ever (SC6)', async () => {
    upstream.once('tools/call', ({ res }) => void res.writeHead(500, { 'content-type': 'text/html' }).write('<h1>'))
    expect((await session.post(call)).status).toBe(502)
    expect(await (await upstream.nextRequest('tools/call')).over).toBe('cut')
  })
})

describe('the headers of a server', () => {
  const secretOf = async (): Promise<string | undefined> => {
    const before = upstream.requests('ping').length
    await session.request('ping')
    return upstream.requests('ping')[before]?.headers['x-key'] as string | undefined
  }

  test.each<[string, NonNullable<Parameters<typeof mcpGateway>[0]['servers']>]>([
    ['a record', { a: { url: '', headers: { 'x-key': 'secret' } } }],
    ['a function', { a: { url: '', headers: () => ({ 'x-key': 'secret' }) } }],
    ['an async function', { a: { url: '', headers: async () => Promise.resolve({ 'x-key': 'secret' }) } }],
  ])('may be %s (UC1)', async (_, servers) => {
    const [config] = Object.values(servers) as [object]
    await start({ servers: { a: { ...config, url: upstream.url } } })
    expect(await secretOf()).toBe('secret')
  })

  test('as a function are told who asks for what, on every request', async () => {
    const asked: unknown[] = []
    await start({
      authenticate: () => ({ id: 'alice', scopes: ['read'] }),
      servers: {
        a: {
          url: upstream.url,
          headers({ principal, server, request }) {
            asked.push([principal?.id, principal?.scopes, server, request?.method])
            return { 'x-key': String(asked.length) }
          },
        },
      },
    })
    await session.end()
    expect(asked).toEqual([
      ['alice', ['read'], 'a', 'POST'],
      // The server is listened to before it is told of the client, and refuses that.
      ['alice', ['read'], 'a', 'POST'],
      ['alice', ['read'], 'a', 'POST'],
      ['alice', ['read'], 'a', 'DELETE'],
    ])
    expect(
      upstream
        .requests()
        .slice(-3)
        .map(({ headers }) => headers['x-key']),
    ).toEqual(['1', '3', '4'])
  })

  test.each<[string, () => Record<string, string> | Promise<Record<string, string>>]>([
    [
      'throws',
      () => {
        throw new Error('vault password hunter2')
      },
    ],
    ['rejects', async () => Promise.reject(new Error('vault password hunter2'))],
    ['answers CR and LF', () => ({ 'x-key': 'hunter2\r\nx-injected: 1' })],
    ['answers CR and LF later', async () => Promise.resolve({ 'x-key': 'hunter2\r\nx-injected: 1' })],
    ['answers a bad name', () => ({ 'hunter2: x\r\n': '1' })],
    ['answers what the gateway sets itself', () => ({ Host: 'hunter2' })],
    ['answers nothing', () => undefined as unknown as Record<string, string>],
  ])(
    'whose function %s: 500 with the id, the reason for onError alone, and nothing goes upstream (SC6, SC7)',
    async (_, headers) => {
      let broken = false
      await start({ servers: { a: { url: upstream.url, headers: () => (broken ? headers() : {}) } } })
      broken = true
      const answer = await session.post(call)
      expect(answer).toMatchObject({
        status: 500,
        message: { id: 'call-1', error: { code: 500, message: 'Internal error' } },
      })
      expect(JSON.stringify(answer)).not.toContain('hunter2')
      const { error, context } = await gateway.reported.next()
      expect(error.name).toMatch(/Error$/)
      expect(context.server).toBe('a')
      expect(upstream.requests('tools/call')).toEqual([])
    },
  )

  test('a record with CR and LF is refused when the gateway is made (SC6)', () => {
    const make = (): unknown =>
      mcpGateway({ authenticate: false, servers: { a: { url: upstream.url, headers: { 'x-key': 'a\r\nb: c' } } } })
    expect(make).toThrow(expect.objectContaining({ name: 'TypeError' }) as Error)
  })

  test('a call that is stopped while its headers are looked up never reaches the upstream (SS12)', async () => {
    let found: (headers: Record<string, string>) => void = () => {}
    let asked: () => void = () => {}
    const isAsked = new Promise<void>((resolve) => (asked = resolve))
    let slow = false
    await start({
      servers: {
        a: {
          url: upstream.url,
          headers: ({ request }) =>
            slow && request?.method === 'POST'
              ? new Promise((resolve) => {
                  found = resolve
                  asked()
                })
              : {},
        },
      },
    })
    slow = true
    const answer = session.post(call)
    await isAsked
    await session.end()
    found({})
    expect(await answer).toMatchObject({ status: 404, message: { id: null } })
    expect(upstream.requests('tools/call')).toEqual([])
  })
})

describe('many at once', () => {
  test('20 streams of one session do not mix (SE11, SE10, RPC3)', async () => {
    const ids = Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? index : `${index}`))
    upstream.on('tools/call', (exchange) => void exchange.stream())
    const streams = await Promise.all(ids.map((id) => session.stream({ ...call, id })))
    const exchanges = upstream.requests('tools/call')
    for (const step of [1, 2, 3]) {
      for (const exchange of exchanges.toReversed()) {
        await exchange
          .stream()
          .send({ method: 'notifications/progress', params: { progressToken: exchange.message?.id, progress: step } })
      }
    }
    for (const exchange of exchanges) exchange.stream().finish({ for: exchange.message?.id })
    for (const [index, stream] of streams.entries()) {
      for (const progress of [1, 2, 3]) {
        expect(await stream.nextMessage()).toMatchObject({ params: { progressToken: ids[index], progress } })
      }
      expect(await stream.nextMessage()).toEqual({ jsonrpc: '2.0', id: ids[index], result: { for: ids[index] } })
      expect(await stream.over).toBe('complete')
    }
  })

  test('20 calls that are answered in reverse order each get their own answer (RPC3)', async () => {
    const waiting: Exchange[] = []
    upstream.on('tools/call', (exchange) => {
      waiting.push(exchange)
      if (waiting.length < 20) return
      for (const each of waiting.toReversed()) each.result({ for: each.message?.id })
    })
    const answers = await Promise.all(Array.from({ length: 20 }, (_, id) => session.post({ ...call, id })))
    for (const [id, { message }] of answers.entries())
      expect(message).toEqual({ jsonrpc: '2.0', id, result: { for: id } })
  })

  test('100 listeners do not starve a call, even at one upstream (UC8)', async () => {
    const listeners = await Promise.all(
      Array.from({ length: 100 }, async () => (await initialize(gateway.url('a'))).listen()),
    )
    expect(listeners.map(({ status }) => status)).toEqual(Array.from({ length: 100 }, () => 200))
    expect((await session.request('ping')).status).toBe(200)
    expect(upstream.requests('GET').filter(({ overAt }) => overAt === undefined)).toHaveLength(100)
    for (const listener of listeners) listener.close()
    await Promise.all(upstream.requests('GET').map(({ over }) => over))
  })

  test('a listener has a connection of its own, which is closed with it (UC8)', async () => {
    const listener = await session.listen()
    const { req, over } = await upstream.nextRequest('GET')
    await session.request('ping')
    expect((await upstream.nextRequest('ping')).req.socket).not.toBe(req.socket)
    listener.close()
    expect(await over).toBe('cut')
  })

  test('calls one after another use one connection (UC8)', async () => {
    const sockets = new Set<unknown>()
    for (let turn = 0; turn < 5; turn += 1) {
      await session.request('ping')
      sockets.add((await upstream.nextRequest('ping')).req.socket)
    }
    expect(sockets.size).toBe(1)
  })
})

test('a gateway that closes takes its connections along (SE17)', async () => {
  await session.request('ping')
  const { req } = await upstream.nextRequest('ping')
  const closed = new Promise<void>((resolve) => req.socket.once('close', () => resolve()))
  await gateway.close()
  await closed
  expect((await openStream(`${upstream.origin}/mcp`, { headers: { 'mcp-session-id': 'x' } })).status).toBe(404)
})
