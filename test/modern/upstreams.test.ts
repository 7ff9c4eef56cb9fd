// Revision 2026-07-28 before upstreams of all kinds: those that refuse, fail, break off, or speak one era alone.
import type { HttpServer } from '../../lib/index.ts'
import { startDualEraServer } from '../fixtures/dual-era-server.mjs'
import { startGateway } from '../support/gateway.ts'
import { META, MODERN, modernNotification, modernRequest, openModern, postModern } from '../support/modern.ts'
import { initialize, initializeMessage, post, send } from '../support/rpc.ts'
import { startUpstream, type Exchange } from '../support/upstream.ts'
import { MODERN_EVIDENCE, call, codeOf, gateway, openSessions, start, upstream, url } from './setup.ts'

const RESERVED = [-32_020, -32_021, -32_022, -32_600, -32_601, -32_602, -32_603, -32_700]

describe('an error of the upstream', () => {
  beforeEach(() => start())

  test.each([
    ['ER1 ER2', 404, -32_601],
    ['ER3', 400, -32_602],
    ['ER3 ER11', 200, -32_602],
    ['ER4 ST6', 400, -32_021],
    ['CL5', 400, -32_020],
    ['CL6', 400, -32_022],
    ['UC2', 400, -32_000],
    ['UC2', 404, -32_001],
    ['ER8', 406, -32_000],
  ])('%s ER8 stays what it is: %d %d', async (_ids, status, code) => {
    const body = `{"id":"e", "error":{"data":{"n":12345678901234567890},"code":${code},"message":"no"},"jsonrpc":"2.0"}`
    upstream.on('tools/call', (exchange) => exchange.status(status, body, { 'content-type': 'application/json' }))
    const answer = await postModern(url, call('e'))
    expect([answer.status, answer.body, answer.headers['content-type']]).toEqual([status, body, 'application/json'])
  })

  test.each([400, 404, 405])(
    'ER9 without a JSON-RPC body %d keeps its status and is no modern error',
    async (status) => {
      upstream.on('tools/call', (exchange) => exchange.status(status, '<h1>no</h1>', { 'content-type': 'text/html' }))
      const answer = await postModern(url, call('e'))
      expect(answer).toMatchObject({ status, message: { id: 'e' } })
      expect(MODERN_EVIDENCE).not.toContain(codeOf(answer))
      expect(answer.body).not.toContain('<h1>')
    },
  )
})

