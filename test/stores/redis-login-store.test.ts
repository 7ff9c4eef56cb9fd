// The login's store in a real Redis, through both client libraries.
import { loginStoreContract } from '../../lib/testing.ts'
import { RedisLoginStore } from '../../lib/stores/redis-login-store.ts'
import { describeRedis, REDIS_CLIENTS, type RedisConnection, type RunningRedis, startRedis } from '../support/redis.ts'

describeRedis.each(REDIS_CLIENTS)('with the library %s', (_library, connect) => {
  let redis: RunningRedis
  let connections: RedisConnection[]
  beforeAll(async () => {
    redis = await startRedis()
    connections = await Promise.all([connect(redis.path), connect(redis.path)])
  })
  afterAll(async () => {
    for (const { close } of connections) close()
    await redis.close()
  })

  const storeOf = (index: number) => new RedisLoginStore({ client: connections[index]!.client })
  const contract = loginStoreContract({
    create: () => storeOf(0),
    createAnother: () => storeOf(1),
    wait: (ms) => redis.advance(ms),
  })
  for (const { id, name, fn } of contract) test(`${id}: ${name}`, fn)
})

test('refuses what is no client, a prefix with braces, and a time limit of nothing', () => {
  const client = { call: async () => null }
  expect(() => new RedisLoginStore({} as never)).toThrow(/"client" of RedisLoginStore/)
  expect(() => new RedisLoginStore({ client, prefix: 'a{b' })).toThrow(/"prefix" of RedisLoginStore/)
  expect(() => new RedisLoginStore({ client, timeoutMs: 0 })).toThrow(/"timeoutMs" of RedisLoginStore/)
})

test('a client of another library has no subscription, and says so by having no publish()', () => {
  const store = new RedisLoginStore({ client: { call: async () => null } })
  expect([store.publish, store.subscribe]).toEqual([undefined, undefined])
})
