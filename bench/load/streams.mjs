// @ts-check
// Job: calls whose answer is a long event stream, flooding or paced; counts events and how long each was on its way.
import { Connection } from './connection.mjs'
import { callMaker } from './requests.mjs'
import { endSession, expectStatus, openSession } from './session.mjs'
import { percentile } from '../harness/stats.mjs'

const STAMP = '"message":"'
const SENT = /sent (\d+)/

/** @typedef {{ connections: number, every?: number, size?: number }} Params events every so many ms, of so many bytes */

/** @param {number} port @param {Params} params @returns {Promise<import('../load.mjs').Job>} */
export async function streams(port, { connections, every = 0, size = 0 }) {
  const lanes = await Promise.all(
    Array.from({ length: connections }, async () => {
      const connection = new Connection(port)
      return { connection, session: await openSession(connection), calls: 0 }
    }),
  )
  return {
    async run({ seconds }) {
      const begin = performance.now()
      /** @type {number[]} */
      const delays = []
      const args = { ms: seconds * 1000, every, size }
      const counts = await Promise.all(lanes.map((lane) => readStream(lane, args, every > 0 ? delays : undefined)))
      const events = counts.reduce((sum, count) => sum + count, 0)
      // What is counted is events, or MB where events are long.
      const units = size < 10_000 ? events : (events * size) / 1e6
      const perSecond = (units * 1000) / (performance.now() - begin)
      return { units, perSecond, p50: percentile(delays, 0.5), p99: percentile(delays, 0.99) }
    },
    async close() {
      await Promise.allSettled(lanes.map(({ connection, session }) => endSession(connection, session)))
      for (const { connection } of lanes) connection.close()
    },
  }
}

/**
 * @param {{ connection: Connection, session: string, calls: number }} lane
 * @param {object} args @param {number[] | undefined} delays where each event's time on the way goes, when asked
 */
async function readStream(lane, args, delays) {
  let ends = 0
  let lastByte = 0
  let tail = ''
  const request = callMaker(lane.session, 'stream', args)(++lane.calls)
  const answer = await lane.connection.request(request, {
    onBytes(slice) {
      if (lastByte === 10 && slice[0] === 10) ends++
      for (let at = slice.indexOf('\n\n'); at !== -1; at = slice.indexOf('\n\n', at + 2)) ends++
      lastByte = slice[slice.length - 1] ?? 0
      tail = (tail + slice.toString('latin1', Math.max(0, slice.length - 200))).slice(-400)
      if (delays) readDelays(slice, delays)
    },
  })
  expectStatus(answer, 200, 'the stream')
  const sent = Number(SENT.exec(tail)?.[1])
  // Comments and empty events of the proxy's own may come on top: less than was sent is a fault.
  if (!(ends > sent)) throw new Error(`of ${sent} events and a result only ${ends} arrived`)
  return sent
}

/** @param {Buffer} slice @param {number[]} delays */
function readDelays(slice, delays) {
  const now = Number(process.hrtime.bigint() / 1000n)
  for (let at = slice.indexOf(STAMP); at !== -1; at = slice.indexOf(STAMP, at + 1)) {
    const stamp = parseInt(slice.toString('latin1', at + STAMP.length, at + STAMP.length + 20), 10)
    // An event cut in two by a segment border has no whole stamp: a rare sample lost.
    if (stamp <= now && now - stamp < 60e6) delays.push((now - stamp) / 1000)
  }
}