describe('a fault behind the gateway', () => {
  beforeEach(() => start({ timeouts: { responseMs: 700 } }))

  /** Each with the status it has to come out as. */
  const faults: Array<[number, string, (exchange: Exchange) => void]> = [
    [502, 'a connection that closes', (exchange) => exchange.cut()],
    [502, 'an answer that is not HTTP', ({ req }) => void req.socket.end('what?\r\n\r\n')],
    [502, 'a page with status 200', (exchange) => exchange.status(200, '<p>', { 'content-type': 'text/html' })],
    [502, 'nothing with status 200', (exchange) => exchange.status(200)],
    [502, 'a redirect', (exchange) => exchange.status(307, '', { location: 'http://127.0.0.1:9/' })],
    [502, 'an internal error', (exchange) => exchange.status(500, 'oops')],
    [502, 'a bad gateway', (exchange) => exchange.status(502)],
    [503, 'a server that is unavailable', (exchange) => exchange.status(503)],
    [504, 'a gateway timeout', (exchange) => exchange.status(504)],
    [502, 'credentials that were refused', (exchange) => exchange.status(401, '', { 'www-authenticate': 'Bearer' })],
    [502, 'a scope that was refused', (exchange) => exchange.status(403)],
    [504, 'silence', () => {}],
  ]

  test.each(faults)('ER5 ER6 ER9 AU12 is %d with the id of the request: %s', async (status, _what, fault) => {
    upstream.on('server/discover', fault)
    for (const id of ['s', 0]) {
      const answer = await postModern(url, modernRequest('server/discover', {}, id))
      expect(answer).toMatchObject({ status, message: { jsonrpc: '2.0', id, error: {} } })
      expect(RESERVED).not.toContain(codeOf(answer))
      expect(answer.headers).not.toHaveProperty('www-authenticate')
    }
  })

  test('ER6 ER9 an upstream that is not there is 502 with the id', async () => {
    const gone = await startUpstream()
    await gone.close()
    const other = await startGateway({ servers: { gone: { url: gone.url } } })
    const answer = await postModern(other.url('gone'), call('g'))
    await other.close()
    expect(answer).toMatchObject({ status: 502, message: { id: 'g', error: { code: 502 } } })
  })

  test.each([{ 'retry-after': '7' }, {}])(
    'ER9 an upstream with too much to do (%j) is 503 with Retry-After',
    async (headers) => {
      upstream.on('server/discover', (exchange) => exchange.status(429, '', headers))
      const answer = await postModern(url, modernRequest('server/discover', {}, 'o'))
      expect(answer).toMatchObject({ status: 503, message: { id: 'o' } })
      expect(answer.headers['retry-after']).toMatch('retry-after' in headers ? /^7$/ : /^\d+$/)
    },
  )

  test('ER9 also when it says so in JSON-RPC', async () => {
    upstream.on('tools/call', (exchange) => exchange.error(-32_000, 'too much', 429))
    expect(await postModern(url, call('o'))).toMatchObject({ status: 503, message: { id: 'o' } })
  })

  test('ER9 a gateway that is shutting down is 503 with Retry-After', async () => {
    const closing = gateway.gateway.close()
    const answer = await postModern(url, call('c'))
    await closing
    expect(answer).toMatchObject({ status: 503, message: { id: 'c', error: { code: 503 } } })
    expect(answer.headers['retry-after']).toMatch(/^\d+$/)
  })

  test('SE14 UC10 nothing is sent twice, whatever has happened to it', async () => {
    for (const [, , fault] of faults) {
      upstream.once('tools/call', fault)
      await postModern(url, call())
    }
    upstream.once('tools/call', async (exchange) => {
      await exchange.stream().send({ method: 'notifications/progress', params: { progressToken: 1, progress: 1 } })
      exchange.cut()
    })
    await postModern(url, call())
    upstream.once('tools/call', (exchange) => exchange.error(-32_020, 'refresh the list', 400))
    await postModern(url, call())
    expect(upstream.requests('tools/call')).toHaveLength(faults.length + 2)
  })
})

describe('a stream of the upstream that breaks', () => {
  beforeEach(() => start())

  /** How it goes wrong after its first event. */
  const endings: Array<[string, { id?: string }, (exchange: Exchange) => void]> = [
    ['that ends without an answer', {}, (exchange) => exchange.stream().end()],
    ['whose connection closes', {}, (exchange) => exchange.cut()],
    ['that ends, with ids on its events', { id: '1' }, (exchange) => exchange.stream().end()],
    ['whose connection closes, with ids on its events', { id: '1' }, (exchange) => exchange.cut()],
  ]

  test.each(endings)('ER13 ER14 SE13 %s ends in an error for the id that waits', async (_what, options, end) => {
    upstream.on('tools/call', async (exchange) => {
      await exchange
        .stream()
        .send({ method: 'notifications/progress', params: { progressToken: 1, progress: 1 } }, options)
      end(exchange)
    })
    for (const id of ['w', 0]) {
      const answer = await postModern(url, call(id))
      expect(answer.status).toBe(200)
      expect(answer.messages.map(({ method }) => method)).toEqual(['notifications/progress', undefined])
      expect(answer.message).toMatchObject({ jsonrpc: '2.0', id, error: { code: 502 } })
    }
  })

  test('ER14 in the middle of an event it is cut, so that half an answer never looks like one', async () => {
    upstream.on('tools/call', async (exchange) => {
      await exchange.stream().write(`data: {"jsonrpc":"2.0","id":1,"result":"${'x'.repeat(300_000)}`)
      exchange.cut()
    })
    const stream = await openModern(url, call())
    await expect(stream.over).resolves.toBe('cut')
  })

  test('ER14 a JSON answer that breaks off is cut', async () => {
    upstream.on('tools/call', ({ res, cut }) => {
      res.writeHead(200, { 'content-type': 'application/json', 'content-length': 100 })
      res.write('{"jsonrpc":', () => cut())
    })
    const stream = await openModern(url, call())
    await expect(stream.over).resolves.toBe('cut')
  })

  test('SE1 after its answer it owes nothing', async () => {
    upstream.on('tools/call', (exchange) => exchange.stream().finish({ resultType: 'complete' }))
    const answer = await postModern(url, call())
    expect(answer.messages).toEqual([{ jsonrpc: '2.0', id: 1, result: { resultType: 'complete' } }])
  })
})

