// @ts-check
// A session store on Keyv: checked with the contract that every store keeps, expiry on a clock that is turned by hand;
// then two gateways share a database, and a client goes from one to the other.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { Keyv } from 'keyv'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { mcpGateway } from 'express-mcp-gateway'
import { sessionStoreContract } from 'express-mcp-gateway/testing'
import { keyvSessionStore } from './keyv-store.mjs'

// ---- does the store keep the contract?
const limits = { ttlMs: 60_000, lifetimeMs: 600_000 }
const { now } = Date
let aheadMs = 0
const contract = sessionStoreContract({
  create: () => keyvSessionStore(new Keyv(), limits),
  ...limits,
  wait: (ms) => void (aheadMs += ms),
})
Date.now = () => now() + aheadMs
for (const { name, fn } of contract) {
  await fn()
  console.log(`The store ${name}.`)
}
Date.now = now
assert.ok(contract.some(({ id }) => id === 'lifetime'))

// ---- is a database that is down told from an empty one?
const broken = Object.assign(new Map(), { getMany: () => Promise.reject(new Error('The database is down')) })
await assert.rejects(async () => keyvSessionStore(new Keyv({ store: broken, emitErrors: false })).get('id'), /is down/)
console.log('A database that is down is an error: 503, not 404.')

// ---- an MCP server, and two gateways in front of it that share a database
const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: () => randomUUID() })
await new McpServer({ name: 'notes', version: '1.0.0' }).connect(transport)
const upstream = createServer((req, res) => void transport.handleRequest(req, res)).listen(0, '127.0.0.1')
await once(upstream, 'listening')

const database = new Map()
const nodes = [1, 2].map(() => {
  const keyv = new Keyv({ store: database, namespace: 'mcp-sessions' })
  return mcpGateway({
    servers: { notes: { url: urlOf(upstream) } },
    authenticate: false,
    sessions: keyvSessionStore(keyv),
    path: '/mcp',
  })
})
const listeners = nodes.map((node) => createServer(node).listen(0, '127.0.0.1'))
await Promise.all(listeners.map((listener) => once(listener, 'listening')))
const [first, second] = listeners.map(urlOf)

const handshake = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'agent', version: '1.0.0' } }
const opened = await post(first, { id: 1, method: 'initialize', params: handshake })
const session = { 'mcp-session-id': opened.headers.get('mcp-session-id') ?? '' }
assert.equal((await post(second, { id: 2, method: 'ping' }, session)).status, 200)
console.log('One gateway opened a session, the other carries it on.')

assert.equal((await fetch(String(second), { method: 'DELETE', headers: session })).status, 200)
assert.equal((await post(first, { id: 3, method: 'ping' }, session)).status, 404)
assert.deepEqual([...database.keys()], [])
console.log('The other ended it; for the first it is 404, and nothing of it is left.')

for (const listener of [...listeners, upstream]) listener.close()
await Promise.all(nodes.map((node) => node.close()))

/** @param {string | undefined} url @param {object} message @param {Record<string, string>} [headers] */
async function post(url, message, headers = {}) {
  const answer = await fetch(String(url), {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
    body: JSON.stringify({ jsonrpc: '2.0', ...message }),
  })
  await answer.text()
  return answer
}

/** @param {import('node:http').Server} listening */
function urlOf(listening) {
  const { port } = /** @type {import('node:net').AddressInfo} */ (listening.address())
  return `http://127.0.0.1:${port}/mcp`
}
