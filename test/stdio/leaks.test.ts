// Sessions that are opened and never ended: what is left of their pipes, whatever the store, and however the app ends.
// LEAK_SESSIONS=1000 makes the whole run of it; `npm test` makes a shorter one.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import {
  inProcess,
  MemorySessionStore,
  type PipeServer,
  RedisSessionStore,
  SealedSessionStore,
  type ServerTransport,
  type SessionStore,
} from '../../lib/index.ts'
import { stdio } from '../../lib/stdio/index.ts'
import { startGateway } from '../support/gateway.ts'
import { openDescriptors, processesWith, untilGone } from '../support/processes.ts'
import { describeRedis, REDIS_CLIENTS, startRedis } from '../support/redis.ts'
import { initializeMessage, post } from '../support/rpc.ts'

const SMALL = fileURLToPath(new URL('../fixtures/stdio/small.sh', import.meta.url))
const APP = fileURLToPath(new URL('../fixtures/stdio/app.mjs', import.meta.url))

const SESSIONS = Number(process.env['LEAK_SESSIONS'] ?? 40)
const TIMEOUT_MS = 60_000 + 100 * SESSIONS

/** How many clients open sessions at a time, and how many processes there may be of them. */
const CLIENTS = 12
const MAX_PROCESSES = 8

let marks = 0
const markOf = (what: string): string => `leak-${process.pid}-${what}-${(marks += 1)}`

/** Opens that many sessions, coming back whenever there is no room, and ends none. Tells the status of each try. */
async function abandon(url: string, count: number, onTry: (status: number) => void): Promise<void> {
  let open = 0
  const client = async (): Promise<void> => {
    while (open < count) {
      open += 1
      const { status } = await post(url, initializeMessage())
      onTry(status)
      if (status === 200) continue
      open -= 1
      await sleep(20)
    }
  }
  await Promise.all(Array.from({ length: CLIENTS }, client))
}

interface Left {
  readonly statuses: ReadonlySet<number>
  readonly most: number
  readonly descriptors: number
}

/** Runs it, watches how many there are, and waits until none is left. */
async function leave(server: PipeServer, count: () => number, sessions: SessionStore): Promise<Left> {
  const gateway = await startGateway({ servers: { here: server }, sessions })
  const url = gateway.url('here')
  // What is opened once, for good, does not count.
  await post(url, initializeMessage())
  while (count() > 0) await sleep(20)
  const before = openDescriptors()
  const statuses = new Set<number>()
  let most = 0
  await abandon(url, SESSIONS, (status) => {
    statuses.add(status)
    most = Math.max(most, count())
  })
  while (count() > 0) await sleep(20)
  await sleep(50)
  const descriptors = openDescriptors() - before
  await gateway.close()
  return { statuses, most, descriptors }
}

const stores: Array<[string, () => SessionStore]> = [
  ['memory', () => new MemorySessionStore()],
  ['sealed', () => new SealedSessionStore({ keys: ['k'.repeat(32)] })],
]

function processes(mark: string): PipeServer {
  return stdio({ command: 'sh', args: [SMALL, mark], maxProcesses: MAX_PROCESSES, idleMs: 600, graceMs: 500 })
}

/** A server in this process that answers the handshake, and those of it that are open. */
function instances(): { server: PipeServer; open: Set<ServerTransport> } {
  const open = new Set<ServerTransport>()
  const server = inProcess(
    (transport) => {
      open.add(transport)
      transport.onclose = () => open.delete(transport)
      transport.onmessage = ({ id, method }) => {
        const result = { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: { name: 'small', version: '1' } }
        if (method === 'initialize') void transport.send({ jsonrpc: '2.0', id, result })
      }
      return transport.start()
    },
    { maxInstances: 40, idleMs: 100 },
  )
  return { server, open }
}

function leavesNothing(makeStore: () => Promise<SessionStore>): void {
  test(
    'never more processes than may be, then none, and no descriptor more than before',
    async () => {
      const mark = markOf('store')
      const { statuses, most, descriptors } = await leave(
        processes(mark),
        () => processesWith(mark).length,
        await makeStore(),
      )
      // Usually both; where starting a process takes longer than it stays idle, there is room for everybody.
      expect([...statuses].filter((status) => status !== 503)).toEqual([200])
      expect(most).toBeGreaterThan(0)
      expect(most).toBeLessThanOrEqual(MAX_PROCESSES)
      expect(descriptors).toBeLessThanOrEqual(0)
    },
    TIMEOUT_MS,
  )

  test(
    'nor are servers of this process left',
    async () => {
      const { server, open } = instances()
      const { most, descriptors } = await leave(server, () => open.size, await makeStore())
      expect(most).toBeLessThanOrEqual(40)
      expect(descriptors).toBeLessThanOrEqual(0)
    },
    TIMEOUT_MS,
  )
}

describe.each(stores)('sessions of the %s store that are opened and abandoned', (_name, store) => {
  leavesNothing(() => Promise.resolve(store()))
})

describeRedis('sessions of the Redis store that are opened and abandoned', () => {
  const [, connect] = REDIS_CLIENTS[0]!
  let redis: Awaited<ReturnType<typeof startRedis>>
  let client: Awaited<ReturnType<typeof connect>>

  beforeAll(async () => {
    redis = await startRedis()
    client = await connect(redis.path)
  })
  afterAll(async () => {
    client.close()
    await redis.close()
  })

  leavesNothing(() => Promise.resolve(new RedisSessionStore({ client: client.client })))
})

test('none is left behind close()', async () => {
  const mark = markOf('close')
  const server = stdio({ command: 'sh', args: [SMALL, mark], maxProcesses: 50 })
  const gateway = await startGateway({ servers: { here: server } })
  await abandon(gateway.url('here'), 40, () => {})
  const pids = processesWith(mark)
  expect(pids).toHaveLength(40)
  await gateway.close()
  await untilGone(...pids)
})

test.each(['SIGTERM', 'SIGKILL', 'exit'] as const)('none is left when the app ends by %s', async (how) => {
  const mark = markOf(how)
  const app = fork(APP, [mark], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], execArgv: [] })
  const [port] = (await once(app, 'message')) as [number]
  await abandon(`http://127.0.0.1:${port}/small/mcp`, 40, () => {})
  const servers = (): number[] => processesWith(mark).filter((pid) => pid !== app.pid)
  expect(servers()).toHaveLength(40)
  const exited = once(app, 'exit')
  if (how === 'exit') app.send('exit')
  else app.kill(how)
  await exited
  while (servers().length > 0) await sleep(10)
})
