// @ts-check
// Child processes of the bench: started, asked, and ended by pid, also when the bench itself is cut short.
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { placeOther, placeProxy } from './cores.mjs'

const START_MS = 20_000
const END_MS = 3_000

/**
 * @typedef {object} Child
 * @property {number} pid
 * @property {any} started what the child said when it was ready
 * @property {(ask: string, args?: unknown, timeoutMs?: number) => Promise<any>} ask
 * @property {() => Promise<void>} end
 */

/** @type {Set<import('node:child_process').ChildProcess>} */
const alive = new Set()

/**
 * @param {string} script relative to bench/
 * @param {string[]} [args]
 * @param {string[]} [nodeOptions]
 * @param {string} [node] the program that runs it
 * @returns {Promise<Child>}
 */
export async function start(script, args = [], nodeOptions = [], node = process.execPath) {
  const path = fileURLToPath(new URL(`../${script}`, import.meta.url))
  const child = fork(path, args, {
    execPath: node,
    execArgv: ['--expose-gc', ...nodeOptions],
    env: { ...process.env, NODE_ENV: 'production', NODE_OPTIONS: '' },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    // Each leads a POSIX session of its own, as services do. Linux schedules sessions as groups, and it is cheaper to wake up a
    // process of the same group: child processes of the gateway, which lead sessions, would look dearer than other servers.
    detached: true,
    // As structured clones: JSON would make null of a NaN.
    serialization: 'advanced',
  })
  alive.add(child)
  const place = script.startsWith('proxies/') ? placeProxy : placeOther
  place(Number(child.pid))
  const questions = talk(child, [script, ...args].join(' '))
  const end = () => endChild(child)
  try {
    const started = await questions.wait(0, START_MS)
    return { pid: Number(child.pid), started, ask: questions.ask, end }
  } catch (error) {
    await end()
    throw error
  }
}

/** @param {import('node:child_process').ChildProcess} child @param {string} name */
function talk(child, name) {
  /** @type {Map<number, { resolve: (value: any) => void, reject: (error: Error) => void }>} */
  const waiting = new Map()
  let last = 0
  let said = ''
  let gone = ''
  child.stderr?.on('data', (chunk) => (said = (said + chunk).slice(-2_000)))
  child.on('message', (/** @type {any} */ { id, value, error }) => {
    const question = waiting.get(id)
    if (error === undefined) question?.resolve(value)
    else question?.reject(new Error(error))
  })
  child.once('exit', (code, signal) => {
    gone = `${name} ended (${signal ?? code}) ${said.trim()}`
    for (const { reject } of waiting.values()) reject(new Error(gone))
  })
  /** @param {number} id @param {number} timeoutMs @returns {Promise<any>} */
  const wait = (id, timeoutMs) => {
    /** @type {NodeJS.Timeout | undefined} */
    let timer
    const answer = new Promise((resolve, reject) => {
      if (gone) return reject(new Error(gone))
      waiting.set(id, { resolve, reject })
      timer = setTimeout(() => reject(new Error(`${name} did not answer within ${timeoutMs / 1000} s`)), timeoutMs)
    })
    return answer.finally(() => {
      clearTimeout(timer)
      waiting.delete(id)
    })
  }
  /** @param {string} question @param {unknown} [args] */
  const ask = (question, args, timeoutMs = 60_000) => {
    const id = ++last
    const answer = wait(id, timeoutMs)
    if (!gone) child.send({ id, ask: question, args })
    return answer
  }
  return { wait, ask }
}

/** @param {import('node:child_process').ChildProcess} child @returns {Promise<void>} */
function endChild(child) {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve()
    const timer = setTimeout(() => child.kill('SIGKILL'), END_MS)
    child.once('exit', () => {
      clearTimeout(timer)
      alive.delete(child)
      resolve()
    })
    child.kill('SIGTERM')
  })
}

/** Ends whatever is still alive, then the bench. A child whose parent is gone ends by itself as well. */
function endAll() {
  for (const child of alive) child.kill('SIGTERM')
}

process.on('exit', endAll)
for (const [signal, code] of /** @type {const} */ ([
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
])) {
  process.on(signal, () => process.exit(code))
}
