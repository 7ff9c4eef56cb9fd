// @ts-check
// `npm run soak`: streams on which nothing is said, on real clocks, for longer than any timeout on the way is by default.
// All have to be open in the end, and bring what is said then.
//
//   --minutes N   how long nothing is said (6.2)

import { once } from 'node:events'
import { createServer, request } from 'node:http'
import { parseArgs } from 'node:util'
import { MemoryEventLog, mcpGateway } from 'express-mcp-gateway'

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '6.2' } } })
const silenceMs = Number(values.minutes) * 60_000

/**
 * @typedef {import('node:http').ServerResponse} ServerResponse
 * @typedef {import('node:http').IncomingMessage} IncomingMessage
 * @typedef {{ name: string, client: IncomingMessage, bytes: () => string }} Stream
 */

/** What the server has open, by what it was asked for. @type {Map<string, ServerResponse>} */
const silent = new Map()

/** A server that opens every stream it is asked for and says nothing on it. */
const server = createServer(async (incoming, response) => {
  const chunks = []
  for await (const chunk of incoming) chunks.push(chunk)
  const { id, method } = JSON.parse(Buffer.concat(chunks).toString() || '{}')
  if (method === 'initialize') {
    const result = { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: { name: 'silent', version: '1' } }
    response.writeHead(200, { 'content-type': 'application/json', 'mcp-session-id': String(Math.random()) })
    response.end(JSON.stringify({ jsonrpc: '2.0', id, result }))
  } else if (incoming.method === 'DELETE' || (method !== undefined && id === undefined)) {
    response.writeHead(202).end()
  } else {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
    const name = method === undefined ? `GET ${String(incoming.headers['x-column'])}` : String(id)
    response.once('close', () => silent.delete(name))
    silent.set(name, response)
  }
})

/** @param {import('node:http').Server} listener */
async function listen(listener) {
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  return /** @type {import('node:net').AddressInfo} */ (listener.address()).port
}

/**
 * @param {string} url
 * @param {Record<string, string>} headers
 * @param {object} [message]
 * @returns {Promise<IncomingMessage>}
 */
async function send(url, headers, message) {
  const accept = message ? 'application/json, text/event-stream' : 'text/event-stream'
  const all = { accept, ...(message && { 'content-type': 'application/json' }), ...headers }
  const sent = request(url, { method: message ? 'POST' : 'GET', headers: all, agent: false })
  sent.end(message && JSON.stringify(message))
  const [answer] = await once(sent, 'response')
  return answer
}

/**
 * @param {string} name
 * @param {Promise<IncomingMessage>} opening
 * @returns {Promise<Stream>}
 */
async function open(name, opening) {
  const client = await opening
  if (client.statusCode !== 200) throw new Error(`${name}: ${client.statusCode}`)
  let text = ''
  client.setEncoding('utf8').on('data', (chunk) => (text += chunk))
  client.on('close', () => console.log(`${name} closed`))
  client.on('error', () => {})
  return { name, client, bytes: () => text }
}

const META = 'io.modelcontextprotocol'
const envelope = { [`${META}/protocolVersion`]: '2026-07-28', [`${META}/clientCapabilities`]: {} }

/**
 * A listener, a call and a subscription, through a gateway of their own.
 * @param {string} column
 * @param {string} upstream
 * @param {Partial<import('express-mcp-gateway').GatewayOptions>} options
 */
async function startColumn(column, upstream, options) {
  const headers = { 'x-column': column }
  const gateway = mcpGateway({ servers: { silent: { url: upstream, headers } }, authenticate: false, ...options })
  const listener = createServer(gateway)
  const url = `http://127.0.0.1:${await listen(listener)}/silent/mcp`

  const clientInfo = { name: 'soak', version: '1' }
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo }
  const opening = await send(url, {}, { jsonrpc: '2.0', id: 'init', method: 'initialize', params })
  opening.resume()
  const session = { 'mcp-session-id': String(opening.headers['mcp-session-id']), 'mcp-protocol-version': '2025-11-25' }
  const call = { jsonrpc: '2.0', id: `call ${column}`, method: 'tools/call', params: { name: 'silent' } }
  const subscription = {
    jsonrpc: '2.0',
    id: `subscription ${column}`,
    method: 'subscriptions/listen',
    params: { _meta: envelope, notifications: { toolsListChanged: true } },
  }
  const modern = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'subscriptions/listen' }
  const streams = await Promise.all([
    open(`GET ${column}`, send(url, session)),
    open(call.id, send(url, session, call)),
    open(subscription.id, send(url, modern, subscription)),
  ])
  return { gateway, listener, streams }
}

const upstream = `http://127.0.0.1:${await listen(server)}/mcp`
const columns = await Promise.all([
  startColumn('without a log', upstream, {}),
  startColumn('with a log', upstream, { events: new MemoryEventLog() }),
])
const streams = columns.flatMap((column) => column.streams)
while (silent.size < streams.length) await new Promise((resolve) => setTimeout(resolve, 10))
console.log(`${streams.length} streams are open; now nothing is said for ${values.minutes} minutes`)
await new Promise((resolve) => setTimeout(resolve, silenceMs))

let faults = 0
for (const { name, client, bytes } of streams) {
  const beats = bytes().match(/^:$/gm)?.length ?? 0
  const said = `said to ${name}`
  silent
    .get(name)
    ?.write(`data: ${JSON.stringify({ jsonrpc: '2.0', method: 'notifications/message', params: { said } })}\n\n`)
  const until = Date.now() + 2_000
  while (!bytes().includes(said) && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 10))
  // At most 15 s of silence, whoever is between.
  const isWell = !client.closed && bytes().includes(said) && beats >= Math.floor(silenceMs / 15_000) - 1
  if (!isWell) faults += 1
  console.log(
    `${isWell ? 'open' : 'LOST'}  ${name}: ${beats} heartbeats, ${bytes().includes(said) ? 'heard' : 'NOT heard'}`,
  )
}

for (const { gateway, listener } of columns) {
  await gateway.close({ graceMs: 0 })
  listener.close()
  listener.closeAllConnections()
}
server.close()
server.closeAllConnections()
console.log(faults === 0 ? '\nAs expected.' : `\nNot as expected: ${faults} streams.`)
process.exitCode = faults === 0 ? 0 : 1
