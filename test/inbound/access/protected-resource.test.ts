// The metadata of servers: where it is, for whom, and that it says the URL that clients use, whatever hosts and proxies do.
import type { RequestListener } from 'node:http'
import connect from 'connect'
import express from 'express'
import express4 from 'express4'
import { type Gateway, type GatewayOptions, mcpGateway } from '../../../lib/index.ts'
import { jwtBearer } from '../../../lib/auth/index.ts'
import { challengeOf, type ProtectedGateway, startProtectedGateway } from '../../support/protected-gateway.ts'
import { initializeMessage, post, send } from '../../support/rpc.ts'

const ISSUER = 'https://login.example.com'
const PRM = '/.well-known/oauth-protected-resource'
const four = express4 as unknown as typeof express

const options: GatewayOptions = {
  servers: {
    weather: { url: 'https://weather.example.com/mcp', title: 'The weather' },
    'a b': { url: 'https://weather.example.com/mcp' },
  },
  authenticate: jwtBearer({ issuer: ISSUER, scopes: ['mcp'] }),
}

const open: ProtectedGateway[] = []
afterEach(async () => {
  for (const gateway of open.splice(0)) await gateway.close()
})

async function start(
  given: Partial<GatewayOptions> = {},
  prefix = '',
  mount: (gateway: Gateway) => RequestListener = (gateway) => gateway,
): Promise<ProtectedGateway> {
  const gateway = await startProtectedGateway({ ...options, ...given }, { prefix, mount })
  open.push(gateway)
  return gateway
}

/** Every host: where it is mounted, and the root of the app with the handler for it. */
const hosts: ReadonlyArray<readonly [what: string, prefix: string, mount: (gateway: Gateway) => RequestListener]> = [
  ['node:http', '', (gateway) => gateway],
  ['node:http with both handlers', '', (gateway) => (req, res) => gateway.wellKnown(req, res, () => gateway(req, res))],
  ['Connect', '/mcp-servers', (gateway) => connect().use(gateway.wellKnown).use('/mcp-servers', gateway)],
  ...[express, four].flatMap((app, index) => {
    const name = index === 0 ? 'Express 5' : 'Express 4'
    return [
      [name, '/mcp-servers', (gateway: Gateway) => app().use('/mcp-servers', gateway).use(gateway.wellKnown)],
      [
        `a nested Router of ${name}`,
        '/api/v1/mcp-servers',
        (gateway: Gateway) => {
          const inner = app.Router().use('/mcp-servers', gateway)
          return app().use(gateway.wellKnown).use('/api', app.Router().use('/:version', inner))
        },
      ],
      [
        `${name} behind a proxy that it trusts`,
        '/mcp-servers',
        (gateway: Gateway) => app().set('trust proxy', true).use(gateway.wellKnown).use('/mcp-servers', gateway),
      ],
    ] as const
  }),
]

describe.each(hosts)('in %s', (what, prefix, mount) => {
  test('a 401 leads to the metadata, and that to the URL that was asked (AU2, AU3, AU4, AU5)', async () => {
    const gateway = await start({}, prefix, mount)
    const refused = await post(gateway.url('weather'), initializeMessage(), {
      'x-forwarded-host': 'evil.example',
      'x-forwarded-proto': 'https',
      forwarded: 'host=evil.example;proto=https',
    })
    expect(refused).toMatchObject({ status: 401, headers: { 'cache-control': 'no-store' } })
    const challenge = challengeOf(refused.headers['www-authenticate'])
    expect(challenge).toEqual({ scope: 'mcp', resource_metadata: `${gateway.publicUrl}${PRM}/weather/mcp` })
    const found = await send('GET', String(challenge?.['resource_metadata']), { 'x-forwarded-host': 'evil.example' })
    expect(found).toMatchObject({ status: 200, headers: { 'content-type': 'application/json' } })
    expect(JSON.parse(found.body)).toEqual({
      resource: gateway.url('weather'),
      resource_name: 'The weather',
      authorization_servers: [ISSUER],
      scopes_supported: ['mcp'],
      bearer_methods_supported: ['header'],
    })
  })

  test('the same document is where RFC 9728 puts it, at the root of the origin (AU4)', async () => {
    const gateway = await start({}, prefix, mount)
    const { pathname } = new URL(gateway.url('weather'))
    const atRoot = await send('GET', `${gateway.origin}${PRM}${pathname}`)
    expect(atRoot.status).toBe(200)
    const below = await send('GET', `${gateway.publicUrl}${PRM}/weather/mcp`)
    expect(atRoot.body).toBe(below.body)
  })

  test('only servers that exist have metadata, and no other path is taken from the host (AU4)', async () => {
    const gateway = await start({}, prefix, mount)
    const unknown = await send('GET', `${gateway.publicUrl}${PRM}/nobody/mcp`)
    expect(unknown).toMatchObject({ status: 404, headers: { 'access-control-allow-origin': '*' } })
    const { pathname } = new URL(gateway.publicUrl)
    for (const path of [PRM, `${PRM}/`, `${PRM}x/weather/mcp`, `${PRM}/weather`, `/.well-known/openid-configuration`]) {
      const answer = await send('GET', `${gateway.origin}${path}`)
      expect(answer).toMatchObject({ status: 404 })
      expect(answer.headers['access-control-allow-origin']).toBeUndefined()
    }
    expect(pathname.startsWith(prefix)).toBe(true)
    expect(what).not.toBe('')
  })
})

