// Revision 2026-07-28 through a real gateway: no session, every byte as it was, and nobody left waiting.
import { jest } from '@jest/globals'
import express from 'express'
import type { GatewayOptions } from '../lib/index.ts'
import { startDualEraServer } from './fixtures/dual-era-server.mjs'
import { bareHttp, startGateway, type Host, type RunningGateway } from './support/gateway.ts'
import { createJournal } from './support/journal.ts'
import {
  META,
  MODERN,
  modernNotification,
  modernRequest,
  openModern,
  postModern,
  sendModern,
} from './support/modern.ts'
import { initialize, initializeMessage, openStream, post, send } from './support/rpc.ts'
import { startUpstream, type Exchange, type Upstream } from './support/upstream.ts'

const RESERVED = [-32_020, -32_021, -32_022, -32_600, -32_601, -32_602, -32_603, -32_700]
const MODERN_EVIDENCE = [-32_020, -32_021, -32_022, -32_601, -32_602]

let upstream: Upstream
let gateway: RunningGateway
let url: string

async function start(options: Partial<GatewayOptions> = {}, host: Host = bareHttp): Promise<void> {
  gateway = await startGateway({ servers: { raw: { url: upstream.url } }, ...options }, host)
  url = gateway.url('raw')
}

beforeEach(async () => {
  upstream = await startUpstream({ sessions: false })
})
afterEach(async () => {
  await gateway?.close()
  await upstream.close()
})

const call = (id: string | number = 1, params: object = {}) =>
  modernRequest('tools/call', { name: 'echo', ...params }, id)
const listen = (id: string | number = 'listen') =>
  modernRequest('subscriptions/listen', { notifications: { toolsListChanged: true } }, id)

/** What a server sends first on a subscription. */
const acknowledged = (id: string | number) => ({
  method: 'notifications/subscriptions/acknowledged',
  params: { notifications: { toolsListChanged: true }, _meta: { [META.subscriptionId]: id } },
})

const codeOf = (answer: { message: { error?: { code: number } } | undefined }) => answer.message?.error?.code

