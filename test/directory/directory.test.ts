// The list over HTTP: who gets it, in which form, and where everything in it is said to be.
import { createServer } from 'node:http'
import connect from 'connect'
import express from 'express'
import supertest from 'supertest'
import { mcpGateway, type ServerConfig } from '../../lib/index.ts'
import { jwtBearer } from '../../lib/auth/index.ts'
import { serverDirectory } from '../../lib/directory/index.ts'
import { startAuthorizationServer } from '../support/authorization-server.ts'
import { startUpstream } from '../support/upstream.ts'
import { closeUsed, use } from '../support/use.ts'
import { authenticate, BROWSER, type DirectoryParts, type RunningDirectory, startDirectory } from './setup.ts'

afterEach(closeUsed)

const start = (parts: DirectoryParts): Promise<RunningDirectory> => use(startDirectory(parts))

const weather: ServerConfig = {
  url: 'http://127.0.0.1:9/secret-path/mcp',
  headers: { authorization: 'Bearer of-the-gateway' },
  title: 'Weather',
  description: 'Forecasts.',
  tags: ['public'],
}
const notes: ServerConfig = { url: 'http://127.0.0.1:9/mcp' }

describe('the form', () => {
  test('a browser gets a page, anybody else JSON, and caches are told', async () => {
    const { agent, url } = await start({ gateway: { servers: { weather, notes } }, directory: { title: 'Servers' } })
    const page = await agent.get('/mcp-servers').set('accept', BROWSER).expect(200)
    expect(page.headers).toMatchObject({ 'content-type': 'text/html; charset=utf-8', vary: 'Accept' })
    expect(page.headers['cache-control']).toBe('private, no-store')
    expect(page.text).toContain('<h2 id="server-1"><a href="?server=weather">Weather</a></h2>')

    const json = await agent.get('/mcp-servers').expect(200)
    expect(json.headers).toMatchObject({ 'content-type': 'application/json', vary: 'Accept' })
    expect(json.headers['cache-control']).toBe('private, no-cache')
    expect(json.body).toEqual({
      title: 'Servers',
      servers: [
        {
          name: 'notes',
          title: 'notes',
          tags: [],
          url: `${url}/notes/mcp`,
          card: `${url}/notes/mcp/server-card`,
          health: { status: 'unknown' },
        },
        {
          name: 'weather',
          title: 'Weather',
          description: 'Forecasts.',
          tags: ['public'],
          url: `${url}/weather/mcp`,
          card: `${url}/weather/mcp/server-card`,
          health: { status: 'unknown' },
        },
      ],
    })
  })

  test.each([
    ['*/*', 'application/json'],
    ['text/html;q=0.5, application/json', 'application/json'],
    ['application/json;q=0.2, text/*', 'text/html; charset=utf-8'],
    ['application/json;q=0, */*', 'text/html; charset=utf-8'],
  ])('Accept: %s is answered by %s', async (accept, type) => {
    const { agent } = await start({ gateway: { servers: { weather } } })
    const answer = await agent.get('/mcp-servers').set('accept', accept).expect(200)
    expect(answer.headers['content-type']).toBe(type)
  })

  test('neither an upstream nor what the gateway says to it is shown', async () => {
    const { agent } = await start({ gateway: { servers: { weather } } })
    for (const accept of [BROWSER, 'application/json']) {
      const { text } = await agent.get('/mcp-servers').set('accept', accept)
      expect(text).toContain('Forecasts.')
      expect(text).not.toMatch(/secret-path|of-the-gateway|127\.0\.0\.1:9/)
    }
  })

  test('JSON that has not changed is 304, and HEAD has the head alone', async () => {
    const { agent } = await start({ gateway: { servers: { weather } } })
    const { headers } = await agent.get('/mcp-servers').expect(200)
    const etag = String(headers['etag'])
    expect(etag).toMatch(/^"[\w-]{27}"$/)
    for (const tag of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      const { text } = await agent.get('/mcp-servers').set('if-none-match', tag).expect(304)
      expect(text).toBe('')
    }
    await agent.get('/mcp-servers').set('if-none-match', '"other"').expect(200)
    const head = await agent.head('/mcp-servers').expect(200)
    expect(head.headers).toMatchObject({ etag, 'content-length': headers['content-length'] })
    expect(head.text).toBeFalsy()
  })

  test('SC11 a page may load nothing but its own script and style, by a nonce that is never the same, in no frame', async () => {
    const { agent } = await start({ gateway: { servers: { weather } } })
    const nonces = new Set<string>()
    for (let times = 0; times < 3; times += 1) {
      const { headers, text } = await agent.get('/mcp-servers').set('accept', BROWSER)
      const policy = String(headers['content-security-policy'])
      const [, nonce = ''] = /script-src 'nonce-([\w-]{24})'/.exec(policy) ?? []
      nonces.add(nonce)
      expect(policy).toContain("default-src 'none'")
      expect(policy).toContain("frame-ancestors 'none'")
      expect(policy).not.toContain('unsafe')
      expect(policy).toContain("require-trusted-types-for 'script'; trusted-types 'none'")
      expect(text).toContain(`<script nonce="${nonce}" src="?script=`)
      expect(text).toContain(`<style nonce="${nonce}">`)
      expect(text).not.toMatch(/ (?:on\w+|style)=/)
      expect(headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'x-frame-options': 'DENY' })
    }
    expect(nonces.size).toBe(3)
  })

  test('the script is for everybody, to keep for good, at an address that changes with it', async () => {
    const { agent } = await start({ gateway: { servers: { weather }, authenticate } })
    const { text } = await agent.get('/mcp-servers').set({ accept: BROWSER, 'x-user': 'ada' }).expect(200)
    const [, address] = / src="(\?script=[\w-]{16})"/.exec(text)!
    const { headers } = await agent.get(`/mcp-servers${address}`).set('accept', '*/*').expect(200)
    expect(headers).toMatchObject({
      'content-type': 'text/javascript; charset=utf-8',
      'cache-control': 'public, max-age=31536000, immutable',
      'x-content-type-options': 'nosniff',
    })
    await agent.get('/mcp-servers?script=another').set('accept', '*/*').expect(401)
  })

  test('what servers are called is text, never markup', async () => {
    const hostile = `</script><script>alert(1)</script>"'><img src=x onerror=alert(1)>`
    const servers = { [hostile]: { ...notes, title: hostile, description: hostile, tags: [hostile] } }
    const { agent } = await start({ gateway: { servers }, directory: { title: hostile, description: hostile } })
    for (const path of ['/mcp-servers', `/mcp-servers?server=${encodeURIComponent(hostile)}`]) {
      const { text } = await agent.get(path).set('accept', BROWSER).expect(200)
      expect(text.match(/<script/g)).toHaveLength(1)
      expect(text).not.toContain('<img')
      expect(text).toContain('&lt;img src=x onerror=alert(1)&gt;')
    }
  })
})

