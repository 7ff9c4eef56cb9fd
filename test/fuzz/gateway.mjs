// @ts-check
// The gateway under fuzz in a process of its own: over IPC it says what it holds, what it has read and the errors made.
import { subscribe } from 'node:diagnostics_channel'
import { createServer } from 'node:http'

/** Errors with a stack that were made by code, and by JSON.parse(). */
let errors = 0
const NativeError = Error
globalThis.Error = new Proxy(NativeError, {
  construct(target, parameters, made) {
    if (NativeError.stackTraceLimit > 0) errors += 1
    return Reflect.construct(target, parameters, made)
  },
})
const parse = JSON.parse
JSON.parse = (...parameters) => {
  try {
    return parse(...parameters)
  } catch (error) {
    if (NativeError.stackTraceLimit > 0) errors += 1
    throw error
  }
}

/** Every socket there is, and the bytes read by those that are closed. */
/** @type {Set<import('node:net').Socket>} */
const sockets = new Set()
let closedBytes = 0
/** @param {import('node:net').Socket} socket */
function watch(socket) {
  sockets.add(socket)
  socket.once('close', () => {
    sockets.delete(socket)
    closedBytes += socket.bytesRead
  })
}
subscribe('net.client.socket', (message) => watch(/** @type {any} */ (message).socket))

const { mcpGateway, MemoryEventLog, SealedSessionStore } = await import('express-mcp-gateway')

/** A server's name is the port it listens on. @param {string} name */
const lookup = (name) => ({ url: `http://127.0.0.1:${name}/mcp` })
const rules = { tools: { 'delete_*': ['write'] }, methods: { 'admin/*': ['write'] } }
const quiet = { authenticate: /** @type {const} */ (false), servers: lookup, onError: () => {} }
/** @type {Record<string, import('express-mcp-gateway').Gateway>} */
const gateways = {
  plain: mcpGateway(quiet),
  parsed: mcpGateway(quiet),
  log: mcpGateway({ ...quiet, events: new MemoryEventLog() }),
  cache: mcpGateway({ ...quiet, cache: true }),
  sealed: mcpGateway({ ...quiet, sessions: new SealedSessionStore({ keys: ['k'.repeat(43)] }) }),
  scoped: mcpGateway({
    ...quiet,
    authenticate: () => ({ id: 'reader', scopes: ['read'] }),
    servers: (/** @type {string} */ name) => ({ ...lookup(name), scopes: rules }),
  }),
}

/** What a parser of the host does. @param {import('node:http').IncomingMessage & { body?: unknown }} request @param {() => void} next */
function readBody(request, next) {
  /** @type {Buffer[]} */
  const chunks = []
  request.on('data', (part) => chunks.push(part))
  request.on('end', () => {
    request.body = parse(Buffer.concat(chunks).toString())
    next()
  })
}

const server = createServer((request, response) => {
  const [, variant = '', rest = ''] = /^\/(\w+)(\/.*)$/.exec(request.url ?? '') ?? []
  const gateway = gateways[variant]
  if (!gateway) return void response.writeHead(404).end()
  request.url = rest
  if (variant === 'parsed') readBody(request, () => gateway(request, response))
  else gateway(request, response)
})
server.on('connection', watch)

/** After so long nothing more is read: what comes in is held up. */
const QUIET_MS = 500

const turn = () => new Promise((resolve) => setImmediate(resolve))
const bytesRead = () => [...sockets].reduce((sum, socket) => sum + socket.bytesRead, closedBytes)

/** @type {Record<string, (given: any) => Promise<number> | number>} */
const answers = {
  errors: () => errors,
  bytesRead,
  /** Waits until so many bytes were read in all, or no more come. */
  async settled({ bytes }) {
    let last = Date.now()
    for (let read = bytesRead(); read < bytes && Date.now() < last + QUIET_MS; await turn()) {
      if (bytesRead() === read) continue
      read = bytesRead()
      last = Date.now()
    }
    await turn()
    return bytesRead()
  },
  /** What is held after a collection, in bytes. */
  async held() {
    await turn()
    globalThis.gc?.()
    await turn()
    globalThis.gc?.()
    const { heapUsed, external } = process.memoryUsage()
    return heapUsed + external
  },
}
process.on('message', async (/** @type {any} */ { id, ask, ...given }) => {
  const value = await answers[ask]?.(given)
  if (process.connected) process.send?.({ id, value })
})
process.on('uncaughtExceptionMonitor', (error, origin) => process.send?.({ fatal: `${origin}: ${error.stack}` }))
process.on('disconnect', () => process.exit())
server.listen(0, '127.0.0.1', () => {
  process.send?.({ port: /** @type {import('node:net').AddressInfo} */ (server.address()).port })
})
