// Access that ends while something goes on: it expires, is withdrawn by the lookup, or the session ended elsewhere.
import { jest } from '@jest/globals'
import { Client } from '@modelcontextprotocol/client'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import {
  MemoryEventLog,
  RedisSessionStore,
  SealedSessionStore,
  type GatewayOptions,
  type Principal,
} from '../../lib/index.ts'
import { fakeTime, inFakedTime, pass } from '../support/fake-time.ts'
import { startGateway, type RunningGateway } from '../support/gateway.ts'
import { createJournal } from '../support/journal.ts'
import { modernRequest, openModern, postModern } from '../support/modern.ts'
import { describeRedis, REDIS_CLIENTS, startRedis } from '../support/redis.ts'
import { initialize, post, type Headers } from '../support/rpc.ts'
import { startSdkV2Server } from '../support/servers.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

let upstream: Upstream
const gateways: RunningGateway[] = []

beforeEach(async () => {
  upstream = await startUpstream()
})
afterEach(async () => {
  jest.useRealTimers()
  await Promise.all(gateways.splice(0).map((gateway) => gateway.close()))
  await upstream.close()
})

/** The bearer token is the principal's id, and perhaps when it ends, in seconds: `ann` or `ann@1800000000.5`. */
function authenticate({ headers }: { headers: { authorization?: string | undefined } }): Principal | undefined {
  const [, id, expiresAt] = /^Bearer ([^@]+)(?:@(.+))?$/.exec(headers.authorization ?? '') ?? []
  return id === undefined ? undefined : { id, ...(expiresAt !== undefined && { expiresAt: Number(expiresAt) }) }
}

