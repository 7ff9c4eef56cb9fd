// The real servers of the tests, all on 127.0.0.1: the reference server, and one on each generation of the SDK.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

export { startSdkV1Server } from './sdk-v1-server.ts'
export { startSdkV2Server } from './sdk-v2-server.ts'
export type { Happening, RunningServer } from './sessions.ts'

export interface ChildServer {
  readonly url: string
  close(): Promise<void>
}

/** Starts @modelcontextprotocol/server-everything in a process of its own. */
export async function startEverything(transport: 'streamableHttp' | 'sse' = 'streamableHttp'): Promise<ChildServer> {
  const script = fileURLToPath(new URL('../fixtures/everything-server.mjs', import.meta.url))
  // Its tool `get-env` shows its environment to any client: it gets none of ours.
  const child = fork(script, [transport], { env: {}, execArgv: [], stdio: ['ignore', 'ignore', 'ignore', 'ipc'] })
  const exited = once(child, 'exit')
  const [message] = (await Promise.race([
    once(child, 'message'),
    exited.then(([code]) => Promise.reject(new Error(`server-everything exited with ${String(code)}`))),
  ])) as [{ url: string }]
  return {
    url: message.url,
    async close() {
      child.kill()
      await exited
    },
  }
}
