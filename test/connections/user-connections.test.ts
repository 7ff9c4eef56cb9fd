// userConnections() at a whole gateway: users are asked, connect, call with accounts of their own, and disconnect.
import type { RequestListener } from 'node:http'
import { brokerOf } from '../../lib/exchange/connections.ts'
import { startAuthorizationServer } from '../support/authorization-server.ts'
import { accountIn, connect, leave, linkIn, reasonsOf, startConnectionsApp, visit } from '../support/connections-app.ts'
import { listen } from '../support/listen.ts'
import { use } from '../support/use.ts'
import { app, issuer, restart, setUpConnections, store, upstream } from './setup.ts'

const { jest } = import.meta

setUpConnections()
afterEach(() => jest.restoreAllMocks())

const broker = () => brokerOf(app.connections)!
const subject = (user = 'ada') => ({ user, server: 'crm', url: upstream.url })
const connectAda = async (): Promise<unknown> => connect(linkIn(await app.call('ada')), 'ada', 'ada-at-crm', issuer)
const askedFor = (line: string): number => issuer.requests.entries.filter((each) => each === line).length

const realNow = Date.now

/** Lets so much time go by, from the beginning of the test. */
function later(ms: number): void {
  jest.spyOn(Date, 'now').mockImplementation(() => realNow() + ms)
}

test('two users connect an account each, and each call goes with the account of the one who calls', async () => {
  const asked = await app.call('ada')
  expect(asked).toMatchObject({ status: 200, message: { error: { code: -32_042 } } })
  const error = asked.message?.['error'] as { message: string }
  expect(error.message).toContain(linkIn(asked))
  const done = await connect(linkIn(asked), 'ada', 'ada-at-crm', issuer)
  expect(done).toMatchObject({ status: 200 })
  expect(done.text).toContain('Your account is connected')
  expect(accountIn(await app.call('ada'))).toBe('ada-at-crm')
  await connect(linkIn(await app.call('bob')), 'bob', 'bob-at-crm', issuer)
  expect([accountIn(await app.call('ada')), accountIn(await app.call('bob'))]).toEqual(['ada-at-crm', 'bob-at-crm'])
  expect(app.reported).toEqual([])
})

test('the page says which account of which service is asked for, by which agent, for which server', async () => {
  const { page } = await visit(linkIn(await app.call('ada')), 'ada')
  const words = page.text.replaceAll(/<[^>]+>/g, ' ').replaceAll(/\s+/g, ' ')
  expect(words).toContain('An agent that calls itself An agent of the tests asks you')
  expect(words).toContain(`connect an account at ${new URL(issuer.issuer).host}`)
  expect(words).toMatch(/Server crm 127\.0\.0\.1/)
  expect(words).toContain('Your account here ada')
})

test('the request has PKCE with S256, the resource, the scopes that are asked for, and a state of its own', async () => {
  const visited = await visit(linkIn(await app.call('ada')), 'ada')
  const [one, other] = [await leave(visited), await leave(visited)]
  expect(Object.fromEntries(one.searchParams)).toMatchObject({
    client_id: `${app.origin}/connections/client.json`,
    code_challenge_method: 'S256',
    prompt: 'consent',
    redirect_uri: `${app.origin}/connections/callback`,
    resource: upstream.url,
    response_type: 'code',
    scope: 'mcp:read offline_access',
  })
  for (const name of ['state', 'code_challenge']) {
    expect(one.searchParams.get(name)).toMatch(/^[\w-]{43}$/)
    expect(one.searchParams.get(name)).not.toBe(other.searchParams.get(name))
  }
})

test('a user has one open link for a server, and a new one after it was declined', async () => {
  const links = await Promise.all(Array.from({ length: 20 }, async () => linkIn(await app.call('ada'))))
  expect(new Set(links).size).toBe(1)
  expect(linkIn(await app.call('ada'))).toBe(links[0])
  expect((await broker().linkFor(subject())).url).toBe(links[0])
  const { page, browser } = await visit(links[0]!, 'ada')
  expect((await browser.press(page, { decision: 'decline' })).text).toContain('Nothing was connected')
  expect(linkIn(await app.call('ada'))).not.toBe(links[0])
})

