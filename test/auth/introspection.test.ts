// introspection(): opaque tokens of a real issuer, how often it is asked about them, and what its answers may be.
import { jest } from '@jest/globals'
import { type GatewayError, type GatewayRequest, mcpGateway } from '../../lib/index.ts'
import { introspection, type IntrospectedPrincipal, type IntrospectionOptions } from '../../lib/auth/index.ts'
import { type RunningAuthorizationServer, startAuthorizationServer } from '../support/authorization-server.ts'
import { type Listening, listen } from '../support/listen.ts'
import { startProtectedGateway } from '../support/protected-gateway.ts'
import { initialize, initializeMessage, post } from '../support/rpc.ts'
import { startUpstream } from '../support/upstream.ts'

const RESOURCE = 'https://app.example.com/mcp-servers/files/mcp'
const context = { server: 'files', resource: RESOURCE }

const { now } = Date
const monotonicNow = performance.now.bind(performance)

let issuer: RunningAuthorizationServer
beforeAll(async () => {
  issuer = await startAuthorizationServer({ opaque: true })
})
afterAll(() => issuer.close())
afterEach(() => void jest.restoreAllMocks())

/** Sets everybody's clocks to so much after what they are, the issuer's too. */
function later(ms: number): void {
  jest.spyOn(performance, 'now').mockImplementation(() => monotonicNow() + ms)
  jest.spyOn(Date, 'now').mockImplementation(() => now() + ms)
}

function asking(token: string, url = '/files/mcp'): GatewayRequest {
  const authorization = `Bearer ${token}`
  return { url, headers: { authorization }, rawHeaders: ['authorization', authorization] } as unknown as GatewayRequest
}

const gatewayClient = () => ({ issuer: issuer.issuer, clientId: issuer.client.id, clientSecret: issuer.client.secret })

function bearer<P extends object>(options: Partial<IntrospectionOptions<P>> = {}) {
  return introspection({ ...gatewayClient(), ...options })
}

/** How often the issuer has been asked about a token. */
const asked = (): number => issuer.requests.entries.filter((request) => request === 'POST /token/introspection').length

