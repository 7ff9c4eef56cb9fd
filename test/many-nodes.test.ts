// Two gateways in processes of their own behind a round-robin TCP balancer: any node serves any session.
import { setTimeout as sleep } from 'node:timers/promises'
import { connectSdkV1, connectSdkV2, textOf, type TestClient } from './support/clients.ts'
import { startCluster, startNode, type Cluster } from './support/cluster.ts'
import { describeRedis, startRedis, type RunningRedis } from './support/redis.ts'
import { initialize, initializeMessage, post, send, type Answer, type Session } from './support/rpc.ts'
import { startSdkV1Server, type RunningServer } from './support/servers.ts'
import { startUpstream, type Upstream } from './support/upstream.ts'

const KEYS = ['a secret of 32 characters or more, the same on each node']

/** A session as another node has it. */
function at(url: string, { headers }: Session) {
  return {
    ping: (over: Record<string, string> = {}): Promise<Answer> =>
      post(url, { jsonrpc: '2.0', id: 7, method: 'ping' }, { ...headers, ...over }),
    end: (over: Record<string, string> = {}): Promise<Answer> => send('DELETE', url, { ...headers, ...over }),
    listen: (): Promise<Answer> => send('GET', url, { ...headers, accept: 'text/event-stream' }),
  }
}

const ann = { authorization: 'Bearer ann' }
const eve = { authorization: 'Bearer eve' }

