// Real clients of 2026-07-28 through the gateway, before servers of both eras and of either alone.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import type { HttpServer } from '../lib/index.ts'
import { startDualEraServer } from './fixtures/dual-era-server.mjs'
import { connectSdkV1, textOf } from './support/clients.ts'
import { startGateway, type Host, type RunningGateway } from './support/gateway.ts'
import { createJournal } from './support/journal.ts'
import { throughMcpRemote } from './support/mcp-remote.ts'
import { META, MODERN } from './support/modern.ts'
import { startUpstream } from './support/upstream.ts'

const MODES = { legacy: 'legacy', auto: 'auto', pin: { pin: MODERN } } as const
type Mode = keyof typeof MODES

interface Field {
  type: string
}

/** What a user of these tests puts into a form. */
const fillIn = (properties: Readonly<Record<string, Field>>) =>
  Object.fromEntries(Object.entries(properties).map(([name, { type }]) => [name, type === 'boolean' ? true : 'Ada']))

const closing: Array<() => Promise<unknown>> = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

async function connect(url: string, mode: Mode) {
  const transport = new StreamableHTTPClientTransport(new URL(url))
  const capabilities = { elicitation: {}, sampling: {}, roots: {} }
  const client = new Client(
    { name: 'modern-client', version: '1.0.0' },
    { capabilities, versionNegotiation: { mode: MODES[mode] } },
  )
  const asked = createJournal<string>()
  const told = createJournal<string>()
  client.setRequestHandler('elicitation/create', ({ method, params }) => {
    asked.record(method)
    const { properties = {} } = ('requestedSchema' in params ? params.requestedSchema : {}) as {
      properties?: Record<string, Field>
    }
    return { action: 'accept', content: fillIn(properties) }
  })
  client.setRequestHandler('sampling/createMessage', ({ method }) => {
    asked.record(method)
    return { model: 'test-model', role: 'assistant', content: { type: 'text', text: 'Paris.' } }
  })
  client.setRequestHandler('roots/list', ({ method }) => {
    asked.record(method)
    return { roots: [{ uri: 'file:///home/ada', name: 'home' }] }
  })
  client.setNotificationHandler('notifications/tools/list_changed', ({ method }) => told.record(method))
  client.setNotificationHandler('notifications/resources/updated', ({ method, params }) =>
    told.record(`${method} ${params.uri}`),
  )
  await client.connect(transport)
  closing.push(() => client.close())
  const call = async (name: string, args: Record<string, unknown> = {}) =>
    textOf(await client.callTool({ name, arguments: args }))
  return { client, transport, asked, told, call }
}

const SERVERS = { dual: {}, 'modern-only': { legacy: 'reject' }, 'legacy-only': { modern: false } } as const
type Name = keyof typeof SERVERS

let servers: Record<Name, { url: string; close(): Promise<void> }>
let gateway: RunningGateway

/** A request as the gateway saw it, once something of its answer was written. */
interface Answered {
  method: string | undefined
  status: number
}

const answered = createJournal<Answered>()

const watched: Host = {
  prefix: '',
  mount: (each) => (req, res) => {
    const write = res.write.bind(res) as (...args: unknown[]) => boolean
    let isFirst = true
    Object.assign(res, {
      write(...args: unknown[]) {
        if (isFirst)
          answered.record({ method: req.headers['mcp-method'] as string | undefined, status: res.statusCode })
        isFirst = false
        return write(...args)
      },
    })
    each(req, res)
  },
}

beforeAll(async () => {
  const [dual, modernOnly, legacyOnly] = await Promise.all(Object.values(SERVERS).map(startDualEraServer))
  servers = { dual: dual!, 'modern-only': modernOnly!, 'legacy-only': legacyOnly! }
  const configs: Record<string, HttpServer> = Object.fromEntries(
    Object.entries(servers).map(([name, { url }]) => [name, { url }]),
  )
  configs['not bridged'] = { url: modernOnly!.url, bridge: false }
  configs['bridged'] = { url: legacyOnly!.url, bridge: true }
  gateway = await startGateway({ servers: configs }, watched)
})
afterAll(async () => {
  await gateway.close()
  await Promise.all(Object.values(servers).map((server) => server.close()))
})

