// @ts-check
// The capacity model: what some users need, computed from constants that were measured.

/**
 * What a request, an event or a stream costs Redis.
 * @typedef {{ commands: number, bytesIn: number, bytesOut: number, cpuUs: number }} RedisCost
 *
 * @typedef {object} Constants
 * @property {string} measured when, and on what
 * @property {Record<'open' | 'end' | 'call' | 'sseCall' | 'event' | 'idleStreamS' | 'loggedSseCall' | 'loggedEvent' | 'loggedIdleStreamS', number>} cpuUs
 *   of a node, in microseconds: a session's handshake, its DELETE, a call answered as JSON, one answered as a stream, each event
 *   before its result, and a second of an idle stream; `logged` is with an event log in Redis
 * @property {{ nodeMiB: number, streamKiB: number, loggedStreamKiB: number, connectionKiB: number }} memory of a node: resident, empty, and for
 *   each idle stream or kept connection
 * @property {Record<'open' | 'end' | 'call' | 'idleStreamS' | 'loggedSseCall' | 'loggedEvent' | 'loggedIdleStreamS', RedisCost>} redis
 * @property {{ emptyMiB: number, sessionBytes: number, loggedCallBytes: number, loggedEventBytes: number }} redisMemory
 *
 * What the users do, at the busiest minute.
 * @typedef {object} Use
 * @property {number} users connected at once
 * @property {number} sessions of each user: usually one for each server
 * @property {number} minutes that a session lasts
 * @property {number} streaming the share of sessions that hold a GET stream open
 * @property {number} calls of each user, a minute
 * @property {number} sse the share of calls that are answered as an event stream
 * @property {number} events before the result of such a call
 * @property {boolean} redis whether sessions are in Redis
 * @property {boolean} log whether there is an event log, in Redis
 *
 * @typedef {object} Plan
 * @property {{ sessions: number, streams: number, opensPerS: number, callsPerS: number, eventsPerS: number }} demand
 * @property {{ cores: number, mib: number, nodes: number, descriptors: number }} gateway `nodes` includes the spare one
 * @property {{ commandsPerS: number, megabitsPerS: number, cores: number, mib: number } | undefined} redis
 */

/** The share of a core that a node may be busy, so that a burst or a lost node does not make the others late. */
const BUSY = 0.6
/** How much resident memory a node may have, in MiB: less than the heap limit of Node.js on small machines. */
const NODE_MIB = 1_024
/** How long an event is kept in the log: the default `ttlMs` of RedisEventLog. */
const LOG_S = 600
/** A stream has two sockets in the node: the client's and the server's. */
const SOCKETS_OF_A_STREAM = 2

/** @param {Constants} constants @param {Use} use @returns {Plan} */
export function plan(constants, use) {
  const demand = demandOf(use)
  return {
    demand,
    gateway: gatewayFor(constants, use, demand),
    redis: use.redis || use.log ? redisFor(constants, use, demand) : undefined,
  }
}

/** @param {Use} use @returns {Plan['demand']} */
function demandOf({ users, sessions: each, minutes, streaming, calls, sse, events }) {
  const sessions = users * each
  const callsPerS = (users * calls) / 60
  return {
    sessions,
    streams: sessions * streaming,
    opensPerS: sessions / (minutes * 60),
    callsPerS,
    eventsPerS: callsPerS * sse * events,
  }
}

/** @param {Constants} constants @param {Use} use @param {Plan['demand']} demand @returns {Plan['gateway']} */
function gatewayFor({ cpuUs, memory }, { sse, log }, { sessions, streams, opensPerS, callsPerS, eventsPerS }) {
  const us =
    opensPerS * (cpuUs.open + cpuUs.end) +
    callsPerS * (1 - sse) * cpuUs.call +
    callsPerS * sse * (log ? cpuUs.loggedSseCall : cpuUs.sseCall) +
    eventsPerS * (log ? cpuUs.loggedEvent : cpuUs.event) +
    streams * (log ? cpuUs.loggedIdleStreamS : cpuUs.idleStreamS)
  const cores = us / 1e6
  const kept = sessions * memory.connectionKiB + streams * (log ? memory.loggedStreamKiB : memory.streamKiB)
  const usedMiB = kept / 1_024
  const busy = Math.max(1, Math.ceil(cores / BUSY), Math.ceil(usedMiB / (NODE_MIB - memory.nodeMiB)))
  const nodes = busy + 1
  // The others hold what a node that is gone has held. A client keeps a connection for its calls, too.
  const descriptors = Math.ceil((SOCKETS_OF_A_STREAM * streams + sessions) / busy)
  return { cores, mib: usedMiB / busy + memory.nodeMiB, nodes, descriptors }
}

/** @param {Constants} constants @param {Use} use @param {Plan['demand']} demand @returns {NonNullable<Plan['redis']>} */
function redisFor({ redis, redisMemory }, { sse, log, redis: keeps }, demand) {
  const { sessions, streams, opensPerS, callsPerS, eventsPerS } = demand
  /** @type {[times: number, cost: RedisCost][]} */
  const costs = [
    [keeps ? opensPerS : 0, redis.open],
    [keeps ? opensPerS : 0, redis.end],
    // Finding the session is the same one command, however the call is answered.
    [keeps ? callsPerS : 0, redis.call],
    [log ? callsPerS * sse : 0, minus(redis.loggedSseCall, redis.call)],
    [log ? eventsPerS : 0, redis.loggedEvent],
    [log ? streams : 0, redis.loggedIdleStreamS],
    // The session of a stream is looked up now and then: see "recheckMs".
    [keeps && !log ? streams : 0, redis.idleStreamS],
  ]
  /** @param {(cost: RedisCost) => number} of */
  const sum = (of) => costs.reduce((total, [times, cost]) => total + times * of(cost), 0)
  const logged = log ? callsPerS * sse * redisMemory.loggedCallBytes + eventsPerS * redisMemory.loggedEventBytes : 0
  const bytes = (keeps ? sessions * redisMemory.sessionBytes : 0) + logged * LOG_S
  return {
    commandsPerS: sum(({ commands }) => commands),
    megabitsPerS: (sum(({ bytesIn, bytesOut }) => bytesIn + bytesOut) * 8) / 1e6,
    cores: sum(({ cpuUs }) => cpuUs) / 1e6,
    mib: bytes / 2 ** 20 + redisMemory.emptyMiB,
  }
}

/** @param {RedisCost} one @param {RedisCost} other @returns {RedisCost} */
function minus(one, other) {
  return {
    commands: one.commands - other.commands,
    bytesIn: one.bytesIn - other.bytesIn,
    bytesOut: one.bytesOut - other.bytesOut,
    cpuUs: one.cpuUs - other.cpuUs,
  }
}
