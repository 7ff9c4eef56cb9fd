// Keys that lenient parsers take for other keys, and nesting that is deeper than a stack: messages that two ends read
// differently, or that one of them cannot read. (The class of CVE-2026-27896.)
import { jest } from '@jest/globals'
import express from 'express'
import type { GatewayOptions, ServerConfig } from '../../lib/index.ts'
import { bareHttp, startGateway, type Host, type RunningGateway } from '../support/gateway.ts'
import { META, MODERN, modernRequest, standardHeaders, type ModernMessage } from '../support/modern.ts'
import { initialize, post, type Answer, type Session } from '../support/rpc.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

const scopes = { tools: { 'delete_*': ['write'] }, methods: { 'resources/*': ['read'] } }

/** A host that parses bodies before the gateway sees them. */
const parsing: Host = {
  prefix: '',
  mount: (gateway) =>
    express()
      .use(express.json({ limit: '8mb' }))
      .use(gateway),
}

let upstream: Upstream
let gateway: RunningGateway

async function start(
  config: Partial<ServerConfig> = { scopes },
  options: Partial<GatewayOptions> = {},
  host: Host = bareHttp,
): Promise<void> {
  gateway = await startGateway(
    {
      authenticate: () => ({ id: 'ada', scopes: ['mcp'] }),
      servers: { a: { url: upstream.url, ...config } },
      ...options,
    },
    host,
  )
}

beforeEach(async () => {
  upstream = await startUpstream()
})
afterEach(async () => {
  jest.restoreAllMocks()
  await gateway.close()
  await upstream.close()
})

const own = { jsonrpc: '2.0', id: 1, method: 'tools/call' }
const harmless = { name: 'read_one' }
const harmful = { name: 'delete_all' }
const call = { ...own, params: harmless }
const claim = { [META.protocolVersion]: MODERN, [META.clientCapabilities]: {} }

/** What a lenient parser reads as a call of `delete_all`, or as another message than the gateway does. */
const folding: Array<[what: string, message: object]> = [
  ...['Name', 'NAME', 'nAmE', 'name\0', 'name\0\0', 'NAME\0'].map((key): [string, object] => [
    `the name as ${JSON.stringify(key)}`,
    { ...own, params: { ...harmless, [key]: 'delete_all' } },
  ]),
  ['the name as "Name", in front of the name', { ...own, params: { Name: 'delete_all', ...harmless } }],
  ...['Params', 'PARAMS', 'param\u017f', 'PARAM\u017f', 'params\0'].map((key): [string, object] => [
    `the parameters as ${JSON.stringify(key)}`,
    { ...call, [key]: harmful },
  ]),
  ...['Method', 'METHOD', 'method\0'].map((key): [string, object] => [
    `the method as ${JSON.stringify(key)}`,
    { ...own, method: 'ping', [key]: 'tools/call', params: harmful },
  ]),
  ...['ID', 'Id', 'id\0'].map((key): [string, object] => [`the id as ${JSON.stringify(key)}`, { ...call, [key]: 2 }]),
  [
    'a response with "Method" and "Params"',
    { jsonrpc: '2.0', id: 1, result: {}, Method: 'tools/call', Params: harmful },
  ],
  [
    'an error with "method\\0"',
    { jsonrpc: '2.0', id: 1, error: { code: 1, message: '' }, 'method\0': 'tools/call', 'params\0': harmful },
  ],
  ['a notification with an "ID"', { jsonrpc: '2.0', method: 'tools/call', params: harmless, ID: 1, Params: harmful }],
  ['"_Meta" with a claim of the modern era', { ...own, params: { ...harmless, _Meta: claim } }],
  ['"_meta\\0" with a claim of the modern era', { ...own, params: { ...harmless, '_meta\0': claim } }],
  ...['ProtocolVersion', 'protocolVer\u017fion', 'protocolVersion\0'].map((key): [string, object] => [
    `a claim of the modern era as ${JSON.stringify(key)}`,
    { ...own, params: { ...harmless, _meta: { [`io.modelcontextprotocol/${key}`]: MODERN } } },
  ]),
]

/** Nothing but what opened the session has reached the upstream; where that took long, the gateway listens by itself. */
function expectRefused({ status }: Answer): void {
  expect(
    upstream
      .requests()
      .map(({ kind }) => kind)
      .filter((kind) => !['initialize', 'notifications/initialized', 'GET'].includes(kind)),
  ).toEqual([])
  expect(status).toBeGreaterThanOrEqual(400)
  expect(status).toBeLessThan(500)
}

