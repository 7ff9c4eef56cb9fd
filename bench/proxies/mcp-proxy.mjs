// @ts-check
// mcp-proxy in front of a Streamable HTTP server, through its API: a client and a server of the SDK for each session.
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { Server } from '@modelcontextprotocol/server'
import { proxyServer, startHTTPServer } from 'mcp-proxy'
import { freePort } from './common/free-port.mjs'

export const title = 'mcp-proxy'

/** @param {URL} upstream */
export async function start(upstream) {
  const port = await freePort()
  const clients = new WeakMap()
  await startHTTPServer({
    host: '127.0.0.1',
    port,
    streamEndpoint: upstream.pathname,
    sseEndpoint: null,
    eventStore: false,
    keepAliveTimeout: 0,
    async createServer() {
      const client = new Client({ name: 'bench', version: '1.0.0' })
      await client.connect(new StreamableHTTPClientTransport(upstream))
      const serverCapabilities = client.getServerCapabilities() ?? {}
      const server = new Server({ name: 'bench', version: '1.0.0' }, { capabilities: serverCapabilities })
      await proxyServer({ client, server, serverCapabilities })
      clients.set(server, client)
      return server
    },
    onClose: (server) => clients.get(server)?.close(),
  })
  return { port }
}
