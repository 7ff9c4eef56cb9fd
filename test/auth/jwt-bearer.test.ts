// jwtBearer(): tokens of a real issuer, what becomes of them, how often they are looked at, and what may be configured.
import { jest } from '@jest/globals'
import { GatewayError, type GatewayRequest, mcpGateway } from '../../lib/index.ts'
import { jwtBearer, type JwtBearerOptions, type JwtPrincipal } from '../../lib/auth/index.ts'
import type { IssuerKeys } from '../../lib/auth/issuer-keys.ts'
import { VerifiedTokens } from '../../lib/auth/verified-tokens.ts'
import { type RunningAuthorizationServer, startAuthorizationServer } from '../support/authorization-server.ts'
import { publicKey } from '../support/oidc-provider.ts'
import { challengeOf, startProtectedGateway } from '../support/protected-gateway.ts'
import { initialize, initializeMessage, post } from '../support/rpc.ts'
import { startUpstream } from '../support/upstream.ts'

const RESOURCE = 'https://app.example.com/mcp-servers/files/mcp'
const context = { server: 'files', resource: RESOURCE }

let issuer: RunningAuthorizationServer
beforeAll(async () => {
  issuer = await startAuthorizationServer()
})
afterAll(() => issuer.close())

const nowS = (): number => Math.floor(Date.now() / 1000)

function asking(token: string, url = '/files/mcp'): GatewayRequest {
  const authorization = `Bearer ${token}`
  return { url, headers: { authorization }, rawHeaders: ['authorization', authorization] } as unknown as GatewayRequest
}

/** With the keys at hand, so that nothing is fetched. */
function bearer<P extends object>(options: Partial<JwtBearerOptions<P>> = {}) {
  return jwtBearer({ issuer: issuer.issuer, jwks: { keys: [publicKey(issuer.signingKey())] }, ...options })
}

describe('a principal', () => {
  test('is issuer and subject, with scopes, expiry and claims (AU8)', async () => {
    const token = await issuer.clientToken({ resource: RESOURCE, scope: 'mcp:read mcp:write' })
    const claims = {
      iss: issuer.issuer,
      sub: 'machine',
      aud: RESOURCE,
      scope: 'mcp:read mcp:write',
      client_id: 'machine',
    }
    const principal = (await bearer({ clockToleranceS: 7 })(asking(token), context)) as JwtPrincipal
    expect(principal).toEqual({
      id: `${issuer.issuer} machine`,
      scopes: ['mcp:read', 'mcp:write'],
      expiresAt: (principal.claims.exp ?? 0) + 7,
      claims: { ...claims, iat: expect.any(Number), exp: expect.any(Number), jti: expect.any(String) },
    })
  })

  test.each<[object, string[]]>([
    [{ scope: 'a  b' }, ['a', 'b']],
    [{ scp: 'a b' }, ['a', 'b']],
    [{ scp: ['a', 'b', 3] }, ['a', 'b']],
    [{ scope: '', scp: 'a' }, []],
    [{ scope: 7 }, []],
    [{}, []],
  ])('has of the claims %j the scopes %j', async (claims, scopes) => {
    const token = await issuer.sign({ aud: RESOURCE, ...claims })
    await expect(bearer()(asking(token), context)).resolves.toMatchObject({ scopes })
  })

  test('is what the option "principal" makes of it, asked once for a token', async () => {
    const principal = jest.fn(async ({ sub }: { sub?: string | undefined }) => ({
      id: `user-${sub}`,
      team: 'research',
    }))
    const authenticate = bearer({ principal })
    const token = await issuer.sign({ aud: RESOURCE, scope: 'a' })
    for (let time = 0; time < 3; time += 1) {
      expect(await authenticate(asking(token), context)).toMatchObject({
        id: 'user-ada',
        team: 'research',
        scopes: ['a'],
      })
    }
    expect(principal).toHaveBeenCalledTimes(1)
  })

  test('is nobody when "principal" says so, and then the token is asked about again', async () => {
    let isMember = false
    const authenticate = bearer({ principal: () => (isMember ? {} : undefined) })
    const token = await issuer.sign({ aud: RESOURCE })
    expect(await authenticate(asking(token), context)).toBeUndefined()
    isMember = true
    expect(await authenticate(asking(token), context)).toMatchObject({ id: `${issuer.issuer} ada` })
  })

  test('needs no subject where "principal" says who it is', async () => {
    const token = await issuer.sign({ aud: RESOURCE, sub: undefined })
    await expect(bearer({ principal: () => ({ id: 'the-app' }) })(asking(token), context)).resolves.toMatchObject({
      id: 'the-app',
    })
  })

  test('has the scopes that its scopes imply, when "principal" says which these are (AU7)', async () => {
    const implied: Record<string, string[]> = { admin: ['admin', 'write', 'read'], write: ['write', 'read'] }
    const authenticate = bearer({
      scopes: ['read'],
      principal: ({ scope }) => ({
        scopes: String(scope)
          .split(' ')
          .flatMap((each) => implied[each] ?? [each]),
      }),
    })
    const admin = await issuer.sign({ aud: RESOURCE, scope: 'admin' })
    await expect(authenticate(asking(admin), context)).resolves.toMatchObject({ scopes: ['admin', 'write', 'read'] })
    const other = await issuer.sign({ aud: RESOURCE, scope: 'other' })
    await expect(authenticate(asking(other), context)).rejects.toMatchObject({ code: 'insufficient_scope' })
  })
})

