// tokenExchange() as the headers of a server: whose token is whose, with a real provider and a real MCP server behind.
import { jest } from '@jest/globals'
import { decodeJwt } from 'jose'
import { type GatewayOptions, type HeadersContext, MemorySessionStore } from '../../lib/index.ts'
import { tokenExchange, type TokenExchangeOptions } from '../../lib/auth/index.ts'
import { startAuthorizationServer, type RunningAuthorizationServer } from '../support/authorization-server.ts'
import { connectSdkV1, textOf } from '../support/clients.ts'
import { startGateway, type RunningGateway } from '../support/gateway.ts'
import { initialize, initializeMessage, post, type Session } from '../support/rpc.ts'
import { startProtectedServer, type ProtectedServer } from '../support/protected-server.ts'

const GATEWAY = 'https://gateway.example.com'

const { now } = Date
const monotonicNow = performance.now.bind(performance)

let login: RunningAuthorizationServer
let upstream: ProtectedServer
let gateway: RunningGateway

const client = (): TokenExchangeOptions => ({
  issuer: login.issuer,
  clientId: login.client.id,
  clientSecret: login.client.secret,
})

beforeEach(async () => {
  login = await startAuthorizationServer()
  upstream = await startProtectedServer(login)
  await start()
})

afterEach(async () => {
  jest.restoreAllMocks()
  await gateway.close()
  await upstream.close()
  await login.close()
})

async function start(
  options: Partial<TokenExchangeOptions> = {},
  gatewayOptions: Partial<GatewayOptions> = {},
): Promise<void> {
  await gateway?.close()
  gateway = await startGateway({
    servers: { a: { url: upstream.url, headers: tokenExchange({ ...client(), ...options }) } },
    authenticate: ({ headers: { authorization = '' } }) => {
      const [, token] = authorization.split(' ')
      return { id: token === undefined ? 'nobody' : String(decodeJwt(token).sub) }
    },
    ...gatewayOptions,
  })
}

/** What a client of the gateway holds: a token for the gateway. Each is another one. */
const tokenOf = (sub: string): Promise<string> => login.sign({ sub, aud: GATEWAY, jti: crypto.randomUUID() })
const bearer = (token: string): { authorization: string } => ({ authorization: `Bearer ${token}` })

const open = async (token: string): Promise<Session> => initialize(gateway.url('a'), { headers: bearer(token) })
const exchanges = (): number => login.requests.entries.filter((request) => request === 'POST /token').length
const tokensSent = (): string[] => [...new Set(upstream.requests.entries.map(({ token }) => token))]

/** The claims of the token with which a call arrives. */
async function whoami(session: Session, headers = {}): Promise<Record<string, unknown>> {
  const { message } = await session.post(
    { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'whoami', arguments: {} } },
    headers,
  )
  return JSON.parse(textOf(message?.result)) as Record<string, unknown>
}

/** Sets everybody's clocks to so much after what they are, the provider's too. */
function later(ms: number): void {
  jest.spyOn(performance, 'now').mockImplementation(() => monotonicNow() + ms)
  jest.spyOn(Date, 'now').mockImplementation(() => now() + ms)
}

test('an SDK client reaches the upstream as itself, by a token for this upstream; its own never crosses (AU14, AU15)', async () => {
  const own = await tokenOf('ada')
  const agent = await connectSdkV1(gateway.url('a'), { headers: bearer(own) })
  expect(JSON.parse(textOf(await agent.call('whoami')))).toMatchObject({
    sub: 'ada',
    aud: upstream.url,
    act: { sub: login.client.id },
  })
  await agent.endSession()
  await agent.close()
  expect(tokensSent()).toHaveLength(1)
  expect(tokensSent()).not.toContain(own)
  expect(exchanges()).toBe(1)
  expect(gateway.reported.entries).toEqual([])
})

test('20 clients at the same time each arrive as who they are', async () => {
  const names = Array.from({ length: 20 }, (_, index) => `user-${index}`)
  const sessions = await Promise.all(names.map(async (name) => open(await tokenOf(name))))
  const claims = await Promise.all([...sessions, ...sessions].map((session) => whoami(session)))
  expect(claims.map(({ sub }) => sub)).toEqual([...names, ...names])
  expect(exchanges()).toBe(20)
})

test('20 calls of one client at once share one exchange, after the token has expired too', async () => {
  const session = await open(await tokenOf('ada'))
  const all = () => Promise.all(Array.from({ length: 20 }, () => whoami(session)))
  expect(await all()).toHaveLength(20)
  expect(exchanges()).toBe(1)
  later(599_000)
  expect(await all()).toHaveLength(20)
  expect(exchanges()).toBe(2)
})

test('a new login of the same principal is exchanged anew, in the same session; the old one is not served its token', async () => {
  const [first, second] = [await tokenOf('ada'), await tokenOf('ada')]
  const session = await open(first)
  await whoami(session)
  await whoami(session, bearer(second))
  expect(exchanges()).toBe(2)
  expect(tokensSent()).toHaveLength(2)
  await whoami(session)
  expect(exchanges()).toBe(2)
  expect(upstream.requests.entries.at(-1)!.token).toBe(tokensSent()[0])
})

test('one token that two principals show is exchanged for each of them: what is kept is of one principal', async () => {
  const shared = await tokenOf('ada')
  const headers = tokenExchange(client())
  const request = { headers: bearer(shared) } as HeadersContext['request']
  const context = (id: string): HeadersContext => ({ principal: { id }, request, server: 'a', url: upstream.url })
  const answers = await Promise.all([headers(context('ada')), headers(context('grace'))])
  expect(new Set(answers).size).toBe(2)
  expect(exchanges()).toBe(2)
  expect(headers(context('ada'))).toBe(answers[0])
  expect(headers(context('grace'))).toBe(answers[1])
})

