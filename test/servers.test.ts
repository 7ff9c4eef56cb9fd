// Real servers through the gateway: what an SDK v1 client gets through it is what it gets from the server itself.
import { connectSdkV1, textOf, type Connect, type TestClient } from './support/clients.ts'
import { startGateway, type RunningGateway } from './support/gateway.ts'
import { initialize, send } from './support/rpc.ts'
import {
  startEverything,
  startSdkV1Server,
  startSdkV2Server,
  type ChildServer,
  type RunningServer,
} from './support/servers.ts'

const sdkServers = [
  ['SDK v1 McpServer', startSdkV1Server],
  ['SDK v2 McpServer', startSdkV2Server],
] as const

/** Everything a client can see of a server, in an order that does not vary. */
async function tour(client: TestClient, calls: Array<[string, Record<string, unknown>]>) {
  const results: unknown[] = []
  for (const [name, args] of calls) {
    const progress: unknown[] = []
    const onprogress = (step: unknown): void => void progress.push(step)
    const result = await client.call(name, args, { onprogress }).catch((error: Error) => error.message)
    results.push({ name, result, progress })
  }
  const asked = client.asked.entries.toSorted()
  return { server: client.server, version: client.protocolVersion, tools: await client.tools(), results, asked }
}

async function tourOf(
  url: string,
  calls: Array<[string, Record<string, unknown>]>,
  listening?: () => Promise<unknown>,
) {
  const client = await connectSdkV1(url)
  try {
    await listening?.()
    return await tour(client, calls)
  } finally {
    await client.endSession()
    await client.close()
  }
}

describe.each(sdkServers)('%s', (_name, start) => {
  let server: RunningServer
  let gateway: RunningGateway
  let url: string

  // A server for each test, so that what happens there is the test's own.
  beforeEach(async () => {
    server = await start()
    gateway = await startGateway({ servers: { sdk: { url: server.url } } })
    url = gateway.url('sdk')
  })
  afterEach(async () => {
    await gateway.close()
    await server.close()
  })

  test('LC1 LC9 PU1 UT1 RPC13: a client sees the same server directly and through the gateway', async () => {
    const calls: Array<[string, Record<string, unknown>]> = [
      ['echo', { text: 'Grüße, 世界 👋' }],
      ['add', { a: 2, b: 3 }],
      ['fail', {}],
      ['count', { to: 5 }],
      ['ask', {}],
      ['sample', {}],
      ['roots', {}],
      ['ping', {}],
      ['no-such-tool', {}],
    ]
    const listening = () => server.happened('GET')
    const direct = await tourOf(server.url, calls, listening)
    expect(direct.results).toHaveLength(calls.length)
    expect(direct.asked).toEqual(['elicitation/create', 'roots/list', 'sampling/createMessage'])
    await expect(tourOf(url, calls, listening)).resolves.toEqual(direct)
  })

  describe.each(['directly', 'through the gateway'])('%s', (route) => {
    const clients: TestClient[] = []
    const connect: Connect = async (_url, options) => {
      const client = await connectSdkV1(route === 'directly' ? server.url : url, options)
      clients.push(client)
      // The SDK v2 server puts its questions on the GET stream: nothing is asked before that is open.
      await server.happened('GET')
      return client
    }
    afterEach(() => Promise.all(clients.splice(0).map((client) => client.close())))

    test('UT1: progress arrives step by step, in order, before the result', async () => {
      const client = await connect(url)
      const seen: number[] = []
      const result = await client.call('count', { to: 4 }, { onprogress: ({ progress }) => seen.push(progress) })
      expect(seen).toEqual([1, 2, 3, 4])
      expect(textOf(result)).toBe('counted to 4')
    })

    test('PU1: an elicitation, a sampling request and a roots request are answered by the client', async () => {
      const client = await connect(url)
      expect(textOf(await client.call('ask'))).toBe('accept: Ada')
      expect(textOf(await client.call('sample'))).toContain('Hello.')
      expect(textOf(await client.call('roots'))).toBe('file:///home/ada')
    })

    test('PU4: ping works in both directions', async () => {
      const client = await connect(url)
      await expect(client.ping()).resolves.toEqual({})
      expect(textOf(await client.call('ping'))).toBe('the client is there')
    })

    test('PU5: list_changed comes on the GET stream and the new tool can be called', async () => {
      const client = await connect(url)
      const name = 'a-new-tool'
      await client.call('grow', { name })
      const { method } = await client.told.next()
      expect(method).toBe('notifications/tools/list_changed')
      expect((await client.tools()).map((tool) => tool.name)).toContain(name)
      expect(textOf(await client.call(name))).toBe(`I am ${name}`)
    })

    test('PU5: a log message reaches the client that asked for its level', async () => {
      const client = await connect(url)
      await client.setLogLevel('warning')
      await client.call('log', { text: 'mind the gap' })
      const { params } = await client.told.next(({ method }) => method === 'notifications/message')
      expect(params).toMatchObject({ level: 'warning', data: 'mind the gap' })
    })

    test('UT4: a request the client cancels is cancelled at the server', async () => {
      const client = await connect(url)
      const cancel = new AbortController()
      const call = client.call('slow', {}, { signal: cancel.signal })
      await server.happened('slow started')
      cancel.abort('changed my mind')
      await expect(call).rejects.toThrow('changed my mind')
      await server.happened('slow cancelled')
      expect(textOf(await client.call('echo', { text: 'still here' }))).toBe('still here')
    })

    test('UT4: a request the server cancels is cancelled at the client', async () => {
      const client = await connect(url, { answer: false })
      // The SDK v1 client never cancels a request with the id 0, which is the first one a server sends.
      await client.call('ping')
      const call = client.call('impatient')
      await client.asked.next((what) => what === 'elicitation/create')
      server.giveUp()
      await client.asked.next((what) => what === 'cancelled')
      expect(textOf(await call)).toBe('did not wait for the answer')
    })

    test('SE11: three calls at once get their own answers, whatever their order', async () => {
      const client = await connect(url)
      const numbers = [0, 1, 2, 3, 4, 5, 6, 7]
      const results = await Promise.all(numbers.map((n) => client.call('add', { a: n, b: 100 })))
      expect(results.map(textOf)).toEqual(numbers.map((n) => String(n + 100)))
    })

    test('SS3 SS4: DELETE ends the session at the server, and its id is 404 from then on', async () => {
      const client = await connect(url)
      await client.endSession()
      await server.happened('DELETE')
      const id = client.sessionId
      const address = route === 'directly' ? server.url : url
      const headers = { 'mcp-session-id': String(id), accept: 'text/event-stream' }
      expect((await send('GET', address, headers)).status).toBe(404)
    })
  })
})

