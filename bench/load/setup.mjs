// @ts-check
// Job: sessions opened and ended over and over: initialize, notifications/initialized, DELETE.
import { Connection } from './connection.mjs'
import { endSession, openSession } from './session.mjs'
import { percentile } from '../harness/stats.mjs'

/** @param {number} port @param {{ connections: number, roots?: boolean }} params @returns {Promise<import('../load.mjs').Job>} */
export async function setup(port, { connections, roots = false }) {
  const capabilities = roots ? { roots: {} } : {}
  const lanes = Array.from({ length: connections }, () => new Connection(port))
  return {
    async run({ seconds }) {
      const begin = performance.now()
      const end = begin + seconds * 1000
      /** @type {number[]} */
      const times = []
      await Promise.all(lanes.map((connection) => openUntil(connection, end, { times, capabilities })))
      const units = times.length
      const perSecond = (units * 1000) / (performance.now() - begin)
      return { units, perSecond, p50: percentile(times, 0.5), p99: percentile(times, 0.99) }
    },
    async close() {
      for (const connection of lanes) connection.close()
    },
  }
}

/** @param {Connection} connection @param {number} end @param {{ times: number[], capabilities: object }} kept */
async function openUntil(connection, end, { times, capabilities }) {
  for (let before = performance.now(); before < end;) {
    await endSession(connection, await openSession(connection, capabilities))
    const after = performance.now()
    times.push(after - before)
    before = after
  }
}
