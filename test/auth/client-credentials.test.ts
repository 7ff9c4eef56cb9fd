// clientCredentials() as the headers of a server: a real provider, a real MCP server that asks for its tokens, real clients.
import { jest } from '@jest/globals'
import { decodeJwt } from 'jose'
import type { HeadersContext } from '../../lib/index.ts'
import { clientCredentials, type ClientCredentialsOptions } from '../../lib/auth/index.ts'
import { startAuthorizationServer, type RunningAuthorizationServer } from '../support/authorization-server.ts'
import { connectSdkV1, connectSdkV2, textOf } from '../support/clients.ts'
import { startGateway, type RunningGateway } from '../support/gateway.ts'
import { initialize, post, initializeMessage, type Session } from '../support/rpc.ts'
import { startProtectedServer, type ProtectedServer } from '../support/protected-server.ts'

const { now } = Date
const monotonicNow = performance.now.bind(performance)

let login: RunningAuthorizationServer
let upstream: ProtectedServer
let gateway: RunningGateway

const client = (): ClientCredentialsOptions => ({
  issuer: login.issuer,
  clientId: login.client.id,
  clientSecret: login.client.secret,
})

beforeEach(async () => {
  login = await startAuthorizationServer()
  upstream = await startProtectedServer(login)
  await start(clientCredentials(client()))
})

afterEach(async () => {
  jest.restoreAllMocks()
  await gateway.close()
  await upstream.close()
  await login.close()
})

async function start(headers: ReturnType<typeof clientCredentials>): Promise<void> {
  await gateway?.close()
  gateway = await startGateway({
    servers: { a: { url: upstream.url, headers } },
    authenticate: ({ headers: { authorization = '' } }) => ({ id: authorization.slice('Bearer '.length) || 'ada' }),
  })
}

const tokenRequests = (): number => login.requests.entries.filter((request) => request === 'POST /token').length
const tokensSent = (): string[] => [...new Set(upstream.requests.entries.map(({ token }) => token))]
const whoami = (session: Session) => session.request('tools/call', { name: 'whoami', arguments: {} })

/** Sets everybody's clocks to so much after what they are, the provider's too. */
function later(ms: number): void {
  jest.spyOn(performance, 'now').mockImplementation(() => monotonicNow() + ms)
  jest.spyOn(Date, 'now').mockImplementation(() => now() + ms)
}

test.each([
  ['v1', connectSdkV1],
  ['v2', connectSdkV2],
])('a session of the SDK %s goes through with one token, made for this upstream (AU14, AU15)', async (_, connect) => {
  const agent = await connect(gateway.url('a'), { headers: { authorization: 'Bearer of-the-client' } })
  const claims: unknown = JSON.parse(textOf(await agent.call('whoami')))
  expect(claims).toMatchObject({ iss: login.issuer, aud: upstream.url, client_id: login.client.id })
  await agent.endSession()
  await agent.close()
  expect(upstream.requests.entries.map(({ method }) => method)).toEqual(
    expect.arrayContaining(['POST', 'GET', 'DELETE']),
  )
  expect(tokensSent()).toHaveLength(1)
  expect(tokensSent()).not.toContain('of-the-client')
  expect(tokenRequests()).toBe(1)
  expect(gateway.reported.entries).toEqual([])
})

test('every principal shares the token, since it is the gateway’s own', async () => {
  for (const id of ['ada', 'grace']) {
    const session = await initialize(gateway.url('a'), { headers: { authorization: `Bearer ${id}` } })
    expect(await whoami(session)).toMatchObject({ status: 200 })
  }
  expect(tokensSent()).toHaveLength(1)
  expect(tokenRequests()).toBe(1)
})

test('scopes are asked for', async () => {
  await start(clientCredentials({ ...client(), scopes: ['mcp:read', 'mcp:write'] }))
  await initialize(gateway.url('a'))
  expect(decodeJwt(tokensSent()[0]!)['scope']).toBe('mcp:read mcp:write')
})

