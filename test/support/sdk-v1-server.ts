// A real server on @modelcontextprotocol/sdk (v1): one tool for each thing a session can do.
import { randomUUID } from 'node:crypto'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import {
  CreateMessageResultSchema,
  ElicitResultSchema,
  EmptyResultSchema,
  ListRootsResultSchema,
  type CallToolResult,
} from '@modelcontextprotocol/sdk/types.js'
import { z } from 'zod'
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
  const question = {
    method: 'elicitation/create' as const,
    params: {
      message: 'What is your name?',
      requestedSchema: { type: 'object' as const, properties: { name: { type: 'string' as const } } },
    },
  }
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
  server.registerTool('sample', {}, async (extra) => {
    const messages = [{ role: 'user' as const, content: { type: 'text' as const, text: 'Say something.' } }]
    const request = { method: 'sampling/createMessage' as const, params: { messages, maxTokens: 10 } }
    return say(JSON.stringify((await extra.sendRequest(request, CreateMessageResultSchema)).content))
  })
  server.registerTool('roots', {}, async (extra) => {
    const { roots } = await extra.sendRequest({ method: 'roots/list' }, ListRootsResultSchema)
    return say(roots.map((root) => root.uri).join(' '))
  })
  server.registerTool('ping', {}, async (extra) => {
    await extra.sendRequest({ method: 'ping' }, EmptyResultSchema)
    return say('the client is there')
  })
}

/** Tools that send notifications, or wait for one. */
function registerTellingTools(server: McpServer, stage: Stage): void {
  server.registerTool('count', { inputSchema: { to: z.number() } }, async ({ to }, extra) => {
    const progressToken = extra._meta?.progressToken
    if (progressToken === undefined) return say('counted in silence')
    for (let progress = 1; progress <= to; progress += 1) {
      await extra.sendNotification({ method: 'notifications/progress', params: { progressToken, progress, total: to } })
    }
    return say(`counted to ${to}`)
  })
  server.registerTool('log', { inputSchema: { text: z.string() } }, async ({ text }, extra) => {
    await extra.sendNotification({ method: 'notifications/message', params: { level: 'warning', data: text } })
    return say('logged')
  })
  server.registerTool('grow', { inputSchema: { name: z.string() } }, ({ name }) => {
    server.registerTool(name, {}, () => say(`I am ${name}`))
    return say('grown')
  })
  server.registerTool('slow', {}, async (extra) => {
    stage.record('slow started')
    await new Promise<void>((resolve) => {
      extra.signal.addEventListener('abort', () => resolve(), { once: true })
    })
    stage.record('slow cancelled')
    return say('never seen')
  })
}

function say(text: string): CallToolResult {
  return { content: [{ type: 'text', text }] }
}
