/** Ends a process and its descendants: end of input, then SIGTERM, then SIGKILL. */
import { type ChildProcess, spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'

const IS_WINDOWS = process.platform === 'win32'

/** How often the end of a group is checked, in milliseconds. */
const POLL_MS = 20

/** How long the end of a killed process is awaited, in milliseconds. */
const KILLED_MS = 1_000

/** Process groups that may still have a process, by the pid of their leader. */
const alive = new Set<number>()

let isWatching = false

/** Kills all groups when this process exits, so that a gateway that was not closed leaves no processes behind. */
function watchExit(): void {
  if (isWatching) return
  isWatching = true
  process.once('exit', () => {
    for (const pid of alive) signal(pid, 'SIGKILL')
  })
}

/** Registers a process as the leader of a group. */
export function led(pid: number): void {
  watchExit()
  alive.add(pid)
}

/**
 * Ends a process whose stdin was closed, and its group. SIGTERM is also sent to descendants that a process leaves
 * behind when it exits by itself. Resolves when no process of the group is left, or after SIGKILL when the leader has
 * exited: descendants are reaped by another parent, so their end cannot be observed reliably.
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

/** Kills at once what the leader of a group has left running. */
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

/** Returns whether a process received the signal. */
function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    if (!IS_WINDOWS) return process.kill(-pid, name)
    if (name !== 0) spawn('taskkill', ['/pid', String(pid), '/T', '/F'], { stdio: 'ignore' }).on('error', () => {})
    return true
  } catch {
    return false
  }
}
