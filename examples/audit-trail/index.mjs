// @ts-check
// Who called what, and who was refused: a line for each message, in a trail that shows when somebody has been at it.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import express from 'express'
import { inProcess, mcpGateway } from 'express-mcp-gateway'
import { z } from 'zod'
import { firstFault, toOcsf, Trail } from './trail.mjs'

// ---- a server with a tool for everybody, and one for clerks
function makeAccounts() {
  const server = new McpServer({ name: 'accounts', version: '1.0.0' })
  const iban = { iban: z.string() }
  server.registerTool('balance', { inputSchema: iban }, () => ({ content: [{ type: 'text', text: '12 EUR' }] }))
  server.registerTool('close', { inputSchema: iban }, () => ({ content: [{ type: 'text', text: 'closed' }] }))
  return server
}

// ---- the trail: lines of a file, in a program that runs on; its key is where those who may write it are not
/** @type {string[]} */
const lines = []
const key = 'a key of the one who checks'
const trail = new Trail((line) => lines.push(line), { key, chain: `${process.pid}` })

const gateway = mcpGateway({
  servers: {
    accounts: {
      ...inProcess((transport) => makeAccounts().connect(transport)),
      scopes: { tools: { close: ['clerk'] } },
    },
  },
  authenticate: ({ headers }) => (headers['x-api-key'] === 'key-of-ada' ? { id: 'ada', scopes: [] } : undefined),
  audit: (record) => trail.append(toOcsf(record)),
})
const app = express().use('/mcp-servers', gateway)
const server = app.listen(0, '127.0.0.1')
await once(server, 'listening')
const { port } = /** @type {import('node:net').AddressInfo} */ (server.address())
const url = new URL(`http://127.0.0.1:${port}/mcp-servers/accounts/mcp`)

// ---- one who is let in, one who is not
const client = new Client({ name: 'agent', version: '1.0.0' })
const transport = new StreamableHTTPClientTransport(url, { requestInit: { headers: { 'x-api-key': 'key-of-ada' } } })
await client.connect(transport)
await client.callTool({ name: 'balance', arguments: { iban: 'DE02120300000000202051' } })
await assert.rejects(client.callTool({ name: 'close', arguments: { iban: 'DE02120300000000202051' } }))
await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' })
await transport.terminateSession()
await client.close()
await gateway.close()
server.close()

// ---- what the trail says
const entries = lines.map((line) => JSON.parse(line))
const of = (/** @type {string} */ tool) => entries.find(({ resources }) => resources?.[0].name === tool)
assert.equal(of('balance').actor.user.uid, 'ada')
assert.equal(of('balance').status_id, 1)
console.log('ada called balance, as "agent 1.0.0", over accounts: success.')
assert.equal(of('close').status_detail, 'refused scopes insufficient_scope')
console.log('ada was refused close, by the rules of scopes.')
const stranger = entries.find(({ actor }) => actor.user.uid === 'unknown')
assert.equal(stranger.status_detail, 'refused authenticate unauthorized')
console.log('Somebody was refused before anything was read.')
assert.ok(!lines.some((line) => line.includes('DE02')))
console.log('No line has an argument, a result, a token or the id of a session.')

// ---- and whether it still says what it said
assert.equal(firstFault(lines, key), -1)
const refused = lines.findIndex((line) => line.includes('insufficient_scope'))
const forged = lines.with(refused, String(lines[refused]).replace('"ada"', '"bob"'))
assert.equal(firstFault(forged, key), refused + 1)
assert.equal(firstFault(lines.toSpliced(refused, 1), key), refused)
console.log('A line that is changed, or missing, shows.')
