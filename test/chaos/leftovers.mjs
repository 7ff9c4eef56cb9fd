// @ts-check
// What is open when nobody does anything any more: it has to fall back to what a node has that has just begun.
import { pause } from './modern-client.mjs'
import { KINDS } from './world.mjs'

/** How long everything may take to be gone: a stream that its client has lost is kept for a minute, and a process idles. */
const SETTLE_MS = 90_000

/** What a node may have more than at its beginning: code that is compiled, caches with a bound. */
const HEAP_SLACK_BYTES = 24 * 1024 * 1024
const RESOURCE_SLACK = 4

/**
 * @typedef {import('./world.mjs').World} World
 * @typedef {{ heapBytes: number, resources: Record<string, number>, sockets: (number | string)[] }} Holding
 */

/** @param {World} world @returns {Promise<Holding[]>} */
export function holdings(world) {
  return Promise.all(world.nodes.map(({ child }) => world.inspect(child)))
}

/** @param {World} world @param {Holding} fresh what a node holds that has served nobody @returns {Promise<string[]>} */
async function leftovers(world, fresh) {
  const left = []
  /** @type {(port: number | string) => number | string} */
  const nameOf = (port) => KINDS.find((kind) => world.servers[kind].link.port === port) ?? port
  /** @type {ReadonlySet<number | string>} */
  const bridged = new Set([world.servers.old.link.port, world.servers.plain.link.port])
  const pipes = world.pipes()
  if (pipes.length > 0) left.push(`${pipes.length} child processes`)
  for (const kind of KINDS) {
    const { open, sessions } = await world.inspect(world.servers[kind].child)
    const calls = open.filter((/** @type {string} */ what) => what.startsWith('POST'))
    if (calls.length > 0) left.push(`requests at ${kind}: ${calls.join(', ')}`)
    // The sessions that a bridge keeps for a while are listened to.
    const streams = open.length - calls.length
    if (streams > sessions.length) left.push(`${streams} streams at ${kind} for ${sessions.length} sessions`)
  }
  for (const [at, { heapBytes, resources, sockets }] of (await holdings(world)).entries()) {
    const grown = heapBytes - fresh.heapBytes
    if (grown > HEAP_SLACK_BYTES) left.push(`node ${at} has ${Math.round(grown / 1024)} KiB more`)
    for (const [type, count] of Object.entries(resources)) {
      // A bridge keeps sessions for its principals for a while, and listens to them.
      const kept = type === 'TCPSocketWrap' ? sockets.filter((port) => bridged.has(port)).length : 0
      const more = count - kept - (fresh.resources[type] ?? 0)
      if (more > RESOURCE_SLACK) left.push(`node ${at} has ${more} ${type} more: ${sockets.map(nameOf).join(', ')}`)
    }
  }
  for (const [at, { front }] of world.nodes.entries()) {
    if (front.open() > 0) left.push(`${front.open()} connections of clients to node ${at}`)
  }
  if (world.balancer.open() > 0) left.push(`${world.balancer.open()} connections of clients`)
  return left
}

/** Resolves with what is still left after a while. @param {World} world @param {Holding} fresh */
export async function settle(world, fresh) {
  const until = performance.now() + SETTLE_MS
  for (;;) {
    const left = await leftovers(world, fresh)
    if (left.length === 0 || performance.now() > until) return left
    await pause(1_000)
  }
}

/** Every key has to end by itself. @param {World} world */
export async function keysOfRedis(world) {
  const keys = /** @type {string[]} */ (/** @type {unknown} */ (await world.askRedis('KEYS', '*')))
  const endless = []
  for (const key of keys) if (Number(await world.askRedis('PTTL', key)) === -1) endless.push(key)
  return { count: keys.length, endless }
}

/** The sessions that are left at the servers, and those of them that nodes opened which ended in order. @param {World} world */
export async function sessionsAtServers(world) {
  /** @type {Record<string, string[]>} */
  const sessions = {}
  for (const kind of KINDS) sessions[kind] = (await world.inspect(world.servers[kind].child)).sessions
  return sessions
}
