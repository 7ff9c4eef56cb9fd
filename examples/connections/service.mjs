// @ts-check
// A service with accounts of its own: an MCP server that lets nobody in without a token, and the least of an authorization
// server that gives tokens for it. Use real ones.
import { createHash, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'

/** @typedef {import('@modelcontextprotocol/sdk/server/mcp.js').McpServer} McpServer */

/** @param {(account: string) => McpServer} serverFor makes the server for the account of a request */
export async function startService(serverFor) {
  /** The accounts of tokens, and of refresh tokens. @type {Map<string, string>} */
  const tokens = new Map()
  /** @type {Map<string, { account: string, challenge: string, redirect: string }>} */
  const codes = new Map()
  /** The clients that are registered: the gateway of the example, once it is known where it is. */
  const clients = new Map()

  /** Who the browser is logged in as here. A real one has a login page. @param {import('node:http').IncomingMessage} request */
  const accountOf = ({ headers }) => /account=(\w+)/.exec(headers.cookie ?? '')?.[1] ?? 'nobody'

  /** @param {import('node:http').IncomingMessage} request @param {import('node:http').ServerResponse} response */
  async function answer(request, response) {
    const { pathname, searchParams: asked } = new URL(request.url ?? '/', origin)
    /** @param {object} body @param {number} [status] */
    const json = (body, status = 200) =>
      void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))

    if (pathname === '/.well-known/oauth-protected-resource/mcp') {
      return json({ resource: url, authorization_servers: [origin], scopes_supported: ['tickets'] })
    }
    if (pathname === '/.well-known/oauth-authorization-server') {
      return json({
        issuer: origin,
        authorization_endpoint: `${origin}/authorize`,
        token_endpoint: `${origin}/token`,
        revocation_endpoint: `${origin}/revoke`,
        response_types_supported: ['code'],
        code_challenge_methods_supported: ['S256'],
        authorization_response_iss_parameter_supported: true,
      })
    }
    if (pathname === '/authorize') {
      const redirect = asked.get('redirect_uri') ?? ''
      if (clients.get(asked.get('client_id')) !== redirect) return json({ error: 'invalid_client' }, 400)
      const code = randomUUID()
      codes.set(code, { account: accountOf(request), challenge: asked.get('code_challenge') ?? '', redirect })
      const back = new URL(redirect)
      back.search = String(new URLSearchParams({ code, state: asked.get('state') ?? '', iss: origin }))
      return void response.writeHead(303, { location: back.href }).end()
    }
    if (pathname === '/token') {
      const form = new URLSearchParams(await text(request))
      const code = codes.get(form.get('code') ?? '')
      codes.delete(form.get('code') ?? '')
      const challenge = createHash('sha256')
        .update(form.get('code_verifier') ?? '')
        .digest('base64url')
      const isGood = code?.challenge === challenge && code.redirect === form.get('redirect_uri')
      const account = isGood ? code.account : tokens.get(form.get('refresh_token') ?? '')
      if (account === undefined) return json({ error: 'invalid_grant' }, 400)
      const [access_token, refresh_token] = [randomUUID(), randomUUID()]
      tokens.set(access_token, account).set(refresh_token, account)
      return json({ access_token, refresh_token, token_type: 'Bearer', expires_in: 3_600 })
    }
    if (pathname === '/revoke') {
      const account = tokens.get(new URLSearchParams(await text(request)).get('token') ?? '')
      for (const [token, whose] of tokens) if (whose === account) tokens.delete(token)
      return void response.end()
    }
    const account = tokens.get(request.headers.authorization?.slice('Bearer '.length) ?? '')
    if (account === undefined) {
      const where = `Bearer resource_metadata="${origin}/.well-known/oauth-protected-resource/mcp"`
      return void response.writeHead(401, { 'www-authenticate': where }).end()
    }
    if (request.method !== 'POST') return void response.writeHead(405, { allow: 'POST' }).end()
    const transport = new StreamableHTTPServerTransport({})
    await serverFor(account).connect(transport)
    await transport.handleRequest(request, response)
  }

  const server = createServer((request, response) => void answer(request, response)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address())
  const origin = `http://127.0.0.1:${port}`
  const url = `${origin}/mcp`

  return {
    origin,
    url,
    /** @param {string} id @param {string} redirectUri */
    register: (id, redirectUri) => void clients.set(id, redirectUri),
    /** How many tokens are good. */
    valid: () => tokens.size,
    close: () => server.close(),
  }
}
