// A request of a client with sessions at a server without them: its words there, and those of the answer back here.
import type { ClientSession } from '../../../../lib/exchange/exchange.ts'
import { type Message, notificationOf } from '../../../../lib/exchange/message.ts'
import { type Bridged, bridged, messagesOf, OFFERED, paramsOf, refuse, textual } from '../../../support/bridged.ts'
import { batchOf, legacyCall, settled } from '../../../support/fixture.ts'
import { META } from '../../../support/modern.ts'
import type { Asked } from '../../../support/memory-upstream.ts'

let gateway: Bridged
let session: ClientSession

beforeEach(async () => {
  gateway = bridged()
  session = await gateway.open()
})
afterEach(() => gateway.close())

async function send(message: Message) {
  const client = gateway.send(message, { session })
  await client.over
  return client
}

/** The last that the server was asked, but for what the gateway wants to know itself. */
function asked(): Asked {
  return gateway.upstream.asked.entries.at(-1)!
}

describe('what the server is sent', () => {
  test('RPC13 RPC14 is what the client said, byte for byte, with what 2026-07-28 wants beside it', async () => {
    const own = '"arguments" : { "big":12345678901234567890,"esc":"\\u00e9", "a":[1.0, {"b" :null}] }'
    const client = await send(
      textual(
        `{"jsonrpc":"2.0","id":"x","method":"tools/call","params":{"name":"n",${own},"_meta":{"progressToken":5,"com.example/a":1}}}`,
      ),
    )
    const text = asked().exchange.body!.toString()
    expect(text).toContain(own)
    expect(JSON.parse(text)).toMatchObject({ method: 'tools/call', params: { name: 'n' } })
    expect(paramsOf(asked())['_meta']).toEqual({
      progressToken: 5,
      'com.example/a': 1,
      [META.protocolVersion]: '2026-07-28',
      [META.clientCapabilities]: { elicitation: {}, sampling: {}, roots: {} },
      [META.clientInfo]: { name: 'old', version: '1' },
      'io.modelcontextprotocol/logLevel': 'info',
    })
    expect(JSON.parse(text).params).toEqual(paramsOf(asked()))
    expect(client.json).toMatchObject({ id: 'x' })
  })

  test('RPC4 has an id of its own each time, whatever ids the client gives', async () => {
    await Promise.all([send(legacyCall('prompts/list', {}, 1)), send(legacyCall('prompts/list', {}, 1))])
    const ids = gateway.upstream.asked.entries.flatMap(({ exchange }) => exchange.requestIds)
    expect(new Set(ids).size).toBe(ids.length)
  })

  test('ST4 SC8 has nothing of what a client says in the name of the protocol, and no task', async () => {
    const forged = {
      [META.clientCapabilities]: { sampling: { tools: {} } },
      'io.modelcontextprotocol/related-task': {},
    }
    await send(
      legacyCall('tools/call', {
        name: 'n',
        task: { ttl: 1 },
        inputResponses: { a: 1 },
        requestState: 's',
        _meta: forged,
      }),
    )
    expect(Object.keys(paramsOf(asked())).filter((key) => paramsOf(asked())[key] !== undefined)).toEqual([
      'name',
      '_meta',
    ])
    expect(JSON.parse(asked().exchange.body!.toString()).params).toEqual({
      name: 'n',
      _meta: paramsOf(asked())['_meta'],
    })
    expect((paramsOf(asked())['_meta'] as Record<string, unknown>)[META.clientCapabilities]).toEqual({
      elicitation: {},
      sampling: {},
      roots: {},
    })
  })

  test.each([
    ['tools/call', 'name', 'plain', 'plain'],
    ['tools/call', 'name', 'grün', `=?base64?${Buffer.from('grün').toString('base64')}?=`],
    ['prompts/get', 'name', ' a', `=?base64?${Buffer.from(' a').toString('base64')}?=`],
    ['prompts/get', 'name', '=?base64?YQ==?=', `=?base64?${Buffer.from('=?base64?YQ==?=').toString('base64')}?=`],
    ['resources/read', 'uri', 'file:///a b', 'file:///a b'],
    ['resources/read', 'uri', 'a\nb', `=?base64?${Buffer.from('a\nb').toString('base64')}?=`],
  ])('HD6 HD11 of %s has its %s %j in Mcp-Name as %s', async (method, parameter, name, expected) => {
    await send(legacyCall(method, { [parameter]: name }))
    expect(asked().exchange.headers).toEqual({
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': method,
      'mcp-name': expected,
    })
  })

  test('HD16 keeps the trace, and none of the headers of sessions', async () => {
    const headers = {
      traceparent: 't',
      'mcp-protocol-version': '2025-11-25',
      'mcp-param-a': 'forged',
      'last-event-id': '1',
    }
    await gateway.send(legacyCall('prompts/list', {}), { session, headers }).over
    expect(asked().exchange.headers).toEqual({
      traceparent: 't',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'prompts/list',
    })
    expect(asked().exchange.state).toBeUndefined()
  })

  test('UT8 has the cursor as it is, the empty one too', async () => {
    await send(legacyCall('prompts/list', { cursor: '' }))
    expect(paramsOf(asked())).toMatchObject({ cursor: '' })
  })

  test('HD6 names something, or the client hears what is missing', async () => {
    const client = await send(legacyCall('tools/call', { name: 5 }))
    expect(client.json).toMatchObject({ id: 7, error: { code: -32_602 } })
    expect(gateway.upstream.told).toEqual(['server/discover'])
  })
})

