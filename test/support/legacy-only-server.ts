// A real server on @modelcontextprotocol/sdk (v1) that has sessions alone: its tools ask in the stream of the call or of the
// session, report, wait, change, and count how often they were run.
import { randomUUID } from 'node:crypto'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import {
  ElicitResultSchema,
  SubscribeRequestSchema,
  UnsubscribeRequestSchema,
} from '@modelcontextprotocol/sdk/types.js'
import { z } from 'zod'
import { MemoryEventStore } from './memory-event-store.ts'
import { QUESTION, registerCountGrowAndSlow, registerSampleAndRoots, say } from './sdk-v1-tools.ts'
import { serveSessions, type RunningServer, type Stage } from './sessions.ts'

export const LEGACY_WATCHED = 'test://watched'

export interface LegacyOnlyOptions {
  /** Whether its events have ids, so that streams can be resumed. */
  readonly ids?: boolean
}

export interface LegacyOnlyServer extends RunningServer {
  /** How often each tool was run. */
  readonly runs: ReadonlyMap<string, number>
}

export async function startLegacyOnlyServer({ ids = false }: LegacyOnlyOptions = {}): Promise<LegacyOnlyServer> {
  const runs = new Map<string, number>()
  const server = await serveSessions(async (stage, opened) => {
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: () => randomUUID(),
      onsessioninitialized: opened,
      ...(ids && { eventStore: new MemoryEventStore(), retryInterval: 10 }),
    })
    await createLegacyOnlyServer(stage, runs).connect(transport)
    return transport
  })
  return { ...server, runs }
}

export function createLegacyOnlyServer(stage: Stage, runs: Map<string, number> = new Map()): McpServer {
  const server = new McpServer(
    { name: 'legacy-only', version: '1.0.0' },
    {
      capabilities: { tools: { listChanged: true }, resources: { subscribe: true }, logging: {} },
      instructions: 'For tests.',
    },
  )
  const counted = (name: string): void => void runs.set(name, (runs.get(name) ?? 0) + 1)
  registerAsking(server, counted)
  registerCountGrowAndSlow(server, stage)
  server.server.setRequestHandler(SubscribeRequestSchema, () => ({}))
  server.server.setRequestHandler(UnsubscribeRequestSchema, () => ({}))
  server.registerTool('touch', {}, async () => {
    await server.server.sendResourceUpdated({ uri: LEGACY_WATCHED })
    return say('touched')
  })
  let total = 0
  server.registerTool('put', { inputSchema: { n: z.number() } }, ({ n }) => say(String((total += n))))
  server.registerResource('watched', LEGACY_WATCHED, {}, (uri) => ({ contents: [{ uri: uri.href, text: 'watched' }] }))
  return server
}

function registerAsking(server: McpServer, counted: (name: string) => void): void {
  server.registerTool('ask', {}, async (extra) => {
    counted('ask')
    const request = { method: 'elicitation/create' as const, params: QUESTION }
    const { action, content } = await extra.sendRequest(request, ElicitResultSchema)
    return say(`${action}: ${JSON.stringify(content ?? {})}`)
  })
  server.registerTool('ask_in_session', {}, async () => {
    counted('ask_in_session')
    const { action, content } = await server.server.elicitInput(QUESTION)
    return say(`${action}: ${JSON.stringify(content ?? {})}`)
  })
  server.registerTool('ask_twice', {}, async (extra) => {
    counted('ask_twice')
    const request = { method: 'elicitation/create' as const, params: QUESTION }
    const first = await extra.sendRequest(request, ElicitResultSchema)
    const second = await server.server.elicitInput(QUESTION)
    return say(`${first.action}, ${second.action}`)
  })
  registerSampleAndRoots(server)
}