describe('a request', () => {
  beforeEach(() => start())

  test('RT2 RT5 SS9 opens no session, and one it names is ignored, as is Last-Event-ID', async () => {
    upstream.on('tools/list', (exchange) => exchange.result({ tools: [] }, { 'mcp-session-id': 'of-the-upstream' }))
    const answer = await postModern(url, modernRequest('tools/list'), {
      'mcp-session-id': 'of-nobody',
      'last-event-id': '7',
    })
    expect(answer.status).toBe(200)
    expect(answer.headers).not.toHaveProperty('mcp-session-id')
    const [{ headers }] = upstream.requests() as [Exchange]
    expect(headers).not.toHaveProperty('mcp-session-id')
    expect(headers).not.toHaveProperty('last-event-id')
  })

  test('RT5 SS9 is answered alike with the id of a live session on it, which stays as it was', async () => {
    const session = await initialize(url)
    const answer = await postModern(url, call(), { 'mcp-session-id': session.id })
    expect(answer.status).toBe(200)
    expect(answer.headers).not.toHaveProperty('mcp-session-id')
    expect((await session.request('ping')).status).toBe(200)
  })

  test('HD6 HD12 HD16 UT10 ST29 its standard, parameter and trace headers cross unchanged, and nothing else of the client', async () => {
    const crossing = {
      'mcp-param-region': 'eu-west-1',
      'mcp-param-encoded': '=?base64?SMOkbnNlbA==?=',
      'mcp-param-Empty': '',
      'mcp-param-latin': 'Z\u00fcrich',
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      tracestate: 'vendor=a,other=b',
      baggage: 'user=ada,tier=gold;ttl=1',
    }
    const staying = { authorization: 'Bearer mine', cookie: 'a=b', forwarded: 'for=1', 'x-other': '1', te: 'trailers' }
    // As bytes: with a body of text, node would write the headers as UTF-8 too.
    const body = Buffer.from(JSON.stringify(modernRequest('prompts/get', { name: 'H\u00e4nsel' })))
    const standard = {
      'mcp-protocol-version': MODERN,
      'mcp-method': 'prompts/get',
      'mcp-name': '=?base64?SMOkbnNlbA==?=',
    }
    await post(url, body, { ...standard, ...crossing, ...staying })
    const [{ headers }] = upstream.requests() as [Exchange]
    expect(headers).toMatchObject({
      ...Object.fromEntries(Object.entries(crossing).map(([name, value]) => [name.toLowerCase(), value])),
      ...standard,
    })
    for (const name of Object.keys(staying)) expect(headers).not.toHaveProperty(name)
  })

  test('HD8 names of headers may be in any letters, and space around values does not count', async () => {
    const message = call()
    const headers = { 'MCP-PROTOCOL-VERSION': ` ${MODERN} `, 'mCp-MeThOd': '\ttools/call', 'Mcp-NAME': 'echo  ' }
    expect((await post(url, message, headers)).status).toBe(200)
    expect((await post(url, message, { ...headers, 'Mcp-NAME': 'Echo' })).status).toBe(400)
  })

  test('SC9 HD9 a standard header that comes twice is -32020, even when both say the same', async () => {
    for (const name of ['mcp-protocol-version', 'mcp-method', 'mcp-name']) {
      const said = { 'mcp-protocol-version': MODERN, 'mcp-method': 'tools/call', 'mcp-name': 'echo' }[name]!
      for (const other of [said, 'other', '']) {
        const answer = await postModern(url, call('twice'), { [name]: [said, other] })
        expect({ name, other, status: answer.status, code: codeOf(answer), id: answer.message?.id }).toEqual({
          name,
          other,
          status: 400,
          code: -32_020,
          id: 'twice',
        })
      }
    }
    expect(upstream.requests()).toHaveLength(0)
  })

  test('SC9 a name with a comma in it is one name', async () => {
    expect((await postModern(url, call(1, { name: 'a, b' }))).status).toBe(200)
  })

  const odd =
    '{"params": {"zeta":1,"name":"echo","arguments":{"big":12345678901234567890123,"small":1e-400,"text":"\\u00e4\\/"},' +
    `"_meta":{"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","${META.clientCapabilities}":` +
    `{"vendor/x":{"deep":[null]}},"${META.protocolVersion}":"${MODERN}","example.com/k":[1.0]}},\n\t"vendor":true,` +
    '"method":"tools/call","id":"odd", "jsonrpc":"2.0" }'
  const headers = { 'mcp-protocol-version': MODERN, 'mcp-method': 'tools/call', 'mcp-name': 'echo' }

  test('RPC13 RPC14 ST1 ST4 UT10 its body crosses byte for byte', async () => {
    expect((await post(url, odd, headers)).status).toBe(200)
    expect(upstream.requests()[0]?.body.toString()).toBe(odd)
  })

  test('RPC13 RPC14 HD20 ST2 a JSON result comes back byte for byte', async () => {
    const result =
      '{ "result":{"structuredContent":98765432109876543210,"resultType":"vendor/x","$defs":{},"a":"\\u00e4\\/"},' +
      '"id":"odd","extra":1e-400,"jsonrpc":"2.0"}\n'
    const type = 'application/json; charset=utf-8; x=1'
    upstream.on('tools/call', (exchange) => exchange.status(200, result, { 'content-type': type }))
    const answer = await post(url, odd, headers)
    expect(answer.body).toBe(result)
    expect(answer.headers['content-type']).toBe(type)
  })

  test('RPC13 RPC14 SE1 UT1 UT3 an event stream comes back byte for byte', async () => {
    const events =
      ': hello\r\n\r\nevent: message\r\ndata: {"params":{"progress":1e-400,"progressToken":"7"},"jsonrpc":"2.0",' +
      '"method":"notifications/progress"}\r\n\r\ndata: {"id":"odd",\ndata: "result":{"n":12345678901234567890123},' +
      '"jsonrpc":"2.0"}\n\n'
    upstream.on('tools/call', async (exchange) => {
      const stream = exchange.stream()
      for (const byte of Buffer.from(events)) await stream.write(Buffer.from([byte]))
      stream.end()
    })
    expect((await post(url, odd, headers)).body).toBe(events)
  })

  test('RPC3 ids come back with their type and value', async () => {
    for (const id of [0, -1, '', '0', 'a b', 2 ** 53 - 1]) {
      expect((await postModern(url, call(id))).message?.id).toBe(id)
    }
  })
})

