// @ts-check
// Jobs that hold something open while others measure: idle GET streams, idle sessions, readers that do not read.
import { Connection } from './connection.mjs'
import { callMaker, listen } from './requests.mjs'
import { endSession, inParallel, openSession } from './session.mjs'

const OPENED_AT_ONCE = 32
/** What a stalled reader's call would send in all: more than the kernel keeps for it, in 64 KB events. */
const STALLED_CALL = { ms: 600_000, size: 64_000, limit: 4_000_000 }

const nothing = async () => ({ units: 0, perSecond: 0, p50: NaN, p99: NaN })

/** Idle GET streams, each with a session. A run is their clients vanishing; closing ends their sessions too. @param {number} port @param {{ count: number }} params @returns {Promise<import('../load.mjs').Job>} */
export async function idleStreams(port, { count }) {
  /** @type {Connection[]} */
  const connections = []
  /** @type {string[]} */
  const sessions = []
  await inParallel(count, OPENED_AT_ONCE, async () => {
    const connection = new Connection(port)
    connections.push(connection)
    const session = await openSession(connection)
    sessions.push(session)
    await hold(connection, listen(session))
  })
  const vanish = () => connections.splice(0).forEach((connection) => connection.close())
  return {
    async run() {
      vanish()
      return nothing()
    },
    async close() {
      vanish()
      await endSessions(port, sessions)
    },
  }
}

/** @param {number} port @param {string[]} sessions */
async function endSessions(port, sessions) {
  const lanes = Array.from({ length: OPENED_AT_ONCE }, () => new Connection(port))
  await inParallel(sessions.length, OPENED_AT_ONCE, async (lane) => {
    await endSession(/** @type {Connection} */ (lanes[lane]), String(sessions.pop()))
  })
  lanes.forEach((connection) => connection.close())
}

/** Sessions nobody uses. @param {number} port @param {{ count: number }} params @returns {Promise<import('../load.mjs').Job>} */
export async function idleSessions(port, { count }) {
  const connections = Array.from({ length: OPENED_AT_ONCE }, () => new Connection(port))
  await inParallel(count, OPENED_AT_ONCE, async (lane) => {
    await openSession(/** @type {Connection} */ (connections[lane]))
  })
  connections.forEach((connection) => connection.close())
  return { run: nothing, close: async () => {} }
}

/** Clients that ask for a lot and stop reading. @param {number} port @param {{ count: number }} params @returns {Promise<import('../load.mjs').Job>} */
export async function stalledReaders(port, { count }) {
  /** @type {Connection[]} */
  const connections = []
  await inParallel(count, OPENED_AT_ONCE, async () => {
    const connection = new Connection(port)
    connections.push(connection)
    await hold(connection, callMaker(await openSession(connection), 'stream', STALLED_CALL)(1))
    connection.stall()
  })
  return { run: nothing, close: async () => connections.forEach((connection) => connection.close()) }
}

/** Sends a request and resolves with the head of its answer; the body may come for ever. @param {Connection} connection @param {string} request */
function hold(connection, request) {
  return new Promise((resolve, reject) => {
    const answer = connection.request(request, { onHead: () => resolve(undefined) })
    answer.then(({ status }) => reject(new Error(`the stream ended at once (${status})`)), reject)
  })
}
