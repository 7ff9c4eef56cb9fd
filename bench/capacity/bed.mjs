// @ts-check
// What the capacity check runs on: a Redis, servers, nodes and clients, each a process of its own.
import { readFileSync } from 'node:fs'
import { createClient } from 'redis'
import { cpuFromProc } from '../harness/cpu.mjs'
import { start } from '../harness/processes.mjs'
import { startNative } from '../proxies/common/native.mjs'

/** @typedef {import('../harness/processes.mjs').Child} Child @typedef {import('./model.mjs').RedisCost} RedisCost */
/** @typedef {{ cpuUs: number, redis: RedisCost & { bytes: number } }} Cost */

/** A hundred thousand handshakes take a while where the cores are shared. */
const PATIENCE_MS = 3_600_000
const SETTLE_MS = 300

export class Bed {
  /** @type {Child[]} */
  nodes = []
  /** @type {Child[]} */
  loads = []
  #servers
  #redis
  #probe

  /** @param {Child[]} servers @param {{ port: number, pid: number, end: () => void }} redis @param {any} probe */
  constructor(servers, redis, probe) {
    this.#servers = servers
    this.#redis = redis
    this.#probe = probe
  }

  /** @param {number} count of nodes, with a client process each, and a server for two of them @param {{ log?: boolean }} [more] */
  static async start(count, { log = false } = {}) {
    const servers = await Promise.all(Array.from({ length: Math.ceil(count / 2) }, () => start('upstream.mjs')))
    const redis = await startNative(
      'redis-server',
      (_folder, file) => [file],
      (port, folder) => `bind 127.0.0.1\nport ${port}\ndir ${folder}\nsave ""\nloglevel warning\n`,
    )
    process.once('exit', redis.end)
    const probe = await createClient({ socket: { host: '127.0.0.1', port: redis.port, tls: false } }).connect()
    const bed = new Bed(servers, redis, probe)
    for (let index = 0; index < count; index++) {
      const origin = `http://127.0.0.1:${servers[Math.floor(index / 2)]?.started.port}`
      bed.nodes.push(await start('capacity/node.mjs', [origin, String(redis.port), log ? 'log' : '']))
      bed.loads.push(await start('capacity/load.mjs', [`user${index}`]))
    }
    return bed
  }

  /** Asks the clients of each node, all at once. @param {string} job @param {{ count: number, [more: string]: unknown }} args `count` is for all together */
  async run(job, { count, ...args }) {
    const each = { ...args, count: count / this.loads.length }
    const ask = (/** @type {Child} */ load, /** @type {number} */ index) =>
      load.ask(job, { ...each, port: this.nodes[index]?.started.port }, PATIENCE_MS)
    await Promise.all(this.loads.map(ask))
  }

  /** What `work` costs the nodes and Redis, divided by `times`. @param {number} times @param {() => Promise<void>} work @returns {Promise<Cost>} */
  async costOf(times, work) {
    await pause(SETTLE_MS)
    const before = await this.#spent()
    await work()
    await pause(SETTLE_MS)
    const after = await this.#spent()
    const [cpuUs = 0, commands = 0, bytesIn = 0, bytesOut = 0, redisCpuUs = 0, bytes = 0] = after.map(
      (value, index) => (value - Number(before[index])) / times,
    )
    return { cpuUs, redis: { commands, bytesIn, bytesOut, cpuUs: redisCpuUs, bytes } }
  }

  /** Resident bytes of all nodes, after full collections. */
  async memory() {
    const each = await Promise.all(this.nodes.map((node) => node.ask('memory', undefined, PATIENCE_MS)))
    return each.reduce((sum, bytes) => sum + bytes, 0)
  }

  async redisBytes() {
    return field(await this.#probe.sendCommand(['INFO', 'memory']), 'used_memory')
  }

  async sessions() {
    const keys = await this.#probe.sendCommand(['INFO', 'keyspace'])
    return Number(/keys=(\d+)/.exec(keys)?.[1])
  }

  async end() {
    await Promise.all(this.loads.map((load) => load.end()))
    await Promise.all([...this.nodes, ...this.#servers].map((child) => child.end()))
    this.#probe.destroy()
    this.#redis.end()
  }

  async #spent() {
    const info = async (/** @type {string} */ section) => String(await this.#probe.sendCommand(['INFO', section]))
    const [commands, stats, memory] = await Promise.all([info('commandstats'), info('stats'), info('memory')])
    const counted = [...commands.matchAll(/^cmdstat_([\w|]+):calls=(\d+)/gm)]
    return [
      this.nodes.reduce((sum, { pid }) => sum + cpuFromProc(pid), 0),
      counted.reduce((sum, [, name = '', calls]) => sum + (isOurs(name) ? 0 : Number(calls)), 0),
      field(stats, 'total_net_input_bytes'),
      field(stats, 'total_net_output_bytes'),
      cpuFromProc(this.#redis.pid),
      field(memory, 'used_memory'),
    ]
  }
}

/** The check's own commands. @param {string} name */
function isOurs(name) {
  return /^(?:info|client|hello)/.test(name)
}

/** @param {string} info @param {string} name */
function field(info, name) {
  return Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1])
}

/** @param {number} ms @returns {Promise<void>} */
export function pause(ms) {
  return new Promise((resolve) => void setTimeout(resolve, ms))
}

/** How many files and sockets a process may have open. Node.js raises the soft limit to the hard one when it starts. */
export function descriptorLimit() {
  const line = /^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1]
  return line === 'unlimited' ? Infinity : Number(line)
}
