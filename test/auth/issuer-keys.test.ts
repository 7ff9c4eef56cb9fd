// The keys of an issuer: fetched once, again when one is missing or they are old, kept while it is down, never without bound.
import type { RequestListener } from 'node:http'
import { jest } from '@jest/globals'
import type { GatewayRequest } from '../../lib/index.ts'
import { jwtBearer, type JwtBearerOptions } from '../../lib/auth/index.ts'
import { type RunningAuthorizationServer, startAuthorizationServer } from '../support/authorization-server.ts'
import { listen } from '../support/listen.ts'
import { publicKey } from '../support/oidc-provider.ts'
import { startProtectedGateway } from '../support/protected-gateway.ts'
import { initializeMessage, post } from '../support/rpc.ts'

const RESOURCE = 'https://app.example.com/mcp-servers/files/mcp'
const MINUTE = 60_000

let issuer: RunningAuthorizationServer
const cleanups: Array<() => unknown> = []
beforeEach(async () => {
  issuer = await startAuthorizationServer({ ttlS: 3600 })
  cleanups.push(issuer.close)
})
afterEach(async () => {
  jest.restoreAllMocks()
  for (const cleanup of cleanups.splice(0)) await cleanup()
})

function ask(authenticate: ReturnType<typeof jwtBearer>, token: string): Promise<unknown> {
  const authorization = `Bearer ${token}`
  const request = { url: '/', headers: { authorization }, rawHeaders: [] } as unknown as GatewayRequest
  return (async () => authenticate(request, { server: 'files', resource: RESOURCE }))()
}

const bearer = (options: Partial<JwtBearerOptions> = {}): ReturnType<typeof jwtBearer> =>
  jwtBearer({ issuer: issuer.issuer, ...options })
const sign = (header?: object): Promise<string> => issuer.sign({ aud: RESOURCE }, header)
const fetches = (path: string): number => issuer.requests.entries.filter((each) => each === `GET ${path}`).length

/** Puts the clock that the age of keys is measured by forward. Tokens are verified by the time of day. */
function later(ms: number): void {
  const at = performance.now() + ms
  jest.spyOn(performance, 'now').mockImplementation(() => at)
}

/** An issuer that answers what a test says. */
async function startIssuer(answers: Record<string, RequestListener>): Promise<{ origin: string; asked: string[] }> {
  const asked: string[] = []
  const listening = await listen((request, response) => {
    asked.push(request.url ?? '')
    const answer = answers[request.url ?? '']
    if (answer) answer(request, response)
    else response.writeHead(404).end()
  })
  cleanups.push(listening.close)
  return { origin: listening.origin, asked }
}

const json =
  (value: unknown): RequestListener =>
  (_request, response) =>
    void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value))

test('nothing is asked of the issuer before there is a token, and then once for all that come together', async () => {
  const authenticate = bearer()
  expect(issuer.requests.entries).toEqual([])
  const tokens = await Promise.all([sign(), sign(), sign()])
  await Promise.all(tokens.map((token) => ask(authenticate, token)))
  expect(issuer.requests.entries).toEqual(['GET /.well-known/oauth-authorization-server', 'GET /jwks'])
})

test('with "jwksUri" there is no discovery, and with "jwks" nothing is fetched at all', async () => {
  await ask(bearer({ jwksUri: new URL(issuer.jwksUri) }), await sign())
  expect(issuer.requests.entries).toEqual(['GET /jwks'])
  await ask(bearer({ jwks: { keys: [publicKey(issuer.signingKey())] } }), await sign())
  issuer.rotate()
  await expect(ask(bearer({ jwks: { keys: [{ kty: 'EC', kid: 'x' }] } }), await sign())).rejects.toThrow(
    'does not have',
  )
  expect(issuer.requests.entries).toEqual(['GET /jwks'])
})

