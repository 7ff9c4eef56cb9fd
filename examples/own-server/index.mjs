// @ts-check
// The app's own MCP server: it answers in the app's process, behind the app's login, with tools for each user. Nothing
// but the app listens.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Client as ModernClient, StreamableHTTPClientTransport as ModernTransport } from '@modelcontextprotocol/client'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { McpServer } from '@modelcontextprotocol/server'
import { serveStdio } from '@modelcontextprotocol/server/stdio'
import express from 'express'
import { inProcess, mcpGateway } from 'express-mcp-gateway'
import { z } from 'zod'

/** @typedef {{ id: string, isClerk: boolean }} User */

// ---- the app as it was: users, who show a key, and a shop
/** @type {Map<string, User>} */
const users = new Map([
  ['key-of-ada', { id: 'ada', isClerk: false }],
  ['key-of-grace', { id: 'grace', isClerk: true }],
])
const userOf = (/** @type {import('node:http').IncomingMessage} */ { headers }) =>
  users.get(String(headers['x-api-key'])) // see ../logins for how keys are kept
const stock = new Map([['tea', 2]])
/** @type {Map<string, string[]>} */
const carts = new Map()
const cartOf = (/** @type {User} */ { id }) => carts.get(id) ?? []

const app = express()
app.get('/cart', (req, res) => {
  const user = userOf(req)
  if (user) res.json(cartOf(user))
  else res.sendStatus(401)
})

// ---- its MCP server: the same functions as tools, those of a clerk for clerks alone
/** @param {User} user */
function makeShop(user) {
  const server = new McpServer({ name: 'shop', version: '1.0.0' })
  const item = z.object({ item: z.string() })
  server.registerTool('buy', { description: 'Puts an item into the cart', inputSchema: item }, ({ item: name }) => {
    const left = stock.get(name) ?? 0
    if (left === 0) return { content: [{ type: 'text', text: `There is no ${name} left` }], isError: true }
    stock.set(name, left - 1)
    carts.set(user.id, [...cartOf(user), name])
    return { content: [{ type: 'text', text: `In the cart: ${cartOf(user).join(', ')}` }] }
  })
  if (!user.isClerk) return server
  server.registerTool('restock', { description: 'Adds ten of an item', inputSchema: item }, ({ item: name }) => {
    stock.set(name, (stock.get(name) ?? 0) + 10)
    return { content: [{ type: 'text', text: `${stock.get(name)} of ${name}` }] }
  })
  return server
}

// ---- what is added
const gateway = mcpGateway({
  authenticate: userOf,
  servers: {
    shop: inProcess((transport, { principal }) =>
      serveStdio(() => makeShop(/** @type {User} */ (principal)), { transport }),
    ),
  },
})
app.use('/mcp-servers', gateway)

// ---- and what comes of it
const listening = app.listen(0, '127.0.0.1')
await once(listening, 'listening')
const { port } = /** @type {import('node:net').AddressInfo} */ (listening.address())
const url = new URL(`http://127.0.0.1:${port}/mcp-servers/shop/mcp`)
assert.equal((await fetch(url, { method: 'POST' })).status, 401)

// A client of today, with a session.
const ada = new Client({ name: 'agent', version: '1.0.0' })
await ada.connect(new StreamableHTTPClientTransport(url, { requestInit: { headers: { 'x-api-key': 'key-of-ada' } } }))
assert.deepEqual(await namesOf(ada), ['buy'])
console.log('ada logs in with her key and has the tool "buy".')

// A client of 2026-07-28, without one.
const grace = new ModernClient({ name: 'agent', version: '1.0.0' }, { versionNegotiation: { mode: 'auto' } })
await grace.connect(new ModernTransport(url, { requestInit: { headers: { 'x-api-key': 'key-of-grace' } } }))
assert.equal(grace.getProtocolEra(), 'modern')
assert.deepEqual(await namesOf(grace), ['buy', 'restock'])
console.log('grace is a clerk and has "restock", too, in the revision without sessions.')

const tea = { item: 'tea' }
for (const isError of [undefined, undefined, true]) {
  assert.equal((await ada.callTool({ name: 'buy', arguments: tea })).isError, isError)
}
await grace.callTool({ name: 'restock', arguments: tea })
await ada.callTool({ name: 'buy', arguments: tea })
console.log('ada buys tea until there is none; grace adds some, and ada buys on.')

const cart = await fetch(new URL('/cart', url), { headers: { 'x-api-key': 'key-of-ada' } })
assert.deepEqual(await cart.json(), ['tea', 'tea', 'tea'])
await assert.rejects(async () => {
  const { isError } = await ada.callTool({ name: 'restock', arguments: tea })
  if (isError) throw new Error('There is no such tool')
})
console.log("The app's own route shows the same cart; to ada there is no restocking.")

const servers = process.getActiveResourcesInfo().filter((name) => name === 'TCPServerWrap')
assert.equal(servers.length, 1)
console.log('One port is open: that of the app.')

await ada.close()
await grace.close()
await gateway.close()
listening.close()

/** @param {{ listTools(): Promise<{ tools: { name: string }[] }> }} client */
async function namesOf(client) {
  return (await client.listTools()).tools.map(({ name }) => name)
}