describe('what the client gets', () => {
  const meta = '"_meta" : {"io.modelcontextprotocol/serverInfo":{"name":"a"},"keep" : 1.0}'
  test.each<[string, string, string]>([
    [
      'tools/call',
      `{ "content":[], ${meta}, "resultType":"complete", "big":12345678901234567890}`,
      '{"content":[],"_meta" : {"keep" : 1.0},"big":12345678901234567890}',
    ],
    ['tools/call', '{"resultType":"complete","content":[],"structuredContent":[1]}', '{"content":[]}'],
    ['tools/call', '{"content":[],"structuredContent":{"a":1}}', '{"content":[],"structuredContent":{"a":1}}'],
    ['prompts/list', '{"ttlMs":5,"cacheScope":"public","prompts":[ ],"resultType":"complete"}', '{"prompts":[ ]}'],
    [
      'resources/read',
      '{"contents":[],"_meta":{"io.modelcontextprotocol/serverInfo":{}},"resultType":"complete"}',
      '{"contents":[]}',
    ],
    ['completion/complete', '{"completion":{"values":[]},"resultType":"complete"}', '{"completion":{"values":[]}}'],
  ])('ST2 of %s is the result without what it does not know', async (method, result, expected) => {
    gateway.upstream.on(method, (one) =>
      one.text(`{"jsonrpc":"2.0","id":${JSON.stringify(one.exchange.requestIds[0])},"result":${result}}`),
    )
    const client = await send(legacyCall(method, { name: 'n', uri: 'u' }, 'mine'))
    expect(client.response.text).toBe(`{"jsonrpc":"2.0","id":"mine","result":${expected}}`)
  })

  test.each([
    [-32_601, 404, -32_601],
    [-32_602, 200, -32_602],
    [-32_602, 400, -32_602],
    [-32_000, 500, -32_000],
    [-32_020, 400, -32_603],
    [-32_021, 400, -32_603],
    [-32_022, 400, -32_603],
  ])('ER5 ER8 for error %d with status %d is error %d in a 200', async (code, status, expected) => {
    gateway.upstream.on('tools/call', (one) => refuse(one, code, { a: 1 }, status))
    const client = await send(legacyCall())
    expect(client.response.status).toBe(200)
    expect(client.json).toEqual({
      jsonrpc: '2.0',
      id: 7,
      error: { code: expected, message: 'refused', data: { a: 1 } },
    })
  })

  test.each(['task', 'weird', 5])('ST2 for a result of type %s is a fault behind the gateway', async (resultType) => {
    gateway.upstream.on('tools/call', (one) => one.json({ resultType, content: [] }))
    expect((await send(legacyCall())).says).toEqual(['refused 502'])
  })

  test('ER14 is an error when the stream of the server ends without an answer', async () => {
    gateway.upstream.on('tools/call', (one) => one.events().end())
    expect((await send(legacyCall())).says).toEqual(['refused 502'])
  })

  test('SE12 PU5 are the notifications of its request, without ids of events, and no requests', async () => {
    gateway.upstream.on('tools/call', (one) => {
      const stream = one.events()
      const log = { level: 'info', data: 1, _meta: { 'io.modelcontextprotocol/x': 1, keep: 2 } }
      stream.say({ method: 'notifications/message', params: log }, 'e1')
      stream.say({ method: 'notifications/tools/list_changed' })
      stream.say({ id: 1, method: 'elicitation/create', params: {} })
      stream.say({ method: 'notifications/progress', params: { progressToken: 5, progress: 1 } })
      stream.answer({ resultType: 'complete', content: [] })
    })
    const client = await send(legacyCall())
    expect(
      messagesOf(client)
        .slice(0, -1)
        .map(({ method, params }) => [method, params]),
    ).toEqual([
      ['notifications/message', { level: 'info', data: 1, _meta: { keep: 2 } }],
      ['notifications/progress', { progressToken: 5, progress: 1 }],
    ])
    expect(messagesOf(client).at(-1)).toEqual({ jsonrpc: '2.0', id: 7, result: { content: [] } })
    expect(client.ids).toBe('none')
  })
})