test('a revoked token is replaced, and the message sent again, for whom it was revoked alone', async () => {
  const [ada, grace] = [await open(await tokenOf('ada')), await open(await tokenOf('grace'))]
  const [adas] = tokensSent()
  upstream.revoke(adas!)
  expect(await Promise.all([whoami(ada), whoami(ada), whoami(grace)])).toMatchObject([
    { sub: 'ada' },
    { sub: 'ada' },
    { sub: 'grace' },
  ])
  expect(exchanges()).toBe(3)
})

test('a token that the authorization server does not take is 502, and tells nobody what it was (SC7)', async () => {
  const [head, , signature] = (await tokenOf('ada')).split('.')
  const forged = [head, Buffer.from('{"sub":"root"}').toString('base64url'), signature].join('.')
  const answer = await post(gateway.url('a'), initializeMessage(), bearer(forged))
  expect(answer).toMatchObject({
    status: 502,
    message: { error: { message: 'The gateway was given no token for the server' } },
  })
  expect(upstream.requests.entries).toEqual([])
  const { error } = await gateway.reported.next()
  expect(`${error.stack} ${String(error.cause)}`).not.toContain(forged)
})

test('without a token of the client there is nothing to exchange: 502, and nobody is asked', async () => {
  expect(await post(gateway.url('a'), initializeMessage())).toMatchObject({
    status: 502,
    message: { error: { message: 'There is no token of the client to exchange for one of the server' } },
  })
  expect(exchanges()).toBe(0)
})

test('a request without a token is not served one that its principal brought with another (AU14)', async () => {
  const headers = tokenExchange(client())
  const context = { principal: { id: 'ada' }, server: 'a', url: upstream.url }
  const request = (given: object) => ({ headers: given }) as HeadersContext['request']
  await headers({ ...context, request: request(bearer(await tokenOf('ada'))) })
  for (const authorization of [undefined, 'Basic YTpi', 'Bearer', 'Bearer a b']) {
    expect(() => headers({ ...context, request: request({ authorization }) })).toThrow(
      'There is no token of the client',
    )
  }
})

test.each([
  ['at once', (token: string) => token],
  ['with a promise', (token: string) => Promise.resolve(token)],
])('an app with a login of its own gives the token it got there, %s', async (_, give) => {
  const stored = await tokenOf('ada')
  const subjectToken = jest.fn(({ principal }: HeadersContext) => give(principal?.id === 'ada' ? stored : ''))
  await start({ subjectToken }, { authenticate: ({ headers }) => ({ id: String(headers['x-user']) }) })
  const session = await initialize(gateway.url('a'), { headers: { 'x-user': 'ada' } })
  expect(await whoami(session)).toMatchObject({ sub: 'ada' })
  expect(await post(gateway.url('a'), initializeMessage(), { 'x-user': 'grace' })).toMatchObject({ status: 502 })
})

describe('a session that the gateway itself ends, without a request', () => {
  /** A session whose own DELETE comes by itself. */
  const expireSoon = (): Partial<GatewayOptions> => ({ sessions: new MemorySessionStore({ ttlMs: 1_000 }) })
  const ended = () => upstream.requests.next(({ method }) => method === 'DELETE')

  test('is ended with the last token of its principal, as long as that lives', async () => {
    await start({}, expireSoon())
    await open(await tokenOf('ada'))
    const { token } = await ended()
    expect(decodeJwt(token)).toMatchObject({ sub: 'ada', aud: upstream.url })
    expect(exchanges()).toBe(1)
  })

  test('is never ended with the token of another principal', async () => {
    await start({}, expireSoon())
    await open(await tokenOf('ada'))
    await open(await tokenOf('grace'))
    const subjects = [await ended(), await ended()].map(({ token }) => String(decodeJwt(token).sub))
    expect(subjects.toSorted()).toEqual(['ada', 'grace'])
  })

  test('is not ended when there is none any more; the operator hears of it', async () => {
    const headers = tokenExchange(client())
    const principal = { id: 'ada' }
    const request = { headers: bearer(await tokenOf('ada')) } as HeadersContext['request']
    await headers({ principal, request, server: 'a', url: upstream.url })
    const alone = { principal, request: undefined, server: 'a', url: upstream.url }
    expect(headers(alone)).toEqual({ authorization: expect.any(String) })
    later(600_000)
    expect(() => headers(alone)).toThrow('There is no token of the client to exchange')
  })

  test('with nobody known there is no last token, or it would be anybody’s', async () => {
    const headers = tokenExchange(client())
    const request = { headers: bearer(await tokenOf('ada')) } as HeadersContext['request']
    const context = { principal: undefined, server: 'a', url: upstream.url }
    expect(await headers({ ...context, request })).toEqual({ authorization: expect.any(String) })
    expect(() => headers({ ...context, request: undefined })).toThrow('There is no token of the client to exchange')
  })
})

test('the type of the subject token, an audience and scopes are said where they are given', async () => {
  const asked = jest.spyOn(globalThis, 'fetch')
  await start({
    subjectTokenType: 'urn:ietf:params:oauth:token-type:jwt',
    parameters: { audience: 'weather' },
    scopes: ['mcp:read'],
  })
  const token = await tokenOf('ada')
  await open(token)
  const bodies = asked.mock.calls.flatMap(([, init]) => (init?.body instanceof URLSearchParams ? [init.body] : []))
  expect(bodies.map((body) => Object.fromEntries(body))).toEqual([
    {
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      resource: upstream.url,
      audience: 'weather',
      scope: 'mcp:read',
      subject_token: token,
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    },
  ])
})
