// Published servers as child processes of the gateway: each client gets what a client gets that starts them itself.
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createMCPClient } from '@ai-sdk/mcp'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { stdio, type StdioOptions } from '../../lib/stdio/index.ts'
import { type Connect, connectSdkV1, connectSdkV2, connectV1, type TestClient, textOf } from '../support/clients.ts'
import { type RunningGateway, startGateway } from '../support/gateway.ts'
import { throughMcpRemote } from '../support/mcp-remote.ts'
import { startEverything } from '../support/servers.ts'

type Calls = readonly (readonly [tool: string, args: Record<string, unknown>])[]

interface RealServer {
  readonly options: StdioOptions & { readonly env?: Record<string, string>; readonly args: readonly string[] }
  readonly calls: Calls
  /** What it asks its client of its own accord. */
  readonly asks?: string
}

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'real-servers-')))
const files = join(folder, 'files')
mkdirSync(files)
const note = join(files, 'note.txt')
const ada = { name: 'Ada', entityType: 'person', observations: ['writes programs'] }
const thought = { thought: 'First', thoughtNumber: 1, totalThoughts: 2, nextThoughtNeeded: true }

/** The program of a package, started by this Node. */
function server(name: string, args: string[] = [], env: Record<string, string> = {}): RealServer['options'] {
  const manifest = createRequire(import.meta.url).resolve(`@modelcontextprotocol/server-${name}/package.json`)
  return { command: process.execPath, args: [join(dirname(manifest), 'dist', 'index.js'), ...args], env, graceMs: 500 }
}

const SERVERS: Readonly<Record<string, RealServer>> = {
  everything: {
    options: server('everything', ['stdio']),
    asks: 'roots/list',
    calls: [
      ['echo', { message: 'Grüße, 世界' }],
      ['get-sum', { a: 2, b: 3 }],
      ['get-tiny-image', {}],
      ['get-structured-content', { location: 'Chicago' }],
      ['trigger-elicitation-request', {}],
      ['trigger-sampling-request', { prompt: 'Hi', maxTokens: 5 }],
      ['get-sum', { a: 'two', b: 3 }],
    ],
  },
  filesystem: {
    options: server('filesystem', [files]),
    asks: 'roots/list',
    calls: [
      ['write_file', { path: note, content: 'one\ntwo\n' }],
      ['read_text_file', { path: note }],
      ['edit_file', { path: note, edits: [{ oldText: 'two', newText: 'three' }] }],
      ['read_multiple_files', { paths: [note, join(files, 'missing.txt')] }],
      ['list_directory', { path: files }],
      ['read_text_file', { path: '/etc/passwd' }],
    ],
  },
  memory: {
    options: server('memory', [], { MEMORY_FILE_PATH: join(folder, 'memory.jsonl') }),
    calls: [
      ['create_entities', { entities: [ada] }],
      ['add_observations', { observations: [{ entityName: 'Ada', contents: ['reads'] }] }],
      ['read_graph', {}],
      ['delete_entities', { entityNames: ['Ada'] }],
      ['search_nodes', { query: 'Ada' }],
    ],
  },
  'sequential-thinking': {
    options: server('sequential-thinking'),
    calls: [
      ['sequentialthinking', thought],
      ['sequentialthinking', { ...thought, thoughtNumber: 2, nextThoughtNeeded: false }],
      ['sequentialthinking', { thought: 'Without a number' }],
    ],
  },
}

/** What a client sees of a server, with what the server asks by the way. */
async function tour({ calls, asks }: RealServer, client: TestClient): Promise<unknown> {
  const tools = await client.tools()
  const results: unknown[] = []
  for (const [name, args] of calls) {
    results.push([name, await client.call(name, args).catch((error: Error) => error.message)])
  }
  // In no call, and some time after the handshake.
  if (asks !== undefined) await client.asked.next((method) => method === asks)
  return { server: client.server, tools, results, asked: client.asked.entries.toSorted() }
}

let gateway: RunningGateway
const direct = new Map<string, unknown>()

beforeAll(async () => {
  const entries = Object.entries(SERVERS)
  gateway = await startGateway({
    servers: Object.fromEntries(entries.map(([name, { options }]) => [name, stdio(options)])),
  })
  await Promise.all(
    entries.map(async ([name, each]) => {
      const { command, args, env = {} } = each.options
      const client = await connectV1(new StdioClientTransport({ command, args: [...args], env, stderr: 'ignore' }))
      direct.set(name, await tour(each, client))
      await client.close()
    }),
  )
})

afterAll(async () => {
  await gateway.close()
  rmSync(folder, { recursive: true })
})

const clients: readonly (readonly [string, Connect])[] = [
  ['an SDK v1 client', connectSdkV1],
  ['an SDK v2 client', connectSdkV2],
  ['an SDK v2 client that looks for the stateless revision first', (url) => connectSdkV2(url, { mode: 'auto' })],
  ['mcp-remote', throughMcpRemote(folder)],
]

test.each(clients)('%s sees each server as one does that starts it', async (who, connect) => {
  await Promise.all(
    Object.entries(SERVERS).map(async ([name, each]) => {
      const client = await connect(gateway.url(name))
      const seen = await tour(each, client)
      // mcp-remote speaks for itself in the handshake.
      const itself = who === 'mcp-remote' ? { server: expect.anything() as unknown } : {}
      expect(seen).toEqual({ ...(direct.get(name) as object), ...itself })
      await client.endSession()
      await client.close()
    }),
  )
  expect(gateway.reported.entries).toEqual([])
})

test('server-everything behind HTTP+SSE is what it is on stdio', async () => {
  const { everything } = SERVERS
  const behind = await startEverything('sse')
  const old = await startGateway({ servers: { everything: { type: 'sse', url: behind.url } } })
  const client = await connectSdkV1(old.url('everything'))
  expect(await tour(everything!, client)).toEqual(direct.get('everything'))
  await client.endSession()
  await client.close()
  await old.close()
  await behind.close()
  expect(old.reported.entries).toEqual([])
})

test('@ai-sdk/mcp lists the tools of each and calls one', async () => {
  await Promise.all(
    Object.entries(SERVERS).map(async ([name, { calls }]) => {
      const client = await createMCPClient({ transport: { type: 'http', url: gateway.url(name) } })
      const tools = await client.tools()
      const [[tool, args] = ['', {}]] = calls
      const { results } = direct.get(name) as { results: unknown[][] }
      const result = await tools[tool]?.execute(args, { toolCallId: '1', messages: [] })
      expect(textOf(result)).toBe(textOf(results[0]?.[1]))
      await client.close()
    }),
  )
})
