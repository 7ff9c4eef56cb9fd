// agentLogin() as it is made and mounted: its options, its metadata in every place, its quiet engine, and hosts but Express.
import { spawnSync } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import connect from 'connect'
import express4 from 'express4'
import { type Authenticate, mcpGateway } from '../../lib/index.ts'
import type { AgentLoginOptions } from '../../lib/login/index.ts'
import { newSigningKey, SECRET, SIGNING_KEY, startLoginApp } from '../support/login-app.ts'
import { agentLogin } from '../support/login.ts'
import { KNOWN, RawClient } from '../support/raw-oauth.ts'

const { jest } = import.meta

const OPTIONS: AgentLoginOptions = {
  issuer: 'https://app.example.com',
  user: () => ({ id: 'ada' }),
  loginUrl: '/login',
  keys: [SIGNING_KEY],
  secrets: [SECRET],
}

afterEach(() => {
  jest.restoreAllMocks()
})

describe('options', () => {
  test.each<[string, object, RegExp]>([
    ['an unknown one', { isuer: 'x' }, /"agentLogin.isuer" is not an option; did you mean "issuer"/],
    ['no issuer', { issuer: undefined }, /"issuer" must be an https: URL/],
    ['an http: issuer', { issuer: 'http://app.example.com' }, /"issuer" must be/],
    ['an issuer with a query', { issuer: 'https://app.example.com?x' }, /"issuer" must be/],
    ['an issuer in capitals', { issuer: 'https://APP.example.com' }, /"issuer" must be/],
    ['an issuer with credentials', { issuer: 'https://a:b@app.example.com/' }, /"issuer" must be/],
    ['no user', { user: undefined }, /"user" must be a function/],
    [
      'a login page elsewhere',
      { loginUrl: 'https://elsewhere.example/login' },
      /"loginUrl" must be a page of https:\/\/app/,
    ],
    ['a login page that looks like a path', { loginUrl: '//elsewhere.example' }, /"loginUrl" must be/],
    ['a login page in a fragment', { loginUrl: '/#login' }, /"loginUrl" must be/],
    ['no keys', { keys: [] }, /"keys" must be an array of private keys/],
    ['a public key', { keys: [{ ...SIGNING_KEY, d: undefined }] }, /"keys" must be private keys for ES256/],
    ['a key that fits nowhere', { keys: [{ ...SIGNING_KEY, x: 'AAAA' }] }, /"keys" must be private keys for ES256/],
    ['a key of another kind', { keys: [{ kty: 'oct', k: 'AAAA' }] }, /"keys" must be private keys for ES256/],
    ['the same key twice', { keys: [SIGNING_KEY, SIGNING_KEY] }, /"keys" has the same key/],
    ['a short secret', { secrets: ['short'] }, /"secrets" must be an array of texts of 32/],
    ['no secret', { secrets: [] }, /"secrets" must be/],
    ['no scopes', { scopes: {} }, /"scopes" must map scopes to words/],
    ['a scope with a space', { scopes: { 'a b': 'words' } }, /"a b", which is no scope/],
    ['a scope without words', { scopes: { a: '' } }, /"scopes" needs words for "a"/],
    ['openid', { scopes: { openid: 'words' } }, /"scopes" may not have "openid"/],
    ['offline_access', { scopes: { offline_access: 'words' } }, /may not have "offline_access"/],
    [
      'a client without a name',
      { clients: [{ id: 'x', redirectUris: ['https://a.example'] }] },
      /"clients" needs an "id"/,
    ],
    ['a client without redirects', { clients: [{ ...KNOWN, redirectUris: [] }] }, /"clients" needs "redirectUris"/],
    [
      'a client to http:',
      { clients: [{ ...KNOWN, redirectUris: ['http://a.example'] }] },
      /"clients" needs "redirectUris"/,
    ],
    [
      'a script as redirect',
      { clients: [{ ...KNOWN, redirectUris: ['javascript:1'] }] },
      /"clients" needs "redirectUris"/,
    ],
    ['two clients of one id', { clients: [KNOWN, KNOWN] }, /"clients" has the id "known-agent" twice/],
    ['no registrations at all', { registration: { perMinute: 0 } }, /"registration.perMinute" must be/],
    ['an unknown part of it', { registration: { perHour: 1 } }, /"agentLogin.registration.perHour" is not an option/],
    ['a lifetime of nothing', { ttl: { accessS: 0 } }, /"ttl.accessS" must be/],
    ['a window of two hours', { ttl: { reuseS: 7_200 } }, /"ttl.reuseS" must be a number of seconds from 0 to 3600/],
    ['an unknown lifetime', { ttl: { access: 5 } }, /"agentLogin.ttl.access" is not an option/],
    ['no store', { store: {} }, /"store" must be a store/],
    ['a principal that is no function', { principal: {} }, /"principal" must be a function/],
    ['a title that is no text', { title: 5 }, /"title" must be a text/],
  ])('%s is refused, by name and with the cure', (_what, change, message) => {
    expect(() => agentLogin({ ...OPTIONS, ...change })).toThrow(message)
    expect(() => agentLogin({ ...OPTIONS, ...change })).toThrow(TypeError)
    expect(() => agentLogin({ ...OPTIONS, ...change })).toThrow(/docs\/errors.md#typeerror/)
  })

  test('a gateway without publicUrl is refused: tokens would be for no server', () => {
    const { authenticate } = agentLogin(OPTIONS)
    expect(() => mcpGateway({ servers: {}, authenticate })).toThrow(/publicUrl/)
  })
})

describe('metadata', () => {
  const expected = (issuer: string) => ({
    issuer,
    authorization_endpoint: `${issuer}/oauth/authorize`,
    token_endpoint: `${issuer}/oauth/token`,
    jwks_uri: `${issuer}/oauth/jwks`,
    code_challenge_methods_supported: ['S256'],
    scopes_supported: ['mcp'],
    client_id_metadata_document_supported: true,
  })

  async function at(handler: (request: never, response: never) => void, path: string): Promise<unknown> {
    const server = createServer(handler as never)
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
    try {
      const response = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`)
      return response.status === 200 ? await response.json() : response.status
    } finally {
      server.close()
    }
  }

  test.each(['/.well-known/oauth-authorization-server', '/.well-known/openid-configuration'])(
    'of an issuer without a path is at %s',
    async (path) => {
      const login = agentLogin(OPTIONS)
      expect(await at(login, path)).toMatchObject(expected('https://app.example.com'))
      expect(await at(login, `${path}/oauth`)).toBe(404)
    },
  )

  test.each([
    '/.well-known/oauth-authorization-server/tenant',
    '/.well-known/openid-configuration/tenant',
    '/tenant/.well-known/oauth-authorization-server',
    '/tenant/.well-known/openid-configuration',
    '/.well-known/oauth-authorization-server',
  ])('of an issuer with a path is at %s', async (path) => {
    const issuer = 'https://app.example.com/tenant'
    const login = agentLogin({ ...OPTIONS, issuer })
    expect(await at(login, path)).toMatchObject(expected(issuer))
    expect(await at(login, '/tenant/oauth/jwks')).toMatchObject({ keys: [{ kty: 'EC', use: 'sig' }] })
    expect(await at(login, '/oauth/jwks')).toBe(404)
  })

  test('names the registration endpoint only where there is one', async () => {
    const path = '/.well-known/oauth-authorization-server'
    expect(await at(agentLogin(OPTIONS), path)).not.toHaveProperty('registration_endpoint')
    expect(await at(agentLogin(OPTIONS), '/oauth/register')).toBe(404)
    expect(await at(agentLogin({ ...OPTIONS, registration: true }), path)).toMatchObject({
      registration_endpoint: 'https://app.example.com/oauth/register',
    })
  })

  test('shows no private part of a key', async () => {
    const keys = await at(agentLogin({ ...OPTIONS, keys: [newSigningKey(), SIGNING_KEY] }), '/oauth/jwks')
    expect(Object.keys((keys as { keys: object[] }).keys[1]!).toSorted()).toEqual(
      ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'].toSorted(),
    )
  })

  test('is found from the gateway: a 401 names the metadata of the server, and that names the issuer', async () => {
    const app = await startLoginApp({ servers: { notes: { url: 'http://127.0.0.1:9/mcp' } } })
    try {
      const refused = await fetch(app.url('notes'), { method: 'POST' })
      const challenge = refused.headers.get('www-authenticate')!
      expect([refused.status, challenge]).toEqual([401, expect.stringContaining('scope="mcp"')])
      const metadata = await fetch(/resource_metadata="([^"]+)"/.exec(challenge)![1]!)
      expect(await metadata.json()).toMatchObject({
        resource: app.url('notes'),
        authorization_servers: [app.origin],
        scopes_supported: ['mcp'],
      })
    } finally {
      await app.close()
    }
  })
})

test('the engine prints nothing when it is made: a new version that does has to be looked at', () => {
  const spies = (['log', 'info', 'warn', 'error'] as const).map((name) => jest.spyOn(console, name))
  agentLogin({ ...OPTIONS, registration: true, clients: [KNOWN] })
  for (const spy of spies) expect(spy).not.toHaveBeenCalled()
})

test('the engine is the version that it was closed in for', async () => {
  const { createRequire } = await import('node:module')
  const { readFileSync } = await import('node:fs')
  const path = createRequire(import.meta.url)
    .resolve('oidc-provider')
    .replace(/lib\/index\.js$/, 'package.json')
  expect(JSON.parse(readFileSync(path, 'utf8')).version).toMatch(/^9\.13\.[3-9]/)
})

test.each([
  ['Express 4', () => express4()],
  ['Connect', () => connect()],
])('in %s it answers its own paths, and passes on the rest', async (_name, make) => {
  const app = make()
  app.use(agentLogin(OPTIONS) as never)
  app.use(((_request: unknown, response: { end(text: string): void }) => response.end('the app')) as never)
  const server = createServer(app as never)
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  try {
    expect(await (await fetch(`${origin}/anything`)).text()).toBe('the app')
    expect((await fetch(`${origin}/oauth/jwks`)).status).toBe(200)
    expect((await fetch(`${origin}/oauth/authorize?client_id=x`)).status).toBe(400)
  } finally {
    server.close()
  }
})

test('leaves no handle open once it is closed, and needs none before', () => {
  const program = `
    import { agentLogin } from ${JSON.stringify(new URL('../../dist/login/index.js', import.meta.url).href)}
    agentLogin(${JSON.stringify({ ...OPTIONS, user: undefined })})`
  const code = program.replace('"loginUrl"', '"user": () => undefined, "loginUrl"')
  const { status, signal } = spawnSync(process.execPath, ['--input-type=module', '--eval', code], { timeout: 20_000 })
  expect([status, signal]).toEqual([0, null])
})

describe('what the app does wrong', () => {
  test('a login that no gateway knows has no servers, and says so; one whose hook is passed on has', async () => {
    const app = await startLoginApp({
      servers: { notes: { url: 'http://127.0.0.1:9/mcp' } },
      login: { clients: [KNOWN] },
      gateway: { authenticate: false },
    })
    try {
      const url = new RawClient(app).authorizeUrl()
      expect((await fetch(app.origin + url, { redirect: 'manual' })).status).toBe(500)
      expect(app.reported.map(({ message }) => message)).toEqual([
        expect.stringMatching(/no open gateway has "authenticate: login.authenticate"/),
      ])
      const hook: Authenticate = (request, context) => app.login.authenticate(request, context)
      const authenticate = Object.assign(hook, app.login.authenticate)
      const servers = { notes: { url: 'http://127.0.0.1:9/mcp' } }
      const gateway = mcpGateway({ servers, authenticate, publicUrl: `${app.origin}/mcp-servers` })
      expect((await fetch(app.origin + url, { redirect: 'manual' })).status).toBe(303)
      await gateway.close()
      expect((await fetch(app.origin + url, { redirect: 'manual' })).status).toBe(500)
    } finally {
      await app.close()
    }
  })

  test.each<[string, unknown]>([
    ['a number as id', { id: 5 }],
    ['an empty id', { id: '' }],
    ['no id', { name: 'Ada' }],
  ])('%s in "user" is a page with 500 and an error that says so', async (_what, user) => {
    const app = await startLoginApp({ servers: {}, login: { user: () => user as { id: string } } })
    try {
      expect((await fetch(`${app.origin}/oauth/agents`)).status).toBe(500)
      expect(app.reported.map(({ message }) => message)).toEqual([expect.stringContaining('"user" must answer { id }')])
    } finally {
      await app.close()
    }
  })

  test('a "user" that fails is a page with 500, and tells the person nothing of it', async () => {
    const user = () => Promise.reject(new Error('the database is at 10.0.0.5'))
    const app = await startLoginApp({ servers: {}, login: { user } })
    try {
      const response = await fetch(`${app.origin}/oauth/agents`)
      expect([response.status, (await response.text()).includes('10.0.0.5')]).toEqual([500, false])
      expect(app.reported).toHaveLength(1)
    } finally {
      await app.close()
    }
  })
})
