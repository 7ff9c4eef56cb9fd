// Every real client before every real server, of whichever era each of them is: tools ask, report progress, are cancelled, and
// change what there is. The gateway relays where both ends speak one era, and bridges where they do not.
import { mkdtempSync, rmSync } from 'node:fs'
import type { RequestListener } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createMCPClient, ElicitationRequestSchema } from '@ai-sdk/mcp'
import type { HttpServer } from '../lib/index.ts'
import { connectSdkV1, connectSdkV2, type Connect, stepsInto, type TestClient, textOf } from './support/clients.ts'
import { startGateway, type RunningGateway } from './support/gateway.ts'
import { createJournal } from './support/journal.ts'
import { startLegacyOnlyServer } from './support/legacy-only-server.ts'
import { throughMcpRemote } from './support/mcp-remote.ts'
import { MODERN } from './support/modern.ts'
import { startModernOnlyServer } from './support/modern-only-server.ts'
import { startEverything, startSdkV2Server } from './support/servers.ts'

const folder = mkdtempSync(join(tmpdir(), 'mcp-remote-'))

type MatrixClient = Pick<TestClient, 'told' | 'tools' | 'call' | 'subscribe' | 'listen' | 'close'>

interface Client {
  readonly connect: (url: string) => Promise<MatrixClient>
  /** How many streams it opens by itself to be told of changes. */
  readonly streams: number
  /** Whether it subscribes by another stream, and is answered before that is open. */
  readonly relistens?: true
  /** What it cannot do, whatever is behind, and directly as little as here: with the reason seen. */
  readonly cannot?: { readonly [cell in 'progress' | 'cancel' | 'change']?: string }
}

async function connectAiSdk(url: string): Promise<MatrixClient> {
  const client = await createMCPClient({ transport: { type: 'http', url }, capabilities: { elicitation: {} } })
  client.onElicitationRequest(ElicitationRequestSchema, () => ({ action: 'accept', content: { name: 'Ada' } }))
  const nothing = (): Promise<void> => Promise.resolve()
  return {
    told: createJournal(),
    tools: async () => Object.keys(await client.tools()).map((name) => ({ name })),
    call: async (name, args = {}, { signal } = {}) =>
      (await client.tools())[name]?.execute(args, {
        toolCallId: '1',
        messages: [],
        ...(signal && { abortSignal: signal }),
      }),
    subscribe: nothing,
    listen: nothing,
    close: () => client.close(),
  }
}

const v2 =
  (mode: 'legacy' | 'auto' | { pin: string }): Connect =>
  (url) =>
    connectSdkV2(url, { mode })

const CLIENTS: Readonly<Record<string, Client>> = {
  'SDK v1': { connect: connectSdkV1, streams: 1 },
  'SDK v2 in legacy mode': { connect: v2('legacy'), streams: 1 },
  'SDK v2 in auto mode': { connect: v2('auto'), streams: 0 },
  'SDK v2 pinned to 2026-07-28': { connect: v2({ pin: MODERN }), streams: 0 },
  // It opens a session to see whether it can, and another one to work in.
  'mcp-remote': { connect: throughMcpRemote(folder), streams: 2 },
  'mcp-remote --protocol auto': {
    connect: throughMcpRemote(folder, '--protocol', 'auto'),
    streams: 1,
    relistens: true,
    cannot: { cancel: 'it POSTs notifications/cancelled, which ends nothing in 2026-07-28, and keeps the stream open' },
  },
  '@ai-sdk/mcp': {
    connect: connectAiSdk,
    streams: 0,
    cannot: {
      progress: 'it sends no progress token',
      cancel: 'it closes the connection, which ends nothing in revisions with sessions',
      change: 'it takes no notifications',
    },
  },
}

interface Running {
  readonly url: string
  close(): Promise<void>
  /** Waits until its tool `slow` was started, or has seen that it was cancelled. */
  happened?(what: 'slow started' | 'slow cancelled'): Promise<unknown>
}

interface Server {
  readonly start: () => Promise<Running>
  readonly config?: Partial<HttpServer>
  /** The tools that ask who the user is. */
  readonly asking: readonly string[]
  readonly counting: readonly [name: string, args: object]
  readonly slow: readonly [name: string, args: object]
  /** The resource that it tells of when this tool is called; without one its list of tools grows. */
  readonly updates?: { readonly uri: string; readonly tool: string }
}

/** Its steps are told apart on a pipe by a pause. */
const OF_THE_TESTS = { counting: ['count', { to: 3, pauseMs: 20 }], slow: ['slow', {}] } as const

