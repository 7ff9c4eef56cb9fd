// Real clients of 2026-07-28 in front of real servers that have sessions alone. Each before every server:
// clients-matrix.test.ts.
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { type GatewayOptions, inProcess, MemoryEventLog, type ServerConfig } from '../lib/index.ts'
import { stepsInto, textOf } from './support/clients.ts'
import { type RunningGateway, startGateway } from './support/gateway.ts'
import { createJournal } from './support/journal.ts'
import {
  createLegacyOnlyServer,
  LEGACY_WATCHED,
  type LegacyOnlyServer,
  startLegacyOnlyServer,
} from './support/legacy-only-server.ts'
import { MODERN } from './support/modern.ts'
import { startEverything } from './support/servers.ts'
import { closeUsed, use } from './support/use.ts'

afterEach(closeUsed)

async function connect(url: string, headers: Record<string, string> = {}) {
  const capabilities = { elicitation: {}, sampling: {}, roots: {} }
  const client = new Client(
    { name: 'modern', version: '1' },
    { capabilities, versionNegotiation: { mode: { pin: MODERN } } },
  )
  const asked = createJournal<string>()
  const told = createJournal<string>()
  client.setRequestHandler('elicitation/create', ({ method }) => {
    asked.record(method)
    return { action: 'accept', content: { name: 'Ada' } }
  })
  client.setRequestHandler('sampling/createMessage', ({ method }) => {
    asked.record(method)
    return { model: 'm', role: 'assistant', content: { type: 'text', text: 'Hello.' } }
  })
  client.setRequestHandler('roots/list', ({ method }) => {
    asked.record(method)
    return { roots: [{ uri: 'file:///home/ada', name: 'home' }] }
  })
  client.setNotificationHandler('notifications/tools/list_changed', ({ method }) => told.record(method))
  client.setNotificationHandler('notifications/resources/updated', ({ params }) => told.record(params.uri))
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }))
  await use(client)
  const call = async (name: string, args: Record<string, unknown> = {}, options = {}) =>
    textOf(await client.callTool({ name, arguments: args }, options))
  return { client, asked, told, call }
}

let gateway: RunningGateway

async function start(server: ServerConfig, options: Partial<GatewayOptions> = {}): Promise<string> {
  gateway = await use(startGateway({ servers: { old: server }, ...options }))
  return gateway.url('old')
}

const happened = async ({ happenings }: LegacyOnlyServer, what: string): Promise<void> => {
  while (!happenings.entries.includes(what as never)) await happenings.next()
}

const NAMED = 'accept: {"name":"Ada"}'

describe.each([
  ['without event ids', false, () => ({})],
  ['with event ids and keys', true, () => ({ keys: ['k'.repeat(32)] })],
  ['with an event log', false, () => ({ events: new MemoryEventLog() })],
] as const)('the SDK v2 client, pinned to 2026-07-28, in front of SDK v1 %s', (_, ids, options) => {
  test('ST7 ST21 ST22 PU1 finds what there is, and answers what tools ask in either stream', async () => {
    const server = await use(startLegacyOnlyServer({ ids }))
    const { client, call, asked } = await connect(await start({ url: server.url, bridge: true }, options()))
    expect(client.getServerVersion()).toMatchObject({ name: 'legacy-only' })
    expect(client.getInstructions()).toBe('For tests.')
    expect((await client.listTools()).tools.map(({ name }) => name)).toContain('ask')
    expect(await call('ask')).toBe(NAMED)
    expect(await call('ask_in_session')).toBe(NAMED)
    expect(await call('ask_twice')).toBe('accept, accept')
    expect(await call('sample')).toContain('Hello.')
    expect(await call('roots')).toBe('file:///home/ada')
    expect(asked.entries).toHaveLength(6)
    expect([...server.runs.values()]).toEqual([1, 1, 1])
    expect(gateway.reported.entries).toEqual([])
  })

  test('UT1 SE5 ST17 sees progress, cancels a call, and hears of changes', async () => {
    const server = await use(startLegacyOnlyServer({ ids }))
    const authenticate = () => ({ id: 'ada' })
    const url = await start({ url: server.url, bridge: true, protocol: 'legacy' }, { ...options(), authenticate })
    const { client, call, told } = await connect(url)
    const steps: number[] = []
    const onprogress = ({ progress }: { progress: number }): void => void steps.push(progress)
    expect(await call('count', { to: 3 }, { onprogress })).toBe('counted to 3')
    expect(steps).toEqual([1, 2, 3])
    const abort = new AbortController()
    const slow = call('slow', {}, { signal: abort.signal })
    await happened(server, 'slow started')
    abort.abort()
    await expect(slow).rejects.toThrow(/abort/i)
    await happened(server, 'slow cancelled')
    const listening = await client.listen({ toolsListChanged: true, resourceSubscriptions: [LEGACY_WATCHED] })
    await call('grow', { name: 'young' })
    await call('touch')
    while (told.entries.length < 2) await told.next()
    expect(told.entries).toEqual(['notifications/tools/list_changed', LEGACY_WATCHED])
    expect((await client.listTools()).tools.map(({ name }) => name)).toContain('young')
    await listening.close()
    expect(gateway.reported.entries).toEqual([])
  })
})

