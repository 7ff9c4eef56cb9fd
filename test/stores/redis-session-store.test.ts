// Sessions in Redis: a real redis-server that is stopped, killed and started again, through both client libraries.
import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import {
  RedisSessionStore,
  type GatewayError,
  type RedisSessionStoreOptions,
  type SessionRecord,
} from '../../lib/index.ts'
import { sessionStoreContract } from '../../lib/testing.ts'
import { startGateway, type RunningGateway } from '../support/gateway.ts'
import { describeRedis, REDIS_CLIENTS, startRedis, type RedisConnection, type RunningRedis } from '../support/redis.ts'
import { initialize, type Answer, type Session } from '../support/rpc.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

const { jest } = import.meta
const MINUTE = 60_000
/** An id as the store makes them. */
const ID = Buffer.from('7f'.repeat(30), 'hex').toString('base64url')
const RECORD: SessionRecord = {
  server: 'weather',
  principal: 'ann',
  protocolVersion: '2025-11-25',
  upstream: { upstream: 'digest', protocolVersion: '2025-11-25', id: 'upstream-1' },
}

describeRedis.each(REDIS_CLIENTS)('with the library %s', (_library, connect) => {
  let redis: RunningRedis
  let connection: RedisConnection
  const store = (options: Partial<RedisSessionStoreOptions> = {}): RedisSessionStore =>
    new RedisSessionStore({ client: connection.client, ...options })

  beforeAll(async () => {
    redis = await startRedis()
    connection = await connect(redis.path)
  })
  afterAll(async () => {
    connection.close()
    await redis.close()
  })
  afterEach(() => {
    jest.restoreAllMocks()
  })
  beforeEach(async () => {
    await redis.sendCommand('FLUSHALL')
    await redis.counted()
  })

  describe('keeps the contract', () => {
    const limits = { ttlMs: MINUTE, lifetimeMs: 5 * MINUTE, maxSessionsPerPrincipal: 3 }
    const contract = sessionStoreContract({ create: () => store(limits), ...limits, wait: advance })
    for (const { id, name, fn } of contract) test(`SS1 ${id}: ${name}`, fn)
  })

  /** Lets time pass for Redis and for us. */
  async function advance(ms: number): Promise<void> {
    const now = Date.now()
    jest.spyOn(Date, 'now').mockReturnValue(now + ms)
    await redis.advance(ms)
  }

  const allKeys = async (): Promise<string[]> => ((await redis.sendCommand('KEYS', '*')) as string[]).toSorted()
  /** Those of sessions. */
  const keys = async (): Promise<string[]> => (await allKeys()).filter((key) => !key.includes('owner:'))

  async function timeLeft(): Promise<number> {
    const [key] = await keys()
    return Number(await redis.sendCommand('PTTL', key!))
  }

  test('SS11 each use has Redis count ttlMs anew', async () => {
    const sessions = store({ ttlMs: 10 * MINUTE })
    const id = await sessions.create(RECORD)
    const uses = [() => sessions.get(id), () => sessions.update(id, RECORD)]
    for (const use of uses) {
      await redis.advance(8 * MINUTE)
      expect(await timeLeft()).toBeLessThanOrEqual(2 * MINUTE)
      await use()
      expect(await timeLeft()).toBeGreaterThan(9 * MINUTE)
    }
  })

  test('a session lives for 30 minutes by default', async () => {
    await store().create(RECORD)
    expect(Math.ceil((await timeLeft()) / MINUTE)).toBe(30)
  })

  test('SS3 a session lives for 24 hours at most by default, used or not, and Redis itself ends it then', async () => {
    const sessions = store()
    const id = await sessions.create(RECORD)
    for (let minute = 0; minute < 24 * 60 - 20; minute += 20) {
      await advance(20 * MINUTE)
      expect(await sessions.get(id)).toEqual(RECORD)
    }
    expect(Math.ceil((await timeLeft()) / MINUTE)).toBe(20)
    await sessions.update(id, RECORD)
    expect(Math.ceil((await timeLeft()) / MINUTE)).toBe(20)
    await redis.advance(20 * MINUTE)
    expect(await allKeys()).toEqual([])
  })

  test('a ttlMs beyond a day is not cut short', async () => {
    await store({ ttlMs: 48 * 60 * MINUTE }).create(RECORD)
    expect(Math.ceil((await timeLeft()) / MINUTE)).toBe(48 * 60)
  })

  test("SS3 SC5 a session's end cannot be put off by whoever holds its id", async () => {
    const sessions = store({ lifetimeMs: MINUTE })
    const id = await sessions.create(RECORD)
    const bytes = Buffer.from(id, 'base64url')
    bytes.writeUIntBE(Date.now() + 60 * MINUTE, 24, 6)
    expect(await sessions.get(bytes.toString('base64url'))).toBeUndefined()
    expect(await timeLeft()).toBeLessThanOrEqual(MINUTE)
    await advance(MINUTE)
    await redis.counted()
    expect(await sessions.get(id)).toBeUndefined()
    await sessions.update(id, RECORD)
    expect(await redis.counted()).toEqual({})
    expect(await keys()).toEqual([])
  })

  test('SC6 sessions that Redis has ended are not counted, and no note of them outlives the last', async () => {
    const sessions = store({ ttlMs: MINUTE, lifetimeMs: 10 * MINUTE, maxSessionsPerPrincipal: 2 })
    const kept = await sessions.create(RECORD)
    await sessions.create(RECORD)
    await advance(0.6 * MINUTE)
    expect(await sessions.get(kept)).toEqual(RECORD)
    await advance(0.6 * MINUTE)
    const newest = await sessions.create(RECORD)
    for (const id of [kept, newest]) expect(await sessions.get(id)).toEqual(RECORD)
    expect(await allKeys()).toHaveLength(3)
    await redis.advance(10 * MINUTE)
    expect(await allKeys()).toEqual([])
  })

  test('SC6 a cap that was lowered holds from the next session on', async () => {
    const ids: string[] = []
    for (let count = 0; count < 5; count += 1) ids.push(await store().create(RECORD))
    ids.push(await store({ maxSessionsPerPrincipal: 2 }).create(RECORD))
    expect(await keys()).toHaveLength(2)
    expect(await store().get(ids.at(-1)!)).toEqual(RECORD)
  })

  test('SC6 a cap holds for sessions that two nodes open at once', async () => {
    const another = await connect(redis.path)
    try {
      const nodes = [connection, another].map(
        ({ client }) => new RedisSessionStore({ client, maxSessionsPerPrincipal: 3 }),
      )
      await Promise.all(Array.from({ length: 40 }, (_, index) => nodes[index % 2]!.create(RECORD)))
      expect(await keys()).toHaveLength(3)
    } finally {
      another.close()
    }
  })

  test('each method is one command, and create() one script where it counts', async () => {
    const sessions = store({ maxSessionsPerPrincipal: Infinity })
    const id = await sessions.create(RECORD)
    expect(await redis.counted()).toEqual({ set: 1 })
    await store().create({ ...RECORD, principal: '' })
    expect(await redis.counted()).toEqual({ set: 1 })
    await store().create(RECORD)
    expect(await redis.counted()).toEqual({ eval: 1, set: 1, scard: 1, sadd: 1, pexpire: 1 })
    await sessions.get(id)
    await sessions.get('unknown')
    expect(await redis.counted()).toEqual({ getex: 1 })
    await sessions.update(id, RECORD)
    expect(await redis.counted()).toEqual({ set: 1 })
    await sessions.delete(id)
    expect(await redis.counted()).toEqual({ del: 1 })
  })

  test('SC7 who reads the database finds no id in it', async () => {
    const id = await store().create(RECORD)
    const [key, ...others] = await keys()
    expect(others).toEqual([])
    expect(key).toBe(`mcp:session:{${id.slice(-4)}}${createHash('sha256').update(id).digest('base64url')}`)
    expect(JSON.parse(String(await redis.sendCommand('GET', key!)))).toEqual(RECORD)
    expect(await store().get(key!.slice('mcp:session:{tag_}'.length))).toBeUndefined()
    expect(await store().get(key!)).toBeUndefined()
  })

  test('a session of 0.1, whose id and keys have no hash tag, is used and ended as any other', async () => {
    const bytes = Buffer.alloc(30, 7)
    bytes.writeUIntBE(Date.now() + 60 * MINUTE, 24, 6)
    const id = bytes.toString('base64url')
    const key = `mcp:session:${createHash('sha256').update(id).digest('base64url')}`
    await redis.sendCommand('SET', key, JSON.stringify(RECORD), 'PX', '1000')
    expect(await store().get(id)).toEqual(RECORD)
    expect(await timeLeft()).toBeGreaterThan(29 * MINUTE)
    await store().update(id, { ...RECORD, protocolVersion: '2025-06-18' })
    expect(await store().get(id)).toMatchObject({ protocolVersion: '2025-06-18' })
    await store().delete(id)
    expect(await allKeys()).toEqual([])
  })

  test('SS7 a prefix keeps gateways apart that share a database', async () => {
    const [one, other] = [store({ prefix: 'one:' }), store({ prefix: 'other:' })]
    const id = await one.create(RECORD)
    expect(await keys()).toEqual([expect.stringMatching(/^one:\{[\w-]{4}\}[\w-]{43}$/)])
    expect(await other.get(id)).toBeUndefined()
    await other.delete(id)
    await other.update(id, { ...RECORD, principal: 'bob' })
    expect(await one.get(id)).toEqual(RECORD)
  })

  test('another connection, as of another node, finds what this one keeps', async () => {
    const another = await connect(redis.path)
    try {
      const there = new RedisSessionStore({ client: another.client })
      const id = await store().create(RECORD)
      expect(await there.get(id)).toEqual(RECORD)
      await there.delete(id)
      expect(await store().get(id)).toBeUndefined()
    } finally {
      another.close()
    }
  })

  test('a key that holds something else than text is an error of Redis, not a session', async () => {
    const sessions = store()
    await sessions.create(RECORD)
    const [key] = await keys()
    await redis.sendCommand('DEL', key!)
    const id = await sessions.create(RECORD)
    const [held] = await keys()
    await redis.sendCommand('DEL', held!)
    await redis.sendCommand('RPUSH', held!, 'x')
    await expect(sessions.get(id)).rejects.toThrow('WRONGTYPE')
  })

  describe('a gateway', () => {
    let upstream: Upstream
    let gateway: RunningGateway

    beforeEach(async () => {
      upstream = await startUpstream()
    })
    afterEach(async () => {
      await gateway.close()
      await upstream.close()
    })

    async function start(options: Partial<RedisSessionStoreOptions> = {}): Promise<void> {
      gateway = await startGateway({
        servers: { weather: { url: upstream.url } },
        authenticate: ({ headers }) => ({ id: String(headers['x-user']) }),
        sessions: store(options),
      })
    }

    const open = (user: string): Promise<Session> => initialize(gateway.url('weather'), { headers: { 'x-user': user } })

    test('asks Redis once for each request of a session', async () => {
      await start()
      const session = await open('ann')
      await redis.counted()
      for (let count = 0; count < 5; count += 1) expect((await session.request('ping')).status).toBe(200)
      expect(await redis.counted()).toEqual({ getex: 5 })
      expect((await session.end()).status).toBe(200)
      expect(await redis.counted()).toEqual({ getex: 1, del: 1 })
    })

    test('SC7 ER9 answers 503 and Retry-After while Redis is stopped, tells onError, and goes on when it goes on', async () => {
      await start({ timeoutMs: 1_000 })
      const session = await open('ann')
      redis.stop()
      try {
        const answers = await Promise.all([
          session.request('ping'),
          session.end(),
          initialize(gateway.url('weather'), { headers: { 'x-user': 'ann' } }).then(
            () => 'opened',
            (error: Error) => error.message,
          ),
        ])
        const refusal = {
          status: 503,
          headers: expect.objectContaining({ 'retry-after': '1' }),
          message: { error: { code: 503, message: 'The session store is unavailable' } },
        }
        expect(answers).toMatchObject([
          refusal,
          { ...refusal, message: {} },
          expect.stringMatching(/^initialize: 503 /),
        ])
      } finally {
        redis.go()
      }
      const told = gateway.reported.entries.map(({ error }) => (error as GatewayError).cause)
      expect(told.map(String).toSorted()).toEqual([
        'Error: Redis did not answer EVAL in time',
        'Error: Redis did not answer GETEX in time',
        'Error: Redis did not answer GETEX in time',
      ])
      expect((await session.request('ping')).status).toBe(200)
      // The upstream session that the gateway could not keep is ended there.
      await upstream.nextRequest('DELETE')
      expect(upstream.sessions.size).toBe(1)
    })

    test('a listener stays while Redis is away', async () => {
      await start({ timeoutMs: 1_000 })
      const session = await open('ann')
      const listening = session.listen()
      const stream = await upstream.nextRequest('GET')
      const listener = await listening
      redis.stop()
      try {
        expect((await session.request('ping')).status).toBe(503)
        void stream.stream().send({ method: 'notifications/tools/list_changed' })
        expect(await listener.nextMessage()).toMatchObject({ method: 'notifications/tools/list_changed' })
      } finally {
        redis.go()
        listener.close()
      }
    })

    test('ER9 SS6 SC7 comes back by itself when Redis was killed under load, and everybody in their own session', async () => {
      await start({ timeoutMs: 1_500 })
      upstream.on('tools/call', (exchange) =>
        exchange.result({ content: [], session: exchange.headers['mcp-session-id'] }),
      )
      const users = await Promise.all(Array.from({ length: 8 }, (_, index) => open(`user-${index}`)))
      const said = await Promise.all(users.map(ask))
      const own = said.map(({ message }) => message!.result)
      expect(new Set(own.map((result) => JSON.stringify(result))).size).toBe(users.length)

      const statuses = new Set<number>()
      let isOver = false
      const load = users.map(async (user, index) => {
        for (let last = 0; !isOver || last !== 200;) {
          const { status, headers, message } = await ask(user)
          statuses.add((last = status))
          if (status === 200) expect(message!.result).toEqual(own[index])
          else expect(headers['retry-after']).toBe('1')
          // Redis is being started meanwhile, which needs the processor, too.
          await delay(5)
        }
      })
      await redis.kill()
      await until(() => statuses.has(503))
      await redis.start()
      isOver = true
      await Promise.all(load)
      expect(new Set(statuses)).toEqual(new Set([200, 503]))
      expect(upstream.requests('initialize')).toHaveLength(users.length)
      const stolen = await initialize(gateway.url('weather'), { headers: { 'x-user': 'eve' } })
      const theft = await stolen.post({ jsonrpc: '2.0', id: 1, method: 'ping' }, { 'mcp-session-id': users[0]!.id })
      expect(theft.status).toBe(404)
    })
  })
})