describe('with a real issuer', () => {
  test('a principal is issuer and subject, with scopes, expiry and claims (AU8)', async () => {
    const token = await issuer.userToken('ada', { resource: RESOURCE, scope: 'mcp:read mcp:write' })
    expect(token).not.toContain('.')
    const principal = (await bearer()(asking(token), context)) as IntrospectedPrincipal
    expect(principal).toMatchObject({
      id: `${issuer.issuer} ada`,
      scopes: ['mcp:read', 'mcp:write'],
      expiresAt: (principal.claims.exp ?? 0) + 30,
      claims: { active: true, sub: 'ada', aud: RESOURCE, client_id: 'machine', token_type: 'Bearer' },
    })
  })

  test('a token that it does not know is refused, and is not asked about again for a moment', async () => {
    const authenticate = bearer()
    const before = asked()
    const refused = { code: 'unauthorized', challenge: { error: 'invalid_token' } }
    await expect(authenticate(asking('made-up'), context)).rejects.toMatchObject(refused)
    expect(() => authenticate(asking('made-up'), context)).toThrow('The access token is not valid')
    expect(asked()).toBe(before + 1)
    later(5_001)
    await expect(authenticate(asking('made-up'), context)).rejects.toMatchObject(refused)
    expect(asked()).toBe(before + 2)
  })

  test('a known token is answered for at once, and asked about again after "cacheS", when it may be revoked', async () => {
    const authenticate = bearer({ cacheS: 10 })
    const token = await issuer.userToken('ada', { resource: RESOURCE })
    const before = asked()
    const principal = await authenticate(asking(token), context)
    await issuer.revoke(token)
    later(9_000)
    expect(authenticate(asking(token), context)).toBe(principal)
    expect(asked()).toBe(before + 1)
    later(10_001)
    await expect(authenticate(asking(token), context)).rejects.toMatchObject({ code: 'unauthorized' })
    expect(asked()).toBe(before + 2)
  })

  test('with "cacheS: 0" a revoked token is refused by the next request', async () => {
    const authenticate = bearer({ cacheS: 0 })
    const token = await issuer.userToken('ada', { resource: RESOURCE })
    await authenticate(asking(token), context)
    await issuer.revoke(token)
    await expect(authenticate(asking(token), context)).rejects.toMatchObject({ code: 'unauthorized' })
  })

  test('a token is cached no longer than it lives', async () => {
    const authenticate = bearer({ cacheS: 3_600 })
    const token = await issuer.userToken('ada', { resource: RESOURCE })
    await authenticate(asking(token), context)
    const before = asked()
    later(599_000)
    expect(authenticate(asking(token), context)).toBeDefined()
    expect(asked()).toBe(before)
    later(631_000)
    await expect(authenticate(asking(token), context)).rejects.toMatchObject({ code: 'unauthorized' })
    expect(asked()).toBe(before + 1)
  })

  test('requests at the same time share one introspection', async () => {
    const authenticate = bearer()
    const token = await issuer.userToken('ada', { resource: RESOURCE })
    const before = asked()
    const principals = await Promise.all(Array.from({ length: 20 }, async () => authenticate(asking(token), context)))
    expect(new Set(principals).size).toBe(1)
    expect(asked()).toBe(before + 1)
  })

  test('a token for another server is refused, known or not; "audience" may name what is accepted (AU5)', async () => {
    const authenticate = bearer()
    const token = await issuer.userToken('ada', { resource: RESOURCE })
    const other = { server: 'mail', resource: 'https://app.example.com/mcp-servers/mail/mcp' }
    await expect(authenticate(asking(token), other)).rejects.toThrow('for another resource')
    await authenticate(asking(token), context)
    expect(() => authenticate(asking(token), other)).toThrow('for another resource')
    await expect(bearer({ audience: ['urn:a', RESOURCE] })(asking(token), other)).resolves.toBeDefined()
    await expect(bearer({ audience: 'urn:a' })(asking(token), context)).rejects.toThrow('for another resource')
    const nowhere = { server: 'files', resource: undefined }
    await expect(bearer()(asking(token), nowhere)).rejects.toThrow('introspection: set "audience", or "publicUrl"')
  })

  test('a token of the client itself has no subject, and "principal" may give it one', async () => {
    const token = await issuer.clientToken({ resource: RESOURCE })
    await expect(bearer()(asking(token), context)).rejects.toThrow('has no subject')
    const principal = jest.fn(({ client_id: id }: { client_id?: string }) => ({ id: `client ${id}`, team: 'it' }))
    const authenticate = bearer({ principal })
    await expect(authenticate(asking(token), context)).resolves.toMatchObject({ id: 'client machine', team: 'it' })
    await authenticate(asking(token), context)
    expect(principal).toHaveBeenCalledTimes(1)
  })

  test('"principal" may refuse a token, and is asked again then', async () => {
    const answers = [undefined, {}]
    const authenticate = bearer({ principal: async () => answers.shift() })
    const token = await issuer.userToken('ada', { resource: RESOURCE })
    await expect(authenticate(asking(token), context)).resolves.toBeUndefined()
    await expect(authenticate(asking(token), context)).resolves.toMatchObject({ id: `${issuer.issuer} ada` })
  })

  test('a token without the required scopes gets 403 (AU7)', async () => {
    const authenticate = bearer({ scopes: ['mcp:write'] })
    const token = await issuer.userToken('ada', { resource: RESOURCE, scope: 'mcp:read' })
    await expect(authenticate(asking(token), context)).rejects.toMatchObject({ code: 'insufficient_scope' })
  })

  test('a wrong secret is the operator’s to know: 503, and neither secret nor token is in the reason (SC7)', async () => {
    const token = await issuer.userToken('ada', { resource: RESOURCE })
    const error = await Promise.resolve(bearer({ clientSecret: 'a-wrong-secret' })(asking(token), context)).then(
      () => undefined,
      (thrown: GatewayError) => thrown,
    )
    expect(error).toMatchObject({ code: 'unavailable', message: 'Access tokens cannot be checked now' })
    const reason = String(error?.cause)
    expect(reason).toContain('The introspection endpoint answered 401, invalid_client')
    expect(reason).not.toContain(token)
    expect(reason).not.toContain('a-wrong-secret')
  })

  test('while it is away a cached token is accepted, others get 503, and afterwards all is as before', async () => {
    const authenticate = bearer()
    const [known, other] = await Promise.all([
      issuer.userToken('ada', { resource: RESOURCE }),
      issuer.userToken('ben', { resource: RESOURCE }),
    ])
    await authenticate(asking(known), context)
    await issuer.stop()
    expect(authenticate(asking(known), context)).toMatchObject({ id: `${issuer.issuer} ada` })
    await expect(authenticate(asking(other), context)).rejects.toMatchObject({ code: 'unavailable', status: 503 })
    await issuer.start()
    await expect(authenticate(asking(other), context)).resolves.toMatchObject({ id: `${issuer.issuer} ben` })
  })

  test('a session goes through the gateway, which tells clients who the issuer is (AU2, AU3, AU4)', async () => {
    const upstream = await startUpstream()
    const gateway = await startProtectedGateway({ servers: { files: { url: upstream.url } }, authenticate: bearer() })
    const refused = await post(gateway.url('files'), initializeMessage())
    expect(refused.status).toBe(401)
    const [, metadataUrl = ''] = /resource_metadata="([^"]+)"/.exec(refused.headers['www-authenticate'] ?? '') ?? []
    expect(metadataUrl).toContain('/.well-known/oauth-protected-resource')
    const token = await issuer.userToken('ada', { resource: gateway.url('files') })
    const session = await initialize(gateway.url('files'), { headers: { authorization: `Bearer ${token}` } })
    expect(session).toBeDefined()
    await gateway.close()
    await upstream.close()
  })
})