test('the metadata of an issuer with a path is where RFC 8414 has it, or OpenID Connect, in that order (AU15)', async () => {
  const tenant = await startAuthorizationServer({ path: '/tenant' })
  cleanups.push(tenant.close)
  await ask(jwtBearer({ issuer: tenant.issuer }), await tenant.sign({ aud: RESOURCE }))
  expect(tenant.requests.entries).toEqual(['GET /.well-known/oauth-authorization-server/tenant', 'GET /tenant/jwks'])
  const keys = json({ keys: [publicKey(issuer.signingKey())] })
  const answers: Record<string, RequestListener> = { '/keys': keys }
  const openId = await startIssuer(answers)
  const itself = `${openId.origin}/a/b`
  answers['/a/b/.well-known/openid-configuration'] = json({ issuer: itself, jwks_uri: `${openId.origin}/keys` })
  await ask(jwtBearer({ issuer: itself }), await issuer.sign({ aud: RESOURCE, iss: itself }))
  expect(openId.asked).toEqual([
    '/.well-known/oauth-authorization-server/a/b',
    '/.well-known/openid-configuration/a/b',
    '/a/b/.well-known/openid-configuration',
    '/keys',
  ])
})

test('the metadata of another issuer is not believed (AU15)', async () => {
  const answers: Record<string, RequestListener> = {}
  const other = await startIssuer(answers)
  answers['/.well-known/oauth-authorization-server'] = json({ issuer: issuer.issuer, jwks_uri: issuer.jwksUri })
  const token = await issuer.sign({ aud: RESOURCE, iss: other.origin })
  await expect(ask(jwtBearer({ issuer: other.origin }), token)).rejects.toMatchObject({ code: 'unavailable' })
  expect(fetches('/jwks')).toBe(0)
})

test('keys are not fetched from where only the plain network leads (SC4)', async () => {
  const answers: Record<string, RequestListener> = {}
  const { origin } = await startIssuer(answers)
  const metadata = { issuer: origin, jwks_uri: 'http://169.254.169.254/latest/meta-data' }
  answers['/.well-known/oauth-authorization-server'] = json(metadata)
  const answer = ask(jwtBearer({ issuer: origin }), await issuer.sign({ aud: RESOURCE, iss: origin }))
  await expect(answer).rejects.toMatchObject({
    code: 'unavailable',
    cause: { cause: { message: expect.stringContaining('not https:') } },
  })
})

describe('a new key', () => {
  test('is fetched when a token is signed with it, and tokens of the old one go on', async () => {
    const authenticate = bearer()
    const old = await sign()
    await ask(authenticate, old)
    issuer.rotate()
    later(MINUTE)
    await ask(authenticate, await sign())
    await ask(authenticate, old)
    expect(fetches('/jwks')).toBe(2)
  })

  test('that nobody has is asked for once in a while, however many tokens name one', async () => {
    const authenticate = bearer()
    await ask(authenticate, await sign())
    later(MINUTE)
    for (let index = 0; index < 20; index += 1) {
      await expect(ask(authenticate, await sign({ kid: `made-up-${index}` }))).rejects.toThrow('does not have')
    }
    expect(fetches('/jwks')).toBe(2)
    later(MINUTE)
    await expect(ask(authenticate, await sign({ kid: 'made-up' }))).rejects.toThrow('does not have')
    expect(fetches('/jwks')).toBe(3)
  })
})

test('keys that are old are fetched anew behind the request, and a key that is gone takes its tokens along', async () => {
  const authenticate = bearer()
  const token = await sign()
  await ask(authenticate, token)
  issuer.rotate({ keep: false })
  const asked = issuer.requests.entries.length
  later(11 * MINUTE)
  await expect(ask(authenticate, token)).resolves.toBeDefined()
  await issuer.requests.next((each) => each === 'GET /jwks' && issuer.requests.entries.length > asked)
  const refused = async (): Promise<boolean> =>
    ask(authenticate, token).then(
      () => false,
      () => true,
    )
  // The answer is on its way: a turn of the loop at a time until it is there.
  for (let turns = 0; !(await refused()) && turns < 1_000; turns += 1) await new Promise(setImmediate)
  await expect(ask(authenticate, token)).rejects.toThrow('does not have')
})

