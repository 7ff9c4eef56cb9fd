// @ts-check
// One address for "all the tools of the team": three kinds of servers under one name, and two profiles on two URLs. A
// server that is down is missing, its calls are its own error, and it is back by itself.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { McpServer as McpServerV1 } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { ToolListChangedNotificationSchema } from '@modelcontextprotocol/sdk/types.js'
import { McpServer } from '@modelcontextprotocol/server'
import { serveStdio } from '@modelcontextprotocol/server/stdio'
import express from 'express'
import { aggregate, inProcess, mcpGateway } from 'express-mcp-gateway'
import { stdio } from 'express-mcp-gateway/stdio'

// ---- three servers: one over HTTP with sessions, a program, and one in this process, of the newest revision, too
/** @type {Map<string, StreamableHTTPServerTransport>} */
const sessions = new Map()
const crm = express().use(express.json())
crm.all('/mcp', async (req, res) => {
  const known = sessions.get(String(req.headers['mcp-session-id']))
  if (known) return known.handleRequest(req, res, req.body)
  if (req.body?.method !== 'initialize') return void res.status(404).end()
  const mcp = new McpServerV1({ name: 'crm', version: '1.0.0' }, { instructions: 'Customers are found by name.' })
  mcp.registerTool('find', {}, () => ({ content: [{ type: 'text', text: 'Ada Lovelace, London' }] }))
  mcp.registerTool('delete', {}, () => ({ content: [{ type: 'text', text: 'gone' }] }))
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: () => crypto.randomUUID(),
    onsessioninitialized: (id) => void sessions.set(id, transport),
  })
  await mcp.connect(transport)
  await transport.handleRequest(req, res, req.body)
})
let crmServer = crm.listen(0, '127.0.0.1')
await once(crmServer, 'listening')
const crmPort = portOf(crmServer)

const folder = await mkdtemp(join(tmpdir(), 'one-url-'))
await writeFile(join(folder, 'prices.txt'), 'tea 3, coffee 4')
const filesystem = new URL(import.meta.resolve('@modelcontextprotocol/server-filesystem/dist/index.js')).pathname

function makeNotes() {
  const server = new McpServer({ name: 'notes', version: '1.0.0' })
  server.registerResource('today', 'note://today', {}, ({ href }) => ({ contents: [{ uri: href, text: 'Call Ada.' }] }))
  return server
}

// ---- under one name
const servers = {
  crm: { url: `http://127.0.0.1:${crmPort}/mcp` },
  files: stdio({ command: process.execPath, args: [filesystem, folder] }),
  notes: inProcess((transport) => serveStdio(makeNotes, { transport })),
}
const gateway = mcpGateway({
  authenticate: false,
  servers: {
    sales: aggregate(servers),
    // Another profile of the same servers: it may read, and has no customers.
    interns: aggregate(servers, { show: ({ member }) => member !== 'crm' }),
  },
  onError: () => {},
})
const listening = express().use('/mcp-servers', gateway).listen(0, '127.0.0.1')
await once(listening, 'listening')

// ---- what a client sees
/** @type {Client[]} */
const clients = []
/** @param {string} name */
async function connect(name) {
  const client = new Client({ name: 'agent', version: '1.0.0' })
  const url = `http://127.0.0.1:${portOf(listening)}/mcp-servers/${name}/mcp`
  await client.connect(new StreamableHTTPClientTransport(new URL(url)))
  clients.push(client)
  return client
}
/** @param {Client} client */
const namesOf = async (client) => (await client.listTools()).tools.map(({ name }) => name)
/** @param {Client} client @param {string} name @param {Record<string, unknown>} [args] */
async function textOf(client, name, args = {}) {
  const { content } = await client.callTool({ name, arguments: args })
  return /** @type {{ text: string }[]} */ (content)[0]?.text
}

const sales = await connect('sales')
const all = await namesOf(sales)
assert(all.includes('crm__find') && all.includes('files__read_text_file'))
assert.equal(sales.getInstructions(), '[crm]\nCustomers are found by name.')
assert.equal(await textOf(sales, 'crm__find', {}), 'Ada Lovelace, London')
assert.match(String(await textOf(sales, 'files__read_text_file', { path: join(folder, 'prices.txt') })), /tea 3/)
console.log(`One URL has the ${all.length} tools of three servers: crm__find, files__read_text_file ...`)

const { resources } = await sales.listResources()
assert.deepEqual(
  resources.map(({ uri }) => uri),
  ['notes+note://today'],
)
const { contents } = await sales.readResource({ uri: 'notes+note://today' })
assert.deepEqual(contents, [{ uri: 'notes+note://today', text: 'Call Ada.' }])
console.log('Their resources are told apart by their URIs: notes+note://today.')

const interns = await connect('interns')
assert(!(await namesOf(interns)).some((name) => name.startsWith('crm__')))
await assert.rejects(interns.callTool({ name: 'crm__find' }), /Tool not found/)
console.log('Another profile, at another URL, has no crm: not in the list, and not to be called.')

// ---- one of them is down
const isBack = new Promise((resolve) => sales.setNotificationHandler(ToolListChangedNotificationSchema, resolve))
crmServer.closeAllConnections()
crmServer.close()
sessions.clear()
await assert.rejects(sales.callTool({ name: 'crm__find' }), /crm: /)
const { tools, _meta } = await sales.listTools()
assert(tools.every(({ name }) => !name.startsWith('crm__')))
assert.deepEqual(Object.keys(/** @type {object} */ (_meta?.['express-mcp-gateway/missing'])), ['crm'])
assert.match(String(await textOf(sales, 'files__list_directory', { path: folder })), /prices\.txt/)
console.log('The crm is down: it is missing, which is said, and the others go on.')

crmServer = crm.listen(crmPort, '127.0.0.1')
await isBack
assert.equal(await textOf(sales, 'crm__find'), 'Ada Lovelace, London')
console.log('It is back: the client is told that the list has changed, in the session that it has.')

for (const client of clients) await client.close()
await gateway.close()
listening.close()
crmServer.closeAllConnections()
crmServer.close()
await rm(folder, { recursive: true })

/** @param {import('node:http').Server} server */
function portOf(server) {
  return /** @type {import('node:net').AddressInfo} */ (server.address()).port
}
