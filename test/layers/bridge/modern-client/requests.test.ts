// What a modern client says to a server of sessions, one message at a time, and what it gets back.
import { SERVER_INFO } from '../../../support/bridged.ts'
import { settled } from '../../../support/fixture.ts'
import { META } from '../../../support/modern.ts'
import {
  ASKABLE,
  callOf,
  type LegacyServer,
  legacyServer,
  LOG_LEVEL,
  paramsOf,
  request,
} from '../../../support/bridged-modern.ts'
import { requestOf } from '../../../../lib/exchange/message.ts'

let server: LegacyServer

beforeEach(() => {
  server = legacyServer()
})
afterEach(() => server.close())

const methodsOf = ({ upstream }: LegacyServer): string[] => upstream.asked.entries.map(({ kind }) => kind)

test('ST7 UC1 server/discover says what the server has said in its handshake, and may not be cached', async () => {
  const { result } = await server.ask(request('server/discover'))
  expect(result).toEqual({
    resultType: 'complete',
    supportedVersions: ['2026-07-28'],
    capabilities: { tools: { listChanged: true }, resources: { subscribe: true }, prompts: {}, logging: {} },
    instructions: 'Be kind.',
    ttlMs: 0,
    cacheScope: 'private',
    _meta: { [SERVER_INFO]: { name: 'old', version: '3' } },
  })
  expect(methodsOf(server)).toEqual(['initialize', 'notifications/initialized', 'GET'])
})

test('14 LC3 the handshake declares what the client has, without what sessions alone have', async () => {
  await server.ask(request('server/discover', {}, { capabilities: { ...ASKABLE, extensions: { x: {} }, tasks: {} } }))
  const [shake] = server.upstream.asked.entries
  expect(paramsOf(shake!)).toMatchObject({
    protocolVersion: '2025-11-25',
    capabilities: { elicitation: { form: {}, url: {} }, sampling: {}, roots: {} },
  })
  expect(Object.keys(paramsOf(shake!)['capabilities'] as object)).toEqual(['elicitation', 'sampling', 'roots'])
})

test('PU6 a server without a listening stream offers no changes and no subscriptions', async () => {
  server.upstream.on('GET', (asked) => asked.fail('upstream_refused', 405))
  const { result } = await server.ask(request('server/discover'))
  expect(result['capabilities']).toEqual({ tools: {}, resources: {}, prompts: {}, logging: {} })
})

test.each(['initialize', 'ping', 'logging/setLevel', 'resources/subscribe', 'resources/unsubscribe', 'tasks/get'])(
  'CL2 ST3 %s is no method of 2026-07-28, though the server has it',
  async (method) => {
    const answered = await server.ask(request(method))
    expect(answered).toMatchObject({ status: 404, code: -32601 })
    expect(methodsOf(server)).toEqual([])
  },
)

test('RPC11 a notification is accepted, and says nothing to a server of sessions', async () => {
  const message = { kind: 'notification', era: 'modern', method: 'notifications/x', params: {}, text: '{}' } as const
  const client = server.send(message)
  await client.over
  expect(client.says).toEqual(['status 202'])
  expect(methodsOf(server)).toEqual([])
})

test('RPC13 ST2 parameters and results cross byte for byte but for the envelope', async () => {
  server.upstream.on('prompts/list', (asked) => {
    const [id] = asked.exchange.requestIds
    asked.text(`{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":{"prompts":[],  "big":12345678901234567890}}`)
  })
  const text = `{"jsonrpc":"2.0","id":7,"method":"prompts/list","params":{"cursor":"a\\u0041", "n":12345678901234567890,
    "_meta":{"${META.protocolVersion}":"2026-07-28","${META.clientCapabilities}":{},"vendor/x":1.50}}}`
  const { params } = JSON.parse(text)
  const client = server.send({ kind: 'request', era: 'modern', id: 7, method: 'prompts/list', params, text })
  await client.over
  const asked = server.upstream.asked.entries.at(-1)!
  const said = (asked.exchange.message as { text: string }).text
  expect(said).toContain('"cursor":"a\\u0041"')
  expect(said).toContain('"n":12345678901234567890')
  expect(said).toContain('"vendor/x":1.50')
  expect(said).not.toContain('io.modelcontextprotocol/')
  expect(client.response.text).toContain('"big":12345678901234567890')
  expect(JSON.parse(client.response.text).result).toMatchObject({
    resultType: 'complete',
    ttlMs: 0,
    cacheScope: 'private',
  })
})

