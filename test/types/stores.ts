// Compile-only: a store may be sync or async, a class or an object, and leave out what is optional.
import { Cluster, Redis } from 'ioredis'
import { createClient, createClientPool, createCluster, createSentinel } from 'redis'
import {
  type GatewayError,
  MemorySessionStore,
  type RedisClient,
  RedisEventLog,
  RedisSessionStore,
  type SessionHost,
  type SessionRecord,
  type SessionStore,
  type UpstreamState,
  mcpGateway,
} from '../../lib/index.ts'
import { sessionStoreContract } from '../../lib/testing.ts'

// The smallest store: three synchronous methods.
const records = new Map<string, SessionRecord>()
const smallest: SessionStore = {
  create(record) {
    const id = crypto.randomUUID()
    records.set(id, record)
    return id
  },
  get: (id) => records.get(id),
  delete: (id) => void records.delete(id),
}

// All of it, with promises.
class Remote implements SessionStore {
  async create(record: SessionRecord): Promise<string> {
    return JSON.stringify(record)
  }
  async get(id: string): Promise<SessionRecord | undefined> {
    return JSON.parse(id) as SessionRecord
  }
  async update(_id: string, _record: SessionRecord): Promise<void> {}
  async delete(_id: string): Promise<void> {}
  async close(): Promise<void> {}
}

// One that ends sessions by itself, but none that is in use.
class Expiring extends Remote {
  #host: SessionHost | undefined
  attach(host: SessionHost): void {
    this.#host = host
  }
  expire(id: string, record: SessionRecord): void {
    const inUse: ReadonlySet<string> | undefined = this.#host?.inUse()
    if (!inUse?.has(id)) this.#host?.ended(id, record)
    // @ts-expect-error all of them are asked for at once
    this.#host?.inUse(id)
    // @ts-expect-error what is in use is not for a store to change
    inUse?.add(id)
  }
}

for (const sessions of [smallest, new Remote(), new Expiring(), new MemorySessionStore(), undefined]) {
  mcpGateway({ servers: {}, authenticate: false, sessions })
}

// What a record keeps of the conversation behind is a tree, plain JSON all the way down.
const client = { handshake: { capabilities: {} }, subscriptions: { 'file:///a': { uri: 'file:///a' } } }
const member: UpstreamState = { upstream: 'b', protocolVersion: '2025-06-18', id: '1', client }
const upstream: UpstreamState = { upstream: 'a', protocolVersion: '2025-11-25', members: { member } }
const record: SessionRecord = { server: 'a', principal: '', protocolVersion: '2025-11-25', upstream }
void smallest.create(JSON.parse(JSON.stringify(record)) as SessionRecord)
// @ts-expect-error as 0.1 kept it: the upstream's session id alone
void smallest.create({ ...record, upstream: '1' })
// @ts-expect-error JSON has no `undefined`
void smallest.create({ ...record, upstream: { ...member, id: undefined } })

// @ts-expect-error a store without `get` is none
mcpGateway({ servers: {}, authenticate: false, sessions: { create: () => '1', delete: () => {} } })

// The contract takes a store to be, and belongs to no test runner.
void sessionStoreContract

// Errors are told apart by `code`, a union and not any string.
declare const error: GatewayError
// @ts-expect-error no such code
void (error.code === 'NO_SUCH_CODE')

// Redis: the clients of both libraries themselves, of one server, of a cluster and behind Sentinel, and anything with call().
const redisClients: RedisClient[] = [
  createClient(),
  createClient({ RESP: 3 }),
  createClientPool(),
  createCluster({ rootNodes: [] }),
  createSentinel({ name: 'main', sentinelRootNodes: [] }),
  new Redis(),
  new Cluster([]),
  { call: (command: string, ...args: string[]) => Promise.resolve([command, ...args]) },
]
for (const redisClient of redisClients) {
  const sessions = new RedisSessionStore({ client: redisClient })
  const events = new RedisEventLog({ client: redisClient, blockingClient: redisClient })
  mcpGateway({ servers: {}, authenticate: false, sessions, events })
}
// @ts-expect-error the second connection is needed
void new RedisEventLog({ client: createClient() })
// @ts-expect-error no client has neither method
void new RedisSessionStore({ client: { get: () => Promise.resolve(null) } })
// @ts-expect-error 0.1 took a function
void new RedisSessionStore({ sendCommand: (...args: string[]) => createClient().sendCommand(args) })
