// Real clients of one URL, behind which there are the reference servers: over HTTP, in a process, and in this one.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createMCPClient, ElicitationRequestSchema } from '@ai-sdk/mcp'
import { aggregate, inProcess } from '../lib/index.ts'
import { stdio } from '../lib/stdio/index.ts'
import { connectSdkV1, connectSdkV2, type Connect, textOf } from './support/clients.ts'
import { type RunningGateway, startGateway } from './support/gateway.ts'
import { throughMcpRemote } from './support/mcp-remote.ts'
import { modernOnlyPipe } from './support/modern-only-server.ts'
import { type ChildServer, startEverything, startSdkV1Server, type RunningServer } from './support/servers.ts'
import { closeUsed, use } from './support/use.ts'

let folder: string
let everything: ChildServer
let asking: RunningServer
let gateway: RunningGateway

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aggregate-'))
  await writeFile(join(folder, 'prices.txt'), 'tea 3')
  everything = await startEverything()
  asking = await startSdkV1Server()
  const filesystem = createRequire(import.meta.url).resolve('@modelcontextprotocol/server-filesystem/dist/index.js')
  gateway = await startGateway({
    servers: {
      desk: aggregate({
        everything: { url: everything.url },
        files: stdio({ command: process.execPath, args: [filesystem, folder] }),
        modern: inProcess(modernOnlyPipe().pipe),
        asking: { url: asking.url },
      }),
    },
  })
})
afterEach(closeUsed)
afterAll(async () => {
  await gateway.close()
  await Promise.all([everything.close(), asking.close(), rm(folder, { recursive: true })])
})

const CLIENTS: readonly (readonly [string, () => Connect])[] = [
  ['SDK v1', () => connectSdkV1],
  ['SDK v2', () => connectSdkV2],
  ['mcp-remote', () => throughMcpRemote(folder)],
]

test.each(CLIENTS)(
  'LC1 RPC3 %s has the tools of all, calls them, and answers what two members ask at once',
  async (_name, connect) => {
    const client = await use(connect()(gateway.url('desk')))
    const names = (await client.tools()).map(({ name }) => name)
    expect(names).toEqual(
      expect.arrayContaining(['everything__echo', 'files__read_text_file', 'modern__ask', 'asking__ask']),
    )
    expect(textOf(await client.call('everything__echo', { message: 'hi' }))).toContain('hi')
    const path = join(folder, 'prices.txt')
    expect(textOf(await client.call('files__read_text_file', { path }))).toBe('tea 3')
    const answers = await Promise.all(['asking__ask', 'modern__ask', 'asking__ask'].map((name) => client.call(name)))
    expect(answers.map(textOf)).toEqual(['accept: Ada', 'accept: {"name":"Ada"}', 'accept: Ada'])
    const links = await client.call('everything__get-resource-links', { count: 1 })
    expect(JSON.stringify(links)).toMatch(/"uri":"everything\+demo:/)
    await client.ping()
  },
)

test('LC1 @ai-sdk/mcp has the tools of all, and answers what they ask', async () => {
  const transport = { type: 'http', url: gateway.url('desk') } as const
  const client = await use(createMCPClient({ transport, capabilities: { elicitation: {} } }))
  client.onElicitationRequest(ElicitationRequestSchema, () => ({ action: 'accept', content: { name: 'Ada' } }))
  const tools = await client.tools()
  const call = (name: string, args: object = {}) => tools[name]?.execute(args, { toolCallId: name, messages: [] })
  expect(textOf(await call('files__read_text_file', { path: join(folder, 'prices.txt') }))).toBe('tea 3')
  const answers = await Promise.all([call('asking__ask'), call('modern__ask')])
  expect(answers.map(textOf)).toEqual(['accept: Ada', 'accept: {"name":"Ada"}'])
})

test('PU5 what a member tells of its tools is told, and a progress token is the client’s', async () => {
  const client = await use(connectSdkV2(gateway.url('desk')))
  const seen: number[] = []
  await client.call('asking__count', { to: 3 }, { onprogress: ({ progress }) => seen.push(progress) })
  expect(seen.length).toBeGreaterThan(0)
  await client.call('asking__grow', { name: `young-${Date.now()}` })
  await client.told.next(({ method }) => method === 'notifications/tools/list_changed')
})

test('RT1 ST22 a client of 2026-07-28 is served by members of every era, and two of them ask at once', async () => {
  const bridged = await use(
    startGateway({
      servers: {
        desk: aggregate({
          old: { url: asking.url, bridge: true },
          modern: inProcess(modernOnlyPipe().pipe),
          everything: { url: everything.url, protocol: 'legacy', bridge: true },
        }),
      },
    }),
  )
  const client = await use(connectSdkV2(bridged.url('desk'), { mode: 'auto' }))
  expect(client.protocolVersion).toBe('2026-07-28')
  const names = (await client.tools()).map(({ name }) => name)
  expect(names).toEqual(expect.arrayContaining(['old__ask', 'modern__ask', 'everything__echo']))
  const answers = await Promise.all(['old__ask', 'modern__ask', 'old__ask'].map((name) => client.call(name)))
  expect(answers.map(textOf)).toEqual(['accept: Ada', 'accept: {"name":"Ada"}', 'accept: Ada'])
  expect(textOf(await client.call('everything__echo', { message: 'hi' }))).toContain('hi')
})