function suite(start: (servers: object) => Promise<Cluster>, endsEverywhere: boolean): void {
  let upstream: Upstream
  let sessionless: Upstream
  let sdk: RunningServer
  /** Its clients all listen, so that each GET it sees is one that was waited for. */
  let heard: RunningServer
  let cluster: Cluster

  beforeAll(async () => {
    ;[upstream, sessionless, sdk, heard] = await Promise.all([
      startUpstream(),
      startUpstream({ sessions: false }),
      startSdkV1Server(),
      startSdkV1Server(),
    ])
    cluster = await start({
      raw: { url: upstream.url },
      sessionless: { url: sessionless.url },
      sdk: { url: sdk.url },
      heard: { url: heard.url },
    })
  })
  afterAll(async () => {
    await cluster.close()
    await Promise.all([upstream.close(), sessionless.close(), sdk.close(), heard.close()])
  })

  const open = (server = 'raw', node = 0): Promise<Session> => initialize(cluster.url(server, node), { headers: ann })

  test('SS1 SS2 a session that one node opened is served by both, in the upstream session that it has', async () => {
    for (const node of [0, 1]) {
      const session = await open('raw', node)
      for (const each of [0, 1]) expect((await at(cluster.url('raw', each), session).ping()).status).toBe(200)
      const [first, second] = upstream.requests('ping').slice(-2)
      expect(first!.headers['mcp-session-id']).toMatch(/^upstream-/)
      expect(second!.headers['mcp-session-id']).toBe(first!.headers['mcp-session-id'])
    }
  })

  test('SE1 PU2 a client may listen at either node', async () => {
    const session = await open()
    upstream.on('GET', (exchange) => exchange.stream().end())
    for (const node of [0, 1]) expect((await at(cluster.url('raw', node), session).listen()).status).toBe(200)
  })

  test.each([0, 1])('SS3 SS4 DELETE at node %p ends it at the upstream, and for both nodes', async (node) => {
    const session = await open()
    const here = at(cluster.url('raw', node), session)
    const there = at(cluster.url('raw', 1 - node), session)
    expect((await there.ping()).status).toBe(200)
    const own = String(upstream.requests('ping').at(-1)!.headers['mcp-session-id'])
    expect((await here.end()).status).toBe(200)
    expect(upstream.sessions.has(own)).toBe(false)
    const before = upstream.requests().length
    expect((await here.ping()).status).toBe(404)
    expect(upstream.requests()).toHaveLength(before)
    expect((await there.ping()).status).toBe(404)
    // Sealed ids: the other node learns it from the upstream, and then knows.
    expect(upstream.requests()).toHaveLength(before + (endsEverywhere ? 0 : 1))
    expect((await there.ping()).status).toBe(404)
    expect((await there.end()).status).toBe(404)
    expect(upstream.requests()).toHaveLength(before + (endsEverywhere ? 0 : 1))
  })

  test('SS1 SS3 a client of an upstream without sessions has none: either node serves it, and the upstream answers DELETE', async () => {
    const url = (node: number): string => cluster.url('sessionless', node)
    const opening = await post(url(0), initializeMessage(), ann)
    expect(opening.headers).not.toHaveProperty('mcp-session-id')
    for (const node of [0, 1]) {
      expect(await post(url(node), { jsonrpc: '2.0', id: 1, method: 'ping' }, ann)).toMatchObject({ status: 200 })
      expect(await send('DELETE', url(node), ann)).toMatchObject({ status: 405 })
    }
  })

  test('SS6 SS7 SC5 a stolen id is the same 404 as any other, at either node', async () => {
    const session = await open()
    const seen = upstream.requests().length
    for (const node of [0, 1]) {
      const here = at(cluster.url('raw', node), session)
      const refusals = [
        await here.ping(eve),
        await here.ping({ 'mcp-session-id': 'unknown' }),
        await here.ping({ 'mcp-session-id': `${session.id.slice(0, -2)}AA` }),
        await at(cluster.url('sdk', node), session).ping(),
        await at(cluster.url('sessionless', node), session).ping(),
      ]
      for (const { status, body } of refusals) {
        expect([status, body]).toEqual([404, refusals[0]!.body])
      }
      expect((await here.end(eve)).status).toBe(404)
    }
    expect(upstream.requests()).toHaveLength(seen)
    expect((await at(cluster.url('raw', 1), session).ping()).status).toBe(200)
  })

  test.each([
    ['SDK v1', connectSdkV1],
    ['SDK v2 in legacy mode', connectSdkV2],
  ])('SS10 SE7 an %s client notices nothing of two nodes, nor of either being restarted', async (_, connect) => {
    const client = await connect(cluster.url('sdk'), { headers: ann })
    try {
      await sdk.happened('GET')
      await useBoth(client)
      expect(textOf(await client.call('ask'))).toBe('accept: Ada')
      for (const [node, how] of [
        [0, 'close'],
        [1, 'kill'],
      ] as const) {
        const calling = Promise.all([client.call('echo', { text: 'before' }), client.call('echo', { text: 'too' })])
        expect((await calling).map(textOf)).toEqual(['before', 'too'])
        await cluster.restart(node, how)
        await useBoth(client)
      }
      await client.endSession()
      await sdk.happened('DELETE')
    } finally {
      await client.close()
    }
  })

  /** Calls until each node has had some of it. */
  async function useBoth(client: TestClient): Promise<void> {
    cluster.balancer.given.clear()
    for (let count = 0; count < 4; count += 1) {
      expect(textOf(await client.call('echo', { text: `call ${count}` }))).toBe(`call ${count}`)
    }
    expect(new Set(cluster.balancer.given.keys())).toEqual(new Set(cluster.balancer.ports))
  }

  test('SE7 SE10 PU5 who listens at a node is told of changes again, and once, after it was closed or killed', async () => {
    cluster.route(0)
    const clients = await Promise.all(
      [connectSdkV1, connectSdkV2].map((each) => each(cluster.url('heard'), { headers: ann })),
    )
    try {
      await listening()
      await change('first')
      for (const [node, how] of [
        [0, 'close'],
        [1, 'kill'],
      ] as const) {
        // They come back a second after their streams broke, to the other node, and leave this one free to end.
        await cluster.restart(node, how)
        cluster.route(1 - node)
        await listening()
        await change(how)
      }
    } finally {
      cluster.route(0, 1)
      await Promise.all(clients.map(({ close }) => close()))
    }

    async function listening(): Promise<void> {
      for (const _ of clients) await heard.happened('GET')
    }

    async function change(name: string): Promise<void> {
      for (const { told, call } of clients) {
        const before = told.entries.length
        await call('grow', { name })
        expect(await told.next()).toMatchObject({ method: 'notifications/tools/list_changed' })
        expect(told.entries).toHaveLength(before + 1)
      }
    }
  })

  test('SS3 what no node knows is 404 after a restart, too', async () => {
    const session = await open()
    await at(cluster.url('raw', 0), session).end()
    await cluster.restart(0, 'kill')
    expect((await at(cluster.url('raw', 0), session).ping()).status).toBe(404)
    expect((await at(cluster.url('raw', 1), session).ping()).status).toBe(404)
  })
}

