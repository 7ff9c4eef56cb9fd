// A Redis Cluster of the test's own: three masters with a replica each, whose masters can be killed, and both client
// libraries for it.
import { type ChildProcess, execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { Cluster as IoRedisCluster } from 'ioredis'
import { createClient, createCluster } from 'redis'
import { MAKE_OLDER, spawnRedis, type RedisConnection, type SendCommand } from './redis.ts'

const MASTERS = 3
const SERVERS = 2 * MASTERS
interface Server {
  readonly port: number
  readonly process: ChildProcess
  readonly sendCommand: SendCommand
  close(): void
}

export interface RunningRedisCluster {
  /** The ports of all servers, on 127.0.0.1. */
  readonly ports: readonly number[]
  /** SIGKILL to the master that has a key. */
  killMasterOf(key: string): Promise<void>
  /** Resolves when the servers that are left agree on a master for every slot. */
  recovered(): Promise<void>
  /** The keys at each master, in order. */
  keys(): Promise<string[][]>
  /** Makes all keys this much older, as if the time had passed. */
  advance(ms: number): Promise<void>
  flush(): Promise<void>
  /** The slot of a key. */
  slotOf(key: string): Promise<number>
  /** Moves the slot of a key to another master. While `during` runs, its keys have moved, and the slot has not yet. */
  migrate(key: string, during: () => Promise<void>): Promise<void>
  close(): Promise<void>
}

export type ConnectCluster = (ports: readonly number[]) => Promise<RedisConnection>

/** Both libraries as they come, but that none of their timers outlives a test for long. */
export const REDIS_CLUSTER_CLIENTS: ReadonlyArray<readonly [library: string, connect: ConnectCluster]> = [
  ['redis', connectRedisCluster],
  ['ioredis', connectIoRedisCluster],
]

async function connectRedisCluster(ports: readonly number[]): Promise<RedisConnection> {
  const client = createCluster({
    rootNodes: ports.map((port) => ({ socket: { host: '127.0.0.1', port, tls: false } })),
    defaults: { socket: { reconnectStrategy: 100 } },
  })
  client.on('error', () => {})
  await client.connect()
  return {
    client,
    sendCommand: async (...args) => client.sendCommand(args[1], false, args),
    close: () => client.destroy(),
  }
}

async function connectIoRedisCluster(ports: readonly number[]): Promise<RedisConnection> {
  const client = new IoRedisCluster(
    ports.map((port) => ({ host: '127.0.0.1', port })),
    { redisOptions: { disconnectTimeout: 100 } },
  )
  client.on('error', () => {})
  await once(client, 'ready')
  return {
    client,
    sendCommand: async (command, ...args) => client.call(command, ...args),
    close: () => client.disconnect(),
  }
}

/** After `nodeTimeoutMs` a master that does not answer is taken for dead, and its replica is promoted. */
export async function startRedisCluster(nodeTimeoutMs = 15_000): Promise<RunningRedisCluster> {
  const folder = mkdtempSync(join(tmpdir(), 'redis-cluster-'))
  const free = await freePorts(2 * SERVERS)
  const ports = free.slice(0, SERVERS)
  const servers = await Promise.all(
    ports.map((port, index) => startServer(folder, port, free[SERVERS + index]!, nodeTimeoutMs)),
  )
  const addresses = ports.map((port) => `127.0.0.1:${port}`)
  const options = ['--cluster-replicas', '1', '--cluster-yes']
  await promisify(execFile)('redis-cli', ['--cluster', 'create', ...addresses, ...options])

  const living = (): Server[] =>
    servers.filter(({ process: { exitCode, signalCode } }) => exitCode ?? signalCode === null)

  async function isWhole(): Promise<boolean> {
    const reports = await Promise.all(
      living().map(async ({ sendCommand }) => [
        String(await sendCommand('CLUSTER', 'INFO')),
        String(await sendCommand('INFO', 'replication')),
      ]),
    )
    return reports.every(
      ([cluster, replication]) => /cluster_state:ok/.test(cluster!) && !/master_link_status:down/.test(replication!),
    )
  }

  const recovered = async (): Promise<void> => {
    while (!(await isWhole())) await delay(20)
  }

  async function masters(): Promise<Server[]> {
    const roles = await Promise.all(living().map(async (server) => [server, await server.sendCommand('ROLE')] as const))
    return roles.flatMap(([server, role]) => ((role as unknown[])[0] === 'master' ? [server] : []))
  }

  const slotOf = async (key: string): Promise<number> =>
    Number(await living()[0]!.sendCommand('CLUSTER', 'KEYSLOT', key))

  /** The master that has a key is the one that does not redirect. */
  async function masterOf(key: string): Promise<Server> {
    for (const server of await masters()) {
      const isThere = await server.sendCommand('EXISTS', key).then(
        () => true,
        () => false,
      )
      if (isThere) return server
    }
    throw new Error(`No master has ${key}`)
  }

  await recovered()
  return {
    ports,
    recovered,
    slotOf,
    async killMasterOf(key) {
      const { process: master, close } = await masterOf(key)
      const exited = once(master, 'exit')
      master.kill('SIGKILL')
      await exited
      close()
    },
    async keys() {
      return Promise.all(
        (await masters()).map(async ({ sendCommand }) => ((await sendCommand('KEYS', '*')) as string[]).toSorted()),
      )
    },
    async advance(ms) {
      for (const { sendCommand } of await masters()) await sendCommand('EVAL', MAKE_OLDER, '0', String(ms))
    },
    async flush() {
      for (const { sendCommand } of await masters()) await sendCommand('FLUSHALL')
    },
    async migrate(key, during) {
      const from = await masterOf(key)
      const to = (await masters()).find((server) => server !== from)!
      const slot = String(await slotOf(key))
      const [fromId, toId] = await Promise.all(
        [from, to].map(async ({ sendCommand }) => String(await sendCommand('CLUSTER', 'MYID'))),
      )
      await to.sendCommand('CLUSTER', 'SETSLOT', slot, 'IMPORTING', fromId!)
      await from.sendCommand('CLUSTER', 'SETSLOT', slot, 'MIGRATING', toId!)
      const keys = (await from.sendCommand('CLUSTER', 'GETKEYSINSLOT', slot, '1000')) as string[]
      if (keys.length > 0) {
        await from.sendCommand('MIGRATE', '127.0.0.1', String(to.port), '', '0', '5000', 'KEYS', ...keys)
      }
      try {
        await during()
      } finally {
        for (const { sendCommand } of await masters()) await sendCommand('CLUSTER', 'SETSLOT', slot, 'NODE', toId!)
      }
    },
    async close() {
      await Promise.all(
        living().map(async ({ process: server, close }) => {
          close()
          const exited = once(server, 'exit')
          server.kill('SIGKILL')
          await exited
        }),
      )
      rmSync(folder, { recursive: true })
    },
  }
}

async function startServer(folder: string, port: number, busPort: number, nodeTimeoutMs: number): Promise<Server> {
  const address = ['--bind', '127.0.0.1', '--port', String(port), '--cluster-port', String(busPort), '--dir', folder]
  const cluster = ['--cluster-enabled', 'yes', '--cluster-config-file', `${port}.conf`]
  const timing = ['--cluster-node-timeout', String(nodeTimeoutMs), '--repl-diskless-sync-delay', '0']
  const server = await spawnRedis([...address, ...cluster, ...timing, '--save', '', '--dbfilename', `${port}.rdb`])
  const client = createClient({ socket: { host: '127.0.0.1', port, tls: false } })
  client.on('error', () => {})
  await client.connect()
  return {
    port,
    process: server,
    sendCommand: async (...args) => client.sendCommand(args),
    close: () => client.destroy(),
  }
}

/** All are held until all are known, so that none is given twice. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const ports = servers.map((server) => (server.address() as AddressInfo).port)
  await Promise.all(servers.map((server) => once(server.close(), 'close')))
  return ports
}
