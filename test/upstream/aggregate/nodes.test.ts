// An aggregate on two gateways in processes of their own behind a balancer: any node serves any session of it.
import { member, serveList, tool } from '../../support/aggregated.ts'
import { connectSdkV1, connectSdkV2, textOf } from '../../support/clients.ts'
import { type Cluster, startCluster } from '../../support/cluster.ts'
import { modernRequest, postModern } from '../../support/modern.ts'
import { describeRedis, type RunningRedis, startRedis } from '../../support/redis.ts'
import { type Answer, initialize, openStream, post, send, type Session } from '../../support/rpc.ts'
import { type RunningServer, startSdkV1Server } from '../../support/servers.ts'
import type { Upstream } from '../../support/upstream.ts'

const headers = { authorization: 'Bearer ann' }
const call = (name: string, id: number | string = 1) => ({ jsonrpc: '2.0', id, method: 'tools/call', params: { name } })
const names = ({ message }: Answer): string[] =>
  (message!.result as { tools: { name: string }[] }).tools.map(({ name }) => name)

function suite(start: (servers: object) => Promise<Cluster>, isShared: boolean): void {
  let one: Upstream
  let two: Upstream
  let sdk: RunningServer
  let cluster: Cluster

  beforeAll(async () => {
    ;[one, two, sdk] = await Promise.all([member(), member(['b', 'long']), startSdkV1Server()])
    cluster = await start({
      desk: { members: { one: { url: one.url }, two: { url: two.url } } },
      bare: { members: { one: { url: one.url }, two: { url: two.url } }, separator: false },
      real: { members: { sdk: { url: sdk.url }, one: { url: one.url } } },
    })
  })
  afterAll(async () => {
    await cluster.close()
    await Promise.all([one.close(), two.close(), sdk.close()])
  })

  const open = (server = 'desk', capabilities: object = {}): Promise<Session> =>
    initialize(cluster.url(server, 0), { headers, capabilities })
  const at = (node: number, session: Session, message: object, server = 'desk'): Promise<Answer> =>
    post(cluster.url(server, node), message, session.headers)
  const sessionOf = (upstream: Upstream): unknown => upstream.requests('tools/call').at(-1)!.headers['mcp-session-id']

  test('SS1 each node calls each member in the session that it has, with names that need no table', async () => {
    const session = await open()
    const used = new Set<unknown>()
    for (const node of [0, 1, 0]) {
      expect(names(await at(node, session, { jsonrpc: '2.0', id: 1, method: 'tools/list' }))).toEqual([
        'one__echo',
        'two__b',
        'two__long',
      ])
      expect((await at(node, session, call('two__b'))).message?.result).toBeDefined()
      used.add(sessionOf(two))
    }
    expect([...used]).toEqual([expect.stringMatching(/^upstream-/)])
    const other = await initialize(cluster.url('bare', 1), { headers })
    for (const node of [0, 1]) expect((await at(node, other, call('long'), 'bare')).message?.result).toBeDefined()
  })

  test('RPC3 two members ask at once with one id at a node, and are answered at the other', async () => {
    const ask = async (upstream: Upstream): Promise<void> =>
      upstream.once('tools/call', (exchange) =>
        exchange.stream().send({ id: 1, method: 'elicitation/create', params: { message: 'Who?' } }),
      )
    await Promise.all([ask(one), ask(two)])
    const session = await open('desk', { elicitation: {} })
    const streams = await Promise.all(['one__echo', 'two__b'].map((name, id) => session.stream(call(name, id))))
    const asked = await Promise.all(streams.map(async (stream) => (await stream.nextMessage()).id))
    expect(asked).toEqual(['one~1', 'two~1'])
    for (const id of asked.toReversed()) {
      expect((await at(1, session, { jsonrpc: '2.0', id: id!, result: { action: 'decline' } })).status).toBe(202)
    }
    for (const each of [one, two]) expect((await each.nextRequest('response')).message).toMatchObject({ id: 1 })
    for (const each of streams) each.close()
  })

  test('SE7 a stream that one node began is resumed at the other, at its member alone', async () => {
    one.once('tools/call', async (exchange) => {
      const stream = exchange.stream()
      await stream.send({ method: 'notifications/message', params: { level: 'info', data: 1 } }, { id: '5' })
      stream.end()
    })
    one.once('GET', (exchange) => exchange.stream().send({ id: 1, result: { content: [] } }, { id: '6' }))
    const session = await open()
    const stream = await session.stream(call('one__echo'))
    const { id } = await stream.next()
    stream.close()
    const resumed = await openStream(cluster.url('desk', 1), {
      headers: { ...session.headers, 'last-event-id': id! },
    })
    expect(await resumed.nextMessage()).toMatchObject({ id: 1, result: { content: [] } })
    resumed.close()
    expect(two.requests('GET')).toEqual([])
  })

  test('a cursor of one node is continued by the other, in either era', async () => {
    const many = Array.from({ length: 1_500 }, (_, index) => tool(`t${index}`))
    serveList(two, 'tools/list', many, 500)
    const session = await open()
    const first = await at(0, session, { jsonrpc: '2.0', id: 1, method: 'tools/list' })
    const { nextCursor: cursor } = first.message!.result as { nextCursor?: string }
    expect(cursor).toBeDefined()
    const next = await at(1, session, { jsonrpc: '2.0', id: 2, method: 'tools/list', params: { cursor } })
    expect([...names(first), ...names(next)]).toHaveLength(1_501)
    const modern = (node: number, params: object) =>
      postModern(cluster.url('desk', node), modernRequest('tools/list', params), headers)
    const begun = await modern(0, {})
    const { nextCursor } = begun.message!.result as { nextCursor: string }
    const continued = await modern(1, { cursor: nextCursor })
    expect([...names(begun), ...names(continued)]).toEqual([...names(first), ...names(next)])
    serveList(two, 'tools/list', [tool('b'), tool('long')])
  })

  test('UT4 a cancellation at a node that has not sent the request comes to all members', async () => {
    const session = await open()
    await at(1, session, { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 9 } })
    for (const each of [one, two]) {
      expect((await each.nextRequest('notifications/cancelled')).message?.params).toMatchObject({ requestId: 9 })
    }
  })

  test('SS8 SS4 a member that has lost its session: mended by one node for both, or 404 as a whole; DELETE ends all', async () => {
    const session = await open()
    const before = two.requests('initialize').length
    two.sessions.clear()
    const answers = [await at(1, session, call('two__b')), await at(0, session, call('two__b'))]
    expect(answers.map(({ status }) => status)).toEqual(isShared ? [200, 200] : [404, 404])
    expect(two.requests('initialize').length - before).toBe(isShared ? 1 : 0)
    const again = await open()
    const alive = [one.sessions.size, two.sessions.size]
    expect((await send('DELETE', cluster.url('desk', 1), again.headers)).status).toBe(200)
    expect([one.sessions.size, two.sessions.size]).toEqual(alive.map((count) => count - 1))
    expect((await at(0, again, call('two__b'))).status).toBe(404)
  })

  test.each([
    ['SDK v1', connectSdkV1],
    ['SDK v2', connectSdkV2],
  ])(
    'SS10 an %s client behind the balancer notices nothing of two nodes, nor of one that is killed',
    async (_, connect) => {
      const client = await connect(cluster.url('real'), { headers })
      try {
        for (const round of ['before', 'after']) {
          for (let count = 0; count < 4; count += 1) {
            expect(textOf(await client.call('sdk__echo', { text: round }))).toBe(round)
          }
          expect(textOf(await client.call('sdk__ask'))).toBe('accept: Ada')
          if (round === 'before') await cluster.restart(1, 'kill')
        }
        await client.endSession()
      } finally {
        await client.close()
      }
    },
  )
}

describe('with sealed ids', () => {
  suite((servers) => startCluster({ servers, keys: ['a secret of 32 characters or more, on each node'] }), false)
})

describeRedis('with Redis', () => {
  let redis: RunningRedis
  beforeAll(async () => {
    redis = await startRedis()
  })
  afterAll(() => redis.close())

  suite((servers) => startCluster({ servers, redis: redis.path }), true)
})
