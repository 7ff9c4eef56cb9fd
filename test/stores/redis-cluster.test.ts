// Sessions and events in a Redis Cluster: three masters with a replica each, through both client libraries.
import { setTimeout as delay } from 'node:timers/promises'
import { Cluster as IoRedisCluster } from 'ioredis'
import { RedisEventLog, RedisSessionStore, type SessionRecord } from '../../lib/index.ts'
import { eventLogContract, sessionStoreContract } from '../../lib/testing.ts'
import { describeRedis, type RedisConnection } from '../support/redis.ts'
import { REDIS_CLUSTER_CLIENTS, startRedisCluster, type RunningRedisCluster } from '../support/redis-cluster.ts'

const { jest } = import.meta
const MINUTE = 60_000
const RECORD: SessionRecord = {
  server: 'weather',
  principal: 'ann',
  protocolVersion: '2025-11-25',
  upstream: { upstream: 'digest', protocolVersion: '2025-11-25', id: 'upstream-1' },
}

describeRedis('in a Redis Cluster', () => {
  let redis: RunningRedisCluster
  beforeAll(async () => {
    redis = await startRedisCluster()
  })
  afterAll(() => redis.close())

  describe.each(REDIS_CLUSTER_CLIENTS)('with the library %s', (_library, connect) => {
    let connections: RedisConnection[]
    beforeAll(async () => {
      connections = await Promise.all([1, 2, 3].map(() => connect(redis.ports)))
    })
    afterAll(() => {
      for (const connection of connections) connection.close()
    })
    afterEach(() => {
      jest.restoreAllMocks()
    })
    beforeEach(() => redis.flush())

    const sessions = (options: object = {}): RedisSessionStore =>
      new RedisSessionStore({ client: connections[0]!.client, ...options })
    const events = (blocking = 1): RedisEventLog =>
      new RedisEventLog({ client: connections[0]!.client, blockingClient: connections[blocking]!.client })

    /** Lets time pass for Redis and for us. */
    async function advance(ms: number): Promise<void> {
      const now = Date.now()
      jest.spyOn(Date, 'now').mockReturnValue(now + ms)
      await redis.advance(ms)
    }

    describe('sessions keep the contract', () => {
      const limits = { ttlMs: MINUTE, lifetimeMs: 5 * MINUTE, maxSessionsPerPrincipal: 3 }
      const contract = sessionStoreContract({ create: () => sessions(limits), ...limits, wait: advance })
      for (const { id, name, fn } of contract) test(`SS1 ${id}: ${name}`, fn)
    })

    describe('events keep the contract', () => {
      const contract = eventLogContract({ create: () => events(), createAnother: () => events(2) })
      for (const { id, name, fn } of contract) test(`SE7 ${id}: ${name}`, fn)
    })

    test('sessions and events are spread over all masters', async () => {
      const [store, log] = [sessions(), events()]
      for (let index = 0; index < 60; index += 1) await store.create({ ...RECORD, principal: `user-${index}` })
      for (const keys of await redis.keys()) expect(keys.length).toBeGreaterThan(8)
      await redis.flush()
      for (let index = 0; index < 60; index += 1) await store.create({ ...RECORD, principal: '' })
      for (const keys of await redis.keys()) expect(keys.length).toBeGreaterThan(4)
      await redis.flush()
      for (let index = 0; index < 60; index += 1) {
        await log.append({ session: 'digest', stream: `s${index}` }, [{ position: 1, text: '' }])
      }
      for (const keys of await redis.keys()) expect(keys.length).toBeGreaterThan(4)
      log.close()
    })

    test.each(['mcp:', '{mcp}:', 'a:{mcp}'])(
      'any prefix keeps what belongs together in one slot: %s',
      async (prefix) => {
        const [client, blockingClient] = connections.map((connection) => connection.client)
        const store = sessions({ prefix, maxSessionsPerPrincipal: 2 })
        for (let index = 0; index < 4; index += 1) await store.create(RECORD)
        expect((await redis.keys()).flat()).toHaveLength(3)
        const log = new RedisEventLog({ client: client!, blockingClient: blockingClient!, prefix })
        const name = { session: 'digest', stream: 'stream' }
        const reading = log.read(name, 0, 5_000)
        await log.append(name, [{ position: 1, text: 'event' }])
        expect(await reading).toHaveLength(1)
        log.close()
      },
    )

    test('an event is heard of at once by whoever waits at another node, however the streams lie', async () => {
      const [log, other] = [events(), events(2)]
      const names = Array.from({ length: 12 }, (_, index) => ({ session: 'digest', stream: `s${index}` }))
      const readings = names.map((name) => other.read(name, 0, 30_000))
      // All have looked, and wait, once there is a set of inboxes for each.
      while ((await redis.keys()).flat().filter((key) => key.endsWith(':waiting')).length < names.length);
      const appendedAt = performance.now()
      for (const name of names) await log.append(name, [{ position: 1, text: 'event' }])
      expect((await Promise.all(readings)).map((found) => found.length)).toEqual(names.map(() => 1))
      expect(performance.now() - appendedAt).toBeLessThan(4_500)
      expect((await redis.keys()).flat().filter((key) => key.endsWith(':waiting'))).toEqual([])
      log.close()
      other.close()
    })

    test('a slot that moves to another master takes its sessions and streams along (ASK, then MOVED)', async () => {
      const [store, log] = [sessions(), events()]
      const id = await store.create(RECORD)
      const name = { session: 'digest', stream: 'stream' }
      await log.append(name, [{ position: 1, text: 'one' }])
      const keys = (await redis.keys()).flat()
      let pending: Promise<unknown>[] = []
      const use = async (): Promise<void> => {
        expect(await store.get(id)).toEqual(RECORD)
        expect(await log.claim(name, 'me', MINUTE)).toBe(true)
        expect(await log.last(name)).toEqual({ position: 1, text: 'one' })
        // Of several keys some may be here and some there: Redis has them tried again.
        pending = [store.create(RECORD), log.append(name, [{ position: 2, text: 'two' }])]
        await expect(Promise.race([...pending, delay(100, 'not yet')])).resolves.toBe('not yet')
      }
      const move = (part: string, during: () => Promise<void>): Promise<void> =>
        redis.migrate(
          keys.find((key) => key.includes(part))!,
          during,
        )
      await move('session', () => move('events', use))
      expect(await Promise.all(pending)).toEqual([expect.any(String), true])
      expect(await log.read(name, 0, 0)).toHaveLength(2)
      log.close()
    })
  })
  test('a keyPrefix of the client, which would part keys of one slot, is a TypeError that says the cure', () => {
    const clients = [1, 2].map(() => new IoRedisCluster([], { keyPrefix: 'mcp:', lazyConnect: true }))
    const [client, blockingClient] = clients
    const make = (options: object = {}): RedisEventLog =>
      new RedisEventLog({ client: client!, blockingClient: blockingClient!, ...options })
    expect(() => make()).toThrow(TypeError)
    expect(() => make()).toThrow('must not have a "keyPrefix" in a cluster: use the option "prefix" of RedisEventLog')
    expect(() => make({ prefix: '{events}:' })).not.toThrow()
    for (const each of clients) each.disconnect()
  })
})
