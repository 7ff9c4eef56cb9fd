// @ts-check
// The constants of the capacity model, measured at one node: with some thousand requests, sessions and streams.
import { Bed, pause } from './bed.mjs'

/** @typedef {import('./model.mjs').Constants} Constants @typedef {import('./bed.mjs').Cost} Cost */

const KIB = 1_024
const EVENTS = 10
/** Ten events of 170 bytes, one every 10 ms, and the result. */
const STREAM = { tool: 'stream', args: { ms: 60_000, every: 10, size: 170, limit: 170 * EVENTS } }
const JSON_CALL = { tool: 'echo', args: {} }
const SSE_CALL = { tool: 'echo', args: { as: 'sse' } }

/** @param {(line: string) => void} say @param {{ sessions: number, streams: number, calls: number, idleS: number }} size @returns {Promise<Constants>} */
export async function measure(say, size) {
  const plain = await measureNode(say, size, false)
  const logged = await measureNode(say, size, true)
  const { open, end, call, sseCall, event, idle, memory } = plain
  return {
    measured: `${new Date().toISOString().slice(0, 10)}, Node.js ${process.versions.node}`,
    cpuUs: {
      open: open.cpuUs,
      end: end.cpuUs,
      call: call.cpuUs,
      sseCall: sseCall.cpuUs,
      event: event.cpuUs,
      idleStreamS: idle.cpuUs,
      loggedSseCall: logged.sseCall.cpuUs,
      loggedEvent: logged.event.cpuUs,
      loggedIdleStreamS: logged.idle.cpuUs,
    },
    memory: { ...memory, loggedStreamKiB: logged.memory.streamKiB },
    redis: {
      open: open.redis,
      end: end.redis,
      call: call.redis,
      idleStreamS: idle.redis,
      loggedSseCall: logged.sseCall.redis,
      loggedEvent: logged.event.redis,
      loggedIdleStreamS: logged.idle.redis,
    },
    redisMemory: {
      emptyMiB: plain.emptyMiB,
      sessionBytes: open.redis.bytes,
      loggedCallBytes: logged.sseCall.redis.bytes,
      loggedEventBytes: logged.event.redis.bytes,
    },
  }
}

/** @param {(line: string) => void} say @param {{ sessions: number, streams: number, calls: number, idleS: number }} size @param {boolean} log */
async function measureNode(say, { sessions, streams, calls, idleS }, log) {
  const bed = await Bed.start(1, { log })
  say(`one node${log ? ' with an event log' : ''}`)
  try {
    const emptyMiB = (await bed.redisBytes()) / 2 ** 20
    // Code that is hot, and the buffers of the first streams, are no part of what the next ones cost.
    await bed.run('open', { count: 200 })
    for (const job of [JSON_CALL, SSE_CALL]) await bed.run('call', { count: calls, ...job })
    await bed.run('listenIn', { count: 100 })
    await bed.run('call', { count: 100, ...STREAM })
    await bed.run('end', { count: 50 })

    const open = await bed.costOf(sessions, () => bed.run('open', { count: sessions }))
    const call = await bed.costOf(calls, () => bed.run('call', { count: calls, ...JSON_CALL }))
    const sseCall = await bed.costOf(calls, () => bed.run('call', { count: calls, ...SSE_CALL }))
    const ten = await bed.costOf(calls / EVENTS, () => bed.run('call', { count: calls / EVENTS, ...STREAM }))
    const quiet = await bed.costOf(idleS, () => pause(idleS * 1_000))
    const before = await bed.memory()
    await bed.run('listenIn', { count: streams })
    const listening = await bed.memory()
    const idle = addedBy(streams, await bed.costOf(idleS, () => pause(idleS * 1_000)), quiet)
    const beforeKept = await bed.memory()
    await bed.run('keep', { count: streams })
    const kept = await bed.memory()
    const end = await bed.costOf(sessions / 4, () => bed.run('end', { count: sessions / 4 }))
    const memory = {
      nodeMiB: before / 2 ** 20,
      streamKiB: (listening - before) / streams / KIB,
      loggedStreamKiB: NaN,
      connectionKiB: (kept - beforeKept) / streams / KIB,
    }
    return { emptyMiB, open, end, call, sseCall, event: addedBy(EVENTS, ten, sseCall), idle, memory }
  } finally {
    await bed.end()
  }
}

/** What each of so many adds to what there is without them. @param {number} count @param {Cost} many @param {Cost} none @returns {Cost} */
function addedBy(count, many, none) {
  const each = (/** @type {number} */ some, /** @type {number} */ base) => Math.max(0, (some - base) / count)
  const [a, b] = [many.redis, none.redis]
  return {
    cpuUs: each(many.cpuUs, none.cpuUs),
    redis: {
      commands: each(a.commands, b.commands),
      bytesIn: each(a.bytesIn, b.bytesIn),
      bytesOut: each(a.bytesOut, b.bytesOut),
      cpuUs: each(a.cpuUs, b.cpuUs),
      bytes: each(a.bytes, b.bytes),
    },
  }
}
