// Interceptors around a bridge: they see what the client's revision says, whatever the server speaks. (governance 24, 29-37)
import type { ClientSession } from '../../../../lib/exchange/exchange.ts'
import { type Interceptor, RpcError, tools } from '../../../../lib/index.ts'
import {
  agree,
  answerTo,
  asksOnce,
  type Bridged,
  bridged,
  type BridgedOptions,
  elicitation,
  messagesOf,
  paramsOf,
  toolCallsOf,
} from '../../../support/bridged.ts'
import { batchOf, legacyCall, PROGRESS, settled } from '../../../support/fixture.ts'
import type { MemoryClient } from '../../../support/memory-client.ts'
import type { Asked } from '../../../support/memory-upstream.ts'

let gateway: Bridged
let session: ClientSession
afterEach(() => gateway.close())

const LAYERS = ['open', 'split', 'intercept', 'interceptServer', 'bridge', 'cancel'] as const
const LOGGED = ['open', 'log', 'split', 'intercept', 'interceptServer', 'bridge', 'cancel'] as const

async function start(intercept: BridgedOptions['intercept'], options: BridgedOptions = {}): Promise<void> {
  gateway = bridged({ layers: LAYERS, intercept, ...options })
  session = await gateway.open(options as object)
}

function send(method: string, params: object = {}, id: number = 7): MemoryClient {
  return gateway.send(legacyCall(method, params, id), { session })
}

async function sent(method: string, params: object = {}): Promise<unknown> {
  const client = send(method, params)
  await client.over
  return client.says[0] === 'refused 500' ? client.says : client.json
}

const calls = (): Asked[] => toolCallsOf(gateway)
const complete = (asked: Asked): void => asked.json({ resultType: 'complete', content: [] })

/** Asks in the first round, answers in the second. */
function askOnce(...messages: string[]): void {
  const questions = Object.fromEntries(messages.map((message, at) => [`q${at}`, elicitation(message)]))
  asksOnce(gateway, questions, 'state')
}

const seen: unknown[] = []
beforeEach(() => void (seen.length = 0))

const guard: Interceptor = {
  'elicitation/create': ({ params, during, era, id }, next) => {
    seen.push([params.message, during, era, typeof id])
    if (params.message === 'password?') return { action: 'decline' }
    if (params.message === 'refuse') throw new RpcError(-1, 'Not that')
    return next({ ...params, message: `${params.message} (asked by a server)` })
  },
}

describe.each([
  ['without an event log', LAYERS],
  ['with an event log', LOGGED],
] as const)('%s', (_, layers) => {
  test('24. a question that a layer declines is answered to the bridge: its client is asked nothing', async () => {
    await start(guard, { layers })
    askOnce('password?')
    const client = send('tools/call', { name: 'n' })
    await client.over
    expect(messagesOf(client, 'elicitation/create')).toEqual([])
    expect(client.says.at(-1)).toBe('result')
    expect(seen).toEqual([['password?', 'tools/call', 'legacy', 'string']])
    expect(paramsOf(calls()[1]!)).toMatchObject({
      inputResponses: { q0: { action: 'decline' } },
      requestState: 'state',
    })
  })

  test('24. of two questions the client is asked the one that passes, in the words of the layer', async () => {
    await start(guard, { layers })
    askOnce('password?', 'name?')
    const client = send('tools/call', { name: 'n' })
    while (messagesOf(client, 'elicitation/create').length === 0) await client.events.next()
    const [question] = messagesOf(client, 'elicitation/create')
    expect(question!['params']).toMatchObject({ message: 'name? (asked by a server)' })
    gateway.send(answerTo(question!['id'], { result: { action: 'accept', content: {} } }), { session })
    await client.over
    expect(messagesOf(client, 'elicitation/create')).toHaveLength(1)
    expect(paramsOf(calls()[1]!)['inputResponses']).toEqual({
      q0: { action: 'decline' },
      q1: { action: 'accept', content: {} },
    })
  })

  test('24. a question that a layer refuses with an error is one that the user has cancelled', async () => {
    await start(guard, { layers })
    askOnce('refuse')
    const client = send('tools/call', { name: 'n' })
    await client.over
    expect(messagesOf(client, 'elicitation/create')).toEqual([])
    expect(paramsOf(calls()[1]!)['inputResponses']).toEqual({ q0: { action: 'cancel' } })
  })
})

test('15. progress leaves at once, the result alone is held and changed', async () => {
  let release!: () => void
  const held = new Promise<void>((resolve) => (release = resolve))
  await start({
    'tools/call': async (_, next) => {
      const result = await next()
      await held
      return { ...result, seen: true }
    },
  })
  gateway.upstream.on('tools/call', (asked) => {
    const stream = asked.events()
    stream.say(PROGRESS)
    stream.answer({ resultType: 'complete', content: [] })
  })
  const client = send('tools/call', { name: 'n' })
  await settled()
  expect(client.says).toEqual(['progress'])
  release()
  await client.over
  expect(messagesOf(client).at(-1)).toEqual({ jsonrpc: '2.0', id: 7, result: { content: [], seen: true } })
})

