// @ts-check
// What a process has used: CPU time in microseconds and memory in bytes, from /proc where there is one.
import { existsSync, readFileSync, readdirSync } from 'node:fs'

export const HAS_PROC = existsSync('/proc/self/stat')

/** The kernel counts in USER_HZ, which is 100 on every Linux that Node runs on. */
const TICK_US = 10_000

const HAS_SCHEDSTAT = existsSync('/proc/self/schedstat')

/** User and system time, all threads. @param {number} pid */
export function cpuFromProc(pid) {
  return HAS_SCHEDSTAT ? cpuFromSchedstat(pid) : cpuFromStat(pid)
}

/** To the nanosecond, thread by thread: short rounds need that. @param {number} pid */
function cpuFromSchedstat(pid) {
  let nanoseconds = 0
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    nanoseconds += parseInt(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'latin1'), 10)
  }
  return nanoseconds / 1000
}

/** @param {number} pid */
function cpuFromStat(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  // The command's name is in parentheses and may hold spaces: fields count from behind it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * TICK_US
}

/** Resident memory. @param {number} pid */
export function rssFromProc(pid) {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1')
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) * 1024
}
