// The command line as a user starts it: the built executable, in a folder with a file of its own.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const BIN = join(import.meta.dirname, '..', '..', 'dist', 'cli', 'bin.js')

export interface Outcome {
  readonly stdout: string
  readonly stderr: string
  readonly code: number | null
}

export interface RunningCli {
  readonly pid: number
  /** Resolves with what has been printed when the text is there; rejects when the process ends without it. */
  until(text: string, stream?: 'stdout' | 'stderr'): Promise<string>
  /** Sends a signal, and resolves when the process has ended. */
  end(signal?: NodeJS.Signals): Promise<Outcome>
  signal(signal: NodeJS.Signals): void
  /** Closes the end of stdout that is read. */
  hangUp(): void
  close(): Promise<void>
}

/** A folder with `mcp.json`, which is removed by `close()`. */
export class CliFolder {
  readonly path = mkdtempSync(join(tmpdir(), 'cli-'))

  constructor(file: string | object) {
    this.write('mcp.json', file)
  }

  write(name: string, content: string | object): void {
    writeFileSync(join(this.path, name), typeof content === 'string' ? content : JSON.stringify(content, undefined, 2))
  }

  /** Starts the command line with little of this process's environment. */
  start(args: readonly string[], env: Readonly<Record<string, string>> = {}): RunningCli {
    const { PATH } = process.env
    const child = spawn(process.execPath, [BIN, ...args], {
      cwd: this.path,
      env: { PATH, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const said = { stdout: '', stderr: '' }
    const closed = once(child, 'close')
    for (const stream of ['stdout', 'stderr'] as const) {
      child[stream].setEncoding('utf8').on('data', (text: string) => (said[stream] += text))
    }
    const end = async (signal?: NodeJS.Signals): Promise<Outcome> => {
      if (signal && child.exitCode === null) child.kill(signal)
      const [code] = (await closed) as [number | null]
      return { ...said, code }
    }
    return {
      pid: child.pid!,
      async until(text, stream = 'stdout') {
        while (!said[stream].includes(text)) {
          const more = once(child[stream], 'data')
          const ended = closed.then(() => Promise.reject(new Error(`It ended without ${text}: ${said.stderr}`)))
          await Promise.race([more, ended])
        }
        return said[stream]
      },
      end,
      hangUp: () => void child.stdout.destroy(),
      signal: (signal) => void child.kill(signal),
      close: async () => void (await end('SIGKILL')),
    }
  }

  run(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<Outcome> {
    return this.start(args, env).end()
  }

  async close(): Promise<void> {
    rmSync(this.path, { recursive: true })
  }
}