describe('who gets what', () => {
  test('AU9: who is not known gets 401 as the gateway gives it, as a page or as JSON', async () => {
    const { agent } = await start({ gateway: { servers: { weather }, authenticate } })
    const gateway = await agent.post('/mcp-servers/weather/mcp').expect(401)
    for (const path of ['/mcp-servers', '/mcp-servers?server=weather', '/mcp-servers/weather/mcp/server-card']) {
      const json = await agent.get(path).expect(401)
      expect(json.body).toEqual(gateway.body)
      const page = await agent.get(path).set('accept', BROWSER).expect(401)
      expect(page.text).toContain('<p role="alert">Authentication required</p>')
      expect(page.text).not.toContain('Sign in</a>')
      for (const { headers } of [json, page]) {
        expect(headers).toMatchObject({ 'www-authenticate': 'Bearer', 'cache-control': 'no-store' })
      }
      expect(json.text + page.text).not.toContain('Forecasts.')
    }
    await agent.get('/.well-known/ai-catalog.json').expect(401)
  })

  test('a page that cannot be shown says why, who one is, and where to go', async () => {
    const { agent } = await start({
      gateway: { servers: { weather }, authenticate },
      directory: { loginUrl: '/login?theme=plain' },
    })
    const unknown = await agent.get('/mcp-servers?server=weather').set('accept', BROWSER).expect(401)
    const login = '/login?theme=plain&amp;return_to=%2Fmcp-servers%3Fserver%3Dweather'
    expect(unknown.text).toContain(`<a class="primary" href="${login}">Sign in</a>`)
    const missing = await agent.get('/mcp-servers?server=none').set({ accept: BROWSER, 'x-user': 'ada' }).expect(404)
    expect(missing.text).toContain('<p role="alert">Unknown server</p>')
    expect(missing.text).toContain('<a href="?">All servers</a>')
    expect(missing.text).toMatch(/<p class="who">[^]*ada\s*<\/p>/)
    expect(missing.text).not.toContain('Sign in')
  })

  test('no link installs what would be 401: without OAuth and headers a client cannot log in', async () => {
    const gateway = { servers: { weather }, authenticate }
    const cursor = 'cursor://'
    const listed = async (parts: DirectoryParts): Promise<string> => {
      const { agent } = await start(parts)
      return (await agent.get('/mcp-servers').set({ accept: BROWSER, 'x-user': 'ada' }).expect(200)).text
    }
    expect(await listed({ gateway })).not.toContain(cursor)
    expect(await listed({ gateway, directory: { clientHeaders: { 'X-Key': 'YOURS' } } })).toContain(cursor)
    const oauth = {
      publicUrl: 'https://app.example.com/mcp-servers',
      protectedResource: { authorizationServers: ['https://id.example.com'] },
    }
    expect(await listed({ gateway: { ...gateway, ...oauth } })).toContain(cursor)
    expect(await listed({ gateway: { servers: { weather } } })).toContain(cursor)
  })

  test('with a lookup, each gets what `list` names for them', async () => {
    const own: Record<string, Record<string, ServerConfig>> = { ada: { weather }, bob: { weather, notes } }
    const { agent } = await start({
      gateway: { servers: (name, { principal }) => own[principal!.id]?.[name], authenticate },
      directory: { list: async (principal) => own[principal!.id]! },
    })
    const namesFor = async (user: string): Promise<string[]> => {
      const { body } = await agent.get('/mcp-servers').set('x-user', user).expect(200)
      return body.servers.map(({ name }: { name: string }) => name)
    }
    expect(await namesFor('ada')).toEqual(['weather'])
    expect(await namesFor('bob')).toEqual(['notes', 'weather'])
    for (const path of ['/mcp-servers?server=notes', '/mcp-servers/notes/mcp/server-card']) {
      await agent.get(path).set('x-user', 'ada').expect(404)
      await agent.get(path).set('x-user', 'bob').expect(200)
    }
  })

  test('SC1 SC2: a foreign Origin and a foreign Host are refused, as at the gateway', async () => {
    const { agent } = await start({ gateway: { servers: { weather } } })
    for (const path of ['/mcp-servers', '/mcp-servers/weather/mcp/server-card', '/.well-known/ai-catalog.json']) {
      await agent.get(path).set('origin', 'https://evil.example').expect(403)
      await agent.get(path).set('host', 'evil.example').expect(403)
    }
  })

  test('what a hook throws is told to onError, and nobody else', async () => {
    const list = (): never => {
      throw new Error('the password of the database is hunter2')
    }
    const { agent, reported } = await start({ gateway: { servers: () => undefined }, directory: { list } })
    const { text, body } = await agent.get('/mcp-servers').expect(500)
    expect(body.error).toEqual({ code: 500, message: 'Internal error' })
    expect(text).not.toContain('hunter2')
    expect((await reported.next()).message).toContain('hunter2')
  })

  test.each([undefined, null, ['weather'], 'weather'])(
    'a list that answers %j is a fault of the hook',
    async (answer) => {
      const list = (): never => answer as never
      const { agent, reported } = await start({ gateway: { servers: () => undefined }, directory: { list } })
      await agent.get('/mcp-servers').expect(500)
      expect((await reported.next()).message).toBe('"list" must answer the servers by name: { name: config }')
    },
  )

  test('nobody has any server: the page says so', async () => {
    const { agent } = await start({})
    const { text } = await agent.get('/mcp-servers').set('accept', BROWSER).expect(200)
    expect(text).toContain('No server is open to you here.')
  })
})

