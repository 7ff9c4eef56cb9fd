// @ts-check
// No framework at all: the gateway is a request listener. With a `path` that names no server it serves just one.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { mcpGateway } from 'express-mcp-gateway'

// A small MCP server, a new one for each request.
const upstream = createServer(async (req, res) => {
  if (req.method !== 'POST') return void res.writeHead(405, { allow: 'POST' }).end()
  const mcp = new McpServer({ name: 'clock', version: '1.0.0' })
  mcp.registerTool('year', {}, () => ({ content: [{ type: 'text', text: '2026' }] }))
  const transport = new StreamableHTTPServerTransport({})
  await mcp.connect(transport)
  await transport.handleRequest(req, res)
}).listen(0, '127.0.0.1')
await once(upstream, 'listening')

const gateway = mcpGateway({
  path: '/mcp',
  servers: { clock: { url: `http://127.0.0.1:${portOf(upstream)}/mcp` } },
  authenticate: false,
})
const server = createServer(gateway).listen(0, '127.0.0.1')
await once(server, 'listening')
const origin = `http://127.0.0.1:${portOf(server)}`

const client = new Client({ name: 'agent', version: '1.0.0' })
const transport = new StreamableHTTPClientTransport(new URL(`${origin}/mcp`))
await client.connect(transport)
const { content } = await client.callTool({ name: 'year', arguments: {} })
assert.deepEqual(content, [{ type: 'text', text: '2026' }])
console.log('node:http: a client called a tool through the gateway.')

const elsewhere = await fetch(`${origin}/elsewhere`)
assert.equal(elsewhere.status, 404)
console.log('node:http: any other path is 404.')

await transport.terminateSession()
await client.close()
await gateway.close()
server.close()
upstream.close()

/** @param {import('node:http').Server} listening */
function portOf(listening) {
  return /** @type {import('node:net').AddressInfo} */ (listening.address()).port
}
