// @ts-check
// A node of a chaos run: a gateway in a process of its own, whose sessions and events are in Redis. The principal is the
// bearer token. It tells every error, and what it has open when it is asked.
import { once } from 'node:events'
import { createServer as createListener } from 'node:http'
import { join } from 'node:path'
import { serveStdio } from '@modelcontextprotocol/server/stdio'
import { aggregate, inProcess, mcpGateway, RedisEventLog, RedisSessionStore } from 'express-mcp-gateway'
import { stdio } from 'express-mcp-gateway/stdio'
import { createClient } from 'redis'
import { createServer } from './tools.mjs'

/**
 * @typedef {object} NodeConfig
 * @property {string} name of this life of the node
 * @property {string} mark that the command lines of child processes have
 * @property {Record<'both' | 'new' | 'old' | 'plain', number>} ports
 * @property {number} redis the port
 */

/** @type {NodeConfig} */
const { name, mark, ports, redis: redisPort } = JSON.parse(process.argv[2] ?? '')

const IDLE_MS = 10_000

// A client of `redis` gives up for good once `socketTimeout` has passed, unless it is told to come back.
const socket = {
  host: '127.0.0.1',
  port: redisPort,
  tls: /** @type {const} */ (false),
  socketTimeout: 10_000,
  reconnectStrategy: (/** @type {number} */ retries) => Math.min(50 * 2 ** retries, 1_000),
}
const redis = createClient({ socket })
redis.on('error', () => {})
const blocking = redis.duplicate()
blocking.on('error', () => {})
await Promise.all([redis.connect(), blocking.connect()])

/** @param {{ principal: any }} of */
const headers = ({ principal }) => ({ 'x-principal': principal.id, 'x-node': name })

/** @param {keyof NodeConfig['ports']} kind @param {object} [more] */
const http = (kind, more) => ({ url: `http://127.0.0.1:${ports[kind]}/mcp`, headers, ...more })

const old = http('old', { protocol: 'legacy', bridge: true })

const pipe = () =>
  stdio({
    command: process.execPath,
    args: [join(import.meta.dirname, 'pipe-server.mjs'), mark, name],
    env: ({ principal }) => ({
      CHAOS_PRINCIPAL: principal?.id ?? '',
      CHAOS_JOURNAL: String(process.env['CHAOS_JOURNAL']),
    }),
    idleMs: IDLE_MS,
    graceMs: 500,
  })

const local = inProcess(
  (transport, { principal }) =>
    void serveStdio(({ era }) => createServer({ name: 'local', era, principalOf: () => principal?.id ?? '' }), {
      transport,
    }),
  { idleMs: IDLE_MS },
)

const gateway = mcpGateway({
  servers: {
    both: http('both'),
    new: http('new'),
    old,
    plain: http('plain', { protocol: 'legacy', bridge: true, recover: true }),
    pipe: pipe(),
    local,
    all: aggregate({ old, new: http('new'), local }),
  },
  authenticate({ headers: { authorization } }) {
    const [, id] = /^Bearer (.+)$/.exec(authorization ?? '') ?? []
    return id === undefined ? undefined : { id }
  },
  keys: ['a secret that all three nodes have, of 32 bytes at least'],
  sessions: new RedisSessionStore({ client: redis, ttlMs: 120_000 }),
  events: new RedisEventLog({ client: redis, blockingClient: blocking, ttlMs: 60_000 }),
  timeouts: { connectMs: 3_000, responseMs: 10_000, stallMs: 15_000 },
  recheckMs: 5_000,
  onError: (error) => tell({ error: describe(error) }),
})

/** The run may have let go of this process already. @param {object} message */
function tell(message) {
  if (process.connected) process.send?.(message, () => {})
}

/** @param {Error & { code?: string, cause?: unknown }} error */
function describe(error) {
  const causes = []
  for (let cause = /** @type {any} */ (error); cause instanceof Error; cause = cause.cause) causes.push(String(cause))
  return { code: error.code, text: causes.join(' <- '), stack: error.code === undefined ? error.stack : undefined }
}

const listener = createListener(gateway).listen(0, '127.0.0.1')
await once(listener, 'listening')

let isLeaving = false

/** Calls in progress may end; streams are cut after the grace. @param {number} graceMs */
async function leave(graceMs) {
  listener.close()
  await gateway.close({ graceMs })
  for (const client of [redis, blocking]) if (client.isOpen) client.destroy()
  // Connections that never sent a request are open, and not idle for Node.js.
  setTimeout(() => listener.closeAllConnections(), 500).unref()
  isLeaving = true
  process.disconnect?.()
}

function inspect() {
  globalThis.gc?.()
  /** @type {Record<string, number>} */
  const resources = {}
  for (const type of process.getActiveResourcesInfo()) resources[type] = (resources[type] ?? 0) + 1
  // Which link a socket belongs to is known by its ports.
  const handles = /** @type {any} */ (process)._getActiveHandles()
  const sockets = handles.flatMap((/** @type {any} */ { remotePort, localPort }) =>
    remotePort === undefined ? [] : [localPort === port ? 'a client' : remotePort],
  )
  return { name, heapBytes: process.memoryUsage().heapUsed, resources, sockets }
}

process.on('message', (/** @type {any} */ message) => {
  if (message?.leave !== undefined) void leave(message.leave)
  if (message === 'inspect') tell({ inspected: inspect() })
})
// A node that leaves has to end by itself: whatever it has left open would keep it.
process.once('disconnect', () => isLeaving || process.exit())
const { port } = /** @type {import('node:net').AddressInfo} */ (listener.address())
process.send?.({ port })
