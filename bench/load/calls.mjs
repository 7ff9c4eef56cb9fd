// @ts-check
// Job: tools/call, or tools/list, over and over, on some connections, each with a session of its own.
import { Connection } from './connection.mjs'
import { callMaker, listMaker, longCallMaker } from './requests.mjs'
import { endSession, expectStatus, openSession } from './session.mjs'
import { percentile } from '../harness/stats.mjs'

/**
 * @typedef {object} Params
 * @property {number} connections
 * @property {'legacy' | 'modern'} [era]
 * @property {boolean} [list] tools/list of the modern era instead
 * @property {'json' | 'sse'} [as] how the upstream answers
 * @property {number} [bytes] a result this long; a short one otherwise
 * @property {number} [sent] arguments this long; short ones otherwise
 * @property {string} [tool] the tool's name, where the result is a short one
 */

/** @param {number} port @param {Params} params @returns {Promise<import('../load.mjs').Job>} */
export async function calls(port, params) {
  const { connections, bytes = 0 } = params
  const lanes = await Promise.all(Array.from({ length: connections }, () => openLane(port, params)))
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

/** @param {number} port @param {Params} params */
async function openLane(port, params) {
  const { era = 'legacy', list } = params
  const connection = new Connection(port)
  const session = era === 'legacy' ? await openSession(connection) : undefined
  return { connection, session, make: list ? listMaker() : toolCallMaker(session, params), calls: 0 }
}

/** @param {string | undefined} session @param {Params} params */
function toolCallMaker(session, { as = 'json', bytes = 0, sent = 0, tool = 'echo' }) {
  if (sent > 0) return longCallMaker(session, tool, sent)
  return bytes === 0 ? callMaker(session, tool, { as }) : callMaker(session, 'big', { as, bytes })
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
    expectStatus(answer, 200, 'a call')
    if (!result && answer.bytes <= bytes) throw new Error('a call was answered without its result')
    const after = performance.now()
    times.push(after - before)
    before = after
  }
  return times
}
