// A real server on @modelcontextprotocol/server (SDK v2) that speaks 2026-07-28 alone: its tools ask, report, wait and change.
import { toNodeHandler } from '@modelcontextprotocol/node'
import {
  createMcpHandler,
  inputRequired,
  inputResponse,
  McpServer,
  type CallToolResult,
} from '@modelcontextprotocol/server'
import { serveStdio } from '@modelcontextprotocol/server/stdio'
import { z } from 'zod'
import { count, COUNTING } from './counting.ts'
import { createJournal, type Journal } from './journal.ts'
import { listen } from './listen.ts'

export interface ModernOnlyServer {
  readonly url: string
  /** What its tools saw happen. */
  readonly seen: Journal<string>
  close(): Promise<void>
}

export const WATCHED = 'test://watched'

/** Tells listeners what has changed at a server. */
interface Changed {
  tools(server: McpServer, name: string): void
  resource(server: McpServer, uri: string): void
}

/** Over HTTP: each request has a server of its own. */
export async function startModernOnlyServer(): Promise<ModernOnlyServer> {
  const seen = createJournal<string>()
  const grown = new Set<string>()
  const changed: Changed = {
    tools: () => handler.notify.toolsChanged(),
    resource: (_, uri) => handler.notify.resourceUpdated(uri),
  }
  const handler = createMcpHandler(() => build(seen, grown, changed), { legacy: 'reject' })
  const handle = toNodeHandler(handler)
  const listening = await listen((req, res) => void handle(req as Parameters<typeof handle>[0], res))
  return {
    url: `${listening.origin}/mcp`,
    seen,
    async close() {
      await handler.close()
      await listening.close()
    },
  }
}

/** On a pipe: the requests of all share a server. */
export function modernOnlyPipe() {
  const seen = createJournal<string>()
  const changed: Changed = {
    tools: grow,
    resource: (server, uri) => void server.server.sendResourceUpdated({ uri }),
  }
  const pipe = (transport: NonNullable<NonNullable<Parameters<typeof serveStdio>[1]>['transport']>) =>
    serveStdio(() => build(seen, new Set(), changed), { legacy: 'reject', transport })
  return { pipe, seen }
}

function build(seen: Journal<string>, grown: Set<string>, changed: Changed): McpServer {
  const server = new McpServer(
    { name: 'modern-only', version: '1.0.0' },
    {
      capabilities: { tools: { listChanged: true }, resources: { subscribe: true }, logging: {} },
      instructions: 'For tests.',
    },
  )
  const region = z.string().meta({ 'x-mcp-header': 'Region' })
  server.registerTool('echo', { inputSchema: z.object({ region }) }, ({ region: said }) => say(said))
  server.registerTool('ask', {}, ({ mcpReq }) => {
    const answer = inputResponse(mcpReq.inputResponses, 'name')
    if (answer.kind === 'elicit') return say(`${answer.action}: ${JSON.stringify(answer.content ?? {})}`)
    const requestedSchema = { type: 'object' as const, properties: { name: { type: 'string' as const } } }
    return inputRequired({ inputRequests: { name: inputRequired.elicit({ message: 'Who?', requestedSchema }) } })
  })
  server.registerTool('sample', {}, ({ mcpReq }) => {
    const answer = inputResponse(mcpReq.inputResponses, 'said')
    if (answer.kind === 'sampling') return say(JSON.stringify(answer.result.content))
    const messages = [{ role: 'user' as const, content: { type: 'text' as const, text: 'Say something.' } }]
    return inputRequired({ inputRequests: { said: inputRequired.createMessage({ messages, maxTokens: 10 }) } })
  })
  server.registerTool('count', { inputSchema: z.object(COUNTING) }, async (counting, { mcpReq }) => {
    const said = await count(counting, mcpReq._meta?.progressToken, mcpReq.notify)
    await mcpReq.log('info', 'counted')
    return say(said)
  })
  server.registerTool('slow', {}, async ({ mcpReq }) => {
    seen.record('slow started')
    await new Promise<void>((resolve) => {
      mcpReq.signal.addEventListener('abort', () => resolve(), { once: true })
    })
    seen.record('slow cancelled')
    return say('never seen')
  })
  server.registerTool('grow', { inputSchema: z.object({ name: z.string() }) }, ({ name }) => {
    grown.add(name)
    changed.tools(server, name)
    return say('grown')
  })
  server.registerTool('touch', {}, () => {
    changed.resource(server, WATCHED)
    return say('touched')
  })
  for (const name of grown) grow(server, name)
  server.registerResource('watched', WATCHED, {}, (uri) => ({ contents: [{ uri: uri.href, text: 'watched' }] }))
  return server
}

function grow(server: McpServer, name: string): void {
  server.registerTool(name, {}, () => say(`I am ${name}`))
}

function say(text: string): CallToolResult {
  return { content: [{ type: 'text', text }] }
}
