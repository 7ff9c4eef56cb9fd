// A real server in a process of its own, which is killed and comes back at the same address.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const SERVER = join(import.meta.dirname, '..', 'fixtures', 'dual-era-server.mjs')

export interface KillableServer {
  readonly url: string
  /** Stops the process without a word: connections stay open and nobody answers. */
  freeze(): void
  /** SIGKILL. */
  kill(): Promise<void>
  /** Starts another in its place. */
  start(): Promise<void>
  close(): Promise<void>
}

/** A server of revisions with sessions alone. */
export async function startKillable(): Promise<KillableServer> {
  let child: ChildProcess
  let url = ''

  async function start(): Promise<void> {
    const { port } = url === '' ? { port: '0' } : new URL(url)
    child = spawn(process.execPath, [SERVER, '--port', port, '--legacy-only'], { stdio: ['ignore', 'pipe', 'inherit'] })
    ;[url] = (await once(createInterface({ input: child.stdout! }), 'line')) as [string]
  }

  async function kill(): Promise<void> {
    if (child.signalCode) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  }

  await start()
  return { url, freeze: () => void child.kill('SIGSTOP'), kill, start, close: kill }
}
