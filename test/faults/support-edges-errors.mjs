// Gateways in a process of their own, of each of which one hook throws what cannot be sent. Prints a port for each place, by its
// name, and one more, `fault`: what is POSTed there is what they throw from then on (nothing: what can be sent).
import { once } from 'node:events'
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import { GatewayError, MemorySessionStore, mcpGateway } from 'express-mcp-gateway'
import { serverDirectory } from 'express-mcp-gateway/directory'

/** @type {Record<string, unknown>} */
const circle = {}
circle['self'] = circle
/** @type {Record<string, object>} */
const FAULTS = {
  'a header beyond Latin-1': { headers: { 'x-name': '\u65E5' } },
  'a header with a line end': { headers: { 'x-name': 'a\r\nx-injected: 1' } },
  'a header whose name is none': { headers: { 'x name': 'a' } },
  'a number that JSON cannot say': { data: { count: 1n } },
  'a circle': { data: circle },
  'a status below all': { status: 99 },
  'a status above all': { status: 1000 },
  'a status that is no number': { status: Number.NaN },
}
let fault = ''

/** Made where it is thrown: the constructor may refuse it, too. */
const failNow = () => {
  throw new GatewayError('forbidden', 'No', FAULTS[fault])
}
const fail = async () => {
  await Promise.resolve()
  failNow()
}

let isCalled = false
const upstream = createServer(async (request, response) => {
  /** @type {Buffer[]} */
  const chunks = []
  for await (const chunk of request) chunks.push(chunk)
  const { id, method } = JSON.parse(Buffer.concat(chunks).toString() || '{}')
  if (request.method === 'GET') response.writeHead(405).end()
  else if (method === 'tools/call') {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
    isCalled = true
  } else if (method === 'initialize') {
    const result = { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: { name: 'upstream', version: '1' } }
    response.writeHead(200, { 'content-type': 'application/json', 'mcp-session-id': 'session-1' })
    response.end(JSON.stringify({ jsonrpc: '2.0', id, result }))
  } else response.writeHead(202).end()
})
const url = `http://127.0.0.1:${await listen(upstream)}/mcp`

const kept = new MemorySessionStore()
/** @type {Record<string, Partial<import('express-mcp-gateway').GatewayOptions>>} */
const PLACES = {
  authenticate: { authenticate: fail },
  'authenticate, at once': { authenticate: failNow },
  servers: { servers: fail },
  headers: { servers: { a: { url, headers: fail } } },
  create: { sessions: storeBut({ create: fail }) },
  get: { sessions: storeBut({ get: fail }) },
  delete: { sessions: storeBut({ delete: fail }) },
  has: {
    authenticate: () => undefined,
    publicUrl: 'http://localhost/',
    protectedResource: { authorizationServers: ['https://login.example.com'], has: fail },
  },
  'a stream that has begun': { servers: () => (isCalled ? failNow() : { url }), recheckMs: 50 },
}

/** @type {Record<string, number>} */
const ports = {}
for (const [place, options] of Object.entries(PLACES)) {
  const gateway = mcpGateway({ authenticate: false, servers: { a: { url } }, ...options, onError() {} })
  const directory = serverDirectory({ gateway, list: () => ({}) })
  ports[place] = await listen(
    createServer((request, response) => gateway(request, response, () => directory(request, response))),
  )
}
ports['fault'] = await listen(
  createServer(async (request, response) => {
    fault = await text(request)
    isCalled = false
    response.end()
  }),
)
console.log(JSON.stringify(ports))

/** @param {object} broken */
function storeBut(broken) {
  return {
    create: kept.create.bind(kept),
    get: kept.get.bind(kept),
    delete: kept.delete.bind(kept),
    ...broken,
  }
}

/** @param {import('node:http').Server} listener */
async function listen(listener) {
  await once(listener.listen(0, '127.0.0.1'), 'listening')
  return /** @type {import('node:net').AddressInfo} */ (listener.address()).port
}