describe('tools(), over the pages of a list', () => {
  const tool = (name: string, more: object = {}) => ({ name, inputSchema: { type: 'object' }, ...more })
  const PAGES = [
    [tool('a'), tool('hidden')],
    [tool('hidden too')],
    [tool('b', { annotations: { readOnlyHint: true } })],
  ]

  function paged(): void {
    gateway.upstream.on('tools/list', (asked) => {
      const at = Number(paramsOf(asked)['cursor'] ?? 0)
      const more = at + 1 < PAGES.length ? { nextCursor: String(at + 1) } : {}
      asked.json({ resultType: 'complete', ttlMs: 60_000, cacheScope: 'public', tools: PAGES[at], ...more })
    })
    gateway.upstream.on('tools/call', complete)
  }

  test.each([
    ['names', tools({ allow: ['a', 'b'], rename: { b: 'c' } })],
    ['a function', tools({ allow: ({ name }) => !name.startsWith('hidden'), rename: { b: 'c' } })],
  ])('by %s cuts each page, and refuses calls as of unknown tools', async (_, intercept) => {
    await start(intercept, { layers: ['open', 'split', 'intercept', 'interceptServer', 'bridge', 'cache', 'cancel'] })
    paged()
    const lists = [undefined, '1', '2'].map((cursor) => sent('tools/list', cursor === undefined ? {} : { cursor }))
    const [first, second, third] = (await Promise.all(lists)) as { result: object }[]
    expect(first!.result).toEqual({ tools: [tool('a')], nextCursor: '1' })
    expect(second!.result).toEqual({ tools: [], nextCursor: '2' })
    expect(third!.result).toMatchObject({ tools: [{ name: 'c' }] })
    for (const name of ['hidden', 'hidden too', 'b', 'never']) {
      expect(await sent('tools/call', { name })).toMatchObject({
        error: { code: -32602, message: `Unknown tool: ${name}` },
      })
    }
    expect(calls()).toEqual([])
    expect(await sent('tools/call', { name: 'c' })).toMatchObject({ result: { content: [] } })
    const [{ exchange }] = calls() as [Asked]
    expect([paramsOf(calls()[0]!)['name'], exchange.headers['mcp-name']]).toEqual(['b', 'b'])
  })

  test('in a batch refuses each call by itself', async () => {
    await start(tools({ deny: ['hidden*'] }), { version: '2025-03-26' } as BridgedOptions)
    paged()
    const batch = batchOf(legacyCall('tools/call', { name: 'hidden' }, 1), legacyCall('tools/call', { name: 'a' }, 2))
    const client = gateway.send(batch, { session })
    await client.over
    expect(client.json).toMatchObject([
      { id: 1, error: { code: -32602 } },
      { id: 2, result: { content: [] } },
    ])
    expect(calls().map((asked) => paramsOf(asked)['name'])).toEqual(['a'])
  })
})

test('36. changed arguments that the server wants in headers are in its headers as changed', async () => {
  await start({ 'tools/call': ({ params }, next) => next({ ...params, arguments: { region: 'us' } }) })
  const inputSchema = { type: 'object', properties: { region: { type: 'string', 'x-mcp-header': 'Region' } } }
  gateway.upstream.on('tools/list', (asked) =>
    asked.json({ resultType: 'complete', tools: [{ name: 'n', inputSchema }] }),
  )
  gateway.upstream.on('tools/call', complete)
  expect(await sent('tools/call', { name: 'n', arguments: { region: 'eu' } })).toMatchObject({ result: {} })
  const [asked] = calls()
  expect([paramsOf(asked!)['arguments'], asked!.exchange.headers['mcp-param-region']]).toEqual([{ region: 'us' }, 'us'])
})

test('28. a layer sees a handshake that no server answers in this revision, and may take capabilities from it', async () => {
  await start({
    initialize: async ({ method, era, params }, next) => {
      seen.push([method, era])
      const result = await next({ ...params, capabilities: {} })
      return { ...result, instructions: 'ours' }
    },
  })
  expect(seen).toEqual([['initialize', 'legacy']])
  gateway.upstream.on('tools/call', complete)
  await sent('tools/call', { name: 'n' })
  expect(paramsOf(calls()[0]!)['_meta']).toMatchObject({ 'io.modelcontextprotocol/clientCapabilities': {} })
})

test('12. a subscription and a log level pass their layers before the bridge makes of them what the server knows', async () => {
  await start({
    'resources/subscribe': ({ params }, next) => (params.uri === 'x:secret' ? {} : next()),
    'logging/setLevel': (_, next) => next({ level: 'error' }),
  })
  gateway.upstream.on('subscriptions/listen', (asked) => void agree(asked))
  const listener = gateway.send(undefined, { session })
  await sent('resources/subscribe', { uri: 'x:secret' })
  await sent('resources/subscribe', { uri: 'x:open' })
  await settled()
  const told = JSON.stringify(gateway.upstream.asked.entries.map((asked) => paramsOf(asked)['notifications']))
  expect([told.includes('x:open'), told.includes('x:secret')]).toEqual([true, false])
  await sent('logging/setLevel', { level: 'debug' })
  gateway.upstream.on('tools/call', complete)
  await sent('tools/call', { name: 'n' })
  expect(paramsOf(calls()[0]!)['_meta']).toMatchObject({ 'io.modelcontextprotocol/logLevel': 'error' })
  listener.leave()
})

test('8. a server that fails behind the bridge is an error to the layer, which may make an answer of it', async () => {
  await start({ 'tools/call': (_, next) => next().catch(() => ({ content: [], made: true })) })
  gateway.upstream.on('tools/call', (asked) => asked.fail('upstream_timeout'))
  expect(await sent('tools/call', { name: 'n' })).toMatchObject({ result: { made: true } })
  gateway.upstream.on('tools/call', (asked) => {
    const stream = asked.events()
    stream.say(PROGRESS)
    stream.cut()
  })
  const client = send('tools/call', { name: 'n' })
  await client.over
  expect(client.says).toEqual(['progress', 'result'])
})