describe('what is not its own', () => {
  test.each([
    ['POST', '/mcp-servers'],
    ['OPTIONS', '/mcp-servers'],
    ['GET', '/mcp-servers/weather'],
    ['GET', '/mcp-servers/a/b/mcp/server-card'],
    ['POST', '/mcp-servers/weather/mcp/server-card'],
    ['OPTIONS', '/mcp-servers/weather/mcp/server-card'],
    ['GET', '/.well-known/other.json'],
    ['GET', '/'],
  ] as const)('%s %s goes on to the host', async (method, path) => {
    const { agent } = await start({ gateway: { servers: { weather } } })
    const send = { GET: agent.get, POST: agent.post, OPTIONS: agent.options }[method]
    await send.call(agent, path).expect(418)
  })

  test('who wants neither a page nor JSON goes on too', async () => {
    const { agent } = await start({ gateway: { servers: { weather } } })
    await agent.get('/mcp-servers').set('accept', 'text/event-stream').expect(418)
  })

  test('without a next there is nobody to go on to: 404', async () => {
    const gateway = mcpGateway({ servers: { weather }, authenticate: false })
    const bare = supertest(createServer(serverDirectory({ gateway })))
    await bare.get('/').expect(200)
    await bare.get('/other').expect(404)
    await bare.get('/%zz/mcp/server-card').expect(400)
    await gateway.close()
  })
})

