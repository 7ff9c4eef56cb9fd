// @ts-check
// A server at a port, in a process of its own: `both` eras, `new` (2026-07-28 alone), `old` (sessions alone, whose events
// have ids) or `plain` (sessions alone, without ids). The principal is a header that the gateway sets.
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer as createListener } from 'node:http'
import { NodeStreamableHTTPServerTransport, toNodeHandler } from '@modelcontextprotocol/node'
import { createMcpHandler, isInitializeRequest } from '@modelcontextprotocol/server'
import { createServer, note } from './tools.mjs'

/**
 * @typedef {'both' | 'new' | 'old' | 'plain'} Kind
 * @typedef {{ transport: NodeStreamableHTTPServerTransport, principal: string, node: string }} Session
 */

const kind = /** @type {Kind} */ (process.argv[2])
const port = Number(process.argv[3] ?? 0)

/** @type {Map<string, Session>} */
const sessions = new Map()

/** What is being answered. @type {Set<{ what: string }>} */
const open = new Set()

const MAX_EVENTS = 500

/** The last events of all streams of a session. @returns {import('@modelcontextprotocol/server').EventStore} */
function eventStore() {
  /** @type {{ id: string, stream: string, message: any }[]} */
  const events = []
  let count = 0
  return {
    async storeEvent(stream, message) {
      count += 1
      const id = String(count)
      events.push({ id, stream, message })
      if (events.length > MAX_EVENTS) events.shift()
      return id
    },
    async replayEventsAfter(last, { send }) {
      const stream = events.find(({ id }) => id === last)?.stream ?? 'unknown'
      for (const event of events) {
        const isLater = Number(event.id) > Number(last) && event.stream === stream
        if (isLater && 'jsonrpc' in event.message) await send(event.id, event.message)
      }
      return stream
    },
  }
}

const stateless = createMcpHandler(
  () =>
    createServer({
      name: kind,
      era: 'modern',
      principalOf: ({ http }) => String(http?.req?.headers.get('x-principal')),
    }),
  { legacy: 'reject' },
)
const serveStateless = toNodeHandler(stateless)

/** @param {import('node:http').IncomingMessage} request @param {import('node:http').ServerResponse} response @param {any} body */
async function openSession(request, response, body) {
  const principal = String(request.headers['x-principal'])
  const server = createServer({ name: kind, era: 'legacy', principalOf: () => principal })
  const node = String(request.headers['x-node'])
  const transport = new NodeStreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    ...(kind !== 'plain' && { eventStore: eventStore(), retryInterval: 200 }),
    onsessioninitialized: (id) => void sessions.set(id, { transport, principal, node }),
  })
  server.server.onclose = () => sessions.delete(transport.sessionId ?? '')
  await server.connect(transport)
  await transport.handleRequest(request, response, body)
}

const listener = createListener(async (request, response) => {
  try {
    const chunks = []
    for await (const chunk of request) chunks.push(chunk)
    const body = chunks.length > 0 ? JSON.parse(Buffer.concat(chunks).toString()) : undefined
    const { 'x-node': node, 'x-principal': principal } = request.headers
    const name = body?.params?.arguments?.call ?? ''
    const answering = {
      what: `${request.method} ${body?.method ?? ''} ${name} of ${String(principal)} at ${String(node)}`,
    }
    open.add(answering)
    response.once('close', () => open.delete(answering))
    await serve(request, response, body)
  } catch (error) {
    if (!response.headersSent) response.writeHead(400).end(String(error))
  }
})

/** @param {import('node:http').IncomingMessage} request @param {import('node:http').ServerResponse} response @param {any} body */
async function serve(request, response, body) {
  const id = request.headers['mcp-session-id']
  const session = id === undefined ? undefined : sessions.get(String(id))
  const principal = String(request.headers['x-principal'])
  if (session) {
    if (session.principal !== principal) note({ at: 'crossed', name: kind, principal, of: session.principal, body })
    return session.transport.handleRequest(request, response, body)
  }
  const isModern = request.headers['mcp-protocol-version'] === '2026-07-28'
  if (id !== undefined) return response.writeHead(404).end('{}')
  const opens = request.method === 'POST' && isInitializeRequest(body)
  if (kind === 'new' || (kind === 'both' && isModern))
    return serveStateless(/** @type {any} */ (request), response, body)
  if (opens) return openSession(request, response, body)
  return response.writeHead(400, { 'content-type': 'application/json' }).end('{"error":"Session ID required"}')
}

process.on('message', (message) => {
  if (message !== 'inspect') return
  process.send?.({
    inspected: { sessions: [...sessions.values()].map(({ node }) => node), open: Array.from(open, ({ what }) => what) },
  })
})
process.once('disconnect', () => process.exit())
listener.listen(port, '127.0.0.1')
await once(listener, 'listening')
process.send?.({ port: /** @type {import('node:net').AddressInfo} */ (listener.address()).port })