function ask(session: Session): Promise<Answer> {
  return session.request('tools/call', { name: 'whoami' })
}

/** Other tests run meanwhile; there is no event for what a loop of requests has seen. */
async function until(test: () => boolean): Promise<void> {
  while (!test()) await delay(5)
}

describe('a client that', () => {
  const over = (sendCommand: unknown, timeoutMs = 50): RedisSessionStore =>
    new RedisSessionStore({ client: { call: sendCommand as never }, timeoutMs })

  const all = (store: RedisSessionStore): Array<Promise<unknown>> => [
    store.create(RECORD),
    store.get(ID),
    store.update(ID, RECORD),
    store.delete(ID),
  ]

  test.each([
    ['rejects', () => Promise.reject(new Error('READONLY'))],
    [
      'throws',
      () => {
        throw new Error('READONLY')
      },
    ],
  ])('%s is heard of', async (_, sendCommand) => {
    for (const asked of all(over(sendCommand))) await expect(asked).rejects.toThrow('READONLY')
  })

  test('never answers is given up after timeoutMs, by name of the command', async () => {
    const asked = await Promise.allSettled(all(over(() => new Promise(() => {}))))
    expect(asked.map((each) => String((each as PromiseRejectedResult).reason))).toEqual(
      ['EVAL', 'GETEX', 'SET', 'DEL'].map((command) => `Error: Redis did not answer ${command} in time`),
    )
  })

  test('rejects when it has been given up troubles nobody', async () => {
    let reject: (error: Error) => void = () => {}
    const asked = over(
      () =>
        new Promise((_, refuse) => {
          reject = refuse
        }),
    ).get(ID)
    await expect(asked).rejects.toThrow('in time')
    reject(new Error('Socket closed'))
    await new Promise(setImmediate)
  })

  test('answers in Buffers is understood', async () => {
    const answers = [Buffer.from('OK'), Buffer.from(JSON.stringify(RECORD))]
    const store = over(() => Promise.resolve(answers.shift()))
    expect(await store.get(await store.create(RECORD).then(() => ID))).toEqual(RECORD)
  })

  test.each([undefined, 1, true, [], {}, 'QUEUED'])(
    'answers %p has not kept a session, and has not said that there is none',
    async (answer) => {
      const store = over(() => Promise.resolve(answer))
      await expect(store.create(RECORD)).rejects.toThrow('Redis did not keep the session')
      await expect(store.get(ID)).rejects.toThrow(/./)
    },
  )

  test('has no session to give is believed', async () => {
    await expect(over(() => Promise.resolve(null)).get(ID)).resolves.toBeUndefined()
  })

  test('has a session of that id already does not lend it', async () => {
    await expect(over(() => Promise.resolve(null)).create(RECORD)).rejects.toThrow('Redis did not keep the session')
  })

  test('no timer of the store keeps the process alive', async () => {
    const timeouts = (): number => process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length
    const before = timeouts()
    let answer: (value: null) => void = () => {}
    const asked = over(
      () =>
        new Promise((resolve) => {
          answer = resolve
        }),
      MINUTE,
    ).get(ID)
    expect(timeouts()).toBe(before)
    answer(null)
    await asked
  })
})