test('SS9 ST1 ST24 a request needs nothing that an earlier one has left: a store that fails is not asked', async () => {
  const fail = (): never => {
    throw new Error('the store is down')
  }
  await start({ sessions: { create: fail, get: fail, update: fail, delete: fail } })
  expect((await postModern(url, call(), { 'mcp-session-id': 'any' })).status).toBe(200)
  expect((await postModern(url, modernRequest('tools/list'))).status).toBe(200)
  expect(gateway.reported.entries).toEqual([])
})

describe('what the gateway refuses by itself', () => {
  beforeEach(() => start())
  afterEach(() => expect(upstream.requests()).toHaveLength(0))

  test('CL4 CL5 CL6 CL7 ER3 ER6 by the ladder: the status, the code and the id', async () => {
    const message = modernRequest('tools/list', {}, 'l')
    const without = { jsonrpc: '2.0', id: 'l', method: 'tools/list' }
    const unknown = modernRequest(
      'tools/list',
      { _meta: { ...message.params['_meta']!, [META.protocolVersion]: '2099-01-01' } },
      'l',
    )
    const version = { 'mcp-protocol-version': MODERN }
    const answers = {
      'no version header': await postModern(url, message, { 'mcp-protocol-version': undefined }),
      'another version': await postModern(url, message, { 'mcp-protocol-version': '2025-11-25' }),
      'no _meta': await post(url, without, version),
      'unknown version': await postModern(url, unknown, { 'mcp-protocol-version': '2099-01-01' }),
      'no method header': await post(url, message, version),
      initialize: await postModern(url, modernRequest('initialize', {}, 'l')),
    }
    const found = Object.entries(answers).map(([what, answer]) => [
      what,
      answer.status,
      codeOf(answer),
      answer.message?.id,
    ])
    expect(found).toEqual([
      ['no version header', 400, -32_020, 'l'],
      ['another version', 400, -32_020, 'l'],
      ['no _meta', 400, -32_602, 'l'],
      ['unknown version', 400, -32_022, 'l'],
      ['no method header', 400, -32_020, 'l'],
      ['initialize', 404, -32_601, 'l'],
    ])
    const { data } = answers['unknown version'].message!.error!
    expect(data).toEqual({ supported: [MODERN], requested: '2099-01-01' })
    for (const answer of Object.values(answers)) expect(answer.headers['content-type']).toBe('application/json')
  })

  test('RPC8 RPC9 a posted response and an array are 400', async () => {
    const version = { 'mcp-protocol-version': MODERN }
    const response = { jsonrpc: '2.0', id: 1, result: {} }
    expect(await post(url, response, version)).toMatchObject({ status: 400, message: { error: { code: -32_600 } } })
    for (const headers of [{}, version]) {
      const answer = await post(url, [call()], headers)
      expect(answer).toMatchObject({ status: 400, message: { error: { code: -32_600 } } })
    }
  })

  /** Two parsers could each take another one of them: each pair is written with the honest value last. */
  const meta = (more: string) => `{${more}"${META.protocolVersion}":"${MODERN}","${META.clientCapabilities}":{}}`
  const body = (params: string) => `{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{${params}}}`
  const twice = {
    'the revision': body(`"taskId":"mine","_meta":${meta(`"${META.protocolVersion}":"2025-11-25",`)}`),
    'the revision, its slash escaped': body(
      `"taskId":"mine","_meta":${meta(`"${META.protocolVersion.replace('/', String.raw`\/`)}":"2025-11-25",`)}`,
    ),
    'the capabilities': body(`"taskId":"mine","_meta":${meta(`"${META.clientCapabilities}":[],`)}`),
    'the name of a task': body(`"taskId":"yours","taskId":"mine","_meta":${meta('')}`),
    _meta: body(`"taskId":"mine","_meta":{},"_meta":${meta('')}`),
  }

  test.each(Object.entries(twice))('SC9 a body that says %s twice is 400 and -32600', async (_what, text) => {
    expect(JSON.parse(text)).toMatchObject({ params: { taskId: 'mine', _meta: { [META.protocolVersion]: MODERN } } })
    const headers = { 'mcp-protocol-version': MODERN, 'mcp-method': 'tasks/get', 'mcp-name': 'mine' }
    expect(await post(url, text, headers)).toMatchObject({ status: 400, message: { error: { code: -32_600 } } })
  })

  test('ER7 SC1 a foreign Origin is 403', async () => {
    expect((await postModern(url, call(), { origin: 'https://evil.example.com' })).status).toBe(403)
  })
})