describe('the option "principal"', () => {
  test.each<[unknown, string]>([
    [null, 'an object, or undefined'],
    [false, 'an object, or undefined'],
    ['ada', 'an object, or undefined'],
    [{ scopes: 'read write' }, '"scopes" as an array'],
    [{ scopes: new Set(['read']) }, '"scopes" as an array'],
    [{ id: 7 }, 'an "id" that is a string'],
    [{ id: undefined }, 'an "id" that is a string'],
    [{ expiresAt: '2026-11-21' }, '"expiresAt" in seconds'],
    [{ expiresAt: NaN }, '"expiresAt" in seconds'],
  ])('that answers %j lets nobody in, and is told what it may', async (answer, reason) => {
    const authenticate = bearer({ principal: () => answer as object })
    const asked = authenticate(asking(await issuer.sign({ aud: RESOURCE })), context)
    await expect(asked).rejects.toThrow(TypeError)
    await expect(asked).rejects.toThrow(`jwtBearer: "principal" must answer ${reason}`)
  })

  test('cannot let a token outlive its "exp", and may end it sooner (AU8)', async () => {
    const exp = nowS() + 60
    const ends = async (expiresAt: number | undefined): Promise<unknown> => {
      const authenticate = bearer({ clockToleranceS: 0, principal: () => ({ expiresAt }) })
      return authenticate(asking(await issuer.sign({ aud: RESOURCE, exp })), context)
    }
    for (const later of [undefined, exp + 1, Infinity, Date.now() + 60_000]) {
      expect(await ends(later)).toMatchObject({ expiresAt: exp })
    }
    expect(await ends(exp - 1)).toMatchObject({ expiresAt: exp - 1 })
  })
})

