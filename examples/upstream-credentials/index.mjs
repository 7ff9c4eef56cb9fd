// @ts-check
// MCP servers that ask for tokens of their own: one is told who the user is, the other knows the gateway alone. The token
// that the user came with is shown to neither.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import express from 'express'
import { mcpGateway } from 'express-mcp-gateway'
import { clientCredentials, jwtBearer, tokenExchange } from 'express-mcp-gateway/auth'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import { startAuthorizationServer } from './authorization-server.mjs'

const registration = { id: 'gateway', secret: 's3cret' }
const login = await startAuthorizationServer(registration)
const keys = createRemoteJWKSet(new URL(login.jwksUri))

/** The claims of the token of a request, if it is good at this place. @param {string | undefined} authorization @param {string} audience */
async function claimsOf(authorization, audience) {
  const token = /^Bearer (.+)$/.exec(authorization ?? '')?.[1] ?? ''
  const verified = await jwtVerify(token, keys, { issuer: login.issuer, audience }).catch(() => undefined)
  return verified?.payload
}

// ---- two MCP servers behind: whoever has no token for them stays out, and `whoami` says who the token speaks of
/** @param {string} name */
async function startProtected(name) {
  const app = express()
  app.post('/mcp', async (req, res) => {
    const claims = await claimsOf(req.headers.authorization, url)
    if (!claims) return void res.status(401).set('www-authenticate', 'Bearer').end()
    const mcp = new McpServer({ name, version: '1.0.0' })
    mcp.registerTool('whoami', {}, () => ({ content: [{ type: 'text', text: String(claims.sub) }] }))
    const transport = new StreamableHTTPServerTransport({})
    await mcp.connect(transport)
    await transport.handleRequest(req, res)
  })
  app.all('/mcp', (_req, res) => void res.status(405).set('allow', 'POST').end())
  const server = app.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${portOf(server)}/mcp`
  return { url, close: () => server.close() }
}
const notes = await startProtected('notes')
const weather = await startProtected('weather')

// ---- the gateway: users show a token for it, and it has credentials of its own
const AUDIENCE = 'https://app.example.com'
const client = { issuer: login.issuer, clientId: registration.id, clientSecret: registration.secret }
const gateway = mcpGateway({
  authenticate: jwtBearer({ issuer: login.issuer, audience: AUDIENCE }),
  servers: {
    notes: { url: notes.url, headers: tokenExchange(client) },
    weather: { url: weather.url, headers: clientCredentials(client) },
  },
})
const app = express().use('/mcp-servers', gateway)
const server = app.listen(0, '127.0.0.1')
await once(server, 'listening')

// ---- and what comes of it
for (const user of ['ada', 'grace']) {
  const authorization = `Bearer ${await login.issue(user, AUDIENCE)}`
  for (const [name, expected] of [
    ['notes', user],
    ['weather', 'gateway'],
  ]) {
    const agent = new Client({ name: 'agent', version: '1.0.0' })
    const url = new URL(`http://127.0.0.1:${portOf(server)}/mcp-servers/${name}/mcp`)
    await agent.connect(new StreamableHTTPClientTransport(url, { requestInit: { headers: { authorization } } }))
    const { content } = await agent.callTool({ name: 'whoami', arguments: {} })
    assert.deepEqual(content, [{ type: 'text', text: expected }])
    console.log(`${user} called "${name}", which was shown a token of ${expected}'s.`)
    await agent.close()
  }
  const direct = await fetch(notes.url, { method: 'POST', headers: { authorization } })
  assert.equal(direct.status, 401)
}
console.log('With the token that they came with, the servers themselves let nobody in.')

assert.equal(login.issued(), 3)
console.log('Three tokens were asked for: one for each user of "notes", one for all of "weather".')

await gateway.close()
for (const each of [server, notes, weather, login]) each.close()

/** @param {import('node:http').Server} listening */
function portOf(listening) {
  return /** @type {import('node:net').AddressInfo} */ (listening.address()).port
}
