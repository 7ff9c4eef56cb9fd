// A real MCP server on the SDK v1 that lets in only whom its authorization server gave a token for it, and says who that was.
import { randomUUID } from 'node:crypto'
import { requireBearerAuth } from '@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js'
import { InvalidTokenError } from '@modelcontextprotocol/sdk/server/auth/errors.js'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import type { AuthInfo } from '@modelcontextprotocol/sdk/server/auth/types.js'
import express from 'express'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import { createJournal, type Journal } from './journal.ts'
import { listen } from './listen.ts'

export interface ProtectedServer {
  readonly url: string
  /** The method and the token of every request, let in or not. */
  readonly requests: Journal<{ method: string; token: string }>
  /** From now on these tokens are no good here, whatever they say. */
  revoke(...tokens: string[]): void
  close(): Promise<void>
}

export async function startProtectedServer({
  issuer,
  jwksUri,
}: {
  issuer: string
  jwksUri: string
}): Promise<ProtectedServer> {
  const requests = createJournal<{ method: string; token: string }>()
  const revoked = new Set<string>()
  const keys = createRemoteJWKSet(new URL(jwksUri))
  const transports = new Map<string, StreamableHTTPServerTransport>()
  const app = express()
  app.use((request, _response, next) => {
    requests.record({ method: request.method, token: request.headers.authorization?.slice('Bearer '.length) ?? '' })
    next()
  })
  const resourceMetadataUrl = 'https://upstream.example/.well-known/oauth-protected-resource'
  app.use(requireBearerAuth({ verifier: { verifyAccessToken }, resourceMetadataUrl }))
  app.all('/mcp', async (request, response) => {
    const id = request.headers['mcp-session-id']
    const transport = typeof id === 'string' ? transports.get(id) : await open()
    if (transport === undefined) return void response.status(404).end()
    await transport.handleRequest(request, response)
  })
  const { origin, close } = await listen(app)
  const url = `${origin}/mcp`

  async function verifyAccessToken(token: string): Promise<AuthInfo> {
    if (revoked.has(token)) throw new InvalidTokenError('revoked')
    const { payload } = await jwtVerify(token, keys, { issuer, audience: url }).catch((error: unknown) => {
      throw new InvalidTokenError(String(error))
    })
    const { client_id: clientId, scope = '', exp: expiresAt = 0 } = payload
    return { token, clientId: String(clientId), scopes: String(scope).split(' '), expiresAt, extra: payload }
  }

  async function open(): Promise<StreamableHTTPServerTransport> {
    const server = new McpServer({ name: 'protected-server', version: '1.0.0' })
    server.registerTool('whoami', {}, ({ authInfo }) => ({
      content: [{ type: 'text', text: JSON.stringify(authInfo?.extra) }],
    }))
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: () => randomUUID(),
      onsessioninitialized: (opened) => void transports.set(opened, transport),
      onsessionclosed: (closed) => void transports.delete(closed),
    })
    await server.connect(transport)
    return transport
  }

  return {
    url,
    requests,
    revoke: (...tokens) => tokens.forEach((token) => revoked.add(token)),
    async close() {
      await Promise.all([...transports.values()].map((transport) => transport.close()))
      await close()
    },
  }
}
