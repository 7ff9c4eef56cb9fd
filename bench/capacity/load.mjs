// @ts-check
// The clients of the capacity check, a child process: sessions of many users, idle streams, and calls in those sessions.
import { serve } from '../harness/child.mjs'
import { Connection, header } from '../load/connection.mjs'
import { callMaker, initialize, initialized, listen, remove } from '../load/requests.mjs'
import { expectStatus, inParallel } from '../load/session.mjs'

const AT_ONCE = 16
const SESSIONS_OF_A_USER = 2

/** @typedef {{ id: string, user: string, port: number }} Session */

const [name = ''] = process.argv.slice(2)
/** @type {Session[]} */
const sessions = []
/** @type {Connection[]} */
const streams = []
/** @type {Connection[]} */
const kept = []
let users = 0

/** A request of somebody else than the bench. @param {string} request @param {string} user */
function as(request, user) {
  return request.replace('Bearer bench', `Bearer ${user}`)
}

/** @param {number} port */
function lanesTo(port) {
  return Array.from({ length: AT_ONCE }, () => new Connection(port))
}

/** Sessions that stay open. @param {{ port: number, count: number }} args */
async function open({ port, count }) {
  const lanes = lanesTo(port)
  await inParallel(count, AT_ONCE, async (lane) => {
    const connection = /** @type {Connection} */ (lanes[lane])
    const user = `${name}-${Math.floor(users++ / SESSIONS_OF_A_USER)}`
    const answer = await connection.request(as(initialize(), user))
    expectStatus(answer, 200, 'initialize')
    const id = String(header(answer.head, 'mcp-session-id'))
    expectStatus(await connection.request(as(initialized(id), user)), 202, 'initialized')
    sessions.push({ id, user, port })
  })
  lanes.forEach((connection) => connection.close())
}

/** An idle stream in each of the first sessions that have none. @param {{ count: number }} args */
async function listenIn({ count }) {
  let next = streams.length
  await inParallel(count, AT_ONCE, async () => {
    const { id, user, port } = /** @type {Session} */ (sessions[next++])
    const connection = new Connection(port)
    streams.push(connection)
    await new Promise((resolve, reject) => {
      const answer = connection.request(as(listen(id), user), { onHead: () => resolve(undefined) })
      answer.then(({ status }) => reject(new Error(`the stream ended at once (${status})`)), reject)
    })
  })
}

/**
 * Calls in sessions taken at random; the answer is how many there were.
 * @param {{ port: number, count: number, tool: string, args: object }} job
 */
async function call({ port, count, tool, args }) {
  const lanes = lanesTo(port)
  await inParallel(count, AT_ONCE, async (lane) => {
    const { id, user } = /** @type {Session} */ (sessions[Math.floor(Math.random() * sessions.length)])
    const request = as(callMaker(id, tool, args)(1), user)
    let result = false
    const onBytes = (/** @type {Buffer} */ slice) => void (result ||= slice.includes('"result"'))
    expectStatus(await /** @type {Connection} */ (lanes[lane]).request(request, { onBytes }), 200, 'a call')
    if (!result) throw new Error('a call was answered without its result')
  })
  lanes.forEach((connection) => connection.close())
}

/** Connections that were used and are kept. @param {{ port: number, count: number }} args */
async function keep({ port, count }) {
  await inParallel(count, AT_ONCE, async () => {
    const { id, user } = /** @type {Session} */ (sessions[0])
    const connection = new Connection(port)
    kept.push(connection)
    expectStatus(await connection.request(as(callMaker(id, 'echo', {})(1), user)), 200, 'a call')
  })
}

/** Ends sessions by DELETE. @param {{ port: number, count: number }} args */
async function end({ port, count }) {
  const lanes = lanesTo(port)
  await inParallel(count, AT_ONCE, async (lane) => {
    const { id, user } = /** @type {Session} */ (sessions.pop())
    const { status } = await /** @type {Connection} */ (lanes[lane]).request(as(remove(id), user))
    if (status < 200 || status > 299) throw new Error(`DELETE was answered ${status}`)
  })
  lanes.forEach((connection) => connection.close())
}

/** All clients vanish. */
function vanish() {
  for (const connection of [...streams.splice(0), ...kept.splice(0)]) connection.close()
}

serve({ open, listenIn, call, keep, end, vanish }, {})
