// @ts-check
// Which cores a process runs on: the proxies on the first, all else on the others. The scheduler moves processes that share
// cores about, in ways that last for seconds: the same calls then cost a proxy up to twice as much in one round as in another.
import { execFileSync } from 'node:child_process'
import { cpus } from 'node:os'

// Not availableParallelism(), which is 1 for a process that was placed.
const LAST = cpus().length - 1
const OTHERS = `1-${LAST}`

/** @param {number} pid */
export const placeProxy = (pid) => place(pid, '0')

/** The load, servers, stores. @param {number} pid */
export const placeOther = (pid) => place(pid, OTHERS)

/** For what measures the cores themselves. @param {number} pid */
export const placeAnywhere = (pid) => place(pid, `0-${LAST}`)

/** Nothing, where there is one core, or no `taskset` (util-linux). @param {number} pid @param {string} cores */
function place(pid, cores) {
  if (LAST === 0) return
  try {
    execFileSync('taskset', ['--all-tasks', '--pid', '--cpu-list', cores, String(pid)], { stdio: 'ignore' })
  } catch (error) {
    if (/** @type {any} */ (error).code !== 'ENOENT') throw error
  }
}
