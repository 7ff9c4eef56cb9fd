// @ts-check
// Three ways to know who is asking, each in a few lines of `authenticate`: a session of passport, the SDK's own
// `requireBearerAuth`, and API keys.
import assert from 'node:assert/strict'
import { createHash, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { requireBearerAuth } from '@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js'
import { InvalidTokenError } from '@modelcontextprotocol/sdk/server/auth/errors.js'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import express from 'express'
import session from 'express-session'
import { mcpGateway } from 'express-mcp-gateway'
import passport from 'passport'

/** @typedef {import('express').Request} LoggedIn */
/** @typedef {import('express').Request & { auth?: import('express-mcp-gateway').AuthInfo | undefined }} Bearing */

// ---- the MCP server behind: it says who the gateway says is asking
const upstream = express()
upstream.post('/mcp', async (req, res) => {
  const mcp = new McpServer({ name: 'notes', version: '1.0.0' })
  mcp.registerTool('whoami', {}, () => ({ content: [{ type: 'text', text: String(req.headers['x-user']) }] }))
  const transport = new StreamableHTTPServerTransport({})
  await mcp.connect(transport)
  await transport.handleRequest(req, res)
})
upstream.all('/mcp', (_req, res) => void res.status(405).set('allow', 'POST').end())
const upstreamServer = upstream.listen(0, '127.0.0.1')
await once(upstreamServer, 'listening')

/** @param {import('express-mcp-gateway').Authenticate} authenticate */
function gatewayFor(authenticate) {
  const url = `http://127.0.0.1:${portOf(upstreamServer)}/mcp`
  const headers = (/** @type {import('express-mcp-gateway').HeadersContext} */ { principal }) => ({
    'x-user': principal?.id ?? '',
  })
  return mcpGateway({ servers: { notes: { url, headers } }, authenticate })
}

const app = express()

// ---- a session login: passport leaves who is logged in at `req.user`
passport.serializeUser((user, done) => done(null, user.name))
passport.deserializeUser((name, done) => done(null, { name, team: 'research' }))
app.use(session({ secret: 'of the app', resave: false, saveUninitialized: false, cookie: { sameSite: 'strict' } }))
app.use(passport.session())
app.post('/login/:name', (req, res, next) => {
  req.login({ name: req.params.name, team: 'research' }, (error) => (error ? next(error) : res.end()))
})
const sessions = gatewayFor((/** @type {LoggedIn} */ { user }) => user && { id: user.name })
app.use('/with-session', sessions)

// ---- the SDK's middleware: it leaves what a token says at `req.auth`, which is taken as it is
const verifier = {
  /** @param {string} token */
  async verifyAccessToken(token) {
    // Where an app would ask its authorization server (RFC 7662); without `iss` and `sub` a refreshed token is a new login.
    if (token !== 'token-of-grace') throw new InvalidTokenError('Unknown token')
    const expiresAt = Math.floor(Date.now() / 1000) + 600
    const extra = { iss: 'https://login.example.com', sub: 'grace' }
    return { token, clientId: 'desktop', scopes: ['mcp'], expiresAt, extra }
  },
}
const bearers = gatewayFor((/** @type {Bearing} */ { auth }) => auth)
app.use('/with-token', requireBearerAuth({ verifier, requiredScopes: ['mcp'] }), bearers)

// ---- API keys: hashes are kept, and compared in a time that tells nothing
/** @param {string} key */
const digest = (key) => createHash('sha256').update(key).digest()
const owners = [{ id: 'build-server', hash: digest('key-of-the-build-server') }]
const keys = gatewayFor(({ headers }) => {
  const hash = digest(String(headers['x-api-key'] ?? ''))
  const owner = owners.find((each) => timingSafeEqual(each.hash, hash))
  return owner && { id: owner.id }
})
app.use('/with-key', keys)

// ---- and what comes of it
const server = app.listen(0, '127.0.0.1')
await once(server, 'listening')
const origin = `http://127.0.0.1:${portOf(server)}`
const login = await fetch(`${origin}/login/ada`, { method: 'POST' })
const cookie = login.headers
  .getSetCookie()
  .map((set) => set.split(';')[0])
  .join('; ')

for (const [path, headers, who] of /** @type {const} */ ([
  ['with-session', { cookie }, 'ada'],
  ['with-token', { authorization: 'Bearer token-of-grace' }, 'https://login.example.com grace'],
  ['with-key', { 'x-api-key': 'key-of-the-build-server' }, 'build-server'],
])) {
  const url = new URL(`${origin}/${path}/notes/mcp`)
  assert.equal((await fetch(url, { method: 'POST' })).status, 401)
  const agent = new Client({ name: 'agent', version: '1.0.0' })
  await agent.connect(new StreamableHTTPClientTransport(url, { requestInit: { headers } }))
  const { content } = await agent.callTool({ name: 'whoami', arguments: {} })
  assert.deepEqual(content, [{ type: 'text', text: who }])
  await agent.close()
  console.log(`/${path}: strangers are 401, and ${who} is let in.`)
}

for (const gateway of [sessions, bearers, keys]) await gateway.close()
for (const each of [server, upstreamServer]) each.close()

/** @param {import('node:http').Server} listening */
function portOf(listening) {
  return /** @type {import('node:net').AddressInfo} */ (listening.address()).port
}