test('RPC11 a notification is 202 without a body, whatever its headers leave out', async () => {
  await start()
  const message = modernNotification('notifications/progress', { progressToken: 1, progress: 1 })
  for (const headers of [{}, { 'mcp-protocol-version': MODERN }]) {
    const answer = await post(url, message, headers)
    expect([answer.status, answer.body]).toEqual([202, ''])
  }
  expect(upstream.requests('notifications/progress')).toHaveLength(2)
})

test('RPC10 RPC11 ER8 a notification that the upstream refuses is refused with its words', async () => {
  await start()
  const refusal = '{"jsonrpc":"2.0","error":{"code":-32602,"message":"no"}}'
  const type = { 'content-type': 'application/json' }
  upstream.on('notifications/progress', (exchange) => exchange.status(400, refusal, type))
  const answer = await post(url, modernNotification('notifications/progress'))
  expect([answer.status, answer.body]).toEqual([400, refusal])
})

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
  beforeEach(() => start({ timeouts: { responseMs: 250 } }))

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

describe('a client that leaves', () => {
  test('SE5 before an answer: the upstream request is aborted', async () => {
    await start()
    upstream.on('tools/call', () => {})
    const client = sendModern(url, call())
    const { over } = await upstream.nextRequest('tools/call')
    client.leave()
    await expect(over).resolves.toBe('cut')
  })

  test.each(['tools/call', 'subscriptions/listen'])(
    'SE5 in the middle of the stream of %s: it is aborted',
    async (method) => {
      await start()
      upstream.on(method, (exchange) => exchange.stream().send({ method: 'notifications/message', params: {} }))
      const client = await openModern(url, method === 'tools/call' ? call() : listen())
      await client.next()
      const { over } = await upstream.nextRequest(method)
      client.close()
      await expect(over).resolves.toBe('cut')
    },
  )

  test('SE5 SE13 in the middle of a stream whose events have ids: it is aborted', async () => {
    await start()
    upstream.on('tools/call', (exchange) => exchange.stream().send({ method: 'notifications/message' }, { id: '1' }))
    const client = await openModern(url, call())
    await client.next()
    const { over } = await upstream.nextRequest('tools/call')
    client.close()
    await expect(over).resolves.toBe('cut')
  })

  test('SE5 in the middle of a JSON answer: it is aborted', async () => {
    await start()
    upstream.on('tools/call', ({ res }) => {
      res.writeHead(200, { 'content-type': 'application/json' }).write('{"jsonrpc":')
    })
    const client = await openModern(url, call())
    const { over } = await upstream.nextRequest('tools/call')
    client.close()
    await expect(over).resolves.toBe('cut')
  })

  test('SE5 SS10 takes its own request along and no other, not even one with the same id', async () => {
    await start()
    upstream.on('tools/call', () => {})
    const leaving = sendModern(url, call())
    const first = await upstream.nextRequest('tools/call')
    const staying = postModern(url, call())
    const second = await upstream.nextRequest('tools/call')
    leaving.leave()
    await expect(first.over).resolves.toBe('cut')
    expect(second.overAt).toBeUndefined()
    second.result({ content: [] })
    expect((await staying).message).toEqual({ jsonrpc: '2.0', id: 1, result: { content: [] } })
  })

  test('SE5 is no fault that anybody has to hear of', async () => {
    await start()
    upstream.on('tools/call', () => {})
    const client = sendModern(url, call())
    const { over } = await upstream.nextRequest('tools/call')
    client.leave()
    await over
    await postModern(url, modernRequest('tools/list'))
    expect(gateway.reported.entries).toEqual([])
  })

  /** Holds a hook until the client has left, as the gateway's own host sees it. */
  function hold() {
    const asked = createJournal<true>()
    let release = (): void => {}
    const released = new Promise<void>((resolve) => (release = resolve))
    const gone = createJournal<true>()
    const watching = (app: Host['mount']): Host => ({
      prefix: '',
      mount: (each) => {
        const listener = app(each)
        return (req, res) => {
          res.once('close', () => res.writableFinished || gone.record(true))
          listener(req, res)
        }
      },
    })
    const hook = async (): Promise<void> => {
      asked.record(true)
      await released
    }
    return { hook, asked, gone, release: () => release(), watching }
  }

  /** Nothing of the call arrived, or what did was aborted. */
  async function expectNothingRuns(): Promise<void> {
    expect((await postModern(url, modernRequest('tools/list'))).status).toBe(200)
    const endings = await Promise.all(upstream.requests('tools/call').map(({ over }) => over))
    expect(endings.filter((ending) => ending !== 'cut')).toEqual([])
  }

  test('SE5 while the headers for its upstream are awaited: nothing goes there', async () => {
    const { hook, asked, gone, release, watching } = hold()
    const headers = async (): Promise<Record<string, string>> => (await hook(), {})
    await start({ servers: { raw: { url: upstream.url, headers } } }, watching(bareHttp.mount))
    upstream.on('tools/call', () => {})
    const client = sendModern(url, call())
    await asked.next()
    client.leave()
    await gone.next()
    release()
    await expectNothingRuns()
  }, 2_000)

  test('SE5 while it is authenticated, its body in the hands of a parser: nothing goes on upstream', async () => {
    const { hook, asked, gone, release, watching } = hold()
    const mount: Host['mount'] = (each) => express().use(express.json(), each)
    await start({ authenticate: async () => (await hook(), { id: 'ada' }) }, watching(mount))
    upstream.on('tools/call', () => {})
    const client = sendModern(url, call())
    await asked.next()
    client.leave()
    await gone.next()
    release()
    await expectNothingRuns()
  }, 2_000)
})