describe('the SDK v2 client finds the era that both ends speak', () => {
  test.each<[Mode, Name, 'legacy' | 'modern']>([
    ['legacy', 'dual', 'legacy'],
    ['legacy', 'legacy-only', 'legacy'],
    ['auto', 'dual', 'modern'],
    ['auto', 'modern-only', 'modern'],
    ['auto', 'legacy-only', 'legacy'],
    ['pin', 'dual', 'modern'],
    ['pin', 'modern-only', 'modern'],
  ])('CL1 CL9 UC2 %s before %s: %s, as directly', async (mode, name, era) => {
    const found = []
    for (const url of [servers[name].url, gateway.url(name)]) {
      const { client, transport, call } = await connect(url, mode)
      expect(await call('test_simple_text')).toBe('This is a simple text response for testing.')
      found.push({
        era: client.getProtocolEra(),
        version: client.getNegotiatedProtocolVersion(),
        hasSession: transport.sessionId !== undefined,
        server: client.getServerVersion(),
        capabilities: client.getServerCapabilities(),
        instructions: client.getInstructions(),
        tools: (await client.listTools()).tools,
        prompts: (await client.listPrompts()).prompts,
        resources: (await client.listResources()).resources,
      })
    }
    expect(found[0]).toMatchObject({ era, hasSession: era === 'legacy' })
    expect(found[1]).toEqual(found[0])
  })

  test.each<[Mode, Name | 'not bridged']>([
    ['legacy', 'not bridged'],
    ['pin', 'legacy-only'],
  ])('CL10 ER8 %s before %s fails for the same reason as directly', async (mode, name) => {
    const reasons = []
    for (const url of [
      servers[name === 'not bridged' ? 'modern-only' : name].url,
      gateway.url(encodeURIComponent(name)),
    ]) {
      const error = await connect(url, mode).then(
        () => undefined,
        (reason: Error & { code?: unknown; data?: unknown }) => reason,
      )
      reasons.push({ name: error?.name, code: error?.code, message: error?.message.replace(url, '<url>') })
    }
    expect(reasons[0]?.message).toBeDefined()
    expect(reasons[1]).toEqual(reasons[0])
    if (mode === 'legacy') expect(reasons[1]?.message).toContain('Unsupported protocol version')
  })

  test.each<['legacy' | 'modern', Mode, 'legacy' | 'modern' | undefined]>([
    ['legacy', 'auto', 'legacy'],
    ['legacy', 'legacy', 'legacy'],
    ['legacy', 'pin', undefined],
    ['modern', 'auto', 'modern'],
    ['modern', 'pin', 'modern'],
    ['modern', 'legacy', undefined],
  ])('CL9 CL10 with protocol %s before a server of both, %s gets %s', async (protocol, mode, era) => {
    const fixed = await startGateway({ servers: { dual: { url: servers.dual.url, protocol, bridge: false } } })
    closing.push(fixed.close)
    const connecting = connect(fixed.url('dual'), mode)
    if (era === undefined) await expect(connecting).rejects.toThrow(/version/i)
    else expect((await connecting).client.getProtocolEra()).toBe(era)
  })
})

