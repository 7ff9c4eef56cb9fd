// @ts-check
// A session store of one's own: checked with the contract that every store keeps, then used by a gateway that is
// restarted under the feet of a client, who does not notice.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { mcpGateway } from 'express-mcp-gateway'
import { sessionStoreContract } from 'express-mcp-gateway/testing'
import { fileSessionStore } from './file-store.mjs'

const folder = mkdtempSync(join(tmpdir(), 'custom-session-store-'))
process.on('exit', () => rmSync(folder, { recursive: true }))

// ---- does the store keep the contract?
const contract = sessionStoreContract({ create: () => fileSessionStore(join(folder, `${randomUUID()}.json`)) })
for (const { name, fn } of contract) {
  await fn()
  console.log(`The store ${name}.`)
}
assert.ok(contract.length > 0)

// ---- an MCP server that counts within a session
/** @type {Map<string, StreamableHTTPServerTransport>} */
const transports = new Map()
const upstream = createServer(async (req, res) => {
  const known = transports.get(String(req.headers['mcp-session-id']))
  if (known) return known.handleRequest(req, res)
  let count = 0
  const mcp = new McpServer({ name: 'counter', version: '1.0.0' })
  mcp.registerTool('next', {}, () => ({ content: [{ type: 'text', text: String((count += 1)) }] }))
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: () => randomUUID(),
    onsessioninitialized: (id) => void transports.set(id, transport),
  })
  await mcp.connect(transport)
  await transport.handleRequest(req, res)
}).listen(0, '127.0.0.1')
await once(upstream, 'listening')

// ---- the gateway, and its restart
const file = join(folder, 'sessions.json')
const start = () =>
  mcpGateway({
    servers: { counter: { url: `http://127.0.0.1:${portOf(upstream)}/mcp` } },
    authenticate: false,
    sessions: fileSessionStore(file),
  })
let gateway = start()
const server = createServer((req, res) => gateway(req, res)).listen(0, '127.0.0.1')
await once(server, 'listening')

const client = new Client({ name: 'agent', version: '1.0.0' })
const transport = new StreamableHTTPClientTransport(new URL(`http://127.0.0.1:${portOf(server)}/counter/mcp`))
await client.connect(transport)
assert.equal(await next(), '1')
console.log('A client opened a session and counts: 1.')

const before = gateway
gateway = start()
await before.close()
assert.equal(await next(), '2')
console.log('The gateway was restarted; the session goes on: 2.')

await transport.terminateSession()
await client.close()
await gateway.close()
server.close()
upstream.close()

async function next() {
  const { content } = await client.callTool({ name: 'next', arguments: {} })
  return /** @type {Array<{ text: string }>} */ (content)[0]?.text
}

/** @param {import('node:http').Server} listening */
function portOf(listening) {
  return /** @type {import('node:net').AddressInfo} */ (listening.address()).port
}
