// @ts-check
// Everything that runs: Redis, four servers at ports, three nodes, and the links between them.
import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { createClient } from 'redis'
import { startLink } from './link.mjs'

/**
 * @typedef {import('node:child_process').ChildProcess} ChildProcess
 * @typedef {import('./link.mjs').Link} Link
 * @typedef {'both' | 'new' | 'old' | 'plain'} Kind
 * @typedef {{ child: ChildProcess, port: number, link: Link }} Server
 * @typedef {object} Node
 * @property {ChildProcess} child
 * @property {string} name of its present life
 * @property {number} port 0 while it is down
 * @property {number} lives
 * @property {Link} front between clients that name it and this node
 * @property {Link} redis between this node and Redis
 */

const NODES = 3

/** @type {readonly Kind[]} */
export const KINDS = ['both', 'new', 'old', 'plain']

/** @param {{ onError: (node: string, error: { code?: string, text: string, stack?: string }) => void, onViolation: (kind: string, text: string) => void }} hooks */
export async function startWorld({ onError, onViolation }) {
  const folder = mkdtempSync(join(tmpdir(), 'chaos-'))
  const mark = `chaos-${folder.slice(-6)}`
  const journal = join(folder, 'journal')
  writeFileSync(journal, '')
  const env = { ...process.env, CHAOS_JOURNAL: journal }
  const socket = join(folder, 'redis')
  let redis = await spawnRedis()

  async function spawnRedis() {
    const args = ['--port', '0', '--unixsocket', socket, '--dir', folder, '--save', '']
    const child = spawn('redis-server', [...args, '--appendonly', 'yes'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    await new Promise((resolve, reject) => {
      child.once('error', reject)
      createInterface(child.stdout).on('line', (line) => void (/ready to accept/i.test(line) && resolve(undefined)))
    })
    return child
  }

  // A run that ends before its time takes all of them along.
  process.once('exit', () => {
    const all = [redis, ...nodes.map(({ child }) => child), ...Object.values(servers).map(({ child }) => child)]
    for (const child of all) child?.kill('SIGKILL')
  })

  /** @param {Kind} kind @param {number} port */
  async function spawnServer(kind, port) {
    const script = join(import.meta.dirname, 'http-server.mjs')
    const child = fork(script, [kind, String(port)], { env, execArgv: [] })
    const [message] = await once(child, 'message')
    return { child, port: message.port }
  }

  const servers = /** @type {Record<Kind, Server>} */ ({})
  for (const kind of KINDS) {
    const { child, port } = await spawnServer(kind, 0)
    servers[kind] = { child, port, link: await startLink(() => [{ port }]) }
  }

  /** @type {Node[]} */
  const nodes = []
  for (let at = 0; at < NODES; at += 1) {
    /** @type {any} */
    const node = { port: 0, lives: 0, name: '', child: undefined }
    node.front = await startLink(() => (node.port === 0 ? [] : [{ port: node.port }]))
    node.redis = await startLink(() => [{ path: socket }])
    nodes.push(node)
  }
  let turn = 0
  const balancer = await startLink(() => {
    turn += 1
    const order = nodes.map((_, at) => /** @type {Node} */ (nodes[(turn + at) % NODES]))
    return order.filter(({ port }) => port !== 0).map(({ port }) => ({ port }))
  })

  /** @param {number} at */
  async function startNode(at) {
    const node = /** @type {Node} */ (nodes[at])
    node.lives += 1
    node.name = `node${at}.${node.lives}`
    const ports = Object.fromEntries(KINDS.map((kind) => [kind, servers[kind].link.port]))
    const config = { name: node.name, mark, ports, redis: node.redis.port }
    const execArgv = ['--expose-gc', '--import', join(import.meta.dirname, 'clock.mjs')]
    const child = fork(join(import.meta.dirname, 'node.mjs'), [JSON.stringify(config)], { env, execArgv })
    const name = node.name
    node.child = child
    child.on('message', (/** @type {any} */ { error }) => {
      if (error) onError(name, error)
    })
    child.once('exit', (code, signal) => {
      if (node.child === child) node.port = 0
      if (signal !== 'SIGKILL' && code !== 0) onViolation('crash', `${name} exited with ${code ?? signal}`)
    })
    const [message] = await Promise.race([once(child, 'message'), once(child, 'exit')])
    if (message?.port !== undefined && child.exitCode === null) node.port = message.port
  }
  await Promise.all(nodes.map((_, at) => startNode(at)))

  return {
    folder,
    nodes,
    servers,
    balancer,
    startNode,
    /** @param {number} at SIGKILL, whatever state it is in */
    async killNode(at) {
      const { child } = /** @type {Node} */ (nodes[at])
      const exited = once(child, 'exit')
      child.kill('SIGKILL')
      await exited
    },
    /** @param {number} at @param {number} graceMs */
    async leaveNode(at, graceMs) {
      const node = /** @type {Node} */ (nodes[at])
      const { child, name } = node
      const exited = once(child, 'exit')
      node.port = 0
      child.send({ leave: graceMs })
      const timer = setTimeout(() => {
        onViolation('left open', `${name} does not end after it has left`)
        child.kill('SIGKILL')
      }, graceMs + 20_000)
      await exited
      clearTimeout(timer)
    },
    /** @param {Kind} kind */
    async killServer(kind) {
      const { child } = servers[kind]
      const exited = once(child, 'exit')
      child.kill('SIGKILL')
      await exited
    },
    /** @param {Kind} kind at the port it had */
    async startServer(kind) {
      servers[kind].child = (await spawnServer(kind, servers[kind].port)).child
    },
    /** @param {NodeJS.Signals} signal */
    signalRedis: (signal) => void redis.kill(signal),
    async killRedis() {
      const exited = once(redis, 'exit')
      redis.kill('SIGKILL')
      await exited
    },
    async startRedis() {
      redis = await spawnRedis()
    },
    /** @param {...string} command */
    async askRedis(...command) {
      const client = createClient({ socket: { path: socket, tls: false } })
      client.on('error', () => {})
      await client.connect()
      try {
        return await client.sendCommand(command)
      } finally {
        client.destroy()
      }
    },
    /** Child processes of the nodes. */
    pipes: () =>
      processesWith(mark)
        .filter(({ line }) => line.includes('pipe-server'))
        .map(({ pid }) => pid),
    /** @param {ChildProcess} child @returns {Promise<any>} */
    async inspect(child) {
      const told = new Promise((resolve) => {
        const listen = (/** @type {any} */ message) => {
          if (!message.inspected) return
          child.off('message', listen)
          resolve(message.inspected)
        }
        child.on('message', listen)
      })
      child.send('inspect')
      return told
    },
    journal: () =>
      readFileSync(journal, 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line)),
    async close() {
      for (const { child } of nodes) child.kill('SIGKILL')
      for (const kind of KINDS) servers[kind].child.kill('SIGKILL')
      redis.kill('SIGKILL')
      for (const link of [balancer, ...KINDS.map((kind) => servers[kind].link)]) link.close()
      for (const { front, redis: link } of nodes) for (const each of [front, link]) each.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** @typedef {Awaited<ReturnType<typeof startWorld>>} World */

/** The living processes whose command line has this in it. @param {string} mark */
function processesWith(mark) {
  const found = []
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      const line = readFileSync(`/proc/${name}/cmdline`, 'utf8')
      if (line.includes(mark) && !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${name}/status`, 'utf8'))) {
        found.push({ pid: Number(name), line })
      }
    } catch {
      // It has ended meanwhile.
    }
  }
  return found
}
