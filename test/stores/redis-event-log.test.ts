// Events in Redis: a real redis-server, through both client libraries.
import { RedisEventLog, type RedisEventLogOptions } from '../../lib/index.ts'
import { RedisCommands } from '../../lib/stores/redis.ts'
import { StreamWatch } from '../../lib/stores/stream-watch.ts'
import { eventLogContract } from '../../lib/testing.ts'
import { describeRedis, REDIS_CLIENTS, startRedis, type RedisConnection, type RunningRedis } from '../support/redis.ts'

describeRedis.each(REDIS_CLIENTS)('with the library %s', (_library, connect) => {
  let redis: RunningRedis
  let connections: RedisConnection[]

  function log(options: Partial<RedisEventLogOptions> = {}): RedisEventLog {
    const [client, blockingClient] = connections.map((connection) => connection.client)
    return new RedisEventLog({ client: client!, blockingClient: blockingClient!, ...options })
  }

  beforeAll(async () => {
    redis = await startRedis()
    connections = [await connect(redis.path), await connect(redis.path), await connect(redis.path)]
  })
  afterAll(async () => {
    for (const connection of connections) connection.close()
    await redis.close()
  })
  beforeEach(async () => {
    await redis.sendCommand('FLUSHALL')
  })

  describe('keeps the contract', () => {
    const createAnother = (): RedisEventLog => log({ blockingClient: connections[2]!.client })
    for (const { id, name, fn } of eventLogContract({ create: () => log(), createAnother })) test(`${id}: ${name}`, fn)
  })

  const name = { session: 'digest', stream: 'stream' }
  const event = (position: number) => ({ position, text: `event ${position}` })

  test('no more than maxEvents of a stream are kept: the oldest go first (SE8)', async () => {
    const events = log({ maxEvents: 3 })
    await events.append(name, [1, 2, 3, 4, 5].map(event))
    expect(await events.read(name, 0, 0)).toEqual([3, 4, 5].map(event))
    events.close()
  })

  test('every key goes by itself, ttlMs after the last event (SE8)', async () => {
    const events = log({ ttlMs: 60_000 })
    await events.append(name, [event(1)])
    await events.claim(name, 'me', 15_000)
    await redis.advance(40_000)
    await events.append(name, [event(2)])
    await redis.advance(40_000)
    expect(await events.read(name, 0, 0)).toHaveLength(2)
    await redis.advance(40_000)
    expect(await events.read(name, 0, 0)).toEqual([])
    const watched = events.read(name, 0, 200)
    events.close()
    await watched
    const left = (await redis.sendCommand('KEYS', '*')) as string[]
    for (const key of left) expect(Number(await redis.sendCommand('PTTL', key))).toBeGreaterThan(0)
  })

  test('an append is one round trip, and so is a read', async () => {
    const events = log()
    await redis.counted()
    await events.append(name, [event(1), event(2)])
    await events.read(name, 0, 0)
    expect(await redis.counted()).toMatchObject({ eval: 2, xrange: 1, xadd: 2 })
    events.close()
  })

  test('whoever waits is woken by events of its stream alone, each of them once', async () => {
    const events = log()
    const other = { ...name, stream: 'other' }
    const readings = [events.read(name, 0, 5_000), events.read(other, 0, 300)]
    const writer = log({ blockingClient: connections[2]!.client })
    while (((await redis.sendCommand('KEYS', '*:waiting')) as string[]).length < 2);
    await redis.counted()
    await writer.append(name, [event(1)])
    await writer.append(name, [event(2)])
    expect((await readings[0])!.length).toBeGreaterThan(0)
    expect(await readings[1]).toEqual([])
    // One read for each that was woken, and one that waits on; the second event found nobody to tell.
    const { xread, eval: scripts } = await redis.counted()
    expect(xread).toBeLessThanOrEqual(2)
    expect(scripts).toBeLessThanOrEqual(2 + 1 + 2)
    events.close()
    writer.close()
  })

  test('an inbox that nobody reads is bounded, and goes by itself', async () => {
    const [commands, blocking] = connections.map(
      ({ client }) => new RedisCommands(client, 30_000, 'client', 'RedisEventLog'),
    )
    const watch = new StreamWatch(commands!, blocking!, 'mcp:events:')
    const fill = "for at = 1, 12000 do redis.call('XADD', KEYS[1], '*', 'key', 'stream') end"
    await redis.sendCommand('EVAL', fill, '1', 'mcp:events:inbox:gone')
    watch.notify(['mcp:events:inbox:gone'], 'stream')
    await commands!.send('key', ['GET', 'key'])
    const entries = Number(await redis.sendCommand('XLEN', 'mcp:events:inbox:gone'))
    expect(entries).toBeGreaterThanOrEqual(10_000)
    expect(entries).toBeLessThan(10_200)
    expect(Number(await redis.sendCommand('PTTL', 'mcp:events:inbox:gone'))).toBeLessThanOrEqual(20_000)
  })

  test('a read gives no more at a time than a client may hold without reading it, and one event at least', async () => {
    const events = log()
    const large = (position: number, bytes: number) => ({ position, text: 'x'.repeat(bytes) })
    await events.append(name, [large(1, 263_000), large(2, 90_000), large(3, 90_000), large(4, 90_000), event(5)])
    const portions: number[][] = []
    for (let after = 0; after < 5; after = portions.at(-1)!.at(-1)!) {
      portions.push((await events.read(name, after, 0)).map(({ position }) => position))
    }
    expect(portions).toEqual([[1], [2, 3], [4, 5]])
    events.close()
  })

  test('a Redis that says nothing is an error in time, not a hang', async () => {
    const events = log({ timeoutMs: 50 })
    redis.stop()
    try {
      await expect(events.append(name, [event(1)])).rejects.toThrow('did not answer EVAL in time')
      await expect(events.read(name, 0, 0)).rejects.toThrow('did not answer EVAL in time')
    } finally {
      redis.go()
    }
    events.close()
  })
})

describe('misuse is a TypeError that says the cure', () => {
  const [client, blockingClient] = [{ call: async () => {} }, { call: async () => {} }]

  test.each([
    [undefined, /"client" of RedisEventLog must be a client of redis or ioredis itself/],
    [{ blockingClient }, /"client" of RedisEventLog must be/],
    [{ client }, /"blockingClient" of RedisEventLog must be a client/],
    [
      { client, blockingClient: client },
      /"blockingClient" of RedisEventLog must be another connection, such as client\./,
    ],
    [{ sendCommand: client.call }, /"sendCommand" of RedisEventLog is gone: give the client itself, as "client"/],
    [{ client, blockingClient, prefix: '{}' }, /"prefix" of RedisEventLog must be text/],
    [{ client, blockingClient, maxEvents: 0 }, /"maxEvents" of RedisEventLog must be a positive integer, not 0/],
    [{ client, blockingClient, ttlMs: 0.5 }, /"ttlMs" of RedisEventLog must be a positive integer, not 0\.5/],
  ])('%j', (options, message) => {
    const make = (): unknown => new RedisEventLog(options as unknown as RedisEventLogOptions)
    expect(make).toThrow(TypeError)
    expect(make).toThrow(message)
  })
})