describe('where things are', () => {
  const endpoints = async (agent: ReturnType<typeof supertest>, path: string, headers = {}): Promise<string[]> => {
    const { body } = await agent.get(path).set(headers).expect(200)
    return body.servers.map(({ url }: { url: string }) => url)
  }

  test('`publicUrl` decides, whatever the request says', async () => {
    const publicUrl = 'https://app.example.com/agents/mcp-servers/'
    const { agent } = await start({ gateway: { servers: { weather }, publicUrl } })
    expect(await endpoints(agent, '/mcp-servers')).toEqual(['https://app.example.com/agents/mcp-servers/weather/mcp'])
    const { body } = await agent.get('/.well-known/ai-catalog.json').expect(200)
    expect(body.entries[0].url).toBe('https://app.example.com/agents/mcp-servers/weather/mcp/server-card')
  })

  test('without it the request does: in Express with and without a slash and a query, in routers, in Connect', async () => {
    const gateway = mcpGateway({ servers: { 'a b/c': { ...weather, version: '1.0.0' } }, authenticate: false })
    const directory = serverDirectory({ gateway })
    const inRouter = express.Router().use('/:tenant', express.Router({ mergeParams: true }).use('/mcp', directory))
    const inExpress = supertest(createServer(express().use('/mcp', directory).use('/deep', inRouter)))
    const inConnect = supertest(createServer(connect().use('/mcp', directory)))
    const host = { host: 'localhost:8080' }
    const name = 'a%20b%2Fc/mcp'
    for (const path of ['/mcp', '/mcp/', '/mcp?a=/', '/mcp/?a=1']) {
      expect(await endpoints(inExpress, path, host)).toEqual([`http://localhost:8080/mcp/${name}`])
      expect(await endpoints(inConnect, path, host)).toEqual([`http://localhost:8080/mcp/${name}`])
    }
    expect(await endpoints(inExpress, '/deep/acme/mcp', host)).toEqual([`http://localhost:8080/deep/acme/mcp/${name}`])
    await inExpress.get(`/mcp/${name}/server-card`).expect(200)
    await gateway.close()
  })

  test('X-Forwarded-* counts only where the host trusts its proxy', async () => {
    const forwarded = { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'evil.example' }
    const open = await start({ gateway: { servers: { weather } } })
    expect(await endpoints(open.agent, '/mcp-servers', forwarded)).toEqual([`${open.url}/weather/mcp`])
    const trusting = express().set('trust proxy', true)
    const behind = await start({ gateway: { servers: { weather } }, app: trusting })
    const secure = `${behind.url.replace('http:', 'https:')}/weather/mcp`
    expect(await endpoints(behind.agent, '/mcp-servers', forwarded)).toEqual([secure])
  })

  test.each([
    ['/agents/:name', '/agents/weather'],
    ['/mcp', '/mcp'],
  ])('with the path %s an endpoint is %s, and its card is there', async (path, endpoint) => {
    const { agent, url } = await start({ gateway: { servers: { weather }, path } })
    expect(await endpoints(agent, '/mcp-servers')).toEqual([url + endpoint])
    await agent.get(`/mcp-servers${endpoint}/server-card`).expect(200)
  })

  test('mounted before the gateway it leaves the gateway its requests', async () => {
    const upstream = await use(startUpstream())
    const gateway = mcpGateway({ servers: { weather: { url: upstream.url } }, authenticate: false })
    const app = express().use('/mcp-servers', serverDirectory({ gateway }), gateway)
    const agent = supertest(createServer(app))
    await agent.get('/mcp-servers').expect(200)
    const ping = { jsonrpc: '2.0', id: 1, method: 'initialize', params: { protocolVersion: '2025-11-25' } }
    const accept = 'application/json, text/event-stream'
    const { headers } = await agent.post('/mcp-servers/weather/mcp').set('accept', accept).send(ping).expect(200)
    expect(headers['mcp-session-id']).toBeDefined()
    await gateway.close({ graceMs: 0 })
  })
})

