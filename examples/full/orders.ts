// An MCP server of the app itself, in its process: its tools are called as the user, in every revision of MCP.
import { inProcess } from 'express-mcp-gateway'
import { McpServer } from '@modelcontextprotocol/server'
import { serveStdio } from '@modelcontextprotocol/server/stdio'
import { z } from 'zod'
import type { Member } from './agents.ts'

export const orders = inProcess<Member>((transport, { principal }) =>
  serveStdio(() => makeOrders(principal), { transport }),
)

function makeOrders(member: Member): McpServer {
  const server = new McpServer({ name: 'orders', version: '1.0.0' })
  server.registerTool(
    'list',
    { description: 'Lists the orders of your customers', annotations: { readOnlyHint: true } },
    () => ({ content: [{ type: 'text', text: `Orders of the customers of ${member.id}: 7, 8` }] }),
  )
  server.registerTool(
    'refund',
    { description: 'Refunds an order', inputSchema: z.object({ order: z.number().int() }) },
    ({ order }) => ({ content: [{ type: 'text', text: `Order ${order} is refunded` }] }),
  )
  return server
}
