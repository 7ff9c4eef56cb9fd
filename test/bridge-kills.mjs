// @ts-check
// `node test/bridge-kills.mjs`, after a build: three gateways in front of a server that has sessions alone. Calls ask at one of
// them, it is killed with SIGKILL, and the answers go to the others. With keys each result has to come, and come once; with an
// event log (which needs redis-server), and without either, each client has to be told; no tool may run twice.
//
//   --runs N   how many calls lose their node, in each of the three modes (1000)
//   --wave N   how many of them at a time (50)

import { fork, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { isInitializeRequest } from '@modelcontextprotocol/sdk/types.js'

const NODE = join(import.meta.dirname, 'fixtures/bridge-node.mjs')
const KEYS = ['a secret that all three nodes have, of 32 bytes at least']
const MODERN = '2026-07-28'

const { values } = parseArgs({
  options: { runs: { type: 'string', default: '1000' }, wave: { type: 'string', default: '50' } },
})

/** How often each call was carried out, by the name that it carries. @type {Map<string, number>} */
const runs = new Map()

/** The events of all streams of a session, by which they are resumed. */
function eventStore() {
  /** @type {{ id: string, stream: string, message: any }[]} */
  const events = []
  return {
    /** @param {string} stream @param {any} message */
    storeEvent: async (stream, message) => {
      const id = String(events.length + 1)
      events.push({ id, stream, message })
      return id
    },
    /** @param {string} last @param {{ send: (id: string, message: any) => Promise<void> }} to */
    replayEventsAfter: async (last, { send }) => {
      const stream = events.find(({ id }) => id === last)?.stream ?? ''
      for (const event of events) {
        const isLater = Number(event.id) > Number(last) && event.stream === stream
        if (isLater && 'jsonrpc' in event.message) await send(event.id, event.message)
      }
      return stream
    },
  }
}

function makeServer() {
  const server = new McpServer({ name: 'old', version: '1' })
  const requestedSchema = { type: /** @type {const} */ ('object'), properties: {} }
  for (const name of ['in_call', 'in_session']) {
    server.registerTool(name, {}, async (extra) => {
      const run = String(extra._meta?.['run'])
      runs.set(run, (runs.get(run) ?? 0) + 1)
      const params = { message: 'Go on?', requestedSchema }
      const options = name === 'in_call' ? { relatedRequestId: extra.requestId } : {}
      const { action } = await server.server.elicitInput(params, { ...options, timeout: 120_000 })
      return { content: [{ type: 'text', text: action }] }
    })
  }
  return server
}

/** @param {boolean} ids whether its events have ids */
async function startServer(ids) {
  /** @type {Map<string, StreamableHTTPServerTransport>} */
  const sessions = new Map()
  const listener = createServer(async (request, response) => {
    const chunks = []
    for await (const chunk of request) chunks.push(chunk)
    const body = chunks.length > 0 ? JSON.parse(Buffer.concat(chunks).toString()) : undefined
    const found = sessions.get(String(request.headers['mcp-session-id']))
    if (found) return found.handleRequest(request, response, body)
    if (!isInitializeRequest(body)) return response.writeHead(404).end()
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => void sessions.set(id, transport),
      ...(ids && { eventStore: eventStore() }),
    })
    await makeServer().connect(transport)
    return transport.handleRequest(request, response, body)
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const { port } = /** @type {import('node:net').AddressInfo} */ (listener.address())
  return { url: `http://127.0.0.1:${port}/mcp`, listener }
}

/** @param {object} config */
async function startNode(config) {
  const child = fork(NODE, [JSON.stringify(config)], { execArgv: [] })
  const [{ port }] = await once(child, 'message')
  return { child, url: `http://127.0.0.1:${port}/old/mcp` }
}

/** @param {string} url @param {string} run @param {object} [more] */
async function call(url, run, more = {}) {
  const name = Number(run.split('-')[1]) % 2 === 0 ? 'in_call' : 'in_session'
  const _meta = {
    'io.modelcontextprotocol/protocolVersion': MODERN,
    'io.modelcontextprotocol/clientCapabilities': { elicitation: {} },
    run,
  }
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': MODERN,
      'mcp-method': 'tools/call',
      'mcp-name': name,
      authorization: `Bearer ${run}`,
    },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: { name, arguments: {}, _meta, ...more },
    }),
  })
  const text = await response.text()
  return JSON.parse(text.startsWith('{') ? text : (text.split('data: ').at(-1) ?? ''))
}

/** @param {string} mode @param {object} config @param {boolean} ids @param {(outcome: any) => boolean} isRight */
async function lose(mode, config, ids, isRight) {
  const server = await startServer(ids)
  const options = { ...config, url: server.url }
  const nodes = await Promise.all([0, 1, 2].map(() => startNode(options)))
  runs.clear()
  let right = 0
  /** @type {unknown[]} */
  const wrong = []
  const slowest = { ms: 0 }
  for (let lost = 0; lost < Number(values.runs); lost += Number(values.wave)) {
    const owner = (lost / Number(values.wave)) % 3
    const names = Array.from({ length: Number(values.wave) }, (_, index) => `${mode}-${lost + index}`)
    const asked = await Promise.all(names.map((run) => call(/** @type {any} */ (nodes[owner]).url, run)))
    const dead = /** @type {any} */ (nodes[owner])
    const exited = once(dead.child, 'exit')
    dead.child.kill('SIGKILL')
    await exited
    const answered = names.map(async (run, index) => {
      const { requestState, inputRequests = {} } = asked[index].result ?? {}
      // Without a question there is nothing to answer: it would be another call.
      if (requestState === undefined) return wrong.push([run, asked[index]])
      const inputResponses = Object.fromEntries(
        Object.keys(inputRequests).map((key) => [key, { action: 'accept', content: {} }]),
      )
      const other = /** @type {any} */ (nodes[(owner + 1 + (index % 2)) % 3])
      const began = performance.now()
      const outcome = await call(other.url, run, { inputResponses, requestState })
      slowest.ms = Math.max(slowest.ms, performance.now() - began)
      if (isRight(outcome)) right += 1
      else wrong.push([run, outcome])
    })
    await Promise.all(answered)
    nodes[owner] = await startNode(options)
  }
  await pause(200)
  const twice = [...runs].filter(([, times]) => times !== 1)
  console.log(
    `${mode}: ${right} of ${values.runs} as they should be, slowest ${Math.round(slowest.ms)} ms; run twice: ${twice.length}`,
  )
  for (const each of wrong.slice(0, 3)) console.log('   ', JSON.stringify(each))
  for (const { child } of nodes) child.kill('SIGKILL')
  server.listener.closeAllConnections()
  server.listener.close()
  return wrong.length + twice.length
}

const isResult = (/** @type {any} */ { result }) => result?.content?.[0]?.text === 'accept'
const isTold = (/** @type {any} */ { error }) => error?.code === -32602

let faults = await lose('keys', { keys: KEYS }, true, isResult)
faults += await lose('neither', {}, true, isTold)
const folder = mkdtempSync(join(tmpdir(), 'bridge-kills-'))
const redis = spawn('redis-server', ['--port', '0', '--unixsocket', join(folder, 'redis'), '--save', ''], {
  stdio: 'ignore',
})
redis.on('error', () => console.log('log: skipped, there is no redis-server'))
await pause(500)
if (redis.exitCode === null && redis.pid !== undefined) {
  faults += await lose('log', { redis: join(folder, 'redis') }, false, isTold)
  redis.kill()
}
rmSync(folder, { recursive: true })
process.exitCode = faults === 0 ? 0 : 1