describe('an upstream of one era', () => {
  const probe = () => modernRequest('server/discover', {}, 'probe')

  /** Without a bridge, unless a test is about one. */
  async function behind(options: Parameters<typeof startDualEraServer>[0], config: Partial<HttpServer> = {}) {
    const server = await startDualEraServer(options)
    await start({ servers: { raw: { url: server.url, bridge: false, ...config } } })
    return server
  }

  test('ER8 UC2 legacy alone: the answer to a probe is its own 400, which is no modern error', async () => {
    const server = await behind({ modern: false })
    const answer = await postModern(url, probe())
    const direct = await postModern(server.url, probe())
    await server.close()
    expect([answer.status, answer.body]).toEqual([400, direct.body])
    expect(MODERN_EVIDENCE).not.toContain(codeOf(answer))
  })

  test('CL10 modern alone: a handshake is refused with the revisions there are, and nothing is opened', async () => {
    const server = await behind({ legacy: 'reject' })
    const answer = await post(url, initializeMessage('2025-06-18'))
    await server.close()
    expect(answer).toMatchObject({
      status: 400,
      message: { id: 'init', error: { code: -32_022, data: { supported: [MODERN], requested: '2025-06-18' } } },
    })
    expect(answer.headers).not.toHaveProperty('mcp-session-id')
  })

  test('RT4 RT7 UC3 modern alone: GET and DELETE are the server’s to answer until a handshake was refused, then 405 with Allow', async () => {
    const server = await behind({ legacy: 'reject' })
    const both = async () => [await send('GET', url, { accept: 'text/event-stream' }), await send('DELETE', url)]
    expect((await both()).map(({ status }) => status)).toEqual([405, 405])
    await post(url, initializeMessage())
    for (const answer of await both()) {
      expect(answer.status).toBe(405)
      expect(answer.headers['allow']).toBe('POST')
    }
    expect((await postModern(url, probe())).status).toBe(200)
    await server.close()
  })

  test('RT4 SS3 modern alone, bridged: GET and DELETE without a session are 405, with one that has ended 404', async () => {
    const server = await behind({ legacy: 'reject' }, { protocol: 'modern', bridge: undefined })
    const session = await initialize(url)
    expect((await session.request('ping')).message).toMatchObject({ result: {} })
    const withId = { accept: 'text/event-stream', 'mcp-session-id': session.id }
    expect((await send('DELETE', url, withId)).status).toBe(200)
    for (const method of ['GET', 'DELETE']) {
      expect((await send(method, url, { accept: 'text/event-stream' })).status).toBe(405)
      expect((await send(method, url, withId)).status).toBe(404)
    }
    await server.close()
  })

  test('SS3 modern alone: sessions of a bridge end when the config has none any more', async () => {
    const server = await startDualEraServer({ legacy: 'reject' })
    const config: Partial<HttpServer> = {}
    await start({ servers: () => ({ url: server.url, ...config }) })
    const session = await initialize(url)
    expect((await session.request('ping')).status).toBe(200)
    Object.assign(config, { bridge: false })
    expect((await session.request('ping')).status).toBe(404)
    await server.close()
  })

  test('RT3 SS2 both eras: GET and DELETE without a session are 400, before and after a handshake', async () => {
    const server = await behind({})
    const both = async () => [
      (await send('GET', url, { accept: 'text/event-stream' })).status,
      (await send('DELETE', url)).status,
    ]
    expect(await both()).toEqual([400, 400])
    await initialize(url)
    await postModern(url, probe())
    expect(await both()).toEqual([400, 400])
    await server.close()
  })

  test('UC3 an upstream of which it was learnt that it is modern alone may open sessions later', async () => {
    await start({ servers: { raw: { url: upstream.url, bridge: false } } })
    openSessions()
    upstream.once('initialize', (exchange) => exchange.error(-32_022, 'not yet', 400))
    expect((await post(url, initializeMessage())).status).toBe(400)
    expect((await send('GET', url, { accept: 'text/event-stream' })).status).toBe(405)
    const session = await initialize(url)
    expect((await send('GET', url, { accept: 'text/event-stream' })).status).toBe(400)
    expect((await session.request('ping')).status).toBe(200)
  })

  test('CL9 protocol auto: both eras at once on one URL, as without it', async () => {
    const server = await behind({}, { protocol: 'auto' })
    const session = await initialize(url)
    const modern = await postModern(url, modernRequest('tools/list'))
    const legacy = await session.request('tools/list')
    await server.close()
    expect(modern.message?.result).toHaveProperty('resultType', 'complete')
    expect(legacy.message?.result).not.toHaveProperty('resultType')
  })

  test('CL9 ER9 protocol legacy: a modern message is 400 and never reaches the upstream, a session works', async () => {
    openSessions()
    await start({ servers: { raw: { url: upstream.url, protocol: 'legacy' } } })
    for (const message of [probe(), call(), modernNotification('notifications/progress')]) {
      const answer = await postModern(url, message)
      expect(answer.status).toBe(400)
      expect(MODERN_EVIDENCE).not.toContain(codeOf(answer))
      expect(answer.message?.id).toBe(message.id)
    }
    expect(upstream.requests()).toHaveLength(0)
    const session = await initialize(url)
    expect((await session.request('ping')).status).toBe(200)
  })

  test('CL6 CL9 protocol legacy: a revision of tomorrow is not told to come back with that of today', async () => {
    await start({ servers: { raw: { url: upstream.url, protocol: 'legacy' } } })
    const _meta = { [META.protocolVersion]: '2099-01-01', [META.clientCapabilities]: {} }
    const message = modernRequest('server/discover', { _meta }, 'probe')
    const answer = await postModern(url, message, { 'mcp-protocol-version': '2099-01-01' })
    expect(answer).toMatchObject({ status: 400, message: { id: 'probe' } })
    expect(MODERN_EVIDENCE).not.toContain(codeOf(answer))
  })

  test('CL9 CL10 RT4 protocol modern: a legacy message is told the revisions and never reaches the upstream', async () => {
    await start({ servers: { raw: { url: upstream.url, protocol: 'modern', bridge: false } } })
    for (const message of [initializeMessage(), { jsonrpc: '2.0', id: 'init', method: 'tools/list' }]) {
      const answer = await post(url, message)
      expect(answer).toMatchObject({ status: 400, message: { id: 'init', error: { code: -32_022 } } })
      expect(answer.message?.error?.data).toMatchObject({ supported: [MODERN] })
    }
    for (const method of ['GET', 'DELETE']) {
      const answer = await send(method, url, { accept: 'text/event-stream' })
      expect([answer.status, answer.headers['allow']]).toEqual([405, 'POST'])
    }
    expect(upstream.requests()).toHaveLength(0)
    expect((await postModern(url, call())).status).toBe(200)
  })
})