describe('while the issuer is down', () => {
  test('known keys go on, also for tokens that were not seen before, however old they get', async () => {
    const authenticate = bearer()
    await ask(authenticate, await sign())
    await issuer.stop()
    for (let hours = 0; hours < 3; hours += 1) {
      await expect(ask(authenticate, await sign())).resolves.toBeDefined()
      later(60 * MINUTE)
    }
    await issuer.start()
  })

  test('a key that is not known is 503 and not 401: nobody can say what the token is worth', async () => {
    const authenticate = bearer()
    await ask(authenticate, await sign())
    issuer.rotate()
    await issuer.stop()
    later(MINUTE)
    const token = await sign()
    await expect(ask(authenticate, token)).rejects.toMatchObject({ code: 'unavailable', status: 503 })
    await issuer.start()
    later(6_000)
    await expect(ask(authenticate, token)).resolves.toBeDefined()
  })

  test('from the start every token is 503, the operator is told why, and the issuer is left alone for seconds', async () => {
    await issuer.stop()
    const gateway = await startProtectedGateway({ servers: {}, authenticate: bearer({ audience: RESOURCE }) })
    cleanups.push(gateway.close)
    const headers = { authorization: `Bearer ${await sign()}` }
    const answer = await post(gateway.url('files'), initializeMessage(), headers)
    expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '1' } })
    expect(answer.headers['www-authenticate']).toBeUndefined()
    expect(answer.body).not.toContain(issuer.issuer)
    const { error } = await gateway.reported.next()
    expect(error).toMatchObject({ cause: { message: `The keys of ${issuer.issuer} cannot be had` } })
    await issuer.start()
    expect((await post(gateway.url('files'), initializeMessage(), headers)).status).toBe(503)
    later(6_000)
    expect((await post(gateway.url('files'), initializeMessage(), headers)).status).toBe(404)
  })
})

describe('an issuer that answers', () => {
  async function askAt(jwks: RequestListener): Promise<unknown> {
    const { origin } = await startIssuer({ '/jwks': jwks })
    return ask(bearer({ jwksUri: `${origin}/jwks` }), await sign())
  }

  test('10 MB is not read to the end', async () => {
    let sent = 0
    const chunk = Buffer.alloc(64 * 1024, ' ')
    const answer = askAt((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      const write = (): void => {
        while (!response.destroyed && sent < 10 * 1024 * 1024) {
          sent += chunk.length
          if (!response.write(chunk)) return void response.once('drain', write)
        }
        response.end()
      }
      write()
    })
    await expect(answer).rejects.toMatchObject({ code: 'unavailable' })
    expect(sent).toBeLessThan(5 * 1024 * 1024)
  })

  test('never is waited for five seconds', async () => {
    const from = performance.now()
    await expect(askAt(() => {})).rejects.toMatchObject({ code: 'unavailable' })
    expect(performance.now() - from).toBeGreaterThan(4_000)
    expect(performance.now() - from).toBeLessThan(30_000)
  })

  test.each<[string, RequestListener]>([
    ['no JSON', (_request, response) => void response.end('<html>')],
    ['JSON that is no key set', json({ keys: 'none' })],
    ['an error', (_request, response) => void response.writeHead(500).end()],
    ['a cut', (request) => void request.socket.destroy()],
  ])('%s has no keys', async (_, answer) => {
    await expect(askAt(answer)).rejects.toMatchObject({ code: 'unavailable', cause: { name: 'KeysUnavailable' } })
  })

  test('a redirect is not followed, wherever it leads (SC4)', async () => {
    const keys = json({ keys: [publicKey(issuer.signingKey())] })
    const { origin } = await startIssuer({
      '/keys': keys,
      '/jwks': (_request, response) => void response.writeHead(302, { location: '/keys' }).end(),
    })
    const authenticate = bearer({ jwksUri: `${origin}/jwks` })
    await expect(ask(authenticate, await sign())).rejects.toMatchObject({ code: 'unavailable' })
    await expect(ask(bearer({ jwksUri: `${origin}/keys` }), await sign())).resolves.toBeDefined()
  })

  test('with a key set that holds a secret gives nobody a key to sign with', async () => {
    const secret = { kty: 'oct', kid: 'x', k: Buffer.from('secret').toString('base64url') }
    await expect(askAt(json({ keys: [secret] }))).rejects.toMatchObject({ code: 'unauthorized' })
  })
})