describe('lists of tools', () => {
  const schema = (type: string, extra = '') =>
    `{"type":"object","properties":{"r":{"type":"${type}","x-mcp-header":"Region"}}${extra}}`
  const list =
    (...tools: string[]) =>
    (one: Asked) =>
      one.text(
        `{"jsonrpc":"2.0","id":${JSON.stringify(one.exchange.requestIds[0])},"result":{"resultType":"complete","tools":[${tools.join(', ')}],"x":1}}`,
      )
  const GOOD = `{"name" : "good","inputSchema":${schema('string')}}`

  test('ST27 13 have no tool whose annotation breaks the rules; the others are as they were', async () => {
    gateway.upstream.on(
      'tools/list',
      list(GOOD, `{"name":"bad","inputSchema":${schema('number')}}`, '{"name" : "plain"}'),
    )
    const client = await send(legacyCall('tools/list', {}))
    expect(client.response.text).toBe(`{"jsonrpc":"2.0","id":7,"result":{"x":1,"tools":[${GOOD},{"name" : "plain"}]}}`)
  })

  test('RPC13 are the very bytes when nothing is wrong with them', async () => {
    gateway.upstream.on('tools/list', list(GOOD, '{"name" : "plain"}'))
    const client = await send(legacyCall('tools/list', {}))
    expect(client.response.text).toBe(`{"jsonrpc":"2.0","id":7,"result":{"tools":[${GOOD}, {"name" : "plain"}],"x":1}}`)
  })

  test('have no schema of an output that is no object, which no client with sessions takes', async () => {
    gateway.upstream.on(
      'tools/list',
      list('{"name":"a","outputSchema":{"type":"array"}}', '{"name":"b","outputSchema":{"type":"object"}}'),
    )
    expect((await send(legacyCall('tools/list', {}))).json).toMatchObject({
      result: { tools: [{ name: 'a' }, { name: 'b', outputSchema: { type: 'object' } }] },
    })
  })

  test('HD13 tell which arguments stand in headers, once for all calls', async () => {
    gateway.upstream.on('tools/list', list(GOOD))
    await send(legacyCall('tools/list', {}))
    await send(legacyCall('tools/call', { name: 'good', arguments: { r: 'süd' } }))
    expect(asked().exchange.headers['mcp-param-region']).toBe(`=?base64?${Buffer.from('süd').toString('base64')}?=`)
    await send(legacyCall('tools/call', { name: 'good', arguments: { r: null } }))
    expect(asked().exchange.headers).not.toHaveProperty('mcp-param-region')
    await send(legacyCall('tools/call', { name: 'other', arguments: { r: 'a' } }))
    expect(asked().exchange.headers).not.toHaveProperty('mcp-param-region')
    expect(gateway.upstream.told.filter((told) => told === 'tools/list')).toHaveLength(1)
  })

  test('HD13 are asked for, all pages of them, when a tool is called that has not been listed', async () => {
    gateway.upstream.on('tools/list', (one) => {
      if (paramsOf(one)['cursor'] === 'p2') return list(GOOD)(one)
      return one.json({ tools: [], nextCursor: 'p2' })
    })
    await send(legacyCall('tools/call', { name: 'good', arguments: { r: 'a' } }))
    expect(asked().exchange.headers['mcp-param-region']).toBe('a')
    expect(gateway.upstream.told).toEqual(['server/discover', 'tools/list', 'tools/list', 'tools/call'])
  })

  test('HD13 are asked for when a client has seen a page of them without the tool', async () => {
    gateway.upstream.on('tools/list', (one) => one.json({ tools: [], nextCursor: 'p2' }))
    await send(legacyCall('tools/list', {}))
    gateway.upstream.on('tools/list', list(GOOD))
    await send(legacyCall('tools/call', { name: 'good', arguments: { r: 'a' } }))
    expect(asked().exchange.headers['mcp-param-region']).toBe('a')
  })

  test('ST28 13 are asked for again, once, when a header is refused', async () => {
    await send(legacyCall('tools/list', {}))
    gateway.upstream.on('tools/list', list(GOOD))
    gateway.upstream.on('tools/call', (one) => {
      if (one.exchange.headers['mcp-param-region'] === 'a') one.json({ content: [] })
      else refuse(one, -32_020)
    })
    const call = legacyCall('tools/call', { name: 'good', arguments: { r: 'a' } })
    expect((await send(call)).says).toEqual(['result'])
    gateway.upstream.on('tools/call', (one) => refuse(one, -32_020))
    expect((await send(call)).says).toEqual(['error -32603'])
    expect(gateway.upstream.told.filter((told) => told === 'tools/call')).toHaveLength(4)
  })

  test('HD13 that cannot be had leave a call without such headers', async () => {
    gateway.upstream.on('tools/list', (one) => one.error(-32_603, 'no'))
    expect((await send(legacyCall('tools/call', { name: 'good' }))).says).toEqual(['result'])
  })
})