const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` })
const endingIn = (ms: number): string => `ann@${(Date.now() + ms) / 1_000}`

async function start(options: Partial<GatewayOptions> = {}): Promise<RunningGateway> {
  const gateway = await startGateway({ servers: { a: { url: upstream.url } }, authenticate, ...options })
  gateways.push(gateway)
  return gateway
}

const call = { jsonrpc: '2.0', id: 'c', method: 'tools/call', params: { name: 'slow' } }
const ping = { jsonrpc: '2.0', id: 'p', method: 'ping' }
const EXPIRED = { code: 401, message: 'The access has expired' }

describe('when the proof of identity ends', () => {
  test('AU6 a request is 401 from then on, and the challenge says why', async () => {
    const gateway = await start()
    const answer = await post(gateway.url('a'), ping, bearer(endingIn(0)))
    expect(answer).toMatchObject({ status: 401, message: { error: EXPIRED } })
    expect(answer.headers).toMatchObject({
      'www-authenticate': 'Bearer error="invalid_token", error_description="The access has expired"',
      'cache-control': 'no-store',
    })
    expect(gateway.reported.entries).toEqual([])
  })

  test.each(['soon', Number.NaN, null, {}, new Date(), Date.now() + 60_000])(
    'a hook that answers %p for it is 500, and onError is told',
    async (end) => {
      const gateway = await start({ authenticate: () => ({ id: 'ann', expiresAt: end as number }) })
      expect(await post(gateway.url('a'), ping)).toMatchObject({ status: 500 })
      expect(gateway.reported.entries[0]!.error.message).toMatch(/"expiresAt" in seconds since the epoch/)
    },
  )

  test('AU11 what goes on ends then: a listener as it is, a call with an error; the upstream is told', async () => {
    const gateway = await start()
    upstream.on('tools/call', (exchange) => void exchange.stream())
    upstream.on('tools/hang', () => {})
    const session = await initialize(gateway.url('a'), { headers: bearer('ann') })
    fakeTime()
    const mine = bearer(endingIn(5_000))
    const [listening, calling] = await Promise.all([session.listen(mine), session.stream(call, mine)])
    const waiting = session.post({ jsonrpc: '2.0', id: 'w', method: 'tools/hang' }, mine)
    const staying = await session.stream({ ...call, id: 'stays' })
    await upstream.nextRequest('tools/hang')

    await pass(4_900)
    expect([listening.res.closed, calling.res.closed]).toEqual([false, false])
    await pass(100)
    expect([await listening.over, await calling.over]).toEqual(['complete', 'complete'])
    expect(listening.bytes().toString()).toBe('')
    expect(await calling.nextMessage()).toMatchObject({ id: 'c', error: EXPIRED })
    expect(await waiting).toMatchObject({ status: 401, message: { id: 'w', error: EXPIRED } })
    const cancelled = [
      await upstream.nextRequest('notifications/cancelled'),
      await upstream.nextRequest('notifications/cancelled'),
    ]
    expect(new Set(cancelled.map(({ message }) => message!.params!['requestId']))).toEqual(new Set(['c', 'w']))
    expect(await (await upstream.nextRequest('GET')).over).toBe('cut')

    upstream
      .requests('tools/call')
      .find(({ message }) => message!.id === 'stays')!
      .stream()
      .finish({})
    expect(await staying.nextMessage()).toMatchObject({ id: 'stays', result: {} })
    expect(await session.request('ping')).toMatchObject({ status: 200 })
    expect(gateway.reported.entries).toEqual([])
  })

  test('AU11 SE4 with an event log a call goes on, and whoever brings a new token resumes it', async () => {
    const gateway = await start({ events: new MemoryEventLog() })
    upstream.on('tools/call', () => {})
    const session = await initialize(gateway.url('a'), { headers: bearer('ann') })
    fakeTime()
    const opening = session.stream(call, bearer(endingIn(5_000)))
    const asked = await upstream.nextRequest('tools/call')
    await asked.stream().send({ method: 'notifications/message', params: { data: 1 } })
    const client = await opening
    await pass(5_000)
    expect(await client.over).toBe('complete')
    expect(client.bytes().toString()).not.toContain('error')
    const [id] =
      client
        .bytes()
        .toString()
        .match(/(?<=id: ).*\.2$/m) ?? []
    await asked.stream().send({ id: 'c', result: {} })
    const again = await session.listen({ ...bearer(endingIn(60_000)), 'last-event-id': id })
    expect(await again.nextMessage()).toEqual({ jsonrpc: '2.0', id: 'c', result: {} })
    expect(upstream.requests('notifications/cancelled')).toEqual([])
  })

  test('AU11 SE5 in the stateless revision the upstream request is aborted, and the stream ends in the error', async () => {
    const gateway = await start()
    fakeTime()
    for (const method of ['tools/call', 'subscriptions/listen']) {
      upstream.on(method, (exchange) => void exchange.stream())
      const message = modernRequest(method, { name: 'slow', notifications: {} }, 7)
      const stream = await openModern(gateway.url('a'), message, bearer(endingIn(5_000)))
      const asked = await upstream.nextRequest(method)
      await pass(5_000)
      expect(await stream.nextMessage()).toMatchObject({ id: 7, error: EXPIRED })
      expect(await stream.over).toBe('complete')
      expect(await asked.over).toBe('cut')
    }
    upstream.on('tools/call', () => {})
    const answering = postModern(
      gateway.url('a'),
      modernRequest('tools/call', { name: 'slow' }, 8),
      bearer(endingIn(5_000)),
    )
    await upstream.nextRequest('tools/call')
    await pass(5_000)
    expect(await answering).toMatchObject({ status: 401, message: { id: 8, error: EXPIRED } })
  })

  test('AU11 SS10 an SDK v2 client brings a new token and goes on listening in the same session', async () => {
    const server = await startSdkV2Server()
    const gateway = await start({ servers: { sdk: { url: server.url } } })
    const refreshed = createJournal<string>()
    fakeTime()
    let token = endingIn(60_000)
    const transport = new StreamableHTTPClientTransport(new URL(gateway.url('sdk')), {
      authProvider: {
        token: async () => token,
        onUnauthorized: async ({ response }) => {
          token = 'ann'
          refreshed.record(String(response.headers.get('www-authenticate')))
        },
      },
    })
    const client = new Client({ name: 'agent', version: '1.0.0' })
    const told = createJournal<string>()
    client.fallbackNotificationHandler = async ({ method }) => told.record(method)
    try {
      await client.connect(transport)
      const id = transport.sessionId
      await server.happened('GET')
      const told401 = refreshed.next()
      await inFakedTime(told401)
      expect(await told401).toMatch(/invalid_token/)
      await inFakedTime(server.happened('GET'))
      await client.callTool({ name: 'grow', arguments: { name: 'new' } })
      expect(await told.next()).toBe('notifications/tools/list_changed')
      expect(transport.sessionId).toBe(id)
      expect(refreshed.entries).toHaveLength(1)
    } finally {
      await client.close()
      await server.close()
    }
  })
})

describe('when the lookup withdraws a server', () => {
  test('SS6 AU9 who loses access loses it at the next request, within a session too, and nobody else does', async () => {
    const allowed = new Set(['ann', 'bob'])
    const gateway = await start({
      servers: (_, { principal }) => (allowed.has(principal!.id) ? { url: upstream.url } : undefined),
    })
    const [ann, bob] = [
      await initialize(gateway.url('a'), { headers: bearer('ann') }),
      await initialize(gateway.url('a'), { headers: bearer('bob') }),
    ]
    allowed.delete('ann')
    const seen = upstream.requests().length
    for (const answer of [await ann.request('ping'), await ann.end()]) expect(answer).toMatchObject({ status: 404 })
    expect(await ann.listen()).toMatchObject({ status: 404 })
    expect(upstream.requests()).toHaveLength(seen)
    expect(await bob.request('ping')).toMatchObject({ status: 200 })
  })

  test('SS6 open streams of theirs end within recheckMs, calls with an error, and the upstream is told', async () => {
    const allowed = new Set(['ann', 'bob'])
    const gateway = await start({
      servers: async (_, { principal }) => (allowed.has(principal!.id) ? { url: upstream.url } : undefined),
      recheckMs: 100,
    })
    upstream.on('tools/call', (exchange) => void exchange.stream())
    upstream.on('subscriptions/listen', (exchange) => void exchange.stream())
    const open = async (headers: Headers & Record<string, string>) => {
      const session = await initialize(gateway.url('a'), { headers })
      return {
        listening: await session.listen(),
        calling: await session.stream(call),
        modern: await openModern(
          gateway.url('a'),
          modernRequest('subscriptions/listen', { notifications: {} }, 7),
          headers,
        ),
      }
    }
    const [ann, bob] = [await open(bearer('ann')), await open(bearer('bob'))]
    allowed.delete('ann')
    const withdrawn = { code: 404, message: 'Unknown server' }
    expect(await ann.listening.over).toBe('complete')
    expect(await ann.calling.nextMessage()).toMatchObject({ id: 'c', error: withdrawn })
    expect(await ann.modern.nextMessage()).toMatchObject({ id: 7, error: withdrawn })
    expect((await upstream.nextRequest('notifications/cancelled')).message!.params).toMatchObject({ requestId: 'c' })
    for (const exchange of upstream.requests('tools/call').slice(1)) exchange.stream().finish({})
    expect(await bob.calling.nextMessage()).toMatchObject({ id: 'c', result: {} })
    expect([bob.listening.res.closed, bob.modern.res.closed]).toEqual([false, false])
  })
})

describe('when the session ends elsewhere', () => {
  test('SS3 SS11 a sealed session whose time has come ends with its streams open, and the upstream is told', async () => {
    const keys = ['a secret of 32 characters at least']
    const gateway = await start({
      sessions: new SealedSessionStore({ keys, ttlMs: 400 }),
      recheckMs: 100,
    })
    const session = await initialize(gateway.url('a'), { headers: bearer('ann') })
    const listening = await session.listen()
    expect(await listening.over).toBe('complete')
    await upstream.nextRequest('DELETE')
    expect(upstream.sessions.size).toBe(0)
    expect(await session.request('ping')).toMatchObject({ status: 404 })
  })

  describeRedis('with Redis', () => {
    test('SS12 the streams at one node end when another was told to end the session', async () => {
      const redis = await startRedis()
      const client = await REDIS_CLIENTS[0]![1](redis.path)
      try {
        const node = () =>
          start({
            sessions: new RedisSessionStore({ client: client.client }),
            recheckMs: 100,
          })
        const [here, there] = [await node(), await node()]
        upstream.on('tools/call', (exchange) => void exchange.stream())
        const session = await initialize(here.url('a'), { headers: bearer('ann') })
        const [listening, calling] = [await session.listen(), await session.stream(call)]
        // An upstream that does not end its own streams.
        upstream.once('DELETE', (exchange) => exchange.status(405))
        expect(await fetch(there.url('a'), { method: 'DELETE', headers: session.headers })).toMatchObject({
          status: 200,
        })
        expect(await listening.over).toBe('complete')
        expect(await calling.nextMessage()).toMatchObject({
          id: 'c',
          error: { code: 404, message: 'The session has ended' },
        })
      } finally {
        await Promise.all(gateways.splice(0).map((gateway) => gateway.close()))
        client.close()
        await redis.close()
      }
    })
  })
})
