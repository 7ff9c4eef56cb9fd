// @ts-check
// The MCP server behind every proxy: raw node:http without an SDK, so that it costs little. Serves both eras on any path.
import { randomUUID } from 'node:crypto'
import http from 'node:http'
import { answer, handshake, resultOf, toolText, VERSION_FIELD } from './answers.mjs'
import { serve } from './harness/child.mjs'

const SSE_HEAD = { 'content-type': 'text/event-stream', 'cache-control': 'no-cache, no-transform' }
/** What an event of the `stream` tool weighs without padding, roughly. */
const EVENT_OVERHEAD = 150

/** @type {Set<string>} */
const sessions = new Set()
let openStreams = 0

/** @typedef {import('./answers.mjs').Message} Message */

const server = http.createServer((request, response) => {
  if (request.method === 'POST') return readBody(request, (text) => post(request, response, JSON.parse(text)))
  const id = String(request.headers['mcp-session-id'])
  if (!sessions.has(id)) return void response.writeHead(404).end()
  if (request.method === 'DELETE') {
    sessions.delete(id)
    return void response.writeHead(200, { 'content-length': 0 }).end()
  }
  listen(response)
})
// Idle streams are part of what is measured: nothing may time out.
Object.assign(server, { keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0 })

/** @param {http.IncomingMessage} request @param {(text: string) => void} then */
function readBody(request, then) {
  let text = ''
  request.setEncoding('utf8')
  request.on('data', (chunk) => (text += chunk))
  request.on('end', () => then(text))
}

/** @param {http.IncomingMessage} request @param {http.ServerResponse} response @param {Message} message */
function post(request, response, message) {
  const modern = message.params?._meta?.[VERSION_FIELD] !== undefined
  if (message.method === 'initialize' && !modern) return initialize(response, message)
  if (!modern && !sessions.has(String(request.headers['mcp-session-id']))) return void response.writeHead(404).end()
  if (message.id === undefined) return void response.writeHead(202, { 'content-length': 0 }).end()
  if (message.method === 'tools/call') return call(response, message, modern)
  json(response, JSON.stringify(resultOf(message, modern, request.url?.includes('many'))))
}

/** @param {http.ServerResponse} response @param {Message} message */
function initialize(response, message) {
  const id = randomUUID()
  sessions.add(id)
  json(response, JSON.stringify(handshake(message)), { 'mcp-session-id': id })
}

/** @param {http.ServerResponse} response @param {string} body @param {Record<string, string>} headers */
function json(response, body, headers = {}) {
  const length = Buffer.byteLength(body)
  response.writeHead(200, { ...headers, 'content-type': 'application/json', 'content-length': length }).end(body)
}

/** @param {http.ServerResponse} response @param {Message} message @param {boolean} modern */
function call(response, message, modern) {
  const { name, arguments: args = {} } = message.params
  if (name === 'stream') return stream(response, message, args)
  const body = JSON.stringify(answer(message, toolText(message), modern))
  if (args.as === 'sse') response.writeHead(200, SSE_HEAD).end(event(body))
  else json(response, body)
}

/** @param {string} data */
function event(data) {
  return `event: message\ndata: ${data}\n\n`
}

/** A GET stream: opened with a comment, then idle. @param {http.ServerResponse} response */
function listen(response) {
  countStream(response)
  response.writeHead(200, SSE_HEAD).write(': open\n\n')
}

/** @param {http.ServerResponse} response */
function countStream(response) {
  openStreams++
  response.once('close', () => openStreams--)
}

/**
 * Progress events of `size` bytes for `ms` milliseconds or `limit` bytes: one every `every` milliseconds, or with 0
 * as fast as the reader takes them. The result says how many.
 * @param {http.ServerResponse} response @param {Message} message
 * @param {{ ms: number, every?: number, size?: number, limit?: number }} args
 */
function stream(response, message, { ms, every = 0, size = 0, limit = Infinity }) {
  countStream(response)
  response.writeHead(200, SSE_HEAD)
  const token = JSON.stringify(message.params._meta?.progressToken ?? message.id)
  const padding = 'x'.repeat(Math.max(0, size - EVENT_OVERHEAD))
  const end = performance.now() + ms
  let sent = 0
  const send = () => {
    const at = process.hrtime.bigint() / 1000n
    const params = `{"progressToken":${token},"progress":${++sent},"message":"${at} ${padding}"}`
    return response.write(event(`{"jsonrpc":"2.0","method":"notifications/progress","params":${params}}`))
  }
  const over = () => performance.now() >= end || sent * size >= limit
  const finish = () => response.end(event(JSON.stringify(answer(message, `sent ${sent}`))))
  if (every > 0) pace(response, every, send, over, finish)
  else flood(response, send, over, finish)
}

/** @param {http.ServerResponse} response @param {number} every @param {() => boolean} send @param {() => boolean} over @param {() => void} finish */
function pace(response, every, send, over, finish) {
  const timer = setInterval(() => {
    if (!over()) return void send()
    clearInterval(timer)
    finish()
  }, every)
  response.once('close', () => clearInterval(timer))
}

/** @param {http.ServerResponse} response @param {() => boolean} send @param {() => boolean} over @param {() => void} finish */
function flood(response, send, over, finish) {
  let gone = false
  response.once('close', () => (gone = true))
  const go = () => {
    while (!over()) if (!send()) return void response.once('drain', go)
    if (!gone) finish()
  }
  go()
}

server.listen(0, '127.0.0.1', () => {
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address())
  serve({ state: () => ({ sessions: sessions.size, streams: openStreams }) }, { port })
})