describe('what is answered here', () => {
  test.each<[string, object, string]>([
    ['ping', {}, 'result'],
    ['tasks/list', {}, 'error -32601'],
    ['tasks/get', { taskId: 'a' }, 'error -32601'],
    ['server/discover', {}, 'error -32601'],
    ['subscriptions/listen', {}, 'error -32601'],
    ['initialize', {}, 'refused 400'],
    ['logging/setLevel', { level: 'debug' }, 'result'],
    ['logging/setLevel', { level: 'loud' }, 'error -32602'],
    ['logging/setLevel', {}, 'error -32602'],
    ['resources/subscribe', { uri: 'a' }, 'result'],
    ['resources/subscribe', { uri: 5 }, 'error -32602'],
    ['resources/unsubscribe', { uri: 'b' }, 'result'],
  ])('PU4 UT7 TK4 %s with %j: %s', async (method, params, expected) => {
    expect((await send(legacyCall(method, params))).says).toEqual([expected])
    expect(gateway.upstream.told).toEqual(['server/discover'])
  })

  test.each(['notifications/initialized', 'notifications/roots/list_changed', 'notifications/progress'])(
    'RPC11 16 %s is accepted, and means nothing to the server',
    async (method) => {
      expect((await send(notificationOf('legacy', method, {}))).says).toEqual(['status 202'])
      expect(gateway.upstream.told).toEqual(['server/discover'])
    },
  )

  test('LC4 what the server does not offer there is not', async () => {
    const { logging: _, ...offered } = OFFERED
    const other = bridged({ offered: { ...offered, resources: {} } })
    session = await other.open()
    for (const [method, params] of [
      ['logging/setLevel', { level: 'debug' }],
      ['resources/subscribe', { uri: 'a' }],
    ] as const) {
      const client = other.send(legacyCall(method, params), { session })
      await client.over
      expect(client.says).toEqual(['error -32601'])
    }
    await other.send(legacyCall('prompts/list', {}), { session }).over
    const { _meta } = paramsOf(other.upstream.asked.entries.at(-1)!)
    expect(_meta).not.toHaveProperty(['io.modelcontextprotocol/logLevel'])
    await other.close()
  })

  test('UT6 UT7 10 the log level that a client sets is said with each later request', async () => {
    const levelOf = async () => {
      await gateway.send(legacyCall('prompts/list', {}), { session: await gateway.find(session.id) }).over
      return (paramsOf(asked())['_meta'] as Record<string, unknown>)['io.modelcontextprotocol/logLevel']
    }
    expect(await levelOf()).toBe('info')
    await send(legacyCall('logging/setLevel', { level: 'error' }))
    expect(await levelOf()).toBe('error')
  })
})

