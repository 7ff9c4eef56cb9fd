// A Redis master with a replica, watched by Sentinel, and both client libraries for it.
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createClient, createSentinel } from 'redis'
import { freePorts } from './redis-cluster.ts'
import { connectIoRedis, spawnRedis, type RedisConnection } from './redis.ts'

const NAME = 'main'

export interface RunningRedisSentinel {
  /** The port of Sentinel, on 127.0.0.1. */
  readonly port: number
  /** SIGKILL to the master, which Sentinel finds out by itself. */
  killMaster(): Promise<void>
  close(): Promise<void>
}

export type ConnectSentinel = (port: number) => Promise<RedisConnection>

/** Both libraries as they come, but that few of their timers outlive a test. */
export const REDIS_SENTINEL_CLIENTS: ReadonlyArray<readonly [library: string, connect: ConnectSentinel]> = [
  ['redis', connectRedisSentinel],
  [
    'ioredis',
    (port) => connectIoRedis({ name: NAME, sentinels: [{ host: '127.0.0.1', port }], disconnectTimeout: 100 }),
  ],
]

async function connectRedisSentinel(port: number): Promise<RedisConnection> {
  const client = createSentinel({
    name: NAME,
    sentinelRootNodes: [{ host: '127.0.0.1', port }],
    nodeClientOptions: { socket: { reconnectStrategy: 100 } },
  })
  client.on('error', () => {})
  await client.connect()
  return {
    client,
    sendCommand: async (...args) => client.sendCommand(false, args),
    close: () => void client.destroy().catch(() => {}),
  }
}

export async function startRedisSentinel(): Promise<RunningRedisSentinel> {
  const folder = mkdtempSync(join(tmpdir(), 'redis-sentinel-'))
  const [masterPort, replicaPort, port] = (await freePorts(3)) as [number, number, number]
  const start = (of: number, ...options: string[]): ReturnType<typeof spawnRedis> => {
    const files = ['--dir', folder, '--dbfilename', `${of}.rdb`, '--save', '', '--repl-diskless-sync-delay', '0']
    return spawnRedis(['--bind', '127.0.0.1', '--port', String(of), ...files, ...options])
  }
  const master = await start(masterPort)
  const replica = await start(replicaPort, '--replicaof', '127.0.0.1', String(masterPort))
  const file = join(folder, 'sentinel.conf')
  writeFileSync(
    file,
    `port ${port}
bind 127.0.0.1
dir ${folder}
sentinel monitor ${NAME} 127.0.0.1 ${masterPort} 1
sentinel down-after-milliseconds ${NAME} 1000
sentinel failover-timeout ${NAME} 5000
`,
  )
  const sentinel = await spawnRedis([file, '--sentinel'], /Sentinel ID is/)
  // Sentinel learns of the replica from the master.
  const client = createClient({ socket: { host: '127.0.0.1', port, tls: false } })
  client.on('error', () => {})
  await client.connect()
  while ((await client.sendCommand<unknown[]>(['SENTINEL', 'REPLICAS', NAME])).length === 0) await delay(20)
  client.destroy()

  const kill = async (server: typeof master): Promise<void> => {
    if (server.exitCode !== null || server.signalCode !== null) return
    const exited = once(server, 'exit')
    server.kill('SIGKILL')
    await exited
  }
  return {
    port,
    killMaster: () => kill(master),
    async close() {
      await Promise.all([master, replica, sentinel].map(kill))
      rmSync(folder, { recursive: true })
    },
  }
}
