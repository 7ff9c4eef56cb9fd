// A real server on @modelcontextprotocol/sdk (v1): one tool for each thing a session can do.
import { randomUUID } from 'node:crypto'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { ElicitResultSchema, EmptyResultSchema } from '@modelcontextprotocol/sdk/types.js'
import { z } from 'zod'
import { QUESTION, registerCountGrowAndSlow, registerSampleAndRoots, say } from './sdk-v1-tools.ts'
import { serveSessions, type RunningServer, type Stage } from './sessions.ts'

export function startSdkV1Server(): Promise<RunningServer> {
  return serveSessions(async (stage, opened) => {
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: () => randomUUID(),
      onsessioninitialized: opened,
    })
    await createSdkV1Server(stage).connect(transport)
    return transport
  })
}

export function createSdkV1Server(stage: Stage): McpServer {
  const server = new McpServer(
    { name: 'sdk-v1-server', version: '1.0.0' },
    { capabilities: { tools: { listChanged: true }, logging: {} }, instructions: 'For tests.' },
  )
  registerPlainTools(server)
  registerAskingTools(server, stage)
  registerTellingTools(server, stage)
  return server
}

function registerPlainTools(server: McpServer): void {
  server.registerTool('echo', { inputSchema: { text: z.string() } }, ({ text }) => say(text))
  server.registerTool(
    'add',
    { inputSchema: { a: z.number(), b: z.number() }, outputSchema: { sum: z.number() } },
    ({ a, b }) => ({ ...say(String(a + b)), structuredContent: { sum: a + b } }),
  )
  server.registerTool('fail', {}, () => {
    throw new Error('this tool always fails')
  })
}

/** Tools that put a request to the client. */
function registerAskingTools(server: McpServer, stage: Stage): void {
  const question = { method: 'elicitation/create' as const, params: QUESTION }
  server.registerTool('ask', {}, async (extra) => {
    const { action, content } = await extra.sendRequest(question, ElicitResultSchema)
    return say(`${action}: ${String(content?.['name'])}`)
  })
  server.registerTool('impatient', {}, async (extra) => {
    const answer = extra.sendRequest(question, ElicitResultSchema, { signal: stage.givenUp })
    return answer.then(
      () => say('answered'),
      () => say('did not wait for the answer'),
    )
  })
  registerSampleAndRoots(server)
  server.registerTool('ping', {}, async (extra) => {
    await extra.sendRequest({ method: 'ping' }, EmptyResultSchema)
    return say('the client is there')
  })
}

/** Tools that send notifications, or wait for one. */
function registerTellingTools(server: McpServer, stage: Stage): void {
  registerCountGrowAndSlow(server, stage)
  server.registerTool('log', { inputSchema: { text: z.string() } }, async ({ text }, extra) => {
    await extra.sendNotification({ method: 'notifications/message', params: { level: 'warning', data: text } })
    return say('logged')
  })
}
