// @ts-check
// The SDK's server and client transports wired back to back, a pair for each session, as a proxy of few lines does it.
import { randomUUID } from 'node:crypto'
import http from 'node:http'

/**
 * What both majors of the SDK have in common, as far as the wiring goes.
 * @typedef {{ onmessage?: any, onclose?: any, send: (message: any, options?: any) => Promise<void>, close: () => Promise<void> }} Transport
 * @typedef {Transport & { setProtocolVersion?: (version: string) => void }} ClientTransport
 * @typedef {Transport & { handleRequest: (request: any, response: any) => Promise<void> }} ServerTransport
 * @typedef {{ sessionIdGenerator: () => string, onsessioninitialized: (id: string) => void }} ServerOptions
 */

/** @param {() => ClientTransport} makeClient @param {(options: ServerOptions) => ServerTransport} makeServer */
export function sdkPairs(makeClient, makeServer) {
  /** @type {Map<string, ServerTransport>} */
  const sessions = new Map()
  return http.createServer((request, response) => {
    const id = String(request.headers['mcp-session-id'])
    const server = sessions.get(id) ?? wire(makeClient(), makeServer, sessions)
    server.handleRequest(request, response).catch(() => response.destroy())
    if (request.method === 'DELETE') sessions.delete(id)
  })
}

/** @param {ClientTransport} client @param {(options: ServerOptions) => ServerTransport} makeServer @param {Map<string, ServerTransport>} sessions */
function wire(client, makeServer, sessions) {
  /** @type {ServerTransport} */
  const server = makeServer({
    sessionIdGenerator: randomUUID,
    onsessioninitialized: (id) => void sessions.set(id, server),
  })
  server.onmessage = (/** @type {any} */ message) => {
    client.send(message).catch((error) => {
      const answer = { jsonrpc: '2.0', id: message.id, error: { code: 502, message: error.message } }
      if (message.id !== undefined) void server.send(answer)
    })
  }
  client.onmessage = (/** @type {any} */ message) => {
    const { protocolVersion } = message.result ?? {}
    if (protocolVersion) client.setProtocolVersion?.(protocolVersion)
    // The load's progress token is the id of its request: events go to the stream of the call they belong to.
    void server.send(message, { relatedRequestId: message.params?.progressToken })
  }
  server.onclose = () => void client.close()
  return server
}