describe('a fault behind the gateway is never taken for an old server', () => {
  test.each([408, 429, 500, 502, 503, 504, 401, 403])(
    'ER9 UC3 the probe is answered %d: auto does not fall back',
    async (status) => {
      const upstream = await startUpstream()
      closing.push(upstream.close)
      upstream.on('server/discover', (exchange) => exchange.status(status))
      const busy = await startGateway({ servers: { busy: { url: upstream.url } } })
      closing.push(busy.close)
      await expect(connect(busy.url('busy'), 'auto')).rejects.toMatchObject({ code: 'ERA_NEGOTIATION_FAILED' })
      expect(upstream.requests('initialize')).toHaveLength(0)
      expect(upstream.requests('server/discover')).toHaveLength(1)
    },
  )

  test('ER9 UC3 the server is not there: auto does not fall back, and finds it modern when it is', async () => {
    const gone = await startDualEraServer()
    const port = Number(new URL(gone.url).port)
    await gone.close()
    const through = await startGateway({ servers: { gone: { url: gone.url } } })
    closing.push(through.close)
    await expect(connect(through.url('gone'), 'auto')).rejects.toMatchObject({ code: 'ERA_NEGOTIATION_FAILED' })
    const back = await startDualEraServer({ port })
    closing.push(back.close)
    expect((await connect(through.url('gone'), 'auto')).client.getProtocolEra()).toBe('modern')
  })
})

describe.each<[Mode, Name | 'bridged']>([
  ['auto', 'dual'],
  ['pin', 'dual'],
  ['auto', 'modern-only'],
  ['auto', 'legacy-only'],
  ['legacy', 'dual'],
  ['pin', 'bridged'],
  ['auto', 'bridged'],
])('the SDK v2 client in mode %s before %s', (mode, name) => {
  test('ST21 ST22 PU1: answers what a tool asks: an elicitation, a sampling request, its roots', async () => {
    const { call, asked } = await connect(gateway.url(name), mode)
    expect(await call('test_input_required_result_elicitation')).toBe('Hello, Ada!')
    expect(await call('test_input_required_result_sampling')).toBe('Paris.')
    expect(await call('test_input_required_result_list_roots')).toBe('Roots: file:///home/ada')
    expect(asked.entries).toEqual(['elicitation/create', 'sampling/createMessage', 'roots/list'])
  })

  test('ST23 ST24: answers over several rounds, with the state the server wants back', async () => {
    const { call, asked } = await connect(gateway.url(name), mode)
    expect(await call('test_input_required_result_multi_round')).toBe('Both questions answered.')
    expect(await call('test_input_required_result_request_state')).toMatch(/^state-ok/)
    expect(asked.entries).toHaveLength(3)
  })

  test('ST22: answers three questions at once', async () => {
    const { call, asked } = await connect(gateway.url(name), mode)
    expect(await call('test_input_required_result_multiple_inputs')).toBe('Paris. Ada, with 1 roots')
    expect(asked.entries.toSorted()).toEqual(['elicitation/create', 'roots/list', 'sampling/createMessage'])
  })

  test('UT1 UT3 SE1: sees progress while a call runs, and a question after it', async () => {
    const { client, call } = await connect(gateway.url(name), mode)
    const steps: number[] = []
    const onprogress = ({ progress }: { progress: number }): void => void steps.push(progress)
    await client.callTool({ name: 'test_tool_with_progress', arguments: {} }, { onprogress })
    expect(steps).toEqual([0, 50, 100])
    expect(await call('test_streaming_elicitation')).toBe('action=accept, content={"ok":true}')
  })

  test('HD13 RPC13: calls a tool whose argument stands in a header, and gets resources and prompts', async () => {
    const { client, call } = await connect(gateway.url(name), mode)
    await client.listTools()
    expect(await call('test_x_mcp_header', { region: 'eu-w\u00e4st 1 ' })).toBe('region=eu-w\u00e4st 1 ')
    const { contents } = await client.readResource({ uri: 'test://static-text' })
    expect(contents[0]).toMatchObject({ uri: 'test://static-text' })
    await expect(client.readResource({ uri: 'test://no-such' })).rejects.toThrow(/not found/i)
    expect((await client.getPrompt({ name: 'test_simple_prompt' })).messages.length).toBeGreaterThan(0)
  })
})