describe('an answer of the issuer', () => {
  let endpoint: Listening
  let answer: Record<string, unknown>
  const requests: { body: URLSearchParams; authorization: string | undefined }[] = []

  beforeAll(async () => {
    endpoint = await listen((request, response) => {
      let body = ''
      request.on('data', (chunk: Buffer) => (body += chunk.toString()))
      request.on('end', () => {
        requests.push({ body: new URLSearchParams(body), authorization: request.headers.authorization })
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
      })
    })
  })
  afterAll(() => endpoint.close())

  const good = { active: true, sub: 'ada', aud: RESOURCE }
  function ask(said: Record<string, unknown>, options: Partial<IntrospectionOptions> = {}): Promise<unknown> {
    answer = said
    const authenticate = bearer({ introspectionEndpoint: `${endpoint.origin}/introspect`, ...options })
    return Promise.resolve(authenticate(asking('a-token'), context))
  }

  test('is asked for with the token, as an access token, by the client of the gateway', async () => {
    await ask(good)
    const { body, authorization } = requests.at(-1)!
    expect(Object.fromEntries(body)).toEqual({ token: 'a-token', token_type_hint: 'access_token' })
    expect(authorization).toMatch(/^Basic /)
  })

  test.each<[Record<string, unknown>, string]>([
    [{ iss: 'https://else.example' }, 'of another issuer'],
    [{ cnf: { jkt: 'a' } }, 'bound to a key'],
    [{ token_type: 'DPoP' }, 'no access token'],
    [{ token_type: 'refresh_token' }, 'no access token'],
    [{ token_use: 'refresh_token' }, 'no access token'],
    [{ typ: 'Refresh' }, 'no access token'],
    [{ typ: 'Offline' }, 'no access token'],
    [{ aud: undefined }, 'for another resource'],
    [{ aud: `${RESOURCE}/else` }, 'for another resource'],
    [{ sub: undefined }, 'has no subject'],
    [{ sub: '' }, 'has no subject'],
    [{ sub: { a: 1 } }, 'subject of the access token is malformed'],
    [{ exp: Date.now() }, 'in seconds'],
    [{ exp: Math.floor(Date.now() / 1000) - 60 }, 'has expired'],
  ])('that is good but for %j refuses the token', async (part, reason) => {
    const refused = { code: 'unauthorized', message: expect.stringContaining(reason) }
    await expect(ask({ ...good, ...part })).rejects.toMatchObject(refused)
  })

  test.each<[Record<string, unknown>, number]>([
    [{ active: 'true' }, 503],
    [{ active: undefined }, 503],
    [{ exp: 'tomorrow' }, 401],
    [{ aud: [RESOURCE, 7] }, 401],
  ])('that is malformed, %j, lets nobody in', async (part, status) => {
    await expect(ask({ ...good, ...part })).rejects.toMatchObject({ status })
  })

  test.each([
    [{ token_type: 'bearer' }],
    [{ token_type: 'Bearer', typ: 'Bearer' }],
    [{ token_use: 'access_token' }],
    [{ aud: ['urn:a', `${RESOURCE}/`] }],
  ])('with %j is good', async (part) => {
    await expect(ask({ ...good, ...part })).resolves.toMatchObject({
      id: `${issuer.issuer} ada`,
      expiresAt: Infinity,
    })
  })

  test('without an audience is good with "audience: false" and a "principal" that judges by something else', async () => {
    const principal = ({ client_id: id }: { client_id?: string }) => (id === 'ours' ? {} : undefined)
    const options = { audience: false, principal } as const
    await expect(ask({ active: true, sub: 'ada', client_id: 'ours' }, options)).resolves.toMatchObject({
      scopes: [],
    })
    await expect(ask({ active: true, sub: 'ada', client_id: 'theirs' }, options)).resolves.toBeUndefined()
  })

  test('of a token’s own "iss" is the issuer’s alone: a principal is never that of another', async () => {
    await expect(ask({ ...good, iss: issuer.issuer })).resolves.toMatchObject({ id: `${issuer.issuer} ada` })
  })

  test('whose "principal" answers nonsense is said to come from introspection', async () => {
    await expect(ask(good, { principal: () => null as never })).rejects.toThrow(
      'introspection: "principal" must answer',
    )
  })
})

