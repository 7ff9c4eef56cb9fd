// A redis-server of the test's own, which can be stopped, killed and started again, and both client libraries for it.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Redis as IoRedis, type RedisOptions } from 'ioredis'
import { createClient } from 'redis'
import type { RedisClient } from '../../lib/index.ts'

/** What a test sends commands with. */
export type SendCommand = (...args: string[]) => Promise<unknown>

export interface RedisConnection {
  /** The library's own. */
  readonly client: RedisClient
  readonly sendCommand: SendCommand
  /** Drops the connection, whatever state it is in. */
  close(): void
}

export type ConnectRedis = (path: string) => Promise<RedisConnection>

export interface RunningRedis {
  /** The path of its socket, which it keeps when it is started again. */
  readonly path: string
  /** What clients of the test itself speak with. */
  readonly sendCommand: SendCommand
  /** Stops the process without a word: connections stay open and nobody answers. */
  stop(): void
  /** Lets a stopped process go on. */
  go(): void
  /** SIGKILL: connections break. What it has acknowledged is on disk. */
  kill(): Promise<void>
  start(): Promise<void>
  /** Makes all its keys this much older, as if the time had passed. */
  advance(ms: number): Promise<void>
  /** How often it was sent which command since this was last asked. */
  counted(): Promise<Record<string, number>>
  close(): Promise<void>
}

const isThere = spawnSync('redis-server', ['--version']).status === 0
if (!isThere && process.env['CI'] === 'true') throw new Error('redis-server is not installed')
if (!isThere) console.warn('redis-server is not installed: what needs it is SKIPPED (apt-get install redis-server)')

/** For what needs a redis-server: skipped without one, but in CI. */
export const describeRedis: jest.Describe = isThere ? describe : describe.skip

/** Both libraries as they come: nothing is set that an embedder would not set. */
export const REDIS_CLIENTS: ReadonlyArray<readonly [library: string, connect: ConnectRedis]> = [
  ['redis', connectRedis],
  ['ioredis', (path) => connectIoRedis({ path })],
]

async function connectRedis(path: string): Promise<RedisConnection> {
  const client = createClient({ socket: { path, tls: false } })
  client.on('error', () => {})
  await client.connect()
  return { client, sendCommand: async (...args) => client.sendCommand(args), close: () => client.destroy() }
}

export async function connectIoRedis(options: RedisOptions): Promise<RedisConnection> {
  const client = new IoRedis(options)
  client.on('error', () => {})
  await once(client, 'ready')
  return {
    client,
    sendCommand: async (command, ...args) => client.call(command, ...args),
    close: () => client.disconnect(),
  }
}

export async function startRedis(): Promise<RunningRedis> {
  const folder = mkdtempSync(join(tmpdir(), 'redis-'))
  const path = join(folder, 'redis.sock')
  let server = await spawnServer(folder, path)
  let own = await connectRedis(path)

  const kill = async (): Promise<void> => {
    if (server.exitCode !== null || server.signalCode !== null) return
    const exited = once(server, 'exit')
    server.kill('SIGKILL')
    await exited
  }

  return {
    path,
    sendCommand: (...args) => own.sendCommand(...args),
    stop: () => void server.kill('SIGSTOP'),
    go: () => void server.kill('SIGCONT'),
    kill,
    async start() {
      server = await spawnServer(folder, path)
      own.close()
      own = await connectRedis(path)
    },
    advance: async (ms) => void (await own.sendCommand('EVAL', MAKE_OLDER, '0', String(ms))),
    async counted() {
      const report = String(await own.sendCommand('INFO', 'commandstats'))
      await own.sendCommand('CONFIG', 'RESETSTAT')
      const counts = Array.from(report.matchAll(/^cmdstat_([^:]*):calls=(\d+)/gm), ([, command, calls]) => [
        command!,
        Number(calls),
      ])
      return Object.fromEntries(counts.filter(([command]) => !/^(?:info|config)/.test(String(command)))) as Record<
        string,
        number
      >
    },
    async close() {
      own.close()
      await kill()
      rmSync(folder, { recursive: true })
    },
  }
}

/** Listens on a socket in a folder of its own, so that no port is another's, and has each write on disk at once. */
function spawnServer(folder: string, path: string): Promise<ChildProcess> {
  const options = ['--port', '0', '--unixsocket', path, '--dir', folder]
  return spawnRedis([...options, '--save', '', '--appendonly', 'yes', '--appendfsync', 'always'])
}

/** Resolves when it has said that it is ready. */
export async function spawnRedis(
  args: readonly string[],
  ready: RegExp = /ready to accept connections/i,
): Promise<ChildProcess> {
  const child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] })
  // A run that ends before its time takes it along.
  const end = (): unknown => child.kill('SIGKILL')
  process.once('exit', end)
  child.once('exit', () => process.off('exit', end))
  await new Promise<void>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`redis-server exited with ${code}`)))
    createInterface(child.stdout).on('line', (line) => {
      if (ready.test(line)) resolve()
    })
  })
  return child
}

/** A script that makes all keys of a server so many milliseconds older. */
export const MAKE_OLDER = `
  for _, key in ipairs(redis.call('KEYS', '*')) do
    local left = redis.call('PTTL', key) - ARGV[1]
    if left > 0 then redis.call('PEXPIRE', key, left) else redis.call('DEL', key) end
  end`