describe('server-everything', () => {
  let server: ChildServer
  let gateway: RunningGateway
  let url: string

  beforeAll(async () => {
    server = await startEverything()
    gateway = await startGateway({ servers: { everything: { url: server.url } } })
    url = gateway.url('everything')
  })
  afterAll(async () => {
    await gateway.close()
    await server.close()
  })

  test('LC1 LC9 PU1 UT1 RPC13: a client sees the same server directly and through the gateway', async () => {
    const calls: Array<[string, Record<string, unknown>]> = [
      ['echo', { message: 'Grüße, 世界 👋' }],
      ['get-sum', { a: 2, b: 3 }],
      ['get-structured-content', { location: 'New York' }],
      ['get-tiny-image', {}],
      ['get-resource-links', { count: 3 }],
      ['trigger-long-running-operation', { duration: 0.03, steps: 3 }],
      ['trigger-elicitation-request', {}],
      ['trigger-sampling-request', { prompt: 'Say something.', maxTokens: 10 }],
      ['no-such-tool', {}],
    ]
    const direct = await tourOf(server.url, calls)
    expect(direct.results).toHaveLength(calls.length)
    // It asks for roots as well, but in no call and some time after the handshake: test/stdio/real-servers.test.ts has it.
    const withoutRoots = ({ asked, ...rest }: Awaited<ReturnType<typeof tour>>) => ({
      ...rest,
      asked: asked.filter((method) => method !== 'roots/list'),
    })
    expect(withoutRoots(direct).asked).toEqual(['elicitation/create', 'sampling/createMessage'])
    expect(withoutRoots(await tourOf(url, calls))).toEqual(withoutRoots(direct))
  })

  test.each<[string, object]>([
    ['tools/list', {}],
    ['resources/list', {}],
    ['resources/templates/list', {}],
    ['resources/read', { uri: 'demo://resource/static/document/architecture.md' }],
    ['resources/read', { uri: 'demo://no-such-resource' }],
    ['prompts/list', {}],
    ['prompts/get', { name: 'args-prompt', arguments: { city: 'Paris' } }],
    [
      'completion/complete',
      { ref: { type: 'ref/prompt', name: 'completable-prompt' }, argument: { name: 'department', value: '' } },
    ],
    ['logging/setLevel', { level: 'no-such-level' }],
    ['no/such/method', {}],
  ])('UT7 UT8 UT9 ER10 RPC13: %s %j is answered word for word as the server does', async (method, params) => {
    const [direct, through] = await Promise.all(
      [server.url, url].map(async (address) => {
        const session = await initialize(address, { capabilities: { elicitation: {} } })
        const answer = await session.request(method, params)
        await session.end()
        return { status: answer.status, type: answer.headers['content-type'], message: answer.message }
      }),
    )
    expect(direct?.message).toBeDefined()
    expect(through).toEqual(direct)
  })

  test('PU2: roots/list comes on the GET stream though no request asked for it, and the answer arrives', async () => {
    await withClient(async (client) => {
      await client.setLogLevel('debug')
      await client.asked.next((method) => method === 'roots/list')
      const { params } = await client.told.next(({ method }) => method === 'notifications/message')
      expect(params).toMatchObject({ data: 'Roots updated: 1 root(s) received from client' })
    })
  })

  test('PU5: updates of a subscribed resource come on the GET stream', async () => {
    await withClient(async (client) => {
      // Its question for the roots shows that the GET stream is open.
      await client.asked.next((method) => method === 'roots/list')
      const uri = 'demo://resource/dynamic/text/1'
      await client.subscribe(uri)
      await client.call('toggle-subscriber-updates')
      const { params } = await client.told.next(({ method }) => method === 'notifications/resources/updated')
      expect(params).toEqual({ uri })
    })
  })

  async function withClient(use: (client: TestClient) => Promise<void>): Promise<void> {
    const client = await connectSdkV1(url)
    try {
      await use(client)
    } finally {
      await client.endSession()
      await client.close()
    }
  }
})
