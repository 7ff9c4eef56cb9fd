// A real server on @modelcontextprotocol/server (SDK v2): sessions for the legacy revisions, and 2026-07-28 beside them.
// The tools are those of the SDK v1 server, so that the same test runs against both.
import { randomUUID } from 'node:crypto'
import { NodeStreamableHTTPServerTransport, toNodeHandler } from '@modelcontextprotocol/node'
import { createMcpHandler, McpServer, type CallToolResult } from '@modelcontextprotocol/server'
import { z } from 'zod'
import { count, COUNTING } from './counting.ts'
import { serveSessions, type RunningServer, type Stage } from './sessions.ts'

export async function startSdkV2Server(): Promise<RunningServer> {
  const nobody: Stage = { record: () => {}, givenUp: new AbortController().signal }
  const modern = createMcpHandler(() => createSdkV2Server(nobody), { legacy: 'reject' })
  const handleModern = toNodeHandler(modern)
  const server = await serveSessions(
    async (stage, opened) => {
      const transport = new NodeStreamableHTTPServerTransport({
        sessionIdGenerator: () => randomUUID(),
        onsessioninitialized: opened,
      })
      await createSdkV2Server(stage).connect(transport)
      return transport
    },
    async (req, res) => {
      if (req.headers['mcp-protocol-version'] !== '2026-07-28') return false
      // The SDK's request type does not allow for exactOptionalPropertyTypes.
      await handleModern(req as Parameters<typeof handleModern>[0], res)
      return true
    },
  )
  return {
    ...server,
    async close() {
      await modern.close()
      await server.close()
    },
  }
}

export function createSdkV2Server(stage: Stage): McpServer {
  const server = new McpServer(
    { name: 'sdk-v2-server', version: '1.0.0' },
    { capabilities: { tools: { listChanged: true }, logging: {} }, instructions: 'For tests.' },
  )
  registerPlainTools(server)
  registerAskingTools(server, stage)
  registerTellingTools(server, stage)
  return server
}

function registerPlainTools(server: McpServer): void {
  server.registerTool('echo', { inputSchema: z.object({ text: z.string() }) }, ({ text }) => say(text))
  server.registerTool(
    'add',
    { inputSchema: z.object({ a: z.number(), b: z.number() }), outputSchema: z.object({ sum: z.number() }) },
    ({ a, b }) => ({ ...say(String(a + b)), structuredContent: { sum: a + b } }),
  )
  server.registerTool('fail', {}, () => {
    throw new Error('this tool always fails')
  })
}

/** Tools that put a request to the client. */
function registerAskingTools(server: McpServer, stage: Stage): void {
  const question = {
    message: 'What is your name?',
    requestedSchema: { type: 'object' as const, properties: { name: { type: 'string' as const } } },
  }
  server.registerTool('ask', {}, async ({ mcpReq }) => {
    const { action, content } = await mcpReq.elicitInput(question)
    return say(`${action}: ${String(content?.['name'])}`)
  })
  server.registerTool('ask_in_session', {}, async () => {
    const { action, content } = await server.server.elicitInput(question)
    return say(`${action}: ${String(content?.['name'])}`)
  })
  server.registerTool('impatient', {}, async ({ mcpReq }) =>
    mcpReq.elicitInput(question, { signal: stage.givenUp }).then(
      () => say('answered'),
      () => say('did not wait for the answer'),
    ),
  )
  server.registerTool('sample', {}, async ({ mcpReq }) => {
    const messages = [{ role: 'user' as const, content: { type: 'text' as const, text: 'Say something.' } }]
    return say(JSON.stringify((await mcpReq.requestSampling({ messages, maxTokens: 10 })).content))
  })
  server.registerTool('roots', {}, async ({ mcpReq }) => {
    const { roots } = await mcpReq.send({ method: 'roots/list' })
    return say(roots.map((root) => root.uri).join(' '))
  })
  server.registerTool('ping', {}, async ({ mcpReq }) => {
    await mcpReq.send({ method: 'ping' })
    return say('the client is there')
  })
}

/** Tools that send notifications, or wait for one. */
function registerTellingTools(server: McpServer, stage: Stage): void {
  server.registerTool('count', { inputSchema: z.object(COUNTING) }, async (counting, { mcpReq }) =>
    say(await count(counting, mcpReq._meta?.progressToken, mcpReq.notify)),
  )
  server.registerTool('log', { inputSchema: z.object({ text: z.string() }) }, async ({ text }, { mcpReq }) => {
    await mcpReq.log('warning', text)
    return say('logged')
  })
  server.registerTool('grow', { inputSchema: z.object({ name: z.string() }) }, ({ name }) => {
    server.registerTool(name, {}, () => say(`I am ${name}`))
    return say('grown')
  })
  server.registerTool('slow', {}, async ({ mcpReq }) => {
    stage.record('slow started')
    await new Promise<void>((resolve) => {
      mcpReq.signal.addEventListener('abort', () => resolve(), { once: true })
    })
    stage.record('slow cancelled')
    return say('never seen')
  })
}

function say(text: string): CallToolResult {
  return { content: [{ type: 'text', text }] }
}
