// @ts-check
// An OAuth resource server: the gateway tells a stranger where tokens come from, takes those that are for the server that
// is asked, and asks for more when a tool takes more.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import express from 'express'
import { mcpGateway } from 'express-mcp-gateway'
import { jwtBearer } from 'express-mcp-gateway/auth'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'

// ---- the least of an authorization server: its metadata, its keys, and a key to sign with
const { privateKey, publicKey } = await generateKeyPair('ES256')
const keys = { keys: [await exportJWK(publicKey)] }
const login = express()
login.get(
  '/.well-known/oauth-authorization-server',
  (_req, res) => void res.json({ issuer, jwks_uri: `${issuer}/jwks` }),
)
login.get('/jwks', (_req, res) => void res.json(keys))
const loginServer = login.listen(0, '127.0.0.1')
await once(loginServer, 'listening')
const issuer = originOf(loginServer)

/** What it would give a user who logs in for that. @param {string} aud @param {string} scope */
const issue = (aud, scope) =>
  new SignJWT({ iss: issuer, sub: 'ada', aud, scope })
    .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt' })
    .setExpirationTime('10m')
    .sign(privateKey)

// ---- the MCP server behind
const upstream = express()
upstream.post('/mcp', async (req, res) => {
  const mcp = new McpServer({ name: 'files', version: '1.0.0' })
  for (const tool of ['read_file', 'delete_file']) {
    mcp.registerTool(tool, {}, () => ({ content: [{ type: 'text', text: `${tool}: done` }] }))
  }
  const transport = new StreamableHTTPServerTransport({})
  await mcp.connect(transport)
  await transport.handleRequest(req, res)
})
upstream.all('/mcp', (_req, res) => void res.status(405).set('allow', 'POST').end())
const upstreamServer = upstream.listen(0, '127.0.0.1')
await once(upstreamServer, 'listening')

// ---- the gateway
const app = express()
const server = app.listen(0, '127.0.0.1')
await once(server, 'listening')
const publicUrl = `${originOf(server)}/mcp-servers`

const files = { url: `${originOf(upstreamServer)}/mcp`, scopes: { tools: { 'delete_*': ['files:write'] } } }
const gateway = mcpGateway({
  servers: { files, mail: files },
  authenticate: jwtBearer({ issuer, scopes: ['files:read'] }),
  publicUrl,
})
app.use('/mcp-servers', gateway)
app.use(gateway.wellKnown)

// ---- and what comes of it
/** A client that shows this token. @param {string} name @param {string} token */
async function connect(name, token) {
  const client = new Client({ name: 'agent', version: '1.0.0' })
  const requestInit = { headers: { authorization: `Bearer ${token}` } }
  await client.connect(new StreamableHTTPClientTransport(new URL(`${publicUrl}/${name}/mcp`), { requestInit }))
  return client
}

const stranger = await fetch(`${publicUrl}/files/mcp`)
assert.equal(stranger.status, 401)
const metadataUrl = /resource_metadata="([^"]*)"/.exec(stranger.headers.get('www-authenticate') ?? '')?.[1] ?? ''
/** @type {any} */
const metadata = await (await fetch(metadataUrl)).json()
assert.deepEqual(metadata.authorization_servers, [issuer])
assert.equal(metadata.resource, `${publicUrl}/files/mcp`)
console.log('A stranger is 401, and led to the issuer: it is to ask for a token for this server.')

const reading = await issue(metadata.resource, 'files:read')
const reader = await connect('files', reading)
await reader.callTool({ name: 'read_file' })
await assert.rejects(connect('mail', reading), { code: 401 })
console.log('The token is good for "files", and for no other server.')

await assert.rejects(reader.callTool({ name: 'delete_file' }), { code: 403 })
await reader.close()
const writer = await connect('files', await issue(metadata.resource, 'files:read files:write'))
await writer.callTool({ name: 'delete_file' })
await writer.close()
console.log('Deleting takes a scope more: 403, and with that scope the call goes on.')

await gateway.close()
for (const each of [server, upstreamServer, loginServer]) each.close()

/** @param {import('node:http').Server} listening */
function originOf(listening) {
  return `http://127.0.0.1:${/** @type {import('node:net').AddressInfo} */ (listening.address()).port}`
}
