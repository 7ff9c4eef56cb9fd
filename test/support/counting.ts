// The tool `count` of the test servers: it reports progress as far as it is told, with a pause after each step.
import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'

export const COUNTING = { to: z.number(), pauseMs: z.number().default(0) }

type ProgressToken = string | number

interface Progress {
  method: 'notifications/progress'
  params: { progressToken: ProgressToken; progress: number; total: number }
}

/** Resolves with what the tool says. */
export async function count(
  { to, pauseMs }: { to: number; pauseMs: number },
  progressToken: ProgressToken | undefined,
  notify: (notification: Progress) => Promise<void>,
): Promise<string> {
  if (progressToken === undefined) return 'counted in silence'
  for (let progress = 1; progress <= to; progress += 1) {
    await notify({ method: 'notifications/progress', params: { progressToken, progress, total: to } })
    if (pauseMs > 0) await pause(pauseMs)
  }
  return `counted to ${to}`
}