describe('listen()', () => {
  test.each<[Mode, Name]>([
    ['auto', 'dual'],
    ['pin', 'dual'],
    ['auto', 'modern-only'],
  ])('ST15 ST16 ST17: %s before %s hears what it asked for and nothing else', async (mode, name) => {
    const listener = await connect(gateway.url(name), mode)
    const uri = 'test://watched-resource'
    const tools = await listener.client.listen({ toolsListChanged: true })
    expect(tools.honoredFilter).toEqual({ toolsListChanged: true })
    const other = await connect(gateway.url(name), mode)
    await other.call('test_trigger_resource_update')
    await other.call('test_trigger_tool_change')
    await listener.told.next()
    expect(listener.told.entries).toEqual(['notifications/tools/list_changed'])

    const resources = await listener.client.listen({ resourceSubscriptions: [uri] })
    await other.call('test_trigger_resource_update')
    await listener.told.next((what) => what.endsWith(uri))
    await Promise.all([tools.close(), resources.close()])
    await expect(tools.closed).resolves.toBe('local')
  })

  test('ST18: ends gracefully when the gateway closes', async () => {
    const own = await startGateway({ servers: { dual: { url: servers.dual.url } } })
    const { client } = await connect(own.url('dual'), 'auto')
    const subscription = await client.listen({ toolsListChanged: true })
    await own.close()
    await expect(subscription.closed).resolves.toBe('graceful')
  })

  /** A scripted server that offers subscriptions, acknowledges each, and leaves calls unanswered. */
  async function startRaw() {
    const upstream = await startUpstream({ sessions: false })
    closing.push(upstream.close)
    const own = await startGateway({ servers: { raw: { url: upstream.url } } })
    closing.push(own.close)
    upstream.on('server/discover', (exchange) =>
      exchange.result({
        supportedVersions: [MODERN],
        capabilities: { tools: { listChanged: true } },
        resultType: 'complete',
        ttlMs: 0,
        cacheScope: 'public',
      }),
    )
    upstream.on('subscriptions/listen', (exchange) => {
      const _meta = { [META.subscriptionId]: exchange.message?.id }
      const params = { notifications: { toolsListChanged: true }, _meta }
      return exchange.stream().send({ method: 'notifications/subscriptions/acknowledged', params })
    })
    upstream.on('tools/call', () => {})
    const { client } = await connect(own.url('raw'), 'auto')
    return { upstream, client }
  }

  test('ST18: ends gracefully when the server ends it', async () => {
    const { upstream, client } = await startRaw()
    const subscription = await client.listen({ toolsListChanged: true })
    const exchange = await upstream.nextRequest('subscriptions/listen')
    const _meta = { [META.subscriptionId]: exchange.message?.id }
    exchange.stream().finish({ resultType: 'complete', _meta })
    await expect(subscription.closed).resolves.toBe('graceful')
  })

  test('ER14 ST18: does not end gracefully when the server is lost', async () => {
    const { upstream, client } = await startRaw()
    const subscription = await client.listen({ toolsListChanged: true })
    const exchange = await upstream.nextRequest('subscriptions/listen')
    exchange.cut()
    await expect(subscription.closed).resolves.toBe('remote')
  })

  test('SE5: closed by the client, it is closed at the server', async () => {
    const { upstream, client } = await startRaw()
    const subscription = await client.listen({ toolsListChanged: true })
    const { over } = await upstream.nextRequest('subscriptions/listen')
    await subscription.close()
    await expect(over).resolves.toBe('cut')
  })

  test('SE5 SE14: a call the client cancels is aborted at the server, and not sent again', async () => {
    const { upstream, client } = await startRaw()
    const cancel = new AbortController()
    const call = client.callTool({ name: 'slow', arguments: {} }, { signal: cancel.signal })
    const { over } = await upstream.nextRequest('tools/call')
    cancel.abort('changed my mind')
    await expect(call).rejects.toThrow('changed my mind')
    await expect(over).resolves.toBe('cut')
    expect(upstream.requests('tools/call')).toHaveLength(1)
  })
})