describe('a document', () => {
  test('may be read by every page: GET, HEAD and a preflight, no token, any Origin (AU4, AU10)', async () => {
    const gateway = await start()
    const url = `${gateway.publicUrl}${PRM}/weather/mcp`
    const page = { origin: 'https://page.example' }
    for (const [method, status, length] of [
      ['GET', 200, /./],
      ['HEAD', 200, /^$/],
      ['OPTIONS', 204, /^$/],
    ] as const) {
      const answer = await send(method, url, { ...page, 'access-control-request-headers': 'mcp-protocol-version' })
      expect(answer).toMatchObject({
        status,
        headers: {
          'access-control-allow-origin': '*',
          'access-control-allow-methods': 'GET, HEAD, OPTIONS',
          'access-control-allow-headers': '*',
        },
        body: expect.stringMatching(length),
      })
    }
  })

  test.each(['POST', 'PUT', 'DELETE', 'PATCH'])('is not for %s: 405 with Allow (RT7)', async (method) => {
    const gateway = await start()
    const answer = await send(method, `${gateway.publicUrl}${PRM}/weather/mcp`)
    expect(answer).toMatchObject({ status: 405, headers: { allow: 'GET, HEAD, OPTIONS' } })
  })

  test('is that of the server in the path, whose name has one spelling alone (RT9)', async () => {
    const gateway = await start()
    const answer = await send('GET', `${gateway.publicUrl}${PRM}/a%20b/mcp`)
    expect(JSON.parse(answer.body)).toMatchObject({ resource: `${gateway.publicUrl}/a%20b/mcp` })
    const plain = await send('GET', `${gateway.publicUrl}${PRM}/weather/mcp?x=y`)
    expect(JSON.parse(plain.body)).toMatchObject({ resource: gateway.url('weather') })
    for (const name of ['%zz', '%77eather']) {
      expect((await send('GET', `${gateway.publicUrl}${PRM}/${name}/mcp`)).status).toBe(400)
    }
  })

  test('says what the option adds to what jwtBearer() says', async () => {
    const protectedResource = {
      authorizationServers: [ISSUER, 'https://second.example.com'],
      scopesSupported: ['mcp', 'mcp:write'],
      documentationUrl: 'https://docs.example.com/agents',
    }
    const gateway = await start({ protectedResource })
    const { body } = await send('GET', `${gateway.publicUrl}${PRM}/weather/mcp`)
    expect(JSON.parse(body)).toMatchObject({
      authorization_servers: [ISSUER, 'https://second.example.com'],
      scopes_supported: ['mcp', 'mcp:write'],
      resource_documentation: 'https://docs.example.com/agents',
    })
    const refused = await post(gateway.url('weather'), initializeMessage())
    expect(challengeOf(refused.headers['www-authenticate'])).toMatchObject({ scope: 'mcp' })
  })

  test('is there for a hook of one’s own, and none of its scopes is made up', async () => {
    const authenticate = (): undefined => undefined
    const gateway = await start({ authenticate, protectedResource: { authorizationServers: [ISSUER] } })
    const refused = await post(gateway.url('weather'), initializeMessage())
    const challenge = challengeOf(refused.headers['www-authenticate'])
    expect(challenge).toEqual({ resource_metadata: `${gateway.publicUrl}${PRM}/weather/mcp` })
    const { body } = await send('GET', String(challenge?.['resource_metadata']))
    expect(JSON.parse(body)).not.toHaveProperty('scopes_supported')
  })

  test('is none where no token is asked for: the paths are the host’s', async () => {
    const gateway = await start({ authenticate: false }, '/mcp-servers', (inner) =>
      express().use('/mcp-servers', inner),
    )
    const answer = await send('GET', `${gateway.publicUrl}${PRM}/weather/mcp`)
    expect(answer).toMatchObject({
      status: 404,
      headers: { 'content-type': expect.stringContaining('html') as string },
    })
  })
})

describe('servers that a function finds', () => {
  const servers = (name: string, { principal }: { principal: unknown }) => {
    if (principal === undefined) throw new Error('It counts on knowing who asks')
    return name === 'weather' ? { url: 'https://weather.example.com/mcp' } : undefined
  }

  test('are not looked up for nobody: every name has a document, so that it says nothing of which there are', async () => {
    const gateway = await start({ servers })
    for (const name of ['weather', 'nobody']) {
      const answer = await send('GET', `${gateway.publicUrl}${PRM}/${name}/mcp`)
      expect(JSON.parse(answer.body)).toMatchObject({ resource: gateway.url(name), authorization_servers: [ISSUER] })
    }
    expect(gateway.reported.entries).toEqual([])
  })

  test('have documents for those names alone that "has" knows', async () => {
    const has = async (name: string, request: { url?: string | undefined }): Promise<boolean> =>
      name === 'weather' && request.url !== undefined
    const gateway = await start({ servers, protectedResource: { has } })
    expect((await send('GET', `${gateway.publicUrl}${PRM}/weather/mcp`)).status).toBe(200)
    expect((await send('GET', `${gateway.publicUrl}${PRM}/nobody/mcp`)).status).toBe(404)
  })

  test('are a 500 when "has" fails, and the operator is told', async () => {
    const fault = new Error('no database')
    const gateway = await start({ servers, protectedResource: { has: () => Promise.reject(fault) } })
    const answer = await send('GET', `${gateway.publicUrl}${PRM}/weather/mcp`)
    expect(answer.status).toBe(500)
    expect(answer.body).not.toContain('database')
    expect((await gateway.reported.next()).error).toBe(fault)
  })
})

