// Child processes and file descriptors of this process, as /proc has them.
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** A process that has ended is listed until whoever adopted it has learnt so. */
export function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

/** What was told to end, by SIGKILL too, is there until the system gets round to it. */
export async function untilGone(...pids: number[]): Promise<void> {
  while (pids.some(isAlive)) await sleep(10)
}

/** The living processes whose command line has this in it. */
export function processesWith(mark: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid && isAlive(pid) && commandLine(pid).includes(mark))
}

export function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}
