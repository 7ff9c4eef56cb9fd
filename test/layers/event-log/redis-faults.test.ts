// An event log in a Redis that stands still, breaks or forgets, under streams that go on.
import { RedisEventLog } from '../../../lib/index.ts'
import { startGateway, type RunningGateway } from '../../support/gateway.ts'
import {
  describeRedis,
  REDIS_CLIENTS,
  startRedis,
  type RedisConnection,
  type RunningRedis,
} from '../../support/redis.ts'
import { initialize, type OpenStream, type Session } from '../../support/rpc.ts'
import {
  startUpstream,
  type EventStream,
  type Exchange,
  type RpcMessage,
  type Upstream,
} from '../../support/upstream.ts'

const call = { jsonrpc: '2.0', id: 'call-1', method: 'tools/call', params: { name: 'slow' } }
const progress = (step: number): RpcMessage => ({
  jsonrpc: '2.0',
  method: 'notifications/progress',
  params: { step },
})
const answer: RpcMessage = { jsonrpc: '2.0', id: 'call-1', result: { content: [] } }
const gone = { id: 'call-1', error: { code: 400 } }

describeRedis.each(REDIS_CLIENTS)('with the library %s', (_library, connect) => {
  let redis: RunningRedis
  let connections: RedisConnection[]
  let upstream: Upstream
  let gateway: RunningGateway

  beforeEach(async () => {
    redis = await startRedis()
    connections = [await connect(redis.path), await connect(redis.path)]
    upstream = await startUpstream()
    upstream.on('tools/call', () => {})
    const [client, blockingClient] = connections.map((connection) => connection.client)
    const events = new RedisEventLog({ client: client!, blockingClient: blockingClient!, timeoutMs: 1_000 })
    gateway = await startGateway({ servers: { a: { url: upstream.url } }, events })
  })
  afterEach(async () => {
    const startedAt = performance.now()
    await gateway.gateway.close({ graceMs: 20_000 })
    expect(performance.now() - startedAt).toBeLessThan(19_000)
    await gateway.close()
    for (const connection of connections) connection.close()
    await redis.close()
    await upstream.close()
  })

  interface Running {
    readonly session: Session
    readonly client: OpenStream
    readonly asked: Exchange
    readonly stream: EventStream
    /** Of the priming event. */
    readonly id: string
  }

  async function begin(): Promise<Running> {
    const session = await initialize(gateway.url('a'))
    const opening = session.stream(call)
    const asked = await upstream.nextRequest('tools/call')
    const stream = asked.stream()
    const client = await opening
    return { session, client, asked, stream, id: (await client.next()).id! }
  }

  const resume = (session: Session, id: string): Promise<OpenStream> => session.listen({ 'last-event-id': id })

  async function rest(client: OpenStream): Promise<RpcMessage[]> {
    await client.over
    const messages: RpcMessage[] = []
    for (;;) {
      try {
        messages.push(await client.nextMessage())
      } catch {
        return messages
      }
    }
  }

  test('a Redis that is killed costs the live client nothing; what it lost is told of when it is back (SE8)', async () => {
    const { session, client, stream, id } = await begin()
    await redis.kill()
    for (const step of [1, 2]) {
      await stream.send(progress(step))
      expect(await client.nextMessage()).toEqual(progress(step))
    }
    const { session: other, client: calling, ...fresh } = await beginUnlogged()
    await fresh.stream.send(answer)
    fresh.stream.end()
    expect(await rest(calling)).toEqual([answer])
    expect((await other.request('ping')).status).toBe(200)
    client.close()
    await client.over
    await redis.start()
    while ((await resume(session, 'unknown.1')).status === 503);
    await stream.send(answer)
    stream.end()
    // What a client library has sent again by itself may be there: it comes first.
    const messages = await rest(await resume(session, id))
    expect(messages.slice(0, -1)).toEqual([progress(1), progress(2)].slice(0, messages.length - 1))
    expect(messages.at(-1)).toMatchObject(gone)
  })

  /** A call of which Redis hears nothing. */
  async function beginUnlogged(): Promise<Running> {
    const session = await initialize(gateway.url('a'))
    const opening = session.stream(call)
    const asked = await upstream.nextRequest('tools/call')
    return { session, asked, stream: asked.stream(), client: await opening, id: '' }
  }

  test('a Redis that stands still for too long and then does all it was told brings nothing twice (SE7, SE8)', async () => {
    const { session, client, asked, stream, id } = await begin()
    redis.stop()
    await stream.send(progress(1))
    expect(await client.nextMessage()).toEqual(progress(1))
    await stream.send(progress(2))
    const { id: last } = await client.next()
    redis.go()
    client.close()
    await client.over
    await stream.send(answer)
    stream.end()
    await asked.over
    while ((await resume(session, 'unknown.1')).status === 503);
    // What it has seen does not come again; its answer was not kept.
    const late = await resume(session, last!)
    const messages = late.status === 400 ? [gone] : await rest(late)
    expect(messages).toMatchObject([gone])
    const all = await rest(await resume(session, id))
    expect(all.filter(({ method }) => method === undefined)).toMatchObject([gone])
  })

  test('a Redis that has forgotten everything is a clear error to who comes back, and serves who comes next (SE8)', async () => {
    const { session, client, stream, id } = await begin()
    await stream.send(progress(1))
    await client.nextMessage()
    client.close()
    await client.over
    await redis.sendCommand('FLUSHALL')
    expect(await rest(await resume(session, id))).toMatchObject([gone])
    await stream.send(answer)
    stream.end()
    const next = await begin()
    next.client.close()
    await next.stream.send(answer)
    next.stream.end()
    await next.asked.over
    expect(await rest(await resume(next.session, next.id))).toEqual([answer])
  })

  test('a connection that waits for events may break: who follows is waited for on the next one', async () => {
    const { session, client, stream, id } = await begin()
    client.close()
    await client.over
    await redis.sendCommand('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    while ((await resume(session, 'unknown.1')).status === 503);
    const again = await resume(session, id)
    await stream.send(answer)
    stream.end()
    expect(await rest(again)).toEqual([answer])
  })
})