describe('options', () => {
  const gateway = mcpGateway({ servers: { weather }, authenticate: false })
  const lookup = mcpGateway({ servers: () => weather, authenticate: false })
  afterAll(async () => {
    await gateway.close()
    await lookup.close()
  })

  test.each([
    [{}, '"gateway" must be what mcpGateway() returned'],
    [{ gateway: (): void => {} }, '"gateway" must be what mcpGateway() returned'],
    [{ gateway: lookup }, '"list" is required where the gateway\'s "servers" is a function'],
    [{ gateway, list: {} }, '"list" must be a function'],
    [{ gateway, titel: 'x' }, '"titel" is not an option; did you mean "title"? There are: gateway, list, title'],
    [{ gateway, title: ' ' }, '"title" must be a text'],
    [{ gateway, clientHeaders: { 'a b': 'x' } }, '"clientHeaders" takes names and values'],
    [{ gateway, clientHeaders: { a: 'x\ny' } }, '"clientHeaders" takes names and values'],
    [{ gateway, clientHeaders: new Headers({ a: 'x' }) }, '"clientHeaders" takes names and values'],
    [{ gateway, clientHeaders: [['a', 'x']] }, '"clientHeaders" takes names and values'],
    [{ gateway, loginUrl: '//evil.example' }, '"loginUrl" must be a path such as "/login"'],
    [{ gateway, loginUrl: 'javascript:alert(1)' }, '"loginUrl" must be a path'],
    [{ gateway, tryIt: 'no' }, '"tryIt" must be true or false'],
    [{ gateway, namespace: 'com/example' }, '"namespace" must be like "com.example"'],
    [{ gateway, publicCards: 'yes' }, '"publicCards" must be true or false'],
    [undefined, 'serverDirectory takes an object'],
  ])('%j is a TypeError that says the cure', (options, message) => {
    expect(() => serverDirectory(options as never)).toThrow(TypeError)
    expect(() => serverDirectory(options as never)).toThrow(message)
  })

  test('a catalog must know where the gateway is mounted', () => {
    const { catalog } = serverDirectory({ gateway })
    expect(() => catalog()).toThrow('catalog takes the path the gateway is mounted at')
    expect(() => catalog('mcp-servers')).toThrow(TypeError)
  })
})

test('a token for the mount lists the servers, a token for a server does not (AU8)', async () => {
  const issuer = await startAuthorizationServer()
  const publicUrl = 'https://app.example.com/mcp-servers'
  const one = await start({
    gateway: {
      servers: { a: { url: 'http://127.0.0.1:9/mcp' } },
      publicUrl,
      authenticate: jwtBearer({ issuer: issuer.issuer }),
    },
  })
  try {
    const list = async (resource: string): Promise<supertest.Response> =>
      one.agent.get('/mcp-servers').auth(await issuer.clientToken({ resource }), { type: 'bearer' })
    expect((await list(publicUrl)).body).toMatchObject({ servers: [{ name: 'a' }] })
    const refused = await list(`${publicUrl}/a/mcp`)
    expect(refused.status).toBe(401)
    expect(refused.headers['www-authenticate']).not.toContain('resource_metadata')
  } finally {
    await issuer.close()
  }
})