describe('keys that fold to a key that decides', () => {
  test.each(folding)('06: a legacy message is refused that has %s (AU7)', async (_, message) => {
    await start()
    const session = await initialize(gateway.url('a'))
    expectRefused(await session.post(message))
  })

  test.each(folding)('06: a batch is refused of which a message has %s (AU7, RPC5)', async (_, message) => {
    await start()
    const session = await initialize(gateway.url('a'), { version: '2025-03-26' })
    expectRefused(await session.post([{ ...own, id: 'first', method: 'ping' }, message]))
  })

  test.each(folding)('06: a message that the host has parsed is refused that has %s (AU7)', async (_, message) => {
    await start({ scopes }, {}, parsing)
    const session = await initialize(gateway.url('a'))
    expectRefused(await session.post(message))
  })

  test('06: an escape is another way to write the same key (AU7)', async () => {
    await start()
    const session = await initialize(gateway.url('a'))
    const text = JSON.stringify(call).replace('"name"', String.raw`"\u004eam\u0065":"delete_all","name"`)
    expectRefused(await session.post(text))
  })

  test.each<[what: string, message: ModernMessage, extra: object]>([
    ['the name as "Name"', modernRequest('tools/call', { ...harmless, Name: 'delete_all' }), {}],
    ['the name as "name\\0"', modernRequest('tools/call', { ...harmless, 'name\0': 'delete_all' }), {}],
    ['the parameters as "Params"', modernRequest('tools/call', harmless), { Params: { ...harmful, _meta: claim } }],
    [
      'the parameters as "param\u017f"',
      modernRequest('tools/call', harmless),
      { 'param\u017f': { ...harmful, _meta: claim } },
    ],
    ['the method as "METHOD"', modernRequest('tools/list', harmful), { METHOD: 'tools/call' }],
    ['the id as "Id"', modernRequest('tools/call', harmless), { Id: 2 }],
    ['the name of a prompt as "NAME"', modernRequest('prompts/get', { ...harmless, NAME: 'other' }), {}],
    ['the id of a task as "taskid"', modernRequest('tasks/get', { taskId: '1', taskid: '2' }), {}],
    ['the id of a task as "ta\u017fkId"', modernRequest('tasks/get', { taskId: '1', 'ta\u017fkId': '2' }), {}],
    ['the id of a task as "tas\u212aId"', modernRequest('tasks/cancel', { taskId: '1', 'tas\u212aId': '2' }), {}],
    ['the envelope as "_META"', modernRequest('tools/call', { ...harmless, _META: {} }), {}],
    [
      'the version as "protocolver\u017fion\\0"',
      modernRequest('tools/call', {
        ...harmless,
        _meta: { ...claim, 'io.modelcontextprotocol/protocolver\u017fion\0': '2025-11-25' },
      }),
      {},
    ],
    [
      'the capabilities as "ClientCapabilities"',
      modernRequest('tools/call', {
        ...harmless,
        _meta: { ...claim, 'io.modelcontextprotocol/ClientCapabilities': { sampling: {} } },
      }),
      {},
    ],
  ])('06: a modern message is refused that has %s (AU7, HD9)', async (_, message, extra) => {
    await start()
    expectRefused(await post(gateway.url('a'), { ...message, ...extra }, standardHeaders(message)))
  })

  test('06: a modern message is refused that has the URI of a resource as "URI" (AU7, HD9)', async () => {
    await start({ scopes: { methods: { 'prompts/*': ['read'] } } })
    const message = modernRequest('resources/read', { uri: 'x://public', URI: 'x://secret' })
    expectRefused(await post(gateway.url('a'), message, standardHeaders(message)))
  })

  test.each<[what: string, message: object]>([
    ['no name but "Name"', { ...own, params: { Name: 'delete_all' } }],
    ['no parameters but "Params"', { ...own, Params: harmful }],
    ['no method but "Method"', { jsonrpc: '2.0', id: 1, Method: 'tools/call', params: harmful }],
  ])('06: a message is refused that has %s (AU7)', async (_, message) => {
    await start()
    const session = await initialize(gateway.url('a'))
    expectRefused(await session.post(message))
  })

  test.each<[where: string, message: object]>([
    [
      'among the arguments of a tool',
      {
        ...own,
        params: { ...harmless, arguments: { name: 1, Name: 2, 'name\0': 3, Method: 4, params: 5, PARAMS: 6 } },
      },
    ],
    [
      'in a member of the envelope',
      { ...own, params: { ...harmless, _meta: { 'com.example/x': { Name: 1, name: 2 } } } },
    ],
    ['in a result', { jsonrpc: '2.0', id: 1, result: { Method: 'tools/call', Params: harmful } }],
  ])('06: what decides nothing may have any keys: %s', async (_, message) => {
    await start()
    const session = await initialize(gateway.url('a'))
    expect((await session.post(message)).status).toBeLessThan(300)
    const { body } = upstream.requests().at(-1)!
    expect(body.toString()).toBe(JSON.stringify(message))
  })

  test.each(['names', 'nam', ' name', 'name ', 'n\u0430me', 'n\u00e4me', 'x-name', 'na\0me', ''])(
    '06: %j is another key than any that decides',
    async (key) => {
      await start()
      const session = await initialize(gateway.url('a'))
      const message = { ...own, [key]: 1, params: { ...harmless, [key]: 'delete_all' } }
      expect((await session.post(message)).status).toBe(200)
    },
  )
})

