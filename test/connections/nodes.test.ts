// userConnections() on two nodes with Redis: links that change nodes, one refresh for all calls, and nodes that die.
import { setImmediate } from 'node:timers/promises'
import { MemoryStore } from 'express-session'
import { brokerOf } from '../../lib/exchange/connections.ts'
import { storeKey } from '../../lib/stores/login-store-key.ts'
import { RedisLoginStore } from '../../lib/stores/redis-login-store.ts'
import { type RunningAuthorizationServer, startAuthorizationServer } from '../support/authorization-server.ts'
import {
  accountIn,
  connect,
  type ConnectionsApp,
  leave,
  linkIn,
  type ProtectedUpstream,
  reasonsOf,
  startConnectionsApp,
  startProtectedUpstream,
  visit,
} from '../support/connections-app.ts'
import { listen, type Listening } from '../support/listen.ts'
import { describeRedis, REDIS_CLIENTS, type RedisConnection, type RunningRedis, startRedis } from '../support/redis.ts'

const { jest } = import.meta

type Node = ConnectionsApp & { readonly connection: RedisConnection }

const TOKEN_TTL_S = 600

describeRedis('with Redis', () => {
  let redis: RunningRedis
  let issuer: RunningAuthorizationServer
  let upstream: ProtectedUpstream
  /** What browsers see: it passes on to one of the nodes. */
  let front: Listening
  let serving = 0
  let nodes: Node[]
  let laterMs = 0
  let dead: Node | undefined

  beforeAll(async () => {
    ;[redis, issuer] = await Promise.all([
      startRedis(),
      startAuthorizationServer({ documents: true, ttlS: TOKEN_TTL_S }),
    ])
    front = await listen((request, response) => nodes[serving]!.listener(request, response))
  })
  afterAll(async () => {
    await Promise.all([front.close(), redis.close(), issuer.close()])
  })
  beforeEach(async () => {
    await redis.sendCommand('FLUSHALL')
    upstream = await startProtectedUpstream(issuer)
    serving = 0
    laterMs = 0
    dead = undefined
    const now = Date.now
    jest.spyOn(Date, 'now').mockImplementation(() => now() + laterMs)
    const sessions = new MemoryStore()
    nodes = []
    for (const [, library] of REDIS_CLIENTS) nodes.push(await startNode(library, sessions))
  })
  afterEach(async () => {
    jest.restoreAllMocks()
    for (const node of nodes) {
      if (node !== dead) node.connection.close()
      await node.close()
    }
    await upstream.close()
  })

  async function startNode(
    connectRedis: (path: string) => Promise<RedisConnection>,
    sessions: MemoryStore,
  ): Promise<Node> {
    const connection = await connectRedis(redis.path)
    const app = await startConnectionsApp({
      front: front.origin,
      sessions,
      servers: (headers) => ({ crm: { url: upstream.url, headers } }),
      connections: { store: new RedisLoginStore({ client: connection.client, timeoutMs: 10_000 }) },
    })
    return { ...app, connection }
  }

  async function connected(): Promise<void> {
    const page = await connect(linkIn(await nodes[0]!.call('ada')), 'ada', 'ada-at-crm', issuer)
    expect(page.text).toContain('Your account is connected')
  }

  const refreshes = (): number => issuer.requests.entries.filter((each) => each === 'POST /token').length

  /** The keys in Redis of this kind. */
  async function keysOf(kind: string): Promise<string[]> {
    return (await redis.sendCommand('KEYS', `mcp:login:${kind}:*`)) as string[]
  }

  test('a link made at one node is opened, answered and used at the other', async () => {
    const link = linkIn(await nodes[0]!.call('ada'))
    expect(linkIn(await nodes[1]!.call('ada'))).toBe(link)
    serving = 1
    const visited = await visit(link, 'ada')
    const callback = await issuer.authorize(await leave(visited), 'ada-at-crm')
    serving = 0
    expect((await visited.browser.open(callback)).text).toContain('Your account is connected')
    for (const node of nodes) expect(accountIn(await node.call('ada'))).toBe('ada-at-crm')
    expect(accountIn(await nodes[1]!.call('bob'))).toBeUndefined()
  })

  test('200 calls at two nodes with a token that has expired make one refresh', async () => {
    await connected()
    const before = refreshes()
    laterMs = TOKEN_TTL_S * 1_000
    const answers = await Promise.all(Array.from({ length: 200 }, (_, index) => nodes[index % 2]!.call('ada')))
    expect(new Set(answers.map(accountIn))).toEqual(new Set(['ada-at-crm']))
    expect(refreshes() - before).toBe(1)
  })

  test('200 calls at two nodes with a token that the server refuses make one refresh', async () => {
    await connected()
    for (const node of nodes) await node.call('ada')
    const before = refreshes()
    laterMs = 10_000
    upstream.refuseAll()
    const answers = await Promise.all(Array.from({ length: 200 }, (_, index) => nodes[index % 2]!.call('ada')))
    expect(new Set(answers.map(accountIn))).toEqual(new Set(['ada-at-crm']))
    expect(refreshes() - before).toBe(1)
  })

  test('a lock whose holder has died is over after its time, and another node refreshes', async () => {
    await connected()
    const [connection] = await keysOf('connection')
    const key = connection!.slice('mcp:login:'.length)
    await redis.sendCommand('SET', `mcp:login:${storeKey('lock', key)}`, 'of a node that died', 'PX', '10000')
    laterMs = TOKEN_TTL_S * 1_000
    const before = refreshes()
    await redis.counted()
    const answer = nodes[0]!.call('ada')
    // It has looked again, and found the lock still there.
    for (let sets = 0; sets < 3; sets += (await redis.counted())['set'] ?? 0) await setImmediate()
    expect(refreshes()).toBe(before)
    await redis.advance(10_000)
    expect(accountIn(await answer)).toBe('ada-at-crm')
    expect(refreshes() - before).toBe(1)
  })

  test('a service that has ended the connection ends it here, and the user is asked again', async () => {
    await connected()
    issuer.endGrants()
    laterMs = TOKEN_TTL_S * 1_000
    const link = linkIn(await nodes[1]!.call('ada'))
    expect(await nodes[0]!.connections.list('ada')).toMatchObject([{ server: 'crm', broken: true }])
    await connect(link, 'ada', 'other-account', issuer)
    expect(accountIn(await nodes[0]!.call('ada'))).toBe('other-account')
    expect(await nodes[1]!.connections.list('ada')).toMatchObject([{ server: 'crm', broken: false }])
  })

  test('a connection that was made anew meanwhile is not ended by an answer to the old token', async () => {
    await connected()
    issuer.endGrants()
    laterMs = TOKEN_TTL_S * 1_000
    const before = refreshes()
    const release = issuer.hold('POST /token')
    const held = nodes[0]!.call('ada')
    while (refreshes() === before) await issuer.requests.next()
    const { url } = await brokerOf(nodes[1]!.connections)!.linkFor({ user: 'ada', server: 'crm', url: upstream.url })
    await connect(url, 'ada', 'new-account', issuer)
    release()
    expect(accountIn(await held)).toBe('new-account')
    expect(accountIn(await nodes[1]!.call('ada'))).toBe('new-account')
  })

  test('a node that dies between callback and store loses that attempt alone, and the page says so', async () => {
    const link = linkIn(await nodes[0]!.call('ada'))
    const visited = await visit(link, 'ada')
    const callback = await issuer.authorize(await leave(visited), 'ada-at-crm')
    const tokens = refreshes()
    const release = issuer.hold('POST /token')
    const lost = visited.browser.open(callback).catch(() => 'no answer')
    while (refreshes() === tokens) await issuer.requests.next()
    dead = nodes[0]!
    dead.connection.close()
    release()
    await lost
    serving = 1
    const again = await visited.browser.open(callback)
    expect(again).toMatchObject({ status: 400 })
    expect(again.text).toContain('interrupted')
    expect(accountIn(await nodes[1]!.call('ada'))).toBeUndefined()
    expect(linkIn(await nodes[1]!.call('ada'))).toBe(link)
    expect((await connect(link, 'ada', 'ada-at-crm', issuer)).text).toContain('Your account is connected')
    expect(accountIn(await nodes[1]!.call('ada'))).toBe('ada-at-crm')
    expect(reasonsOf(nodes[1]!.reported)).toEqual([])
  })

  test('what the store holds names no user, and no token can be read in it', async () => {
    await connected()
    const keys = (await redis.sendCommand('KEYS', 'mcp:login:*')) as string[]
    expect(keys.length).toBeGreaterThan(2)
    const values = await Promise.all(
      keys.map(async (key) => {
        const type = String(await redis.sendCommand('TYPE', key))
        return type === 'zset' ? redis.sendCommand('ZRANGE', key, '0', '-1') : redis.sendCommand('GET', key)
      }),
    )
    const held = JSON.stringify([keys, values])
    for (const token of upstream.tokens.entries.filter((each) => each !== '')) expect(held).not.toContain(token)
    expect(held).not.toContain('ada')
    expect(held).not.toContain(upstream.origin)
  })
})
