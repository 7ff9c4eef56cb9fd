// Requests of revision 2026-07-28 through a real gateway: no session, every byte as it was, and the ladder of refusals.
import { startDualEraServer } from '../fixtures/dual-era-server.mjs'
import { createJournal } from '../support/journal.ts'
import { META, MODERN, modernNotification, modernRequest, postModern } from '../support/modern.ts'
import { initialize, post } from '../support/rpc.ts'
import type { Exchange } from '../support/upstream.ts'
import { call, codeOf, gateway, openSessions, start, upstream, url } from './setup.ts'

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
    openSessions()
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