test('SS1 calls one after the other find what the session holds; another principal does not', async () => {
  const server = await use(startLegacyOnlyServer())
  const authenticate = ({ headers }: { headers: NodeJS.Dict<string | string[]> }) => ({ id: String(headers['x-user']) })
  const url = await start({ url: server.url, bridge: true }, { authenticate })
  const [ada, bob] = [await connect(url, { 'x-user': 'ada' }), await connect(url, { 'x-user': 'bob' })]
  expect([await ada.call('put', { n: 1 }), await ada.call('put', { n: 2 })]).toEqual(['1', '3'])
  expect(await bob.call('put', { n: 10 })).toBe('10')
  const asked = await Promise.all([ada, bob, ada, bob].map(({ call }) => call('ask_in_session')))
  expect(asked).toEqual(Array(4).fill(NAMED))
})

test('ST21 a server in this process, which has sessions alone, is bridged, too', async () => {
  const stage = { record: () => {}, givenUp: new AbortController().signal }
  const server = inProcess((transport) => createLegacyOnlyServer(stage).connect(transport as never))
  const { call } = await connect(await start({ ...server, bridge: true }))
  expect(await call('ask')).toBe(NAMED)
  expect(await call('ask_in_session')).toBe(NAMED)
  expect(await call('put', { n: 1 })).toBe('1')
  expect(await call('put', { n: 2 })).toBe('3')
  expect(gateway.reported.entries).toEqual([])
})

test('UC3 server-everything is bridged: tools, progress, questions, resources, prompts, completion', async () => {
  const server = await use(startEverything())
  const authenticate = () => ({ id: 'ada' })
  const { client, call, asked } = await connect(await start({ url: server.url, bridge: true }, { authenticate }))
  expect(await call('echo', { message: 'hi' })).toContain('hi')
  const steps: number[] = []
  const onprogress = stepsInto(steps)
  await call('trigger-long-running-operation', { duration: 0.2, steps: 2 }, { onprogress })
  expect(steps).toEqual([1, 2])
  expect(await call('trigger-elicitation-request')).toContain('Ada')
  expect(asked.entries).toContain('elicitation/create')
  const { resources } = await client.listResources()
  const { contents } = await client.readResource({ uri: resources[0]!.uri })
  expect(contents).toHaveLength(1)
  const { prompts } = await client.listPrompts()
  expect(prompts.length).toBeGreaterThan(0)
})

test('UC3 server-everything behind HTTP+SSE is bridged, too', async () => {
  const server = await use(startEverything('sse'))
  const { call } = await connect(await start({ type: 'sse', url: server.url, bridge: true }))
  expect(await call('echo', { message: 'hi' })).toContain('hi')
  expect(await call('trigger-elicitation-request')).toContain('Ada')
})

test('ST24 two nodes with keys: a question is answered at the other one, the tool runs once', async () => {
  const server = await use(startLegacyOnlyServer({ ids: true }))
  const options = { servers: { old: { url: server.url, bridge: true } }, keys: ['k'.repeat(32)] }
  const nodes = [await use(startGateway(options)), await use(startGateway(options))]
  const { client, call } = await connect(nodes[0]!.url('old'))
  // Each request of the client goes to the other node than the one before it.
  let turn = 0
  Object.defineProperty(client.transport, '_url', { get: () => new URL(nodes[(turn += 1) % 2]!.url('old')) })
  for (let round = 0; round < 4; round += 1) {
    expect(await call('ask')).toBe(NAMED)
    expect(await call('ask_in_session')).toBe(NAMED)
    expect(await call('ask_twice')).toBe('accept, accept')
  }
  expect([...server.runs.values()]).toEqual([4, 4, 4])
  expect(nodes.flatMap(({ reported }) => reported.entries)).toEqual([])
})
