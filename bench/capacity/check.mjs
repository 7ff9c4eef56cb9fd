// @ts-check
// The model's check: constants of one node with some thousand sessions predict several nodes with a hundred thousand.
import { Bed, descriptorLimit, pause } from './bed.mjs'
import { measure } from './measure.mjs'

/** @typedef {{ what: string, unit: string, predicted: number, measured: number }} Row */
/** @typedef {import('./model.mjs').Constants} Constants */
/** @typedef {(line: string) => void} Say */

export const FULL = { sessions: 100_000, streams: 20_000, nodes: 4, calls: 16_000, idleS: 60, loggedStreams: 2_000 }
/** `idleS` takes in four heartbeats, and a check of each stream's session. */
const SMALL = { sessions: 2_000, streams: 1_000, calls: 4_000, idleS: 60 }
const MIB = 2 ** 20

/** Measures the constants, and shows the rows of each part as soon as they are there. @param {Say} say @param {(rows: Row[]) => void} show @param {typeof FULL} size */
export async function check(say, show, size = FULL) {
  const needed = (2.2 * size.streams) / size.nodes
  if (descriptorLimit() < needed) {
    throw new RangeError(`A node needs ${needed} descriptors, and may have ${descriptorLimit()}: ulimit -n ${needed}`)
  }
  const constants = await measure(say, SMALL)
  show(await checkPlain(constants, say, size))
  show(await checkLogged(constants, say, size))
  return constants
}

/** @param {Constants} constants @param {Say} say @param {typeof FULL} size @returns {Promise<Row[]>} */
async function checkPlain({ cpuUs, memory, redis, redisMemory }, say, { sessions, streams, nodes, calls, idleS }) {
  const bed = await Bed.start(nodes)
  try {
    const redisBefore = await bed.redisBytes()
    say(`${nodes} nodes open ${sessions} sessions`)
    const open = await bed.costOf(1, () => bed.run('open', { count: sessions }))
    const redisAfter = await bed.redisBytes()
    const kept = await bed.sessions()
    const before = await bed.memory()
    say(`${streams} idle streams`)
    await bed.run('listenIn', { count: streams })
    const listening = await bed.memory()
    const idle = await bed.costOf(1, () => pause(idleS * 1_000))
    say(`${calls} calls`)
    const call = await costOfCalls(bed, calls, {}, idle.cpuUs / idleS)
    return [
      row(
        'Redis: memory of the sessions',
        'MB',
        (sessions * redisMemory.sessionBytes) / 1e6,
        (redisAfter - redisBefore) / 1e6,
      ),
      row('Redis: sessions kept', '', sessions, kept - sessions / 2),
      row('Redis: commands to open them', '', sessions * redis.open.commands, open.redis.commands),
      row('Redis: CPU to open them', 's', (sessions * redis.open.cpuUs) / 1e6, open.redis.cpuUs / 1e6),
      row('nodes: CPU to open them', 's', (sessions * cpuUs.open) / 1e6, open.cpuUs / 1e6),
      row('nodes: memory of the streams', 'MiB', (streams * memory.streamKiB) / 1_024, (listening - before) / MIB),
      row('nodes: CPU of the idle streams', 'ms/s', (streams * cpuUs.idleStreamS) / 1e3, idle.cpuUs / idleS / 1e3),
      row(
        'Redis: commands of the idle streams',
        '/s',
        streams * redis.idleStreamS.commands,
        idle.redis.commands / idleS,
      ),
      row('nodes: CPU of a call meanwhile', 'µs', cpuUs.call, call.cpuUs),
      row('Redis: commands of a call meanwhile', '', redis.call.commands, call.redis.commands),
      row(
        'Redis: bytes of a call meanwhile, in and out',
        '',
        redis.call.bytesIn + redis.call.bytesOut,
        call.redis.bytesIn + call.redis.bytesOut,
      ),
    ]
  } finally {
    await bed.end()
  }
}

/** @param {Constants} constants @param {Say} say @param {typeof FULL} size @returns {Promise<Row[]>} */
async function checkLogged({ cpuUs, memory, redis, redisMemory }, say, { loggedStreams: streams, calls, idleS }) {
  const bed = await Bed.start(2, { log: true })
  const most = calls / 2
  try {
    say(`${streams} idle streams at 2 nodes with an event log`)
    await bed.run('open', { count: streams })
    const before = await bed.memory()
    await bed.run('listenIn', { count: streams })
    const listening = await bed.memory()
    const idle = await bed.costOf(1, () => pause(idleS * 1_000))
    say(`${most} calls answered as streams`)
    const call = await costOfCalls(bed, most, { as: 'sse' }, idle.cpuUs / idleS)
    const { loggedIdleStreamS, loggedSseCall } = redis
    return [
      row(
        'event log, nodes: memory of the streams',
        'MiB',
        (streams * memory.loggedStreamKiB) / 1_024,
        (listening - before) / MIB,
      ),
      row(
        'event log, nodes: CPU of the idle streams',
        'ms/s',
        (streams * cpuUs.loggedIdleStreamS) / 1e3,
        idle.cpuUs / idleS / 1e3,
      ),
      row(
        'event log, Redis: commands of the idle streams',
        '/s',
        streams * loggedIdleStreamS.commands,
        idle.redis.commands / idleS,
      ),
      row(
        'event log, Redis: CPU of the idle streams',
        'ms/s',
        (streams * loggedIdleStreamS.cpuUs) / 1e3,
        idle.redis.cpuUs / idleS / 1e3,
      ),
      row('event log, Redis: commands of a call meanwhile', '', loggedSseCall.commands, call.redis.commands),
      row('event log, Redis: memory of a call', 'B', redisMemory.loggedCallBytes, call.redis.bytes),
    ]
  } finally {
    await bed.end()
  }
}

/**
 * The cost of each call, without what the streams cost meanwhile.
 * @param {Bed} bed @param {number} calls @param {object} args @param {number} idleUsPerS
 */
async function costOfCalls(bed, calls, args, idleUsPerS) {
  // Full collections and an idle minute have left little of the compiled code.
  await bed.run('call', { count: calls, tool: 'echo', args })
  const start = performance.now()
  const cost = await bed.costOf(calls, () => bed.run('call', { count: calls, tool: 'echo', args }))
  const seconds = (performance.now() - start) / 1_000
  return { ...cost, cpuUs: cost.cpuUs - (seconds * idleUsPerS) / calls }
}

/** @param {string} what @param {string} unit @param {number} predicted @param {number} measured @returns {Row} */
function row(what, unit, predicted, measured) {
  return { what, unit, predicted, measured }
}