/** A message with `levels` arrays inside each other where it has "DEEP". */
function nested(message: object, levels: number): string {
  return JSON.stringify(message).replace('"DEEP"', '['.repeat(levels) + ']'.repeat(levels))
}

const DEEP = 8 * 1024
const deep = { ...harmless, arguments: 'DEEP' }

describe('nesting', () => {
  const postModern = (message: ModernMessage): Promise<Answer> =>
    post(gateway.url('a'), nested(message, DEEP), standardHeaders(message))

  test.each<[what: string, message: ModernMessage]>([
    ['a list', modernRequest('tools/list', { arguments: 'DEEP' })],
    ['a resource', modernRequest('resources/read', { uri: 'x://a', arguments: 'DEEP' })],
    [
      'a list, by a client of deep capabilities',
      modernRequest('tools/list', { _meta: { ...claim, [META.clientCapabilities]: { deep: 'DEEP' } } }),
    ],
  ])(
    '24: with a cache 16 KB of nesting in the question for %s is no fault of the gateway (SC6)',
    async (_, message) => {
      await start({}, { cache: true })
      expect((await postModern(message)).status).not.toBe(500)
      expect(gateway.reported.entries).toEqual([])
    },
  )

  test.each<[what: string, message: object]>([
    ['a call', { ...own, params: deep }],
    ['a response', { jsonrpc: '2.0', id: 1, result: { deep: 'DEEP' } }],
    ['a notification', { jsonrpc: '2.0', method: 'notifications/x', params: deep }],
  ])('24: 16 KB of nesting in %s that the host has parsed are no fault of the gateway (SC6)', async (_, message) => {
    await start({}, {}, parsing)
    const session = await initialize(gateway.url('a'))
    expect((await session.post(nested(message, DEEP))).status).not.toBe(500)
    expect(gateway.reported.entries).toEqual([])
  })

  describe('with recover', () => {
    let session: Session
    beforeEach(async () => {
      upstream.on('resources/subscribe', (exchange) => exchange.result({}))
      await start({ recover: true })
      session = await initialize(gateway.url('a'))
    })
    const subscribe = (params: object): Promise<Answer> =>
      session.post(nested({ ...own, method: 'resources/subscribe', params }, DEEP))

    test('24: a subscription to 16 KB of nesting is no fault of the gateway (SC6)', async () => {
      expect((await subscribe({ uri: 'DEEP' })).status).not.toBe(500)
    })

    test('24: a subscription to what has no text is no fault of the gateway (SC6)', async () => {
      expect((await subscribe({ uri: { toString: 1, valueOf: 1 } })).status).not.toBe(500)
    })

    test('24: a subscription with 16 KB of nesting does not keep the session from being recovered (SS8)', async () => {
      await subscribe({ uri: 'x://a', deep: 'DEEP' })
      upstream.sessions.clear()
      expect((await session.request('ping')).status).toBe(200)
    })
  })

  test('24: 4 MiB of nested arrays are refused before they are built: JSON.parse() takes a second over them (SC6)', async () => {
    await start({})
    const text = nested({ ...own, params: deep }, 2 * 1024 * 1024 - 200)
    const built: number[] = []
    const { parse } = JSON
    jest.spyOn(JSON, 'parse').mockImplementation((given: string) => {
      // The test itself must not wait for what it counts.
      if (given.length < 1024 * 1024) return parse(given) as unknown
      built.push(given.length)
      throw new SyntaxError('not parsed in this test')
    })
    const { status } = await post(gateway.url('a'), text)
    expect(built).toEqual([])
    expect(status).toBe(400)
  })

  test('24: forty levels are nothing unusual, in arguments and in an answer', async () => {
    await start({}, { cache: true })
    const session = await initialize(gateway.url('a'))
    expect((await session.post(nested({ ...own, params: deep }, 40))).status).toBe(200)
    const message = modernRequest('tools/list', { arguments: 'DEEP' })
    upstream.on('tools/list', (exchange) => exchange.result({ resultType: 'complete' }))
    expect((await post(gateway.url('a'), nested(message, 40), standardHeaders(message))).status).toBe(200)
  })
})
