// @ts-check
// An app that has its own users: they log in as always, and whoever is logged in reaches the MCP servers that are
// theirs. The gateway asks the app who is asking; the upstream gets credentials of its own, never the user's cookie.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import express from 'express'
import { mcpGateway } from 'express-mcp-gateway'

/** @typedef {import('express').Request & { user?: { name: string, team: string } | undefined }} AppRequest */

// ---- the MCP server behind: it only knows tokens, and says what it was sent
const upstream = express()
upstream.use(express.json())
upstream.post('/mcp', async (req, res) => {
  const mcp = new McpServer({ name: 'notes', version: '1.0.0' })
  mcp.registerTool('whoami', {}, ({ requestInfo }) => {
    const { authorization = 'no token', cookie = 'no cookie' } = requestInfo?.headers ?? {}
    return { content: [{ type: 'text', text: `${String(authorization)}, ${String(cookie)}` }] }
  })
  const transport = new StreamableHTTPServerTransport({})
  await mcp.connect(transport)
  await transport.handleRequest(req, res, req.body)
})
upstream.all('/mcp', (_req, res) => void res.status(405).set('allow', 'POST').end())
const upstreamServer = upstream.listen(0, '127.0.0.1')
await once(upstreamServer, 'listening')

// ---- the app as it was: users, a login, a cookie
const users = new Map([
  ['ada', { name: 'ada', team: 'research' }],
  ['grace', { name: 'grace', team: 'navy' }],
])
const logins = new Map()
const app = express()
app.post('/login/:name', (req, res) => {
  const id = randomUUID()
  logins.set(id, users.get(req.params.name))
  res.cookie('login', id, { httpOnly: true, sameSite: 'strict' }).end()
})
app.use((/** @type {AppRequest} */ req, _res, next) => {
  req.user = logins.get(/login=([^;]*)/.exec(req.headers.cookie ?? '')?.[1])
  next()
})

// ---- what is added
const teams = new Map([
  ['research', ['notes']],
  ['navy', ['notes', 'ships']],
])
const gateway = mcpGateway({
  authenticate: (/** @type {AppRequest} */ { user }) => user && { id: user.name, team: user.team },
  servers: (name, { principal }) =>
    teams.get(principal?.team ?? '')?.includes(name)
      ? { url: `http://127.0.0.1:${portOf(upstreamServer)}/mcp`, headers: (context) => tokenFor(context.principal?.id) }
      : undefined,
})
app.use('/mcp-servers', gateway)

/** Where an app would ask its vault, or exchange a token. @param {string | undefined} user */
async function tokenFor(user) {
  return { authorization: `Bearer token-of-${user}` }
}

// ---- and what comes of it
const server = app.listen(0, '127.0.0.1')
await once(server, 'listening')
const origin = `http://127.0.0.1:${portOf(server)}`

const stranger = await fetch(`${origin}/mcp-servers/notes/mcp`)
assert.equal(stranger.status, 401)
console.log('Nobody is logged in: 401.')

for (const user of ['ada', 'grace']) {
  const agent = await connect('notes', await login(user))
  const { content } = await agent.client.callTool({ name: 'whoami', arguments: {} })
  assert.deepEqual(content, [{ type: 'text', text: `Bearer token-of-${user}, no cookie` }])
  console.log(`${user} is logged in; the MCP server got "Bearer token-of-${user}" and no cookie.`)
  await agent.client.close()
}

await assert.rejects(connect('ships', await login('ada')), { code: 404 })
const grace = await connect('ships', await login('grace'))
console.log('grace has the server "ships"; for ada it does not exist.')

const stolen = await post('notes', await login('ada'), grace.transport.sessionId)
assert.equal(stolen.status, 404)
console.log("grace's session id is of no use to ada: 404.")

await grace.transport.terminateSession()
await grace.client.close()
await gateway.close()
server.close()
upstreamServer.close()

/** @param {string} user */
async function login(user) {
  const response = await fetch(`${origin}/login/${user}`, { method: 'POST' })
  return response.headers.getSetCookie()[0]?.split(';')[0] ?? ''
}

/** @param {string} name @param {string} cookie */
async function connect(name, cookie) {
  const url = new URL(`${origin}/mcp-servers/${name}/mcp`)
  const transport = new StreamableHTTPClientTransport(url, { requestInit: { headers: { cookie } } })
  const client = new Client({ name: 'agent', version: '1.0.0' })
  await client.connect(transport)
  return { client, transport }
}

/** @param {string} name @param {string} cookie @param {string | undefined} session */
function post(name, cookie, session) {
  return fetch(`${origin}/mcp-servers/${name}/mcp`, {
    method: 'POST',
    headers: {
      cookie,
      'mcp-session-id': session ?? '',
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
    },
    body: '{"jsonrpc":"2.0","id":1,"method":"tools/list"}',
  })
}

/** @param {import('node:http').Server} listening */
function portOf(listening) {
  return /** @type {import('node:net').AddressInfo} */ (listening.address()).port
}
