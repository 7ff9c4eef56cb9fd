// Real clients through the gateway, each with the habits it has in the wild.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createMCPClient, ElicitationRequestSchema } from '@ai-sdk/mcp'
import { connectSdkV1, connectSdkV2, textOf } from './support/clients.ts'
import { startGateway, type Host, type RunningGateway } from './support/gateway.ts'
import { createJournal } from './support/journal.ts'
import { throughMcpRemote } from './support/mcp-remote.ts'
import { send } from './support/rpc.ts'
import { startEverything, startSdkV1Server, startSdkV2Server, type RunningServer } from './support/servers.ts'
import { closeUsed, use } from './support/use.ts'

/** A request as the gateway saw it, and what it answered. */
interface Seen {
  method: string
  url: string
  headers: NodeJS.Dict<string | string[]>
  status: Promise<number>
}

const seen = createJournal<Seen>()

const watchedHttp: Host = {
  prefix: '',
  mount: (gateway) => (req, res) => {
    const { method = '', url = '', headers } = req
    const status = new Promise<number>((resolve) => {
      res.once('close', () => resolve(res.statusCode))
    })
    seen.record({ method, url, headers, status })
    gateway(req, res)
  },
}

let everything: Awaited<ReturnType<typeof startEverything>>
let sdk: RunningServer
let gateway: RunningGateway

beforeAll(async () => {
  everything = await startEverything()
  const servers = (name: string) => ({ url: name === 'sdk' ? sdk.url : everything.url })
  gateway = await startGateway({ servers }, watchedHttp)
})
// A server of our own for each test, so that what happens there is the test's own.
beforeEach(async () => {
  sdk = await use(startSdkV1Server())
})
afterEach(closeUsed)
afterAll(async () => {
  await gateway.close()
  await everything.close()
})

const config = mkdtempSync(join(tmpdir(), 'mcp-remote-'))
afterAll(() => rmSync(config, { recursive: true }))

const connectMcpRemote = throughMcpRemote(config)

describe.each([
  ['SDK v1 Client', connectSdkV1, 1],
  ['SDK v2 Client in legacy mode', connectSdkV2, 1],
  // It opens a session to see whether it can, and another one to work in.
  ['mcp-remote behind an SDK v1 Client', connectMcpRemote, 2],
] as const)('%s', (_name, connect, streams) => {
  test('LC1 LC3 SS1 SS2: opens a session, lists the tools and calls one', async () => {
    const client = await use(connect(gateway.url('everything')))
    expect(client.server.info).toMatchObject({ name: 'mcp-servers/everything' })
    expect((await client.tools()).map((tool) => tool.name)).toEqual(
      expect.arrayContaining(['echo', 'trigger-elicitation-request', 'trigger-sampling-request', 'get-roots-list']),
    )
    expect(textOf(await client.call('echo', { message: 'hi' }))).toBe('Echo: hi')
  })

  test('UT1: sees progress while the call runs', async () => {
    const client = await use(connect(gateway.url('everything')))
    const steps: number[] = []
    const onprogress = ({ progress }: { progress: number }): void => void steps.push(progress)
    // An SDK v1 client on stdio drops progress that reaches it in one piece with the result: the steps are far enough apart.
    const result = await client.call('trigger-long-running-operation', { duration: 0.6, steps: 3 }, { onprogress })
    expect(steps.slice(0, 2)).toEqual([1, 2])
    expect(textOf(result)).toContain('Long running operation completed')
  })

  test('PU1: answers an elicitation and a sampling request in the middle of a call', async () => {
    const client = await use(connect(gateway.url('everything')))
    expect(textOf(await client.call('trigger-elicitation-request'))).toContain('- Name: Ada')
    expect(textOf(await client.call('trigger-sampling-request', { prompt: 'Say something.' }))).toContain('Hello.')
  })

  test('PU2 PU5: is asked for its roots on the GET stream, and gets log messages and updates there', async () => {
    const client = await use(connect(gateway.url('everything')))
    await client.setLogLevel('debug')
    await client.asked.next((method) => method === 'roots/list')
    const log = await client.told.next(({ method }) => method === 'notifications/message')
    expect(log.params).toMatchObject({ data: 'Roots updated: 1 root(s) received from client' })
    await client.subscribe('demo://resource/dynamic/text/1')
    await client.call('toggle-subscriber-updates')
    await client.told.next(({ method }) => method === 'notifications/resources/updated')
  })

  test('PU4: ping works in both directions', async () => {
    const client = await use(connect(gateway.url('sdk')))
    await expect(client.ping()).resolves.toEqual({})
    expect(textOf(await client.call('ping'))).toBe('the client is there')
  })

  test('PU5: hears that the list of tools changed', async () => {
    const client = await use(connect(gateway.url('sdk')))
    for (let open = 0; open < streams; open += 1) await sdk.happened('GET')
    await client.call('grow', { name: 'a-new-tool' })
    await client.told.next(({ method }) => method === 'notifications/tools/list_changed')
    expect((await client.tools()).map((tool) => tool.name)).toContain('a-new-tool')
  })

  test('UT4: cancels a call, and the server stops', async () => {
    const client = await use(connect(gateway.url('sdk')))
    const cancel = new AbortController()
    const call = client.call('slow', {}, { signal: cancel.signal })
    await sdk.happened('slow started')
    cancel.abort('changed my mind')
    await expect(call).rejects.toThrow('changed my mind')
    await sdk.happened('slow cancelled')
  })

  test('UT4: hears that the server takes a question back', async () => {
    const client = await use(connect(gateway.url('sdk'), { answer: false }))
    // The SDK v1 client never cancels a request with the id 0, which is the first one a server sends.
    await client.call('ping')
    const call = client.call('impatient')
    await client.asked.next((what) => what === 'elicitation/create')
    sdk.giveUp()
    await client.asked.next((what) => what === 'cancelled')
    expect(textOf(await call)).toBe('did not wait for the answer')
  })

  test('SE11: has many calls at once, and each gets its own answer', async () => {
    const client = await use(connect(gateway.url('everything')))
    const messages = Array.from({ length: 10 }, (_, n) => `message ${n}`)
    const results = await Promise.all(messages.map((message) => client.call('echo', { message })))
    expect(results.map(textOf)).toEqual(messages.map((message) => `Echo: ${message}`))
  })
})