const SERVERS: Readonly<Record<string, Server>> = {
  // Its tools ask in the stream of the call. None sees that it is cancelled, or changes the list.
  'server-everything': {
    start: startEverything,
    asking: ['trigger-elicitation-request'],
    counting: ['trigger-long-running-operation', { duration: 0.06, steps: 3 }],
    slow: ['trigger-long-running-operation', { duration: 2, steps: 20 }],
    updates: { uri: 'demo://resource/dynamic/text/1', tool: 'toggle-subscriber-updates' },
  },
  // By extra.sendRequest(), in the stream of the call, and by server.elicitInput(), in that of the session.
  'SDK v1': { start: startLegacyOnlyServer, asking: ['ask', 'ask_in_session'], ...OF_THE_TESTS },
  // By ctx.mcpReq.elicitInput() and server.elicitInput(), both of them in the stream of the session.
  'SDK v2 with sessions': {
    start: startSdkV2Server,
    config: { protocol: 'legacy' },
    asking: ['ask', 'ask_in_session'],
    ...OF_THE_TESTS,
  },
  'SDK v2 of 2026-07-28 alone': {
    async start() {
      const { seen, ...server } = await startModernOnlyServer()
      return { ...server, happened: (what) => seen.next((each) => each === what) }
    },
    asking: ['ask'],
    ...OF_THE_TESTS,
  },
}

const cells = Object.keys(SERVERS).flatMap((server) => Object.keys(CLIENTS).map((client) => [client, server] as const))

/** The path of each stream by which a client is told of changes, once it is open. */
const listening = createJournal<string>()

const watched =
  (gateway: RequestListener): RequestListener =>
  (req, res) => {
    const { method, headers, url = '' } = req
    const listens = method === 'GET' || headers['mcp-method'] === 'subscriptions/listen'
    const writeHead = res.writeHead.bind(res) as (...args: unknown[]) => typeof res
    res.writeHead = (...args: unknown[]) => {
      if (listens && args[0] === 200) listening.record(url)
      return writeHead(...args)
    }
    gateway(req, res)
  }

const running = new Map<string, Running>()
let gateway: RunningGateway

beforeAll(async () => {
  const starting = Object.entries(SERVERS).map(async ([name, { start }]) => running.set(name, await start()))
  await Promise.all(starting)
  const servers = (name: string): HttpServer => {
    const [server = ''] = name.split(' < ')
    return { url: running.get(server)!.url, bridge: true, ...SERVERS[server]!.config }
  }
  const authenticate = (): { id: string } => ({ id: 'ada' })
  gateway = await startGateway({ servers, authenticate }, { prefix: '', mount: watched })
})

afterAll(async () => {
  await gateway.close()
  await Promise.all([...running.values()].map((server) => server.close()))
  rmSync(folder, { recursive: true })
})

describe.each(cells)('%s before %s', (front, behind) => {
  const { connect, streams, relistens, cannot = {} } = CLIENTS[front]!
  const { asking, counting, slow, updates } = SERVERS[behind]!
  // A name of its own, so that it meets the session of no other cell at the server.
  const url = (): string => gateway.url(encodeURIComponent(`${behind} < ${front}`))
  const opened = (): Promise<string> => listening.next((path) => path === new URL(url()).pathname)
  let client: MatrixClient

  beforeAll(async () => {
    client = await connect(url())
  })
  afterAll(() => client.close())

  test('PU1 ST22 tools ask, in whichever stream, and get the answer', async () => {
    for (const tool of asking) expect(textOf(await client.call(tool))).toContain('Ada')
  })

  test('UT1 progress is told in order', async () => {
    const [name, args] = counting
    const steps: number[] = []
    await client.call(name, { ...args }, { onprogress: stepsInto(steps) })
    // An SDK client drops progress that reaches it in one piece with the result: on stdio, and where a server makes no pause
    // between the two. And server-everything asks for the roots in the middle: of what it tells until they are there, a
    // client gets the last.
    const mayMiss = behind === 'server-everything' || front.startsWith('mcp-remote')
    const some = [1, 2, 3].filter((step) => !mayMiss || steps.includes(step))
    expect(steps).toEqual(cannot.progress ? [] : some)
    expect(steps).toHaveLength(cannot.progress ? 0 : Math.max(1, steps.length))
  })

  test('UT4 LC8 SE5 a call is cancelled, and the next one is answered', async () => {
    const { happened = () => Promise.resolve() } = running.get(behind)!
    const abort = new AbortController()
    const [name, args] = slow
    const calling = client.call(name, { ...args }, { signal: abort.signal })
    await happened('slow started')
    abort.abort()
    await expect(calling).rejects.toThrow(/abort/i)
    if (!cannot.cancel) await happened('slow cancelled')
    const [tool = ''] = asking
    expect(textOf(await client.call(tool))).toContain('Ada')
  })

  test('PU5 ST17 changes are told', async () => {
    for (let open = 0; open < streams; open += 1) await opened()
    if (updates) {
      await client.subscribe(updates.uri)
      if (relistens) await opened()
      await client.call(updates.tool)
      if (!cannot.change) await client.told.next(({ method }) => method === 'notifications/resources/updated')
      return
    }
    await client.listen()
    const name = `grown_${cells.findIndex(([each, server]) => each === front && server === behind)}`
    await client.call('grow', { name })
    if (!cannot.change) await client.told.next(({ method }) => method === 'notifications/tools/list_changed')
    expect((await client.tools()).map((tool) => tool.name)).toContain(name)
  })
})
