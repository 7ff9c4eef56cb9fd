/** Ends a process with all that it has started: end of input, SIGTERM, SIGKILL. */
import { type ChildProcess, spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'

const IS_WINDOWS = process.platform === 'win32'

/** How often it is looked whether anything of a group is left, in milliseconds. */
const POLL_MS = 20

/** How long a killed group is waited for, in milliseconds. */
const KILLED_MS = 1_000

/** Groups that may have a process left, by the id of the process that leads them. */
const alive = new Set<number>()

let isWatching = false

/** A gateway whose process ends without closing it leaves nothing behind. */
function watchExit(): void {
  if (isWatching) return
  isWatching = true
  process.once('exit', () => {
    for (const pid of alive) signal(pid, 'SIGKILL')
  })
}

/** Says that a process leads a group of its own. */
export function led(pid: number): void {
  watchExit()
  alive.add(pid)
}

/**
 * Ends a process whose input has ended, and its group. What a process leaves behind that has ended by itself is told to
 * end, too. Resolves when nothing of it is left that can be waited for: of a process that another one has adopted nobody
 * here learns for certain.
 */
export async function endGroup(pid: number, child: ChildProcess, graceMs: number): Promise<void> {
  const hasEnded = (): boolean => hasExited(child)
  const isGone = (): boolean => hasEnded() && (IS_WINDOWS || !signal(pid, 0))
  await waitUntil(hasEnded, graceMs)
  if (!isGone()) {
    signal(pid, 'SIGTERM')
    if (!(await waitUntil(isGone, graceMs))) {
      signal(pid, 'SIGKILL')
      await waitUntil(hasEnded, KILLED_MS)
    }
  }
  alive.delete(pid)
}

/** Ends at once what the leader of a group has left behind. */
export function reap(pid: number): void {
  if (!IS_WINDOWS) signal(pid, 'SIGKILL')
  alive.delete(pid)
}

function hasExited({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null
}

async function waitUntil(test: () => boolean, ms: number): Promise<boolean> {
  const deadline = Date.now() + ms
  while (!test()) {
    if (Date.now() >= deadline) return false
    await sleep(POLL_MS)
  }
  return true
}

/** Whether there was anybody to take the signal. */
function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    if (!IS_WINDOWS) return process.kill(-pid, name)
    if (name !== 0) spawn('taskkill', ['/pid', String(pid), '/T', '/F'], { stdio: 'ignore' }).on('error', () => {})
    return true
  } catch {
    return false
  }
}
