// @ts-check
// Job: tools/call over and over, on some connections, each with a session of its own.
import { Connection } from './connection.mjs'
import { callMaker } from './requests.mjs'
import { endSession, expectStatus, openSession } from './session.mjs'
import { percentile } from '../harness/stats.mjs'

/**
 * @typedef {object} Params
 * @property {number} connections
 * @property {'legacy' | 'modern'} [era]
 * @property {'json' | 'sse'} [as] how the upstream answers
 * @property {number} [bytes] a result this long; a short one otherwise
 */

/** @param {number} port @param {Params} params @returns {Promise<import('../load.mjs').Job>} */
export async function calls(port, { connections, era = 'legacy', as = 'json', bytes = 0 }) {
  const lanes = await Promise.all(Array.from({ length: connections }, () => openLane(port, era, as, bytes)))
  return {
    async run({ seconds }) {
      const begin = performance.now()
      const end = begin + seconds * 1000
      const times = (await Promise.all(lanes.map((lane) => callUntil(lane, end, bytes)))).flat()
      const took = (performance.now() - begin) / 1000
      // What is counted is calls, or MB where results are long.
      const units = bytes === 0 ? times.length : (times.length * bytes) / 1e6
      return { units, perSecond: units / took, p50: percentile(times, 0.5), p99: percentile(times, 0.99) }
    },
    async close() {
      await Promise.allSettled(lanes.map(async ({ connection, session }) => session && endSession(connection, session)))
      for (const { connection } of lanes) connection.close()
    },
  }
}

/** @param {number} port @param {string} era @param {string} as @param {number} bytes */
async function openLane(port, era, as, bytes) {
  const connection = new Connection(port)
  const session = era === 'legacy' ? await openSession(connection) : undefined
  const make = bytes === 0 ? callMaker(session, 'echo', { as }) : callMaker(session, 'big', { as, bytes })
  return { connection, session, make, calls: 0 }
}

/** @param {Awaited<ReturnType<typeof openLane>>} lane @param {number} end @param {number} bytes */
async function callUntil(lane, end, bytes) {
  const times = []
  for (let before = performance.now(); before < end;) {
    let result = false
    // A short answer comes in one piece; of a long one the length says enough.
    const onBytes =
      bytes === 0 ? (/** @type {Buffer} */ slice) => void (result ||= slice.includes('"result"')) : undefined
    const answer = await lane.connection.request(lane.make(++lane.calls), { onBytes })
    expectStatus(answer, 200, 'tools/call')
    if (!result && answer.bytes <= bytes) throw new Error('tools/call was answered without its result')
    const after = performance.now()
    times.push(after - before)
    before = after
  }
  return times
}
