// The tools that the test servers on @modelcontextprotocol/sdk (v1) have in common: they ask, report, wait and change.
import type { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import {
  CreateMessageResultSchema,
  ListRootsResultSchema,
  type CallToolResult,
} from '@modelcontextprotocol/sdk/types.js'
import { z } from 'zod'
import { count, COUNTING } from './counting.ts'
import type { Stage } from './sessions.ts'

/** The elicitation of the tools that ask. */
export const QUESTION = {
  message: 'What is your name?',
  requestedSchema: { type: 'object' as const, properties: { name: { type: 'string' as const } } },
}

/** Tools that ask for samples and roots, in the stream of the call. */
export function registerSampleAndRoots(server: McpServer): void {
  server.registerTool('sample', {}, async (extra) => {
    const messages = [{ role: 'user' as const, content: { type: 'text' as const, text: 'Say something.' } }]
    const request = { method: 'sampling/createMessage' as const, params: { messages, maxTokens: 10 } }
    return say(JSON.stringify((await extra.sendRequest(request, CreateMessageResultSchema)).content))
  })
  server.registerTool('roots', {}, async (extra) => {
    const { roots } = await extra.sendRequest({ method: 'roots/list' }, ListRootsResultSchema)
    return say(roots.map((root) => root.uri).join(' '))
  })
}

/** Tools that report progress, change the list of tools, and wait until they are cancelled. */
export function registerCountGrowAndSlow(server: McpServer, stage: Stage): void {
  server.registerTool('count', { inputSchema: COUNTING }, async (counting, extra) =>
    say(await count(counting, extra._meta?.progressToken, extra.sendNotification)),
  )
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

export function say(text: string): CallToolResult {
  return { content: [{ type: 'text', text }] }
}
