// Sessions and events in a Redis that Sentinel watches: a replica is promoted, through both client libraries.
import { setTimeout as delay } from 'node:timers/promises'
import { RedisEventLog, RedisSessionStore, type SessionRecord } from '../../lib/index.ts'
import { describeRedis, type RedisConnection } from '../support/redis.ts'
import { REDIS_SENTINEL_CLIENTS, startRedisSentinel, type RunningRedisSentinel } from '../support/redis-sentinel.ts'

const RECORD: SessionRecord = {
  server: 'weather',
  principal: 'ann',
  protocolVersion: '2025-11-25',
  upstream: { upstream: 'digest', protocolVersion: '2025-11-25', id: 'upstream-1' },
}
const event = (position: number) => ({ position, text: `event ${position}` })

describeRedis('a replica that Sentinel promotes', () => {
  let redis: RunningRedisSentinel
  beforeAll(async () => {
    redis = await startRedisSentinel()
  })
  afterAll(() => redis.close())

  test('ER9 SE8 has the sessions and events that were replicated, and takes more, with both libraries', async () => {
    const nodes = await Promise.all(
      REDIS_SENTINEL_CLIENTS.map(async ([library, connect]) => {
        const connections: RedisConnection[] = [await connect(redis.port), await connect(redis.port)]
        const [client, blockingClient] = connections.map((connection) => connection.client)
        const sessions = new RedisSessionStore({ client: client!, timeoutMs: 2_000 })
        const events = new RedisEventLog({ client: client!, blockingClient: blockingClient!, timeoutMs: 2_000 })
        const name = { session: 'digest', stream: library }
        return { connections, sessions, events, name, id: await sessions.create(RECORD) }
      }),
    )
    for (const { events, name } of nodes) await events.append(name, [event(1)])
    expect(Number(await nodes[0]!.connections[0]!.sendCommand('WAIT', '1', '5000'))).toBe(1)
    await redis.killMaster()
    await Promise.all(
      nodes.map(async ({ sessions, events, name, id }) => {
        const until = async <T>(operation: () => Promise<T>): Promise<T> => {
          for (;;) {
            try {
              return await operation()
            } catch {
              await delay(20)
            }
          }
        }
        expect(await until(async () => sessions.get(id))).toEqual(RECORD)
        expect(await until(async () => events.append(name, [event(2)]))).toBe(true)
        expect(await events.read(name, 0, 0)).toEqual([event(1), event(2)])
        expect(await sessions.create(RECORD)).toEqual(expect.any(String))
        events.close()
      }),
    )
    for (const { connections } of nodes) for (const connection of connections) connection.close()
  })
})