describe('a token', () => {
  test.each([Date.now() + 60_000, Date.now() - 60_000, 1e300])(
    'whose expiry of %d can only be in milliseconds is refused, since it would never expire (AU8)',
    async (exp) => {
      const answer = bearer()(asking(await issuer.sign({ aud: RESOURCE, exp })), context)
      await expect(answer).rejects.toMatchObject({ status: 401, message: expect.stringContaining('in seconds') })
    },
  )

  test('that is good for a hundred years is good', async () => {
    const token = await issuer.sign({ aud: RESOURCE, exp: nowS() + 100 * 365 * 24 * 3_600 })
    await expect(bearer()(asking(token), context)).resolves.toBeDefined()
  })

  test('of the first request is known to the second, though its keys were fetched for it', async () => {
    const principal = jest.fn(() => ({}))
    const authenticate = jwtBearer({ issuer: issuer.issuer, principal })
    const token = await issuer.sign({ aud: RESOURCE })
    const first = await authenticate(asking(token), context)
    expect(authenticate(asking(token), context)).toBe(first)
    expect(principal).toHaveBeenCalledTimes(1)
  })

  test('that is known is answered for at once, without a promise, until it expires', async () => {
    const authenticate = bearer({ clockToleranceS: 0 })
    const token = await issuer.sign({ aud: RESOURCE, exp: nowS() + 60 })
    const first = authenticate(asking(token), context)
    expect(first).toBeInstanceOf(Promise)
    const principal = await first
    expect(authenticate(asking(token), context)).toBe(principal)
    const clock = jest.spyOn(Date, 'now').mockReturnValue((nowS() + 61) * 1000)
    expect(() => authenticate(asking(token), context)).toThrow('The access token has expired')
    clock.mockRestore()
  })

  test('is for this resource or for none here, known or not', async () => {
    const authenticate = bearer()
    const token = await issuer.sign({ aud: [RESOURCE, 'https://else.example'] })
    await authenticate(asking(token), context)
    const other = { server: 'mail', resource: 'https://app.example.com/mcp-servers/mail/mcp' }
    expect(() => authenticate(asking(token), other)).toThrow('The access token is for another resource')
  })

  test.each([
    [RESOURCE, true],
    [`${RESOURCE}/`, true],
    [RESOURCE.replace('https://app', 'HTTPS://APP'), true],
    [RESOURCE.replace('files', 'FILES'), false],
    [`${RESOURCE}?a=b`, false],
    [`${RESOURCE}#a`, false],
    [RESOURCE.replace('https', 'http'), false],
    ['https://app.example.com', false],
    [RESOURCE.replace('files', 'x/../files'), false],
  ])('for %s is for this server: %s (AU5, AU8)', async (aud, isGood) => {
    const answer = async (): Promise<unknown> => bearer()(asking(await issuer.sign({ aud })), context)
    if (isGood) await expect(answer()).resolves.toMatchObject({ scopes: [] })
    else await expect(answer()).rejects.toMatchObject({ code: 'unauthorized' })
  })

  test('for an audience of one’s own is compared to the letter, and may be for any of several', async () => {
    const authenticate = bearer({ audience: ['api://gateway', 'https://app.example.com'] })
    for (const aud of ['api://gateway', ['x', 'https://app.example.com']]) {
      const token = await issuer.sign({ aud })
      await expect(authenticate(asking(token), { server: 'files', resource: undefined })).resolves.toBeDefined()
    }
    for (const aud of [RESOURCE, 'https://app.example.com/', 'API://gateway']) {
      await expect(authenticate(asking(await issuer.sign({ aud })), context)).rejects.toMatchObject({ status: 401 })
    }
  })

  test('without an audience and without a resource is no matter of the client: never is any audience good', async () => {
    const token = await issuer.sign({ aud: RESOURCE })
    const answer = bearer()(asking(token), { server: 'files', resource: undefined })
    await expect(answer).rejects.toThrow(TypeError)
    await expect(answer).rejects.toThrow('set "audience", or "publicUrl"')
  })

  test('within the tolerance of the clocks is good', async () => {
    const token = await issuer.sign({ aud: RESOURCE, exp: nowS() - 10, nbf: nowS() + 10 })
    await expect(bearer({ clockToleranceS: 20 })(asking(token), context)).resolves.toBeDefined()
    await expect(bearer({ clockToleranceS: 5 })(asking(token), context)).rejects.toMatchObject({ status: 401 })
  })

  test.each([['at+jwt'], ['AT+JWT'], ['application/at+jwt'], ['JWT'], [undefined]])(
    'of type %s is an access token',
    async (typ) => {
      const token = await issuer.sign({ aud: RESOURCE }, { typ: typ as string })
      await expect(bearer()(asking(token), context)).resolves.toBeDefined()
    },
  )

  test('without a key id is tried with every key it may be signed with', async () => {
    const signing = publicKey(issuer.signingKey())
    const older = await startAuthorizationServer()
    const keys = [publicKey(older.signingKey()), signing]
    await older.close()
    const token = await issuer.sign({ aud: RESOURCE }, { kid: undefined as unknown as string })
    await expect(bearer({ jwks: { keys } })(asking(token), context)).resolves.toBeDefined()
    const others = { keys: [keys[0]!, { ...keys[0]!, kid: 'x' }] }
    await expect(bearer({ jwks: others })(asking(token), context)).rejects.toThrow('signature')
  })

  test('longer than any issuer makes one is not looked at', () => {
    expect(() => bearer()(asking('a'.repeat(17_000)), context)).toThrow('The access token is too long')
  })

  test('is none in another scheme, or where there is no header', () => {
    const request = asking('x')
    request.headers.authorization = 'Basic abc'
    expect(bearer()(request, context)).toBeUndefined()
    delete request.headers.authorization
    expect(bearer()(request, context)).toBeUndefined()
  })
})