describe.each([
  ['SDK v1 Client', connectSdkV1],
  ['SDK v2 Client', connectSdkV2],
] as const)('%s, as it behaves on the wire', (_name, connect) => {
  test('HD3 SS2: sends its session and the negotiated version with everything after initialize', async () => {
    const since = seen.entries.length
    const client = await use(connect(gateway.url('sdk')))
    await sdk.happened('GET')
    await client.call('echo', { text: 'hi' })
    const [opening, ...later] = seen.entries.slice(since)
    expect(opening?.headers['mcp-session-id']).toBeUndefined()
    expect(later.map(({ method }) => method).toSorted()).toEqual(['GET', 'POST', 'POST'])
    for (const { headers } of later) {
      expect(headers['mcp-session-id']).toBe(client.sessionId)
      expect(headers['mcp-protocol-version']).toBe(client.protocolVersion)
    }
  })

  test('SS3 SS4: ends its session with DELETE, at the server too, and its id is 404 from then on', async () => {
    const client = await use(connect(gateway.url('sdk')))
    await client.endSession()
    await sdk.happened('DELETE')
    const headers = { 'mcp-session-id': String(client.sessionId), accept: 'text/event-stream' }
    expect((await send('GET', gateway.url('sdk'), headers)).status).toBe(404)
  })
})

