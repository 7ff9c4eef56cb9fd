// @ts-check
// A legacy session on a connection: opened as a client opens it, ended as a client ends it.
import { header } from './connection.mjs'
import { initialize, initialized, remove } from './requests.mjs'

/** @typedef {import('./connection.mjs').Connection} Connection */

/** @param {Connection} connection @param {object} [capabilities] of the client @returns {Promise<string>} the session's id */
export async function openSession(connection, capabilities) {
  const answer = await connection.request(initialize(capabilities))
  const id = header(answer.head, 'mcp-session-id')
  if (answer.status !== 200 || id === undefined)
    throw new Error(`initialize was answered ${answer.status} without a session`)
  expectStatus(await connection.request(initialized(id)), 202, 'notifications/initialized')
  return id
}

/** @param {Connection} connection @param {string} id */
export async function endSession(connection, id) {
  // The transport lets a server answer 200, 202 or 204 here.
  const { status } = await connection.request(remove(id))
  if (status < 200 || status > 299) throw new Error(`DELETE was answered ${status}`)
}

/** @param {import('./connection.mjs').Answer} answer @param {number} status @param {string} what */
export function expectStatus(answer, status, what) {
  if (answer.status === status) return
  throw new Error(`${what} was answered ${answer.status} ${answer.begin.toString('utf8', 0, 200)}`)
}

/**
 * Does `work` so many times, so many at once.
 * @param {number} count @param {number} atOnce @param {(lane: number) => Promise<void>} work told which of the lanes does it
 */
export async function inParallel(count, atOnce, work) {
  let begun = 0
  const goOn = async (/** @type {unknown} */ _, /** @type {number} */ lane) => {
    while (begun++ < count) await work(lane)
  }
  await Promise.all(Array.from({ length: atOnce }, goOn))
}