test('tokens are kept among ten thousand at most', () => {
  const keys = { generation: 0, freshen() {} } as unknown as IssuerKeys
  const tokens = new VerifiedTokens(keys)
  const verified = { principal: {} as JwtPrincipal, audiences: [], length: 300 }
  for (let index = 0; index <= 10_000; index += 1) tokens.set(`key ${index}`, verified, 0)
  expect(tokens.get('key 0')).toBeUndefined()
  for (const key of ['key 10', 'key 10000']) expect(tokens.get(key)).toBe(verified)
})

test('tokens are kept up to 16 MiB of them, and the least recently used goes first', () => {
  const keys = { generation: 0, freshen() {} } as unknown as IssuerKeys
  const tokens = new VerifiedTokens(keys)
  const verified = { principal: {} as JwtPrincipal, audiences: [], length: 16 * 1024 }
  for (let index = 0; index < 1_024; index += 1) tokens.set(`key ${index}`, verified, 0)
  tokens.set('key 1', verified, 0)
  expect(tokens.get('key 0')).toBeDefined()
  tokens.set('another', verified, 0)
  expect(tokens.get('key 2')).toBeUndefined()
  for (const key of ['key 0', 'key 1', 'key 3', 'another']) expect(tokens.get(key)).toBe(verified)
})

test('a token of the real issuer opens a session, and one that lacks a scope is told which (AU6, AU7, AU9)', async () => {
  const upstream = await startUpstream()
  const gateway = await startProtectedGateway({
    servers: { files: { url: upstream.url } },
    authenticate: jwtBearer({ issuer: issuer.issuer, scopes: ['mcp:read'] }),
  })
  const resource = gateway.url('files')
  const nobody = await post(resource, initializeMessage())
  expect(nobody.status).toBe(401)
  expect(challengeOf(nobody.headers['www-authenticate'])).toEqual({
    scope: 'mcp:read',
    resource_metadata: `${gateway.publicUrl}/.well-known/oauth-protected-resource/files/mcp`,
  })
  const authorization = `Bearer ${await issuer.clientToken({ resource, scope: 'mcp:read' })}`
  const session = await initialize(resource, { headers: { authorization } })
  expect((await session.request('ping')).status).toBe(200)
  expect((await session.end()).status).toBe(200)
  const lacking = { authorization: `Bearer ${await issuer.clientToken({ resource, scope: 'mcp:write' })}` }
  const refused = await post(resource, initializeMessage(), lacking)
  expect(refused.status).toBe(403)
  expect(challengeOf(refused.headers['www-authenticate'])).toMatchObject({
    error: 'insufficient_scope',
    scope: 'mcp:read',
  })
  await gateway.close()
  await upstream.close()
})