describe('a client that cancels', () => {
  const cancel = (requestId: unknown) =>
    notificationOf('legacy', 'notifications/cancelled', { requestId, reason: 'enough' })

  test('UT4 LC8 ends the request at the server, gets no answer, and ends no other', async () => {
    gateway.upstream.on('tools/call', () => {})
    const [one, other, text] = [1, 2, '1'].map((id) =>
      gateway.send(legacyCall('tools/call', { name: 'n' }, id), { session }),
    )
    await settled()
    const [first, second, third] = gateway.upstream.asked.entries.filter(({ kind }) => kind === 'tools/call')
    expect((await send(cancel(1))).says).toEqual(['status 202'])
    await expect(first!.stopped).resolves.toMatchObject({ message: 'The client cancelled the request' })
    await one!.over
    expect(one!.says).toEqual([])
    second!.json({ content: [] })
    third!.json({ content: [] })
    await Promise.all([other!.over, text!.over])
    expect([other!.says, text!.says]).toEqual([['result'], ['result']])
  })

  test('UT4 SS6 ends nothing of another session', async () => {
    gateway.upstream.on('tools/call', () => {})
    const client = gateway.send(legacyCall('tools/call', { name: 'n' }, 1), { session })
    const other = await gateway.open()
    await settled()
    await gateway.send(cancel(1), { session: other }).over
    asked()
    gateway.upstream.asked.entries.find(({ kind }) => kind === 'tools/call')!.json({ content: [] })
    await client.over
    expect(client.says).toEqual(['result'])
  })

  test('SE4 is not one that disconnects', async () => {
    gateway.upstream.on('tools/call', () => {})
    const client = gateway.send(legacyCall(), { session })
    await settled()
    const call = gateway.upstream.asked.entries.find(({ kind }) => kind === 'tools/call')!
    client.leave()
    await settled()
    expect(call.exchange.life.stopped).toBeUndefined()
    call.json({ content: [] })
    await client.over
  })

  test('RPC5 16 takes one request out of a batch, the others are answered', async () => {
    session = await gateway.open({ version: '2025-03-26' })
    gateway.upstream.on('tools/call', () => {})
    const batch = batchOf(
      legacyCall('tools/call', { name: 'n' }, 1),
      legacyCall('ping', {}, 2),
      legacyCall('prompts/list', {}, 3),
    )
    const client = gateway.send(batch, { session })
    await settled()
    await send(cancel(1))
    await client.over
    const answers = client.json as { id: number }[]
    expect(answers.map(({ id }) => id)).toEqual([2, 3])
  })
})

test('SS12 the end of a session ends what goes on in it', async () => {
  gateway.upstream.on('tools/call', () => {})
  const client = gateway.send(legacyCall(), { session })
  await settled()
  await gateway.sessions.end(session.id)
  await client.over
  expect(client.says).toEqual(['refused 404'])
  const call = gateway.upstream.asked.entries.find(({ kind }) => kind === 'tools/call')!
  await expect(call.stopped).resolves.toMatchObject({ code: 'session_not_found' })
})