test('who waits for a link hears what became of it', async () => {
  const { id, url } = await broker().linkFor(subject())
  expect(await broker().waitFor(id, { user: 'ada', timeoutMs: 1 })).toBe('pending')
  expect(await broker().waitFor(id, { user: 'ada', timeoutMs: 60_000, signal: AbortSignal.abort() })).toBe('pending')
  expect(await broker().waitFor(id, { user: 'eve', timeoutMs: 1 })).toBe('expired')
  expect(await broker().waitFor('unknown', { user: 'ada', timeoutMs: 1 })).toBe('expired')
  const outcomes = Array.from({ length: 50 }, () => broker().waitFor(id, { user: 'ada', timeoutMs: 60_000 }))
  await connect(url, 'ada', 'ada-at-crm', issuer)
  expect(new Set(await Promise.all(outcomes))).toEqual(new Set(['connected']))
  expect(await broker().waitFor(id, { user: 'ada', timeoutMs: 1 })).toBe('connected')
})

test('whether a server is connected is known without a call', async () => {
  expect(await broker().statusOf(subject())).toBe('none')
  await connect((await broker().linkFor(subject())).url, 'ada', 'ada-at-crm', issuer)
  expect([await broker().statusOf(subject()), await broker().statusOf(subject('bob'))]).toEqual(['connected', 'none'])
  expect(accountIn(await app.call('ada'))).toBe('ada-at-crm')
})

test('a token that has expired is refreshed before the call, and one that is about to meanwhile', async () => {
  await connectAda()
  expect(upstream.tokens.entries).toHaveLength(1)
  expect(accountIn(await app.call('ada'))).toBe('ada-at-crm')
  later(580_000)
  const before = askedFor('POST /token')
  await app.call('ada')
  const [, first, second] = upstream.tokens.entries
  expect(second).toBe(first)
  while (askedFor('POST /token') === before) await issuer.requests.next()
  later(600_000)
  expect(accountIn(await app.call('ada'))).toBe('ada-at-crm')
  expect(upstream.tokens.entries.at(-1)).not.toBe(first)
})

test('a token that the server refuses is refreshed, and the call sent again', async () => {
  await connectAda()
  await app.call('ada')
  later(20_000)
  upstream.refuseAll()
  const before = askedFor('POST /token')
  expect(accountIn(await app.call('ada'))).toBe('ada-at-crm')
  expect(askedFor('POST /token') - before).toBe(1)
})

test('a server that refuses a token which was just issued is a fault of the operator, and no question', async () => {
  await connectAda()
  await app.call('ada')
  upstream.refuseAll()
  expect(await app.call('ada')).toMatchObject({ status: 502 })
  expect(reasonsOf(app.reported)).toEqual([`${upstream.origin} refuses a token that ${issuer.issuer} has just issued`])
})

test('more rights are asked for where a call needs them, and those of before stay', async () => {
  await connectAda()
  const asked = await app.call('ada', 'write')
  const visited = await visit(linkIn(asked), 'ada')
  const request = await leave(visited)
  expect(request.searchParams.get('scope')?.split(' ').toSorted()).toEqual(['mcp:read', 'mcp:write', 'offline_access'])
  await visited.browser.open(await issuer.authorize(request, 'ada-at-crm'))
  expect(accountIn(await app.call('ada', 'write'))).toBe('ada-at-crm')
  expect(await app.connections.list('ada')).toMatchObject([{ scopes: expect.arrayContaining(['mcp:write']) }])
})

test('a user disconnects: the tokens are revoked at the service, and the next call asks again', async () => {
  await connectAda()
  await app.call('ada')
  expect(await app.connections.list('ada')).toEqual([
    {
      server: 'crm',
      url: upstream.url,
      issuer: issuer.issuer,
      scopes: ['mcp:read'],
      since: expect.any(Date),
      broken: false,
    },
  ])
  await app.connections.disconnect('ada', 'another')
  expect(await app.connections.list('ada')).toHaveLength(1)
  await app.connections.disconnect('ada', 'crm')
  expect(askedFor('POST /token/revocation')).toBe(1)
  expect(await app.connections.list('ada')).toEqual([])
  expect(linkIn(await app.call('ada'))).toBeDefined()
  expect([...store.values.keys()].filter((key) => key.startsWith('connection:'))).toEqual([])
})

test('a service that cannot revoke does not keep a user connected, and the operator hears of it', async () => {
  await connectAda()
  await issuer.stop()
  await app.connections.disconnect('ada', 'crm')
  await issuer.start()
  expect(await app.connections.list('ada')).toEqual([])
  expect(app.reported).toMatchObject([{ code: 'unavailable' }])
})

test('while the service does not answer, a call with an expired token is 503, and nothing is forgotten', async () => {
  await connectAda()
  later(600_000)
  await issuer.stop()
  expect(await app.call('ada')).toMatchObject({ status: 503 })
  await issuer.start()
  expect(accountIn(await app.call('ada'))).toBe('ada-at-crm')
})

