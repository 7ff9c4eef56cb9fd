// agentLogin() on two nodes with Redis: logins that change nodes, one that dies, keys that are rotated, a store that is away or read.
import { MemoryStore } from 'express-session'
import {
  type LoginApp,
  type LoginAppOptions,
  LoginBrowser,
  newSigningKey,
  SECRET,
  SIGNING_KEY,
  startLoginApp,
} from '../support/login-app.ts'
import { listen, type Listening } from '../support/listen.ts'
import { RedisLoginStore } from '../support/login.ts'
import { callStatus, type Grant, KNOWN, RawClient } from '../support/raw-oauth.ts'
import { describeRedis, REDIS_CLIENTS, type RedisConnection, type RunningRedis, startRedis } from '../support/redis.ts'
import { initialize, openStream } from '../support/rpc.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

const OTHER_SECRET = 'another secret of the tests, as long as that'
const OTHER_KEY = newSigningKey()

describeRedis.each(REDIS_CLIENTS)('with the library %s', (_library, connect) => {
  let redis: RunningRedis
  let upstream: Upstream
  /** What browsers and clients see: it passes on to one of the nodes. */
  let front: Listening
  let sessions: MemoryStore
  let serving = 0
  let dead: LoginApp | undefined
  let nodes: (LoginApp & { connection: RedisConnection })[]

  beforeAll(async () => {
    ;[redis, upstream] = await Promise.all([startRedis(), startUpstream()])
    front = await listen((request, response) => nodes[serving]!.listener(request, response))
  })
  afterAll(async () => {
    await front.close()
    await Promise.all([redis.close(), upstream.close()])
  })
  beforeEach(async () => {
    await redis.sendCommand('FLUSHALL')
    sessions = new MemoryStore()
    serving = 0
    nodes = [await startNode(), await startNode()]
  })
  afterEach(async () => {
    for (const node of nodes) {
      expect(node.reported).toEqual([])
      await node.close()
      if (node !== dead) node.connection.close()
    }
    dead = undefined
  })

  async function startNode(login: LoginAppOptions['login'] = {}): Promise<LoginApp & { connection: RedisConnection }> {
    const connection = await connect(redis.path)
    const app = await startLoginApp({
      servers: { notes: { url: upstream.url } },
      issuer: front.origin,
      sessions,
      login: { clients: [KNOWN], store: new RedisLoginStore({ client: connection.client }), ...login },
    })
    return { ...app, connection }
  }

  /** Calls at one of the nodes. */
  function statusAt(node: number, { access_token: token }: Grant): Promise<number> {
    serving = node
    return callStatus(nodes[node]!, token)
  }

  test('page, answer, code, token, call and refresh at another node each', async () => {
    const [client, browser] = [new RawClient(nodes[0]!), new LoginBrowser(front.origin)]
    const page = await browser.begin(client.authorizeUrl(), 'ada')
    serving = 1
    const answered = await browser.press(page, { decision: 'allow' })
    const code = new URL(answered.headers.get('refresh')!.replace(/^\d+;\s*url=/i, '')).searchParams.get('code')!
    serving = 0
    const grant = (await client.exchange(code)).body as unknown as Grant
    expect([await statusAt(0, grant), await statusAt(1, grant)]).toEqual([200, 200])
    expect((await client.refresh(grant.refresh_token)).status).toBe(200)
  })

  test('a node that dies in the middle of a login takes nothing with it (login.md 8.20)', async () => {
    const [client, browser] = [new RawClient(nodes[0]!), new LoginBrowser(front.origin)]
    const page = await browser.begin(client.authorizeUrl(), 'ada')
    await nodes[0]!.close()
    dead = nodes[0]!
    nodes[0]!.connection.close()
    serving = 1
    const url = (await browser.press(page, { decision: 'allow' })).headers.get('refresh')!
    expect((await client.exchange(new URL(url.slice(url.indexOf('http'))).searchParams.get('code')!)).status).toBe(200)
  })

  test('five refreshes at once on two nodes: one successor; a code at both at once: used once at most', async () => {
    const [client, browser] = [new RawClient(nodes[0]!), new LoginBrowser(front.origin)]
    const { refresh_token: token } = await client.logIn(browser, 'ada')
    const fields = { grant_type: 'refresh_token', client_id: KNOWN.id, refresh_token: token }
    const answers = await Promise.all(
      [0, 1, 0, 1, 0].map(async (node) => {
        serving = node
        return client.token(fields)
      }),
    )
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200])
    const successors = new Set(answers.map(({ body }) => body['refresh_token']))
    expect(successors.size).toBe(1)
    expect((await client.refresh(String([...successors][0]))).status).toBe(200)

    const code = (await client.authorize(browser, 'ada')).searchParams.get('code')!
    const exchanges = await Promise.all(
      [0, 1].map(async (node) => {
        serving = node
        return client.exchange(code)
      }),
    )
    expect(exchanges.filter(({ status }) => status === 200).length).toBeLessThanOrEqual(1)
  })

  test('disconnecting at one node ends the stream at the other at once (login.md 8.18)', async () => {
    const [client, browser] = [new RawClient(nodes[0]!), new LoginBrowser(front.origin)]
    const grant = await client.logIn(browser, 'ada')
    const other = await client.logIn(new LoginBrowser(front.origin), 'bob')
    expect([await statusAt(0, grant), await statusAt(1, grant)]).toEqual([200, 200])
    upstream.on('GET', (exchange) => void exchange.stream())
    serving = 1
    const headers = { authorization: `Bearer ${grant.access_token}` }
    const session = await initialize(nodes[1]!.url('notes'), { headers })
    const stream = await openStream(nodes[1]!.url('notes'), { headers: session.headers })
    await nodes[0]!.login.disconnect('ada')
    await stream.over
    expect([await statusAt(0, grant), await statusAt(1, grant), await statusAt(1, other)]).toEqual([401, 401, 200])
  })

  test('keys and secrets are rotated while a user is asked (login.md 8.20)', async () => {
    const [client, browser] = [new RawClient(nodes[0]!), new LoginBrowser(front.origin)]
    const before = await client.logIn(browser, 'ada')
    const page = await browser.begin(client.authorizeUrl(), 'ada')
    nodes.push(await startNode({ keys: [OTHER_KEY, SIGNING_KEY], secrets: [OTHER_SECRET, SECRET] }))
    serving = 2
    const url = (await browser.press(page, { decision: 'allow' })).headers.get('refresh')!
    const code = new URL(url.slice(url.indexOf('http'))).searchParams.get('code')!
    const after = (await client.exchange(code)).body as unknown as Grant
    expect([await statusAt(2, before), await statusAt(2, after)]).toEqual([200, 200])
    const refreshed = (await client.refresh(before.refresh_token)).body as unknown as Grant
    expect(await statusAt(2, refreshed)).toBe(200)
    const keys = (await (await fetch(`${front.origin}/oauth/jwks`)).json()) as { keys: object[] }
    expect(keys.keys).toHaveLength(2)
    expect(JSON.stringify(keys)).not.toContain('"d"')
    // A node with the new ones alone takes what the new ones made.
    nodes.push(await startNode({ keys: [OTHER_KEY], secrets: [OTHER_SECRET] }))
    expect([await statusAt(3, after), await statusAt(3, before)]).toEqual([200, 401])
    expect((await client.refresh(refreshed.refresh_token)).status).toBe(200)
  })

  test('whoever reads the store has no token, no code, no verifier and no secret (login.md 8.21)', async () => {
    const [client, browser] = [new RawClient(nodes[0]!), new LoginBrowser(front.origin)]
    const code = (await client.authorize(browser, 'ada')).searchParams.get('code')!
    const unused = (await client.authorize(browser, 'ada')).searchParams.get('code')!
    const grant = (await client.exchange(code)).body as unknown as Grant
    const next = (await client.refresh(grant.refresh_token)).body as unknown as Grant
    const stored: string[] = []
    for (const key of (await redis.sendCommand('KEYS', '*')) as string[]) {
      const type = String(await redis.sendCommand('TYPE', key))
      stored.push(
        key,
        String(
          type === 'zset' ? await redis.sendCommand('ZRANGE', key, '0', '-1') : await redis.sendCommand('GET', key),
        ),
      )
    }
    expect(stored.length).toBeGreaterThan(8)
    const all = stored.join('\n')
    for (const secret of [code, unused, grant, next].flatMap((each) =>
      typeof each === 'string' ? [each] : [each.access_token, each.refresh_token],
    )) {
      expect(all).not.toContain(secret)
      expect(all).not.toContain(secret.slice(0, 40))
    }
    expect(all).not.toContain(client.verifier)
  })
})

