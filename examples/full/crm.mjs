// @ts-check
// The MCP server behind, of another team: it has sessions in no node, and says for whom it was called.
import { createServer } from 'node:http'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'

/** @param {string} token that it wants */
export function makeCrm(token) {
  return createServer(async (req, res) => {
    if (req.headers.authorization !== `Bearer ${token}`) return void res.writeHead(401).end()
    if (req.method !== 'POST') return void res.writeHead(405, { allow: 'POST' }).end()
    const mcp = new McpServer({ name: 'crm', version: '1.0.0' })
    mcp.registerTool('find', { annotations: { readOnlyHint: true } }, ({ requestInfo }) => {
      const text = `Customers of ${String(requestInfo?.headers['x-user'])}: Charles Babbage`
      return { content: [{ type: 'text', text }] }
    })
    mcp.registerTool('delete', { annotations: { destructiveHint: true } }, () => ({
      content: [{ type: 'text', text: 'gone' }],
    }))
    const transport = new StreamableHTTPServerTransport({})
    await mcp.connect(transport)
    await transport.handleRequest(req, res)
  })
}