test('ST10 a result that is not cacheable says nothing of caching', async () => {
  const { result } = await server.ask(callOf())
  expect(result).toMatchObject({ resultType: 'complete', _meta: { [SERVER_INFO]: { name: 'old' } } })
  expect(result).not.toHaveProperty('ttlMs')
})

test('14 ER6 -32002 becomes -32602; an unknown method is 404; any other error is relayed', async () => {
  server.upstream.on('resources/read', (asked) => asked.error(-32002, 'No such resource'))
  expect(await server.ask(request('resources/read', { uri: 'x:y' }))).toMatchObject({ status: 200, code: -32602 })
  server.upstream.on('x/y', (asked) => asked.error(-32601, 'Method not found'))
  expect(await server.ask(request('x/y'))).toMatchObject({ status: 404, code: -32601 })
  server.upstream.on('tools/call', (asked) => asked.error(-1, 'No'))
  expect(await server.ask(callOf())).toMatchObject({ status: 200, code: -1, message: 'No' })
})

test('14 HD10 HD13 a header that a listed tool wants is checked here, and nobody is told of running it as a task', async () => {
  const inputSchema = { type: 'object', properties: { region: { type: 'string', 'x-mcp-header': 'Region' } } }
  const tools = [{ name: 'echo', inputSchema, execution: { taskSupport: 'optional' } }]
  server.upstream.on('tools/list', (asked) => asked.json({ tools }))
  const { result } = await server.ask(request('tools/list'))
  expect(result['tools']).toEqual([{ name: 'echo', inputSchema }])
  const call = callOf('echo', { arguments: { region: 'eu' } })
  expect(await server.ask(call)).toMatchObject({ status: 400, code: -32020 })
  const client = server.send(call, { headers: { 'mcp-param-region': 'eu' } })
  await client.over
  expect(client.says).toEqual(['result'])
  expect(server.upstream.asked.entries.at(-1)!.exchange.headers).toEqual({ 'mcp-protocol-version': '2025-11-25' })
})