describeRedis('while Redis is away (login.md 8.21)', () => {
  test('clients get 503, browsers a page with 503, nobody half a login; and it goes on after', async () => {
    const [redis, upstream] = await Promise.all([startRedis(), startUpstream()])
    const connection = await REDIS_CLIENTS[0]![1](redis.path)
    const app = await startLoginApp({
      servers: { notes: { url: upstream.url } },
      login: { clients: [KNOWN], store: new RedisLoginStore({ client: connection.client, timeoutMs: 1_500 }) },
    })
    try {
      const [client, browser] = [new RawClient(app), new LoginBrowser(app.origin)]
      const grant = await client.logIn(browser, 'ada')
      const code = (await client.authorize(browser, 'ada')).searchParams.get('code')!
      const page = await browser.begin(client.authorizeUrl(), 'ada')
      redis.stop()
      const answered = await browser.press(page, { decision: 'allow' })
      expect([answered.status, answered.headers.get('refresh')]).toEqual([503, null])
      expect((await browser.open('/oauth/agents')).status).toBe(503)
      for (const each of [await client.exchange(code), await client.refresh(grant.refresh_token)]) {
        expect(each).toMatchObject({ status: 503, body: { error: 'temporarily_unavailable' } })
      }
      expect(await callStatus(app, grant.access_token)).toBe(503)
      redis.go()
      expect((await client.refresh(grant.refresh_token)).status).toBe(200)
      expect(app.reported.splice(0).every((error) => error.message !== '')).toBe(true)
    } finally {
      redis.go()
      await app.close()
      connection.close()
      await Promise.all([redis.close(), upstream.close()])
    }
  })
})