test('a connection lives on as long as it is used', async () => {
  await restart({ ttlS: 100 * 24 * 60 * 60 })
  await connectAda()
  await app.call('ada')
  const key = [...store.values.keys()].find((each) => each.startsWith('connection:'))
  const before = store.values.get(key!)
  later(2 * 24 * 60 * 60_000)
  await restart({ ttlS: 100 * 24 * 60 * 60 })
  await app.call('ada')
  expect(store.values.get(key!)?.value).not.toBe(before?.value)
  expect(store.values.get(key!)?.ttlMs).toBe(100 * 24 * 60 * 60_000)
})

test('secrets are rotated with what they have sealed', async () => {
  await connectAda()
  const SECRETS = ['another secret of the tests, as long as that', 'a secret of the tests that is long enough']
  await restart({ secrets: SECRETS })
  expect(accountIn(await app.call('ada'))).toBe('ada-at-crm')
  await restart({ secrets: SECRETS.slice(0, 1) })
  expect(linkIn(await app.call('ada'))).toBeDefined()
  expect(linkIn(await app.call('ada'))).toBe(linkIn(await app.call('ada')))
})

test('a store that is away is 503 for calls and pages', async () => {
  const link = linkIn(await app.call('ada'))
  const { browser } = await visit(link, 'ada')
  store.get = async () => {
    throw new Error('away')
  }
  expect(await app.call('ada')).toMatchObject({ status: 503 })
  expect(await browser.open(link)).toMatchObject({ status: 503 })
  expect(app.reported).toMatchObject([{ code: 'unavailable' }, { code: 'unavailable' }])
})

test('a server without metadata is connected by what the options say', async () => {
  upstream.metadata = undefined
  upstream.challenge = undefined
  expect(await app.call('ada')).toMatchObject({ status: 502 })
  expect(reasonsOf(app.reported)).toEqual([
    expect.stringMatching(/has no metadata at .*: name its "issuer" in "servers"$/),
  ])
  const servers = {
    crm: {
      issuer: issuer.issuer,
      authorizationEndpoint: `${issuer.issuer}/auth`,
      tokenEndpoint: issuer.tokenEndpoint,
      scopes: ['mcp:read'],
      parameters: { login_hint: 'ada' },
    },
  }
  let handle: RequestListener = () => {}
  const front = await use(listen((request, response) => handle(request, response)))
  const { id, secret } = await issuer.register({
    redirect_uris: [`${front.origin}/connections/callback`],
    application_type: 'native',
  })
  const clients = { [issuer.issuer]: { clientId: id, clientSecret: secret } }
  const own = await use(
    startConnectionsApp({
      front: front.origin,
      servers: (headers) => ({ crm: { url: upstream.url, headers } }),
      connections: { store, servers, clients },
    }),
  )
  handle = own.listener
  const visited = await visit(linkIn(await own.call('ada')), 'ada')
  const request = await leave(visited)
  expect(request.searchParams.get('login_hint')).toBe('ada')
  expect(request.searchParams.get('scope')).toBe('mcp:read')
  await visited.browser.open(await issuer.authorize(request, 'ada-at-crm'))
  expect(accountIn(await own.call('ada'))).toBe('ada-at-crm')
})

test('a service without a client is a fault of the operator, who is told the redirect URI', async () => {
  const other = await use(startAuthorizationServer())
  upstream.metadata = { resource: upstream.origin, authorization_servers: [other.issuer] }
  expect(await app.call('ada')).toMatchObject({ status: 502 })
  expect(reasonsOf(app.reported).join()).toContain(
    `register the gateway there, with the redirect URI ${app.origin}/connections/callback`,
  )
})

test('without "authenticate" there is nobody to connect', async () => {
  const own = await use(
    startConnectionsApp({
      servers: (headers) => ({ crm: { url: upstream.url, headers } }),
      gateway: { authenticate: false },
      connections: { store },
    }),
  )
  expect(await own.call('ada')).toMatchObject({ status: 500 })
  expect(own.reported).toEqual([
    expect.objectContaining({ message: expect.stringContaining('without "authenticate"') }),
  ])
})

test('pages pass on what is not theirs, and answer 404 without a next', async () => {
  const { pages } = app.connections
  const alone = await use(listen((request, response) => pages(request, response)))
  expect((await fetch(`${alone.origin}/connections/nothing`)).status).toBe(404)
  expect((await fetch(`${alone.origin}/connections/callback`, { method: 'POST' })).status).toBe(405)
  const behind = await use(
    listen((request, response) => pages(request, response, () => void response.writeHead(418).end())),
  )
  expect((await fetch(`${behind.origin}/connections/link/short`)).status).toBe(418)
})