describe('what belongs to a call', () => {
  test('9 UT1 RPC14 progress comes with the client’s own token, and only forward; the server gets another one', async () => {
    server.upstream.on('tools/call', (asked) => {
      const token = (paramsOf(asked)['_meta'] as Record<string, unknown>)['progressToken']
      expect(token).toBe(asked.exchange.requestIds[0])
      const stream = asked.events()
      for (const progress of [1, 1, 0.5, 2]) {
        stream.say({ method: 'notifications/progress', params: { progressToken: token, progress } })
      }
      stream.say({ method: 'notifications/progress', params: { progressToken: 'other', progress: 3 } })
      stream.answer({ content: [] })
    })
    const first = server.send(callOf('a', {}, { token: 5 }))
    const second = server.send(callOf('b', {}, { token: 5, capabilities: {} }))
    await Promise.all([first.over, second.over])
    for (const client of [first, second]) {
      const said = client.events.entries.map(({ data }) => JSON.parse(data))
      expect(said.slice(0, -1).map(({ params }) => params)).toEqual([
        { progressToken: 5, progress: 1 },
        { progressToken: 5, progress: 2 },
      ])
    }
  })

  test('10 UT6 log messages come to those who want them, from their level on; the server is told the lowest level', async () => {
    server.upstream.on('tools/call', (asked) => {
      const stream = asked.events()
      stream.say({ method: 'notifications/message', params: { level: 'debug', data: 1 } })
      stream.say({ method: 'notifications/message', params: { level: 'warning', data: 2 } })
      stream.answer({ content: [] })
    })
    const quiet = await server.ask(callOf())
    expect(quiet.client.says).toEqual(['result'])
    const loud = await server.ask(callOf('a', {}, { level: 'info' }))
    expect(loud.client.says).toEqual(['notifications/message', 'result'])
    await server.ask(callOf('a', {}, { level: 'error' }))
    await server.ask(callOf('a', {}, { level: 'debug' }))
    const levels = server.upstream.asked.entries.filter(({ kind }) => kind === 'logging/setLevel').map(paramsOf)
    expect(levels).toEqual([{ level: 'info' }, { level: 'debug' }])
    const sent = server.upstream.asked.entries.filter(({ kind }) => kind === 'tools/call')
    expect(sent.some((asked) => JSON.stringify(paramsOf(asked)).includes(LOG_LEVEL))).toBe(false)
  })

  test('10 UT6 a log message on the session’s own stream belongs to the call that has the session', async () => {
    const streams: { say(message: object): void }[] = []
    server.upstream.on('GET', (asked) => void streams.push(asked.events()))
    server.upstream.on('tools/call', (asked) => {
      streams[0]!.say({ method: 'notifications/message', params: { level: 'info', data: 1 } })
      setImmediate(() => asked.json({ content: [] }))
    })
    const { client } = await server.ask(callOf('a', {}, { level: 'info' }))
    expect(client.says).toEqual(['notifications/message', 'result'])
  })

  test('10 UT6 in a session that several share it belongs to the one call that wants any', async () => {
    const streams: { say(message: object): void }[] = []
    server.upstream.on('GET', (asked) => void streams.push(asked.events()))
    let calls = 0
    server.upstream.on('tools/call', (asked) => {
      calls += 1
      setImmediate(() => {
        if (calls === 2) streams[0]!.say({ method: 'notifications/message', params: { level: 'info', data: 1 } })
        setImmediate(() => asked.json({ content: [] }))
      })
    })
    const none = { capabilities: {} }
    const clients = await Promise.all([
      server.ask(callOf('a', {}, { ...none, level: 'info' })),
      server.ask(callOf('b', {}, none)),
    ])
    expect(clients.map(({ client }) => client.says.at(0))).toEqual(['notifications/message', 'result'])
  })

  test.each([
    ['one that cannot be asked anything, and the session goes on', {}, ['initialize']],
    ['one that can, and its session ends: the tool may still ask', ASKABLE, ['initialize', 'DELETE', 'initialize']],
  ])('u5 SE5 LC8 a client that leaves cancels its call at the server: %s', async (_, capabilities, opened) => {
    const call = callOf('echo', {}, { capabilities })
    server.upstream.on('tools/call', () => {})
    const client = server.send(call)
    await server.upstream.asked.next(({ kind }) => kind === 'tools/call')
    client.leave()
    const cancelled = await server.upstream.asked.next(({ kind }) => kind === 'notifications/cancelled')
    const sent = server.upstream.asked.entries.find(({ kind }) => kind === 'tools/call')!
    expect(paramsOf(cancelled)['requestId']).toBe(sent.exchange.requestIds[0])
    server.upstream.on('tools/call')
    await settled()
    await server.ask(call)
    expect(methodsOf(server).filter((kind) => kind === 'initialize' || kind === 'DELETE')).toEqual(opened)
  })

  test('HD1 a client that takes no events gets the response alone', async () => {
    server.upstream.on('tools/call', (asked) => {
      const stream = asked.events()
      stream.say({ method: 'notifications/message', params: { level: 'error', data: 2 } })
      stream.answer({ content: [] })
    })
    const client = server.send(callOf('a', {}, { level: 'info' }), { accepts: { json: true, events: false } })
    await client.over
    expect(client.says).toEqual(['result'])
  })

  test('SE3 SE7 a stream that the server closes for polling is fetched to its end', async () => {
    server.upstream.on('tools/call', (asked) => {
      const stream = asked.events()
      stream.raw('id: p1\nretry: 10\ndata:\n\n')
      stream.end()
    })
    server.upstream.on('GET', (asked) => {
      const stream = asked.events()
      if (asked.exchange.headers['last-event-id'] !== 'p1') return
      const call = server.upstream.asked.entries.find(({ kind }) => kind === 'tools/call')!
      stream.say({ id: call.exchange.requestIds[0], result: { content: [], late: true } }, 'p2')
    })
    const { result } = await server.ask(callOf())
    expect(result).toMatchObject({ late: true })
  })

  test('ER14 a stream that ends without the response is an error, and the call is not sent again', async () => {
    server.upstream.on('tools/call', (asked) => asked.events().end())
    expect(await server.ask(callOf())).toMatchObject({ status: 502 })
    expect(methodsOf(server).filter((kind) => kind === 'tools/call')).toHaveLength(1)
  })
})

test('UC2 a handshake that the server refuses is 502', async () => {
  server.upstream.on('initialize', (asked) => asked.error(-32000, 'No'))
  expect(await server.ask(callOf())).toMatchObject({ status: 502 })
  server.upstream.on('initialize', (asked) => asked.json({ protocolVersion: '1999-01-01', capabilities: {} }))
  expect(await server.ask(callOf())).toMatchObject({ status: 502 })
  expect(server.bridge.load.sessions).toBe(0)
})

test('ST23 a request that takes no questions may have members of these names', async () => {
  const message = requestOf('modern', 7, 'tools/list', { ...request('tools/list').params, requestState: 'x' })
  expect(await server.ask(message)).toMatchObject({ status: 200, code: undefined })
})
