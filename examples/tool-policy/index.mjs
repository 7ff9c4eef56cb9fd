// @ts-check
// Who may use which tools: by team and by what tools say of themselves; then the same with policies in Cedar, which
// also look at the arguments.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import * as cedar from '@cedar-policy/cedar-wasm/nodejs'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import express from 'express'
import { inProcess, mcpGateway, RpcError, tools } from 'express-mcp-gateway'
import { z } from 'zod'

/** @typedef {{ id: string, team: string }} User */

/** @type {Map<string, User>} */
const users = new Map([
  ['key-of-ada', { id: 'ada', team: 'sales' }],
  ['key-of-grace', { id: 'grace', team: 'ops' }],
])
const authenticate = (/** @type {import('node:http').IncomingMessage} */ { headers }) =>
  users.get(String(headers['x-api-key'])) // see ../logins for how keys are kept

// ---- an MCP server that knows nothing of users
function makeOrders() {
  const server = new McpServer({ name: 'orders', version: '1.0.0' })
  const said = (/** @type {string} */ text) => ({ content: [{ type: /** @type {const} */ ('text'), text }] })
  server.registerTool('find', { annotations: { readOnlyHint: true } }, () => said('order 7'))
  server.registerTool('refund', { inputSchema: { euros: z.number() } }, ({ euros }) => said(`${euros} euros refunded`))
  server.registerTool('wipe', { annotations: { destructiveHint: true } }, () => said('wiped'))
  return server
}
const orders = inProcess((transport) => makeOrders().connect(transport))

// ---- by team and by annotation: who is not in ops reads; nobody wipes
/** @type {import('express-mcp-gateway').ToolInterceptor<User>} */
const byTeam = tools({
  deny: ['wipe'],
  allow: ({ annotations }, { principal }) => principal?.team === 'ops' || annotations.readOnlyHint,
})

// ---- and with Cedar: what is not permitted is refused, and `forbid` wins
const policies = `
  permit (principal, action, resource == Tool::"find");
  permit (principal in Team::"ops", action == Action::"tools/call", resource == Tool::"refund");
  forbid (principal, action, resource == Tool::"refund") when { context has euros && context.euros > 100 };
`
// Parsed once: a decision costs a tenth then.
assert.equal(cedar.preparsePolicySet('orders', { staticPolicies: policies }).type, 'success')

/**
 * @param {User} user
 * @param {string} tool
 * @param {Readonly<Record<string, unknown>>} context
 */
function isPermitted({ id, team }, tool, context) {
  const principal = { type: 'User', id }
  const answer = cedar.statefulIsAuthorized({
    preparsedPolicySetId: 'orders',
    principal,
    action: { type: 'Action', id: 'tools/call' },
    resource: { type: 'Tool', id: tool },
    context: /** @type {import('@cedar-policy/cedar-wasm/nodejs').Context} */ (context),
    entities: [{ uid: principal, attrs: {}, parents: [{ type: 'Team', id: team }] }],
  })
  return answer.type === 'success' && answer.response.decision === 'allow'
}

/** @type {import('express-mcp-gateway').Interceptor<User>} */
const byCedar = {
  // Nothing is in the list that nobody could call with any arguments.
  'tools/list': async ({ principal }, next) => {
    const result = await next()
    return { ...result, tools: result.tools.filter(({ name }) => principal && isPermitted(principal, name, {})) }
  },
  'tools/call': async ({ principal, params }, next) => {
    if (principal && isPermitted(principal, params.name, params.arguments ?? {})) return next()
    throw new RpcError(-32602, `Unknown tool: ${params.name}`)
  },
}

const gateway = mcpGateway({
  authenticate,
  servers: { 'by-team': { ...orders, intercept: byTeam }, 'by-cedar': { ...orders, intercept: byCedar } },
})

// ---- and what comes of it
const listening = express().use('/mcp-servers', gateway).listen(0, '127.0.0.1')
await once(listening, 'listening')
const { port } = /** @type {import('node:net').AddressInfo} */ (listening.address())

/** @param {string} server @param {string} user */
async function connect(server, user) {
  const client = new Client({ name: 'agent', version: '1.0.0' })
  const url = new URL(`http://127.0.0.1:${port}/mcp-servers/${server}/mcp`)
  await client.connect(
    new StreamableHTTPClientTransport(url, { requestInit: { headers: { 'x-api-key': `key-of-${user}` } } }),
  )
  const { tools: listed } = await client.listTools()
  return { client, names: listed.map(({ name }) => name) }
}

/** @param {Client} client @param {string} name @param {Record<string, unknown>} [args] */
const outcome = (client, name, args = {}) =>
  client.callTool({ name, arguments: args }).then(
    ({ content }) => /** @type {{ text: string }[]} */ (content)[0]?.text,
    (/** @type {Error} */ error) => error.message,
  )

const clients = []
for (const server of ['by-team', 'by-cedar']) {
  const ada = await connect(server, 'ada')
  const grace = await connect(server, 'grace')
  assert.deepEqual([ada.names, grace.names], [['find'], ['find', 'refund']])
  assert.match(String(await outcome(ada.client, 'refund', { euros: 1 })), /Unknown tool: refund/)
  assert.match(String(await outcome(grace.client, 'wipe')), /Unknown tool: wipe/)
  assert.equal(await outcome(grace.client, 'refund', { euros: 50 }), '50 euros refunded')
  clients.push(ada.client, grace.client)
  console.log(`${server}: ada finds orders, grace refunds them too, and nobody wipes.`)
}
const [, , , grace] = clients
assert.match(String(await outcome(/** @type {Client} */ (grace), 'refund', { euros: 500 })), /Unknown tool: refund/)
console.log('by-cedar: 50 euros pass, 500 do not, and the server never hears of them.')

for (const client of clients) await client.close()
await gateway.close()
listening.close()
