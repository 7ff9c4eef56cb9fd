// @ts-check
// Three nodes behind nginx, on this machine: a session goes on at whatever node it reaches, and each node is restarted
// under load without the loss of an answer. Needs nginx and redis-server; node.mjs, nginx.conf, haproxy.cfg and
// compose.yaml are what you would deploy.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'

/** How many agents call at the same time. */
const AGENTS = 8

const folder = mkdtempSync(join(tmpdir(), 'many-nodes-'))
/** @type {import('node:child_process').ChildProcess[]} */
const processes = []
process.on('exit', () => {
  for (const child of processes) child.kill('SIGKILL')
  rmSync(folder, { recursive: true })
})

// ---- Redis, the MCP server, three nodes, and nginx with the configuration of this folder
const [redisPort, proxyPort, ...ports] = await freePorts(5)
start('redis-server', ['--port', String(redisPort), '--bind', '127.0.0.1', '--save', '', '--dir', folder])
const counter = start(process.execPath, [join(import.meta.dirname, 'counter.mjs')])
const serverUrl = `http://127.0.0.1:${await portSaidBy(counter)}/mcp`
const url = `http://127.0.0.1:${proxyPort}/mcp-servers/counter/mcp`
const nodes = await Promise.all(ports.map(startNode))

writeNginxConf()
start('nginx', ['-e', join(folder, 'error.log'), '-p', folder, '-c', join(folder, 'nginx.conf'), '-g', 'daemon off;'])
await untilTrue(async () => (await fetch(url).catch(() => undefined))?.status === 401)
for (const port of ports) assert.equal((await fetch(`http://127.0.0.1:${port}/ready`)).status, 200)
console.log('Three nodes are ready behind nginx, and a stranger is 401.')

// ---- one session, all nodes
const agents = await Promise.all(Array.from({ length: AGENTS }, connect))
const [first] = agents
for (const count of [1, 2, 3, 4, 5, 6]) assert.equal(await call(/** @type {Client} */ (first)), count)
console.log('Six calls of one session, at three nodes in turn, counted to six.')

// ---- each node is replaced while agents call
let isOver = false
const working = Promise.all(
  agents.map(async (agent) => {
    let last = 0
    for (let count = agent === first ? 7 : 1; !isOver; count += 1) assert.equal((last = await call(agent)), count)
    return last
  }),
)
for (const [index, port] of ports.entries()) {
  const node = nodes[index]
  assert.ok(node)
  node.kill('SIGTERM')
  assert.deepEqual(await once(node, 'exit'), [0, null])
  nodes[index] = await startNode(port)
}
isOver = true
const counts = await working
assert.ok(counts.every((count) => count > 3))
await Promise.all(agents.map((agent) => agent.close()))
console.log('Each node was restarted under load: no answer was lost, and none came twice.')
process.exit(0)

/** A call, and what the server has counted. @param {Client} agent */
async function call(agent) {
  const { content } = await agent.callTool({ name: 'count', arguments: {} })
  return Number(/** @type {{ text: string }[]} */ (content)[0]?.text)
}

async function connect() {
  const client = new Client({ name: 'agent', version: '1.0.0' })
  const requestInit = { headers: { authorization: 'Bearer ada' } }
  // An agent comes back for its answers as soon as its node has left.
  const reconnectionOptions = {
    initialReconnectionDelay: 100,
    maxReconnectionDelay: 1_000,
    reconnectionDelayGrowFactor: 1.5,
    maxRetries: 10,
  }
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit, reconnectionOptions }))
  return client
}

/** @param {number} port */
async function startNode(port) {
  const env = {
    PORT: String(port),
    HOST: '127.0.0.1',
    REDIS_URL: `redis://127.0.0.1:${redisPort}`,
    SERVER_URL: serverUrl,
    PUBLIC_URL: `http://127.0.0.1:${proxyPort}/mcp-servers`,
    // Shorter than the calls of this example, so that some are cut and go on elsewhere.
    GRACE_MS: '100',
    LEAVE_MS: '500',
  }
  const node = start(process.execPath, [join(import.meta.dirname, 'node.mjs')], env)
  await portSaidBy(node)
  return node
}

/** The configuration of this folder, with addresses of this machine. */
function writeNginxConf() {
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${folder}/${kind};`,
  )
  const conf = readFileSync(join(import.meta.dirname, 'nginx.conf'), 'utf8')
    .replace(/node-(\d):300\d/g, (_, node) => `127.0.0.1:${ports[node - 1]}`)
    .replace('listen 8080', `listen 127.0.0.1:${proxyPort}`)
    .replace('http {', `http {\n  ${paths.join('\n  ')}`)
  writeFileSync(join(folder, 'nginx.conf'), `pid ${folder}/nginx.pid;\n${conf}`)
}

/** @param {string} command @param {string[]} args @param {NodeJS.ProcessEnv} [env] */
function start(command, args, env) {
  const log = openSync(join(folder, 'log'), 'a')
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', log] })
  child.once('error', (error) => {
    console.error(`${command} did not start (${error.message}): this example needs nginx and redis-server`)
    process.exit(1)
  })
  if (command !== process.execPath) child.stdout?.resume()
  processes.push(child)
  return child
}

/** @param {import('node:child_process').ChildProcess} child */
async function portSaidBy(child) {
  assert.ok(child.stdout)
  for await (const line of createInterface(child.stdout)) {
    const port = /^Listens on (\d+)\.$/.exec(line)?.[1]
    if (port) return Number(port)
  }
  throw new Error(`It did not start:\n${readFileSync(join(folder, 'log'), 'utf8')}`)
}

/** @param {number} count */
async function freePorts(count) {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, '127.0.0.1')
      await once(server, 'listening')
      return server
    }),
  )
  const free = servers.map((server) => /** @type {import('node:net').AddressInfo} */ (server.address()).port)
  for (const server of servers) server.close()
  return free
}

/** @param {() => Promise<boolean>} check */
async function untilTrue(check) {
  while (!(await check())) await sleep(50)
}