describe('mcp-remote --protocol auto', () => {
  const config = mkdtempSync(join(tmpdir(), 'mcp-remote-'))
  afterAll(() => rmSync(config, { recursive: true }))

  async function connectMcpRemote(name: Name) {
    const client = await throughMcpRemote(config, '--protocol', 'auto')(gateway.url(name))
    closing.push(() => client.close())
    return client
  }

  test('CL9 ST15 ST21 ST22: before a server of both eras it bridges tools, questions and changes', async () => {
    const client = await connectMcpRemote('dual')
    expect((await client.tools()).map((tool) => tool.name)).toContain('test_simple_text')
    expect(textOf(await client.call('test_input_required_result_elicitation'))).toBe('Hello, Ada!')
    expect(textOf(await client.call('test_input_required_result_sampling'))).toBe('Hello.')
    expect(textOf(await client.call('test_input_required_result_list_roots'))).toBe('Roots: file:///home/ada')
    expect(textOf(await client.call('test_input_required_result_multi_round'))).toBe('Both questions answered.')
    await answered.next(({ method, status }) => method === 'subscriptions/listen' && status === 200)
    await client.call('test_trigger_tool_change')
    await client.told.next(({ method }) => method === 'notifications/tools/list_changed')
  })

  test('UC2: before a server of the session revisions it falls back', async () => {
    const client = await connectMcpRemote('legacy-only')
    expect(textOf(await client.call('test_simple_text'))).toBe('This is a simple text response for testing.')
    expect(textOf(await client.call('test_input_required_result_elicitation'))).toBe('Hello, Ada!')
  })
})

test('CL9 SS9 SS10: clients of both eras at once on one URL do not notice each other', async () => {
  const url = gateway.url('dual')
  const modes: Mode[] = ['legacy', 'auto', 'pin', 'legacy', 'auto', 'pin', 'legacy', 'auto']
  const clients = await Promise.all(modes.map((mode) => connect(url, mode)))
  const old = await Promise.all([connectSdkV1(url), connectSdkV1(url)])
  closing.push(...old.map((client) => () => client.close()))
  const listeners = clients.filter(({ client }) => client.getProtocolEra() === 'modern')
  await Promise.all(listeners.map(({ client }) => client.listen({ toolsListChanged: true })))
  expect(listeners).toHaveLength(5)

  const rounds = Array.from({ length: 4 }, (_, round) => round)
  const work = async (call: (name: string, args?: Record<string, unknown>) => Promise<string>, who: string) => {
    for (const round of rounds) {
      expect(await call('test_x_mcp_header', { region: `${who}-${round}` })).toBe(`region=${who}-${round}`)
      expect(await call('test_input_required_result_elicitation')).toBe('Hello, Ada!')
      expect(await call('test_input_required_result_multi_round')).toBe('Both questions answered.')
    }
  }
  // The SDK puts an argument into its header once it has seen the tool's schema.
  await Promise.all(clients.map(({ client }) => client.listTools()))
  await Promise.all([
    ...clients.map(({ call }, who) => work(call, String(who))),
    ...old.map((client, who) => work(async (name, args) => textOf(await client.call(name, args)), `old-${who}`)),
  ])
  for (const { asked } of clients) expect(asked.entries).toHaveLength(rounds.length * 3)

  const ids = [...clients.map(({ transport }) => transport.sessionId), ...old.map(({ sessionId }) => sessionId)]
  expect(ids.filter((id) => id === undefined)).toHaveLength(5)
  expect(new Set(ids.filter((id) => id !== undefined)).size).toBe(5)
  await clients[0]!.call('test_trigger_tool_change')
  await Promise.all(listeners.map(({ told }) => told.next()))
})