test('20 calls at once after the token has expired ask for one new token', async () => {
  const session = await initialize(gateway.url('a'))
  later(600_000)
  const answers = await Promise.all(Array.from({ length: 20 }, () => whoami(session)))
  expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200))
  expect(tokenRequests()).toBe(2)
  expect(tokensSent()).toHaveLength(2)
})

test('20 calls at once whose token was revoked are all sent again with the same fresh one', async () => {
  const session = await initialize(gateway.url('a'))
  upstream.revoke(...tokensSent())
  const answers = await Promise.all(Array.from({ length: 20 }, () => whoami(session)))
  expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200))
  expect(tokenRequests()).toBe(2)
  expect(tokensSent()).toHaveLength(2)
  expect(gateway.reported.entries).toEqual([])
})

test('a token for another upstream is 502 after one more try, without its challenge (AU12)', async () => {
  await start(clientCredentials({ ...client(), resource: 'https://elsewhere.example.com/mcp' }))
  const answer = await post(gateway.url('a'), initializeMessage())
  expect(answer).toMatchObject({ status: 502, message: { error: { message: expect.stringContaining('401') } } })
  expect(answer.headers['www-authenticate']).toBeUndefined()
  expect(JSON.stringify(answer)).not.toContain('upstream.example')
  expect(upstream.requests.entries).toHaveLength(2)
  expect((await gateway.reported.next()).error).toMatchObject({ code: 'upstream_unauthorized' })
  // Nothing better is to be had, so nobody asks for it again at once.
  await post(gateway.url('a'), initializeMessage())
  expect(upstream.requests.entries).toHaveLength(3)
  expect(tokenRequests()).toBe(2)
})

test('while the authorization server is down it is 503 with Retry-After, and the kept token goes on', async () => {
  const session = await initialize(gateway.url('a'))
  await login.stop()
  later(590_000)
  expect(await whoami(session)).toMatchObject({ status: 200 })
  later(610_000)
  const answer = await whoami(session)
  expect(answer).toMatchObject({ status: 503, message: { error: { code: 503 } } })
  expect(answer.headers['retry-after']).toBe('1')
  expect(JSON.stringify(answer)).not.toContain(login.issuer)
  const { error, context } = await gateway.reported.next()
  expect(error).toMatchObject({ code: 'unavailable', cause: { message: expect.stringContaining('did not answer') } })
  expect(context).toMatchObject({ server: 'a' })
  await login.start()
  expect(await whoami(session)).toMatchObject({ status: 200 })
})

test('a wrong secret is 502, and neither it nor the reason is for the client to see (SC7)', async () => {
  await start(clientCredentials({ ...client(), clientSecret: 'wr0ng-secret' }))
  const answer = await post(gateway.url('a'), initializeMessage())
  expect(answer).toMatchObject({
    status: 502,
    message: { error: { code: 502, message: 'The gateway was given no token for the server' } },
  })
  const { error } = await gateway.reported.next()
  expect((error.cause as Error).message).toMatch(/answered 401, invalid_client/)
  expect(`${error.stack} ${String(error.cause)}`).not.toContain('wr0ng')
  expect(upstream.requests.entries).toEqual([])
})

test('what is kept is answered at once; each upstream has a token of its own', async () => {
  const headers = clientCredentials(client())
  const context = (url: string): HeadersContext => ({ principal: undefined, request: undefined, server: 'a', url })
  const [one, two] = [context('https://one.example.com/mcp'), context('https://two.example.com/mcp')]
  const tokens = await Promise.all([headers(one), headers(two)])
  const audiences = tokens.map(({ authorization = '' }) => decodeJwt(authorization.slice('Bearer '.length)).aud)
  expect(audiences).toEqual([one.url, two.url])
  expect(headers(one)).toBe(tokens[0])
  expect(headers(two)).toBe(tokens[1])
})