describe('SDK v2 Client that looks for the stateless revision first', () => {
  let dual: RunningServer
  beforeEach(async () => {
    dual = await use(startSdkV2Server())
  })

  test('CL9: speaks statelessly to a server of both eras, as it does directly', async () => {
    const relay = await use(startGateway({ servers: { dual: { url: dual.url } } }))
    for (const url of [dual.url, relay.url('dual')]) {
      const client = await use(connectSdkV2(url, { mode: 'auto' }))
      expect(client.sessionId).toBeUndefined()
      expect(textOf(await client.call('echo', { text: 'hi' }))).toBe('hi')
    }
  })

  test('CL1: falls back to a session with a server that knows only sessions', async () => {
    const since = seen.entries.length
    const client = await use(connectSdkV2(gateway.url('everything'), { mode: 'auto' }))
    expect(client.sessionId).toBeDefined()
    expect(textOf(await client.call('trigger-elicitation-request'))).toContain('- Name: Ada')
    const [probe] = seen.entries.slice(since)
    expect(probe?.headers['mcp-method']).toBe('server/discover')
    await expect(probe?.status).resolves.toBe(400)
  })

  test('CL1: falls back to a session where the gateway is told that the server knows only sessions', async () => {
    const relay = await use(startGateway({ servers: { dual: { url: dual.url, protocol: 'legacy' } } }))
    const client = await use(connectSdkV2(relay.url('dual'), { mode: 'auto' }))
    expect(client.sessionId).toBeDefined()
    expect(textOf(await client.call('echo', { text: 'hi' }))).toBe('hi')
  })
})

test('CL3: mcp-remote looks around with bare GETs, says Mcp-Method on a legacy handshake, and is served', async () => {
  const since = seen.entries.length
  const client = await use(connectMcpRemote(gateway.url('everything')))
  expect(textOf(await client.call('echo', { message: 'hi' }))).toBe('Echo: hi')
  const requests = seen.entries.slice(since)
  const bare = requests.filter(({ method, headers }) => method === 'GET' && headers['mcp-session-id'] === undefined)
  expect(bare.length).toBeGreaterThan(0)
  for (const { status } of bare) expect(await status).toBeGreaterThanOrEqual(400)
  const handshake = requests.find(({ headers }) => headers['mcp-method'] === 'initialize')
  expect(handshake?.headers['mcp-protocol-version']).toBeUndefined()
  await expect(handshake?.status).resolves.toBe(200)
})

test('SS10: sessions that mcp-remote leaves without DELETE do not disturb those that come after', async () => {
  for (let round = 0; round < 2; round += 1) {
    const client = await connectMcpRemote(gateway.url('everything'))
    expect(textOf(await client.call('echo', { message: `round ${round}` }))).toBe(`Echo: round ${round}`)
    await client.close()
  }
})

test('a client that leaves without a word, its GET stream open, gives the operator nothing to read', async () => {
  const quiet = await use(startGateway({ servers: { sdk: { url: sdk.url } } }))
  for (const connect of [connectSdkV1, connectSdkV2]) {
    const client = await connect(quiet.url('sdk'))
    await sdk.happened('GET')
    await client.call('echo', { text: 'hi' })
    await client.close()
  }
  expect(quiet.reported.entries).toEqual([])
})

describe('@ai-sdk/mcp 1.x', () => {
  const connectAiSdk = (url: string) =>
    createMCPClient({ transport: { type: 'http', url }, capabilities: { elicitation: {} } })

  test('HD3: says its version before there is one, is answered, and calls a tool', async () => {
    const since = seen.entries.length
    const client = await connectAiSdk(gateway.url('everything'))
    const tools = await client.tools()
    const result = await tools['echo']?.execute({ message: 'hi' }, { toolCallId: '1', messages: [] })
    expect(textOf(result)).toBe('Echo: hi')
    await client.close()

    const requests = seen.entries.slice(since)
    // Which of the two comes first differs between lines of Node.
    const early = requests
      .filter(({ headers }) => headers['mcp-session-id'] === undefined)
      .toSorted((a, b) => a.method.localeCompare(b.method))
    expect(early.map(({ method, headers }) => [method, headers['mcp-protocol-version']])).toEqual([
      ['GET', '2025-11-25'],
      ['POST', '2025-11-25'],
    ])
    await expect(Promise.all(early.map(({ status }) => status))).resolves.toEqual([400, 200])
    const ending = requests.find(({ method }) => method === 'DELETE')
    await expect(ending?.status).resolves.toBe(200)
  })

  test('PU1: answers an elicitation in the middle of a call', async () => {
    const client = await use(connectAiSdk(gateway.url('everything')))
    client.onElicitationRequest(ElicitationRequestSchema, () => ({ action: 'accept', content: { name: 'Ada' } }))
    const tools = await client.tools()
    const result = await tools['trigger-elicitation-request']?.execute({}, { toolCallId: '1', messages: [] })
    expect(textOf(result)).toContain('- Name: Ada')
  })
})
