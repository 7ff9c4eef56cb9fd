// @ts-check
// The gateway in a Connect app: `app.use()` as in Express, and nothing of Express needed.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import connect from 'connect'
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
  servers: { clock: { url: `http://127.0.0.1:${portOf(upstream)}/mcp` } },
  authenticate: false,
})
const app = connect()
app.use('/mcp-servers', gateway)
app.use((_req, res) => res.end('the rest of the app'))

const server = createServer(app).listen(0, '127.0.0.1')
await once(server, 'listening')
const origin = `http://127.0.0.1:${portOf(server)}`

const client = new Client({ name: 'agent', version: '1.0.0' })
const transport = new StreamableHTTPClientTransport(new URL(`${origin}/mcp-servers/clock/mcp`))
await client.connect(transport)
const { content } = await client.callTool({ name: 'year', arguments: {} })
assert.deepEqual(content, [{ type: 'text', text: '2026' }])
console.log('Connect: a client called a tool through the gateway.')

const rest = await fetch(`${origin}/mcp-servers/clock/elsewhere`)
assert.equal(await rest.text(), 'the rest of the app')
console.log('Connect: any other path goes on to the rest of the app.')

await transport.terminateSession()
await client.close()
await gateway.close()
server.close()
upstream.close()

/** @param {import('node:http').Server} listening */
function portOf(listening) {
  return /** @type {import('node:net').AddressInfo} */ (listening.address()).port
}