describe('where clients reach the gateway under another URL', () => {
  const publicUrl = 'https://api.example.com/agents/'

  test('that one is in challenge and document, whatever Host and proxies say (AU5)', async () => {
    const gateway = await start({ publicUrl, allowedHosts: ['api.example.com'] })
    const refused = await post(gateway.url('weather'), initializeMessage(), { host: 'api.example.com:1234' })
    expect(challengeOf(refused.headers['www-authenticate'])).toMatchObject({
      resource_metadata: `https://api.example.com/agents${PRM}/weather/mcp`,
    })
    const { body } = await send('GET', `${gateway.origin}${PRM}/weather/mcp`)
    expect(JSON.parse(body)).toMatchObject({ resource: 'https://api.example.com/agents/weather/mcp' })
  })

  test('the root of the origin has its document under the path that clients see', async () => {
    const gateway = await start({ publicUrl }, '', (inner) => (req, res) => inner.wellKnown(req, res))
    const answer = await send('GET', `${gateway.origin}${PRM}/agents/weather/mcp`)
    expect(JSON.parse(answer.body)).toMatchObject({ resource: 'https://api.example.com/agents/weather/mcp' })
    expect((await send('GET', `${gateway.origin}${PRM}/weather/mcp`)).status).toBe(404)
  })

  test('one server without a name in its path has one document', async () => {
    const servers = { weather: { url: 'https://weather.example.com/mcp' } }
    const gateway = await start({ publicUrl: 'https://api.example.com', servers, path: '/mcp' })
    const { body } = await send('GET', `${gateway.origin}${PRM}/mcp`)
    expect(JSON.parse(body)).toMatchObject({ resource: 'https://api.example.com/mcp' })
  })

  test('the URI of a server has no slash at its end (AU5)', async () => {
    const servers = { weather: { url: 'https://weather.example.com/mcp' } }
    const gateway = await start({ publicUrl: 'https://api.example.com/', servers, path: '/' })
    const refused = await post(`${gateway.origin}/`, initializeMessage())
    const { resource_metadata: url } = challengeOf(refused.headers['www-authenticate']) ?? {}
    expect(url).toBe(`https://api.example.com${PRM}`)
    for (const path of [PRM, `${PRM}/`, `${PRM}?a=b`]) {
      const { body } = await send('GET', `${gateway.origin}${path}`)
      expect(JSON.parse(body)).toMatchObject({ resource: 'https://api.example.com' })
    }
    expect((await send('GET', `${gateway.origin}${PRM}x`)).status).toBe(404)
  })
})

describe('a configuration that cannot work says so', () => {
  const authenticate = (): undefined => undefined
  const publicUrl = 'https://app.example.com'
  const authorizationServers = [ISSUER]
  test.each<[string, Partial<GatewayOptions>]>([
    ['takes "publicUrl" too', { protectedResource: { authorizationServers } }],
    ['must name at least one issuer', { publicUrl, protectedResource: {} }],
    ['must be an object', { publicUrl, protectedResource: 'x' as never }],
    ['must be an array of issuers', { publicUrl, protectedResource: { authorizationServers: ['login'] } }],
    [
      '"protectedResource.scopes" must be an array',
      { publicUrl, protectedResource: { authorizationServers, scopes: 'x' as never } },
    ],
    [
      'no matter of a resource',
      { publicUrl, protectedResource: { authorizationServers, scopesSupported: ['offline_access'] } },
    ],
    ['must be an absolute URL', { publicUrl, protectedResource: { authorizationServers, documentationUrl: '/docs' } }],
    ['must be a function', { publicUrl, protectedResource: { authorizationServers, has: true as never } }],
    ['"protectedResource.issuer" is not an option', { publicUrl, protectedResource: { issuer: ISSUER } as never }],
    ['neither query nor fragment', { publicUrl: `${publicUrl}/?a=b` }],
    ['asks for no token', { publicUrl, authenticate: false, protectedResource: { authorizationServers } }],
    ['lets nobody in', { authenticate: false, servers: { a: { url: 'https://a.example', scopes: { tools: {} } } } }],
  ])('%s', (reason, given) => {
    const make = (): unknown => mcpGateway({ servers: {}, authenticate, ...given })
    expect(make).toThrow(TypeError)
    expect(make).toThrow(reason)
  })
})