test('tokens that strangers make up take no more than their part, at once and in memory', async () => {
  let held: (() => void)[] = []
  const endpoint = await listen((_request, response) => {
    const say = (): void => void response.writeHead(200, { 'content-type': 'application/json' }).end('{"active":false}')
    held.push(say)
  })
  const authenticate = bearer({ introspectionEndpoint: endpoint.origin })
  const outcomes = Array.from({ length: 300 }, (_, index) =>
    Promise.resolve(authenticate(asking(`made-up-${index}`), context)).catch(({ code }: GatewayError) => code),
  )
  const timer = setInterval(() => {
    for (const say of held) say()
    held = []
  }, 5)
  const codes = await Promise.all(outcomes)
  clearInterval(timer)
  expect(codes.filter((code) => code === 'unavailable')).toHaveLength(300 - 256)
  expect(codes.filter((code) => code === 'unauthorized')).toHaveLength(256)
  await endpoint.close()
})

test('a metadata document of a remote issuer that names an endpoint on this machine is not followed (SC4)', async () => {
  const { trustedEndpoint } = await import('../../lib/auth/metadata.ts')
  const metadata = { issuer: 'https://login.example', introspection_endpoint: 'http://127.0.0.1:1/introspect' }
  expect(() => trustedEndpoint(metadata, 'introspection_endpoint')).toThrow('on this machine')
})

describe('options', () => {
  const good = { issuer: 'https://login.example.com', clientId: 'gateway', clientSecret: 's3cret' }
  test.each<[string, object | undefined, string]>([
    ['nothing', undefined, 'takes an object'],
    ['an unknown option', { ...good, resource: 'x' }, '"introspection.resource" is not an option'],
    ['no issuer', { ...good, issuer: undefined }, '"issuer" must be'],
    ['no credentials', { ...good, clientSecret: undefined }, 'either "clientSecret" or "privateKey"'],
    ['an endpoint without TLS', { ...good, introspectionEndpoint: 'http://login.example.com' }, 'Endpoint" must be'],
    ['an empty audience', { ...good, audience: [] }, '"audience" must be'],
    ['no audience and nobody to judge', { ...good, audience: false }, 'takes a function "principal"'],
    ['scopes as a text', { ...good, scopes: 'a b' }, '"scopes"'],
    ['a time below 0', { ...good, cacheS: -1 }, '"cacheS" must be'],
    ['no time', { ...good, cacheS: Infinity }, '"cacheS" must be'],
    ['a principal that is no function', { ...good, principal: {} }, '"principal" must be a function'],
  ])('%s', (_, options, message) => {
    const construct = (): unknown => introspection(options as typeof good)
    expect(construct).toThrow(TypeError)
    expect(construct).toThrow('introspection')
    expect(construct).toThrow(message)
  })

  test('without "audience" the gateway needs a publicUrl', () => {
    const authenticate = introspection(good)
    expect(() => mcpGateway({ servers: {}, authenticate })).toThrow('takes an "audience", or "publicUrl"')
  })
})