describe('misuse is a TypeError that says the cure', () => {
  const client = { call: (): Promise<null> => Promise.resolve(null) }
  const noClient = /"client" of RedisSessionStore must be a client of redis or ioredis itself, or an object with call/

  test.each([
    [undefined, noClient],
    [{}, noClient],
    [{ client: null }, noClient],
    [{ client: {} }, noClient],
    [{ client: (...args: string[]) => args }, noClient],
    [{ sendCommand: client.call }, /"sendCommand" of RedisSessionStore is gone: give the client itself, as "client"/],
    [
      { client, prefix: 'a}b:' },
      /"prefix" of RedisSessionStore must be text, with no braces but those of one hash tag/,
    ],
    [{ client, prefix: '{}:' }, /"prefix" of RedisSessionStore must be text/],
    [{ client, prefix: 1 }, /"prefix" of RedisSessionStore must be text/],
    [{ client, ttlMs: 0 }, /"ttlMs" of RedisSessionStore must be a positive integer, not 0/],
    [{ client, ttlMs: 1.5 }, /"ttlMs" of RedisSessionStore must be a positive integer, not 1\.5/],
    [{ client, ttlMs: '60' }, /"ttlMs" of RedisSessionStore must be a positive integer, not 60/],
    [{ client, lifetimeMs: Infinity }, /"lifetimeMs" of RedisSessionStore must be a positive integer/],
    [{ client, maxSessionsPerPrincipal: 0 }, /"maxSessionsPerPrincipal" of RedisSessionStore must be a positive/],
    [{ client, timeoutMs: Infinity }, /"timeoutMs" of RedisSessionStore must be a positive integer/],
  ])('%j', (options, message) => {
    const make = (): unknown => new RedisSessionStore(options as never)
    expect(make).toThrow(TypeError)
    expect(make).toThrow(message)
  })
})
