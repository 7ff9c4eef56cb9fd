// Two gateways on one Redis Cluster, one with each client library, also while a master is killed under load.
import { setTimeout as delay } from 'node:timers/promises'
import { RedisEventLog, RedisSessionStore } from '../lib/index.ts'
import { startGateway, type RunningGateway } from './support/gateway.ts'
import { describeRedis, type RedisConnection } from './support/redis.ts'
import { REDIS_CLUSTER_CLIENTS, startRedisCluster, type RunningRedisCluster } from './support/redis-cluster.ts'
import { initialize, openStream, post, type Answer, type OpenStream, type Session } from './support/rpc.ts'
import { startUpstream, type EventStream, type RpcMessage, type Upstream } from './support/upstream.ts'

const call = { jsonrpc: '2.0', id: 'call-1', method: 'tools/call', params: { name: 'slow' } }
const answer: RpcMessage = { jsonrpc: '2.0', id: 'call-1', result: { content: [] } }
const progress = (step: number): RpcMessage => ({
  jsonrpc: '2.0',
  method: 'notifications/progress',
  params: { step },
})

describeRedis('two gateways on one Redis Cluster', () => {
  let redis: RunningRedisCluster
  let upstream: Upstream
  let connections: RedisConnection[]
  let gateways: RunningGateway[]

  beforeAll(async () => {
    ;[redis, upstream] = await Promise.all([startRedisCluster(1_000), startUpstream()])
    const connect = REDIS_CLUSTER_CLIENTS.flatMap(([, each]) => [each, each])
    connections = await Promise.all(connect.map((each) => each(redis.ports)))
    gateways = await Promise.all(
      [0, 2].map((first) => {
        const [client, blockingClient] = connections.slice(first).map((connection) => connection.client)
        return startGateway({
          servers: { raw: { url: upstream.url } },
          authenticate: ({ headers }) => ({ id: String(headers['x-user']) }),
          sessions: new RedisSessionStore({ client: client!, timeoutMs: 1_000 }),
          events: new RedisEventLog({ client: client!, blockingClient: blockingClient!, timeoutMs: 1_000 }),
        })
      }),
    )
  })
  afterAll(async () => {
    for (const gateway of gateways) await gateway.close()
    for (const connection of connections) connection.close()
    await Promise.all([redis.close(), upstream.close()])
  })

  const url = (gateway: number): string => gateways[gateway]!.url('raw')
  const open = (user: string, gateway = 0): Promise<Session> =>
    initialize(url(gateway), { headers: { 'x-user': user } })
  const resume = (gateway: number, { headers }: Session, id: string): Promise<OpenStream> =>
    openStream(url(gateway), { headers: { ...headers, 'last-event-id': id } })

  /** A call in a session of its own, whose stream has begun. */
  async function begin(
    user: string,
  ): Promise<{ session: Session; client: OpenStream; stream: EventStream; id: string }> {
    upstream.on('tools/call', () => {})
    const session = await open(user)
    const opening = session.stream(call)
    const stream = (await upstream.nextRequest('tools/call')).stream()
    const client = await opening
    return { session, client, stream, id: (await client.next()).id! }
  }

  async function rest(client: OpenStream): Promise<RpcMessage[]> {
    const messages: RpcMessage[] = []
    for (;;) {
      try {
        messages.push(await client.nextMessage())
      } catch {
        return messages
      }
    }
  }

  test('SS1 a session of one is served by the other, and ended for both', async () => {
    for (const gateway of [0, 1]) {
      const { headers } = await open('ann', gateway)
      const ping = (at: number): Promise<Answer> => post(url(at), { jsonrpc: '2.0', id: 1, method: 'ping' }, headers)
      expect((await ping(1 - gateway)).status).toBe(200)
      expect((await post(url(1 - gateway), call, { ...headers, 'x-user': 'eve' })).status).toBe(404)
    }
  })

  test('SE7 a stream that one writes is resumed at the other, which is told of each event as it comes', async () => {
    const { session, client, stream, id } = await begin('ann')
    await stream.send(progress(1))
    expect(await client.nextMessage()).toEqual(progress(1))
    client.close()
    await client.over
    const there = await resume(1, session, id)
    expect(await there.nextMessage()).toEqual(progress(1))
    for (let step = 2; step < 12; step += 1) {
      const sentAt = performance.now()
      await stream.send(progress(step))
      expect(await there.nextMessage()).toEqual(progress(step))
      // Without being told it would look after five seconds.
      expect(performance.now() - sentAt).toBeLessThan(4_500)
    }
    await stream.send(answer)
    stream.end()
    expect(await rest(there)).toEqual([answer])
  })

  test('ER9 SS6 a master that is killed under load: everybody goes on in their own session, and no stream has a silent gap', async () => {
    const users = await Promise.all(Array.from({ length: 12 }, (_, index) => open(`user-${index}`, index % 2)))
    const streams: Awaited<ReturnType<typeof begin>>[] = []
    while (streams.length < 6) streams.push(await begin(`streamer-${streams.length}`))
    for (const { client, stream } of streams) {
      await stream.send(progress(1))
      expect(await client.nextMessage()).toEqual(progress(1))
    }
    upstream.on('tools/list', (exchange) => exchange.result({ tools: [], session: exchange.headers['mcp-session-id'] }))
    const ask = ({ headers }: Session, gateway: number): Promise<Answer> =>
      post(url(gateway), { jsonrpc: '2.0', id: 1, method: 'tools/list' }, headers)
    const own = await Promise.all(users.map(async (user) => (await ask(user, 0)).message!.result))
    expect(new Set(own.map((result) => JSON.stringify(result))).size).toBe(users.length)

    const statuses: Set<number>[] = [new Set(), new Set()]
    const isServed = Array.from({ length: 2 * users.length }, () => false)
    let isOver = false
    const load = users.flatMap((user, index) =>
      [0, 1].map(async (gateway) => {
        for (let last = 0; !isOver || last !== 200;) {
          const { status, headers, message } = await ask(user, gateway)
          statuses[gateway]!.add((last = status))
          isServed[2 * index + gateway] = status === 200
          if (status === 200) expect(message!.result).toEqual(own[index])
          else expect([status, headers['retry-after']]).toEqual([503, '1'])
          await delay(10)
        }
      }),
    )

    const keys = (await redis.keys()).toSorted((one, other) => streamsIn(other) - streamsIn(one))
    await redis.killMasterOf(keys[0]!.find((key) => key.includes('events'))!)
    // A live client waits for no log: it has what its server says now, though nobody can keep it.
    for (const { client, stream } of streams) {
      await stream.send(progress(2))
      expect(await client.nextMessage()).toEqual(progress(2))
    }
    while (statuses.some((seen) => !seen.has(503))) await delay(5)
    await redis.recovered()
    while (!isServed.every(Boolean)) await delay(5)
    isOver = true
    await Promise.all(load)
    expect(statuses).toEqual([new Set([200, 503]), new Set([200, 503])])

    // Whoever comes back to a stream of which the log has missed something is told so.
    let told = 0
    for (const { session, client, stream, id } of streams) {
      await stream.send(answer)
      stream.end()
      expect(await rest(client)).toEqual([answer])
      const messages = await rest(await resume(1, session, id))
      const whole = [progress(1), progress(2), answer]
      if (messages.at(-1)?.error === undefined) expect(messages).toEqual(whole)
      else {
        told += 1
        expect(messages.slice(0, -1)).toEqual(whole.slice(0, messages.length - 1))
        expect(messages.at(-1)).toMatchObject({ id: 'call-1', error: { code: 400 } })
      }
    }
    expect(told).toBeGreaterThan(0)
    const next = await begin('next')
    next.client.close()
    await next.client.over
    await next.stream.send(answer)
    next.stream.end()
    expect(await rest(await resume(1, next.session, next.id))).toEqual([answer])
  })
})

function streamsIn(keys: readonly string[]): number {
  return keys.filter((key) => key.includes('events')).length
}