describe('subscriptions/listen', () => {
  /** A stream on which the upstream has said its first word. */
  async function listening(id: string | number = 'listen') {
    upstream.on('subscriptions/listen', (exchange) => exchange.stream().send(acknowledged(id)))
    const stream = await openModern(url, listen(id))
    const exchange = await upstream.nextRequest('subscriptions/listen')
    expect(await stream.nextMessage()).toMatchObject(acknowledged(id))
    return { stream, exchange }
  }

  test('ST15 ST16 what the upstream tells comes as it is, until the upstream ends it', async () => {
    await start()
    const { stream, exchange } = await listening(7)
    const change = { method: 'notifications/tools/list_changed', params: { _meta: { [META.subscriptionId]: 7 } } }
    await exchange.stream().send(change)
    expect(await stream.nextMessage()).toEqual({ jsonrpc: '2.0', ...change })
    const result = { resultType: 'complete', _meta: { [META.subscriptionId]: 7 } }
    exchange.stream().finish(result)
    expect(await stream.nextMessage()).toEqual({ jsonrpc: '2.0', id: 7, result })
    await expect(stream.over).resolves.toBe('complete')
    await expect(stream.next()).rejects.toThrow('the stream ended')
  })

  test.each(['listen', 7, 0, ''])(
    'ST16 ST18 at close() it ends with a result for its id %j, of the same type',
    async (id) => {
      await start()
      const { stream, exchange } = await listening(id)
      const closing = gateway.gateway.close()
      expect(await stream.nextMessage()).toEqual({
        jsonrpc: '2.0',
        id,
        result: { resultType: 'complete', _meta: { [META.subscriptionId]: id } },
      })
      await expect(stream.over).resolves.toBe('complete')
      await expect(exchange.over).resolves.toBe('cut')
      await closing
    },
  )

  test('UT5 what an upstream takes back of it comes as it is', async () => {
    await start()
    const { stream, exchange } = await listening(7)
    const params = { requestId: 7, _meta: { [META.subscriptionId]: 7 } }
    await exchange.stream().send({ method: 'notifications/cancelled', params })
    expect(await stream.nextMessage()).toEqual({ jsonrpc: '2.0', method: 'notifications/cancelled', params })
    stream.close()
  })

  test('ST16 ST18 at close() each of several ends with a result of its own', async () => {
    await start()
    const ids = ['a', 1, '1']
    const streams = []
    for (const id of ids) streams.push((await listening(id)).stream)
    const closing = gateway.gateway.close()
    const last = await Promise.all(streams.map((stream) => stream.nextMessage()))
    expect(last.map(({ id, result }) => [id, (result as { _meta: object })._meta])).toEqual(
      ids.map((id) => [id, { [META.subscriptionId]: id }]),
    )
    await closing
  })

  test('ST18 at close() one that was already answered ends without another answer', async () => {
    await start()
    const { stream, exchange } = await listening()
    const result = { resultType: 'complete', _meta: { [META.subscriptionId]: 'listen' } }
    await exchange.stream().send({ id: 'listen', result })
    await stream.nextMessage()
    await gateway.gateway.close()
    await expect(stream.over).resolves.toBe('complete')
    await expect(stream.next()).rejects.toThrow('the stream ended')
  })

  test('ST18 at close() one that the upstream has not begun to answer is 503', async () => {
    await start()
    upstream.on('subscriptions/listen', () => {})
    const opening = postModern(url, listen())
    await upstream.nextRequest('subscriptions/listen')
    await gateway.gateway.close()
    expect(await opening).toMatchObject({ status: 503, message: { id: 'listen' } })
  })

  test('ST18 at close() a call that runs may finish', async () => {
    await start()
    upstream.on('tools/call', () => {})
    const answer = postModern(url, call())
    const exchange = await upstream.nextRequest('tools/call')
    const closing = gateway.gateway.close()
    exchange.result({ content: [] })
    expect(await answer).toMatchObject({ status: 200, message: { id: 1, result: { content: [] } } })
    await closing
  })

  test('ER14 one that the upstream drops ends in an error for its id', async () => {
    await start()
    const { stream, exchange } = await listening()
    exchange.cut()
    expect(await stream.nextMessage()).toMatchObject({ id: 'listen', error: { code: 502 } })
    await expect(stream.over).resolves.toBe('complete')
  })

  test('SE17 ST19 no timeout for answers cuts it, neither before its first event nor after', async () => {
    await start({ timeouts: { responseMs: 50 } })
    upstream.on('tools/call', () => {})
    upstream.on('subscriptions/listen', () => {})
    const outlast = async () => expect((await postModern(url, call())).status).toBe(504)
    const opening = openModern(url, listen())
    const exchange = await upstream.nextRequest('subscriptions/listen')
    await outlast()
    await exchange.stream().send(acknowledged('listen'))
    const stream = await opening
    expect(await stream.nextMessage()).toMatchObject(acknowledged('listen'))
    await outlast()
    await exchange.stream().send({ method: 'notifications/tools/list_changed' })
    expect(await stream.nextMessage()).toMatchObject({ method: 'notifications/tools/list_changed' })
    stream.close()
  })

  test('SE15 a quiet one is kept alive by comments, between its events', async () => {
    jest.useFakeTimers({
      doNotFake: [
        'Date',
        'hrtime',
        'nextTick',
        'performance',
        'queueMicrotask',
        'setImmediate',
        'clearImmediate',
        'setTimeout',
        'clearTimeout',
      ],
    })
    try {
      await start()
      const { stream, exchange } = await listening()
      jest.advanceTimersByTime(15_000)
      expect(await stream.next()).toMatchObject({ data: '', comments: [''] })
      await exchange.stream().send({ method: 'notifications/tools/list_changed' })
      expect(await stream.nextMessage()).toMatchObject({ method: 'notifications/tools/list_changed' })
      stream.close()
      await exchange.over
    } finally {
      jest.useRealTimers()
    }
  })
})