describe('with sealed ids', () => {
  suite((servers) => startCluster({ servers, keys: KEYS }), false)

  test('a node with another key knows none of the sessions, until both have both', async () => {
    const upstream = await startUpstream()
    const servers = { raw: { url: upstream.url } }
    const [old, fresh] = ['the old secret of 32 characters', 'the new secret of 32 characters'].map((key) => `${key}!`)
    const nodes = await Promise.all([[old], [fresh], [fresh, old]].map((keys) => startNode({ servers, keys })))
    try {
      const [before, after, between] = nodes.map(({ port }) => `http://127.0.0.1:${port}/raw/mcp`) as [
        string,
        string,
        string,
      ]
      const session = await initialize(before, { headers: ann })
      expect((await at(after, session).ping()).status).toBe(404)
      expect((await at(between, session).ping()).status).toBe(200)
      const newer = await initialize(between, { headers: ann })
      expect((await at(after, newer).ping()).status).toBe(200)
    } finally {
      await Promise.all(nodes.map(({ kill }) => kill()))
      await upstream.close()
    }
  })
})

describeRedis('with Redis', () => {
  let redis: RunningRedis
  beforeAll(async () => {
    redis = await startRedis()
  })
  afterAll(() => redis.close())

  suite((servers) => startCluster({ servers, redis: redis.path }), true)

  describe('and recover', () => {
    let upstream: Upstream
    let cluster: Cluster
    beforeAll(async () => {
      upstream = await startUpstream()
      cluster = await startCluster({ servers: { raw: { url: upstream.url, recover: true } }, redis: redis.path })
    })
    afterAll(async () => {
      await cluster.close()
      await upstream.close()
    })

    test('SS8 a session that the upstream forgot is opened anew by one node, once, and the other goes on in it', async () => {
      const session = await initialize(cluster.url('raw', 0), { headers: ann })
      upstream.sessions.clear()
      const before = upstream.requests('initialize').length
      for (const node of [1, 0, 1]) expect((await at(cluster.url('raw', node), session).ping()).status).toBe(200)
      expect(upstream.requests('initialize')).toHaveLength(before + 1)
      expect(upstream.sessions.size).toBe(1)
    })

    test('SS8 when both find out at once each may open one: everybody is served, and the session goes on in the last', async () => {
      const session = await initialize(cluster.url('raw', 0), { headers: ann })
      upstream.sessions.clear()
      const before = upstream.requests('initialize').length
      const both = Array.from({ length: 6 }, (_, index) => at(cluster.url('raw', index % 2), session).ping())
      expect((await Promise.all(both)).map(({ status }) => status)).toEqual(Array(6).fill(200))
      const opened = upstream.requests('initialize').length - before
      expect([1, 2]).toContain(opened)
      for (const node of [0, 1]) expect((await at(cluster.url('raw', node), session).ping()).status).toBe(200)
      expect(upstream.requests('initialize')).toHaveLength(before + opened)
      const [one, other] = upstream.requests('ping').slice(-2)
      expect(other!.headers['mcp-session-id']).toBe(one!.headers['mcp-session-id'])
      // One that lost stays behind at the upstream, until that expires it.
      expect(upstream.sessions.size).toBe(opened)
    })
  })

  test('ER9 SC7 both nodes are 503 while Redis is away, and go on in the same session when it is back', async () => {
    const upstream = await startUpstream()
    const cluster = await startCluster({ servers: { raw: { url: upstream.url } }, redis: redis.path })
    try {
      const session = await initialize(cluster.url('raw'), { headers: ann })
      await redis.kill()
      for (const node of [0, 1]) {
        const { status, headers } = await at(cluster.url('raw', node), session).ping()
        expect([status, headers['retry-after']]).toEqual([503, '1'])
        const { errors } = cluster.nodes[node]!
        while (errors.length === 0) await sleep(5)
        expect(errors).toEqual(['GatewayError: The session store is unavailable'])
      }
      await redis.start()
      for (const node of [0, 1]) {
        while ((await at(cluster.url('raw', node), session).ping()).status === 503);
        expect((await at(cluster.url('raw', node), session).ping()).status).toBe(200)
      }
      expect(upstream.requests('initialize')).toHaveLength(1)
    } finally {
      await cluster.close()
      await upstream.close()
    }
  })
})