test('a stream ends when its token does, and the client goes on in the same session with a fresh one (AU11)', async () => {
  const upstream = await startUpstream()
  upstream.on('GET', (exchange) => void exchange.stream())
  const gateway = await startProtectedGateway({
    servers: { files: { url: upstream.url } },
    authenticate: jwtBearer({ issuer: issuer.issuer, clockToleranceS: 0 }),
  })
  const aud = gateway.url('files')
  const bearing = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` })
  const session = await initialize(aud, { headers: bearing(await issuer.sign({ aud, exp: nowS() + 2 })) })
  const stream = await session.listen()
  expect(stream.status).toBe(200)
  await expect(stream.over).resolves.toBe('complete')
  expect((await session.request('ping')).status).toBe(401)
  const fresh = bearing(await issuer.sign({ aud }))
  expect((await session.post({ jsonrpc: '2.0', id: 1, method: 'ping' }, fresh)).status).toBe(200)
  await gateway.close()
  await upstream.close()
})

describe('a configuration that cannot work says so', () => {
  const issuerUrl = 'https://login.example.com'
  test.each<[string, unknown]>([
    ['takes an object', undefined],
    ['"issuer" must be', {}],
    ['"issuer" must be', { issuer: 'http://login.example.com' }],
    ['"issuer" must be', { issuer: `${issuerUrl}?a=b` }],
    ['"audience" must be', { issuer: issuerUrl, audience: '' }],
    ['"audience" must be', { issuer: issuerUrl, audience: [] }],
    ['"jwksUri" must be', { issuer: issuerUrl, jwksUri: 'http://login.example.com/jwks' }],
    ['"jwks" or "jwksUri"', { issuer: issuerUrl, jwks: { keys: [{ kty: 'EC' }] }, jwksUri: `${issuerUrl}/jwks` }],
    ['"jwks" must be', { issuer: issuerUrl, jwks: {} }],
    ['"jwks" must be', { issuer: issuerUrl, jwks: { keys: [{ kty: 'oct', k: 'secret' }] } }],
    ['"jwks" must be', { issuer: issuerUrl, jwks: { keys: [{ kty: 'EC', d: 'secret' }] } }],
    ['"algorithms" must be', { issuer: issuerUrl, algorithms: [] }],
    ['"algorithms" must be', { issuer: issuerUrl, algorithms: ['HS256'] }],
    ['"algorithms" must be', { issuer: issuerUrl, algorithms: ['RS256', 'none'] }],
    ['"scopes" must be an array', { issuer: issuerUrl, scopes: 'mcp' }],
    ['"offline_access"', { issuer: issuerUrl, scopes: ['offline_access'] }],
    ['"clockToleranceS" must be', { issuer: issuerUrl, clockToleranceS: -1 }],
    ['"principal" must be', { issuer: issuerUrl, principal: {} }],
    ['"jwtBearer.audiences" is not an option; did you mean "audience"?', { issuer: issuerUrl, audiences: [] }],
  ])('%s: %j', (reason, options) => {
    const make = (): unknown => jwtBearer(options as JwtBearerOptions)
    expect(make).toThrow(TypeError)
    expect(make).toThrow(reason)
  })

  test('a gateway without "publicUrl" takes no jwtBearer() without "audience" (AU8)', () => {
    const authenticate = jwtBearer({ issuer: issuerUrl })
    expect(() => mcpGateway({ servers: {}, authenticate })).toThrow('takes an "audience", or "publicUrl"')
    expect(() =>
      mcpGateway({ servers: {}, authenticate: jwtBearer({ issuer: issuerUrl, audience: 'x' }) }),
    ).not.toThrow()
  })

  test('an algorithm that is not listed is not taken', async () => {
    const token = await issuer.sign({ aud: RESOURCE })
    const answer = bearer({ algorithms: ['RS256'] })(asking(token), context)
    await expect(answer).rejects.toBeInstanceOf(GatewayError)
    await expect(answer).rejects.toThrow('signed with an algorithm that is not taken here')
  })
})