describe('an upstream of one era', () => {
  const probe = () => modernRequest('server/discover', {}, 'probe')

  async function behind(options: Parameters<typeof startDualEraServer>[0], protocol?: 'auto' | 'legacy' | 'modern') {
    const server = await startDualEraServer(options)
    await start({ servers: { raw: { url: server.url, ...(protocol && { protocol }) } } })
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

  test('RT4 RT7 UC3 modern alone: GET and DELETE are 400 until a handshake was refused, then 405 with Allow', async () => {
    const server = await behind({ legacy: 'reject' })
    const both = async () => [await send('GET', url, { accept: 'text/event-stream' }), await send('DELETE', url)]
    expect((await both()).map(({ status }) => status)).toEqual([400, 400])
    await post(url, initializeMessage())
    for (const answer of await both()) {
      expect(answer.status).toBe(405)
      expect(answer.headers['allow']).toBe('POST')
    }
    expect((await postModern(url, probe())).status).toBe(200)
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
    await start()
    upstream.once('initialize', (exchange) => exchange.error(-32_022, 'not yet', 400))
    expect((await post(url, initializeMessage())).status).toBe(400)
    expect((await send('GET', url, { accept: 'text/event-stream' })).status).toBe(405)
    const session = await initialize(url)
    expect((await send('GET', url, { accept: 'text/event-stream' })).status).toBe(400)
    expect((await session.request('ping')).status).toBe(200)
  })

  test('CL9 protocol auto: both eras at once on one URL, as without it', async () => {
    const server = await behind({}, 'auto')
    const session = await initialize(url)
    const modern = await postModern(url, modernRequest('tools/list'))
    const legacy = await session.request('tools/list')
    await server.close()
    expect(modern.message?.result).toHaveProperty('resultType', 'complete')
    expect(legacy.message?.result).not.toHaveProperty('resultType')
  })

  test('CL9 ER9 protocol legacy: a modern message is 400 and never reaches the upstream, a session works', async () => {
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
    await start({ servers: { raw: { url: upstream.url, protocol: 'modern' } } })
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

test('HD13 ST27 a parameter in a header is checked by the server that knows its tools: -32020 comes through', async () => {
  const server = await startDualEraServer()
  await start({ servers: { raw: { url: server.url } } })
  const message = modernRequest('tools/call', { name: 'test_x_mcp_header', arguments: { region: 'eu' } })
  const right = await postModern(url, message, { 'mcp-param-region': 'eu' })
  const wrong = await postModern(url, message, { 'mcp-param-region': 'us' })
  const missing = await postModern(url, message)
  await server.close()
  expect(right).toMatchObject({ status: 200, message: { result: { content: [{ text: 'region=eu' }] } } })
  expect([wrong.status, codeOf(wrong), missing.status, codeOf(missing)]).toEqual([400, -32_020, 400, -32_020])
})

test('SE12 UT3 a question of the server is a result, and no stream carries a request', async () => {
  const server = await startDualEraServer()
  await start({ servers: { raw: { url: server.url } } })
  const message = modernRequest('tools/call', { name: 'test_streaming_elicitation', arguments: {} })
  const capabilities = { [META.clientCapabilities]: { elicitation: {} } }
  const _meta = { ...(message.params['_meta'] as object), ...capabilities, progressToken: 'mine' }
  const answer = await postModern(url, { ...message, params: { ...message.params, _meta } })
  await server.close()
  expect(answer.messages).toMatchObject([
    { method: 'notifications/progress', params: { progressToken: 'mine', progress: 50 } },
    { id: 1, result: { resultType: 'input_required', inputRequests: { confirm: { method: 'elicitation/create' } } } },
  ])
  expect(answer.messages.filter((each) => 'method' in each && 'id' in each)).toEqual([])
})

test('RPC15 a schema that points elsewhere is relayed and never followed', async () => {
  await start()
  const followed = createJournal<string>()
  upstream.on('GET', (exchange) => (followed.record(exchange.url), exchange.json({})))
  const tools = [{ name: 'a', inputSchema: { type: 'object', $ref: `${upstream.origin}/schema.json` } }]
  upstream.on('tools/list', (exchange) => exchange.result({ tools, resultType: 'complete' }))
  expect((await postModern(url, modernRequest('tools/list'))).message?.result).toMatchObject({ tools })
  await postModern(url, call(1, { name: 'a' }))
  expect(followed.entries).toEqual([])
})

test('SE1 SE16 events come one by one, not when the stream is over', async () => {
  await start()
  upstream.on('tools/call', () => {})
  const opening = openStream(url, {
    message: call(),
    headers: { 'mcp-protocol-version': MODERN, 'mcp-method': 'tools/call', 'mcp-name': 'echo' },
  })
  const exchange = await upstream.nextRequest('tools/call')
  exchange.stream()
  const stream = await opening
  for (const progress of [1, 2]) {
    await exchange.stream().send({ method: 'notifications/progress', params: { progressToken: 1, progress } })
    expect(await stream.nextMessage()).toMatchObject({ params: { progress } })
  }
  exchange.stream().finish({})
  expect(await stream.nextMessage()).toMatchObject({ id: 1 })
})
