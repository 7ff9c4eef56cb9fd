// Introspection: a server is asked on behalf of the principal who opens its card, in its own era, within limits, cached.
import type supertest from 'supertest'
import { introspect } from '../../lib/directory/introspect.ts'
import { aggregate, GatewayError, type HttpServer, mcpGateway, type ServerConfig } from '../../lib/index.ts'
import { internalsOf } from '../../lib/exchange/gateway-internals.ts'
import { startDualEraServer } from '../fixtures/dual-era-server.mjs'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { closeUsed, use } from '../support/use.ts'
import { authenticate, BROWSER, type DirectoryParts, type RunningDirectory, startDirectory } from './setup.ts'

afterEach(closeUsed)

const start = (parts: DirectoryParts): Promise<RunningDirectory> => use(startDirectory(parts))

/** A scripted legacy server that says of the modern era what most of them say. */
async function startLegacy(): Promise<Upstream> {
  const upstream = await use(startUpstream())
  upstream.on('server/discover', (exchange) => exchange.error(-32000, 'Bad Request: Server not initialized', 400))
  return upstream
}

async function fetchServer({ agent }: RunningDirectory, headers = {}) {
  const { body } = await agent.get('/mcp-servers?server=one').set(headers).expect(200)
  return body
}

describe('real servers', () => {
  test.each([
    ['of both eras', {}, '2026-07-28'],
    ['with sessions alone', { modern: false }, '2025-11-25'],
    ['without sessions alone', { legacy: 'reject' }, '2026-07-28'],
  ] as const)('UC2: a server %s says who it is and what it offers', async (_what, eras, version) => {
    const server = await use(startDualEraServer(eras))
    const { offer, health } = await fetchServer(await start({ gateway: { servers: { one: { url: server.url } } } }))
    expect(offer).toMatchObject({
      protocolVersions: [version],
      server: { name: 'dual-era-fixture', title: 'Dual-era fixture', version: '1.0.0' },
      instructions: 'A fixture: every feature of the protocol, in every revision.',
    })
    expect(offer.tools.items.length).toBeGreaterThan(10)
    expect(offer.tools.items[0]).toMatchObject({ name: 'test_simple_text', inputSchema: { type: 'object' } })
    expect(offer.prompts.items.length).toBeGreaterThan(2)
    expect(offer.resources.items.map(({ uri }: { uri: string }) => uri)).toContain('test://static-text')
    expect(offer.resourceTemplates.items).toHaveLength(1)
    expect(health.status).toBe('answering')
  })

  test('without a script the page of a server shows all of it', async () => {
    const server = await use(startDualEraServer({}))
    const { agent } = await start({ gateway: { servers: { one: { url: server.url, title: 'One' } } } })
    const { text } = await agent.get('/mcp-servers').set('accept', BROWSER)
    expect(text).toContain('<a href="?server=one">One</a>')
    const page = await agent.get('/mcp-servers?server=one').set('accept', BROWSER).expect(200)
    for (const part of [
      'Dual-era fixture',
      'version 1.0.0',
      'test_simple_text',
      'test://static-text',
      'Input schema',
    ]) {
      expect(page.text).toContain(part)
    }
    expect(page.text).toContain('<a href="?">MCP servers</a>')
  })
})

describe('the conversation', () => {
  test('LC2 UC5: a legacy server gets a handshake, is told that it is over, and no session of ours is left', async () => {
    const upstream = await startLegacy()
    const directory = await start({ gateway: { servers: { one: { url: upstream.url } } } })
    const { offer } = await fetchServer(directory)
    await upstream.nextRequest('DELETE')
    const kinds = upstream.requests().map(({ kind }) => kind)
    expect(kinds).toEqual(['server/discover', 'initialize', 'notifications/initialized', 'tools/list', 'DELETE'])
    for (const { headers } of upstream.requests().slice(2)) {
      expect(headers['mcp-session-id']).toMatch(/^upstream-/)
      expect(headers['mcp-protocol-version']).toBe('2025-11-25')
    }
    expect(upstream.sessions.size).toBe(0)
    expect(offer.tools.items).toEqual([{ name: 'echo', inputSchema: { type: 'object' } }])
  })

  test.each([
    ['legacy', ['initialize', 'notifications/initialized', 'tools/list', 'DELETE']],
    ['modern', ['server/discover']],
  ] as const)('a server that is %s by its config is asked for nothing else', async (protocol, kinds) => {
    const upstream = await startLegacy()
    const directory = await start({ gateway: { servers: { one: { url: upstream.url, protocol } } } })
    await fetchServer(directory)
    if (protocol === 'legacy') await upstream.nextRequest('DELETE')
    expect(upstream.requests().map(({ kind }) => kind)).toEqual(kinds)
  })

  test('a server that cannot be reached is not asked twice in two eras', async () => {
    const upstream = await use(startUpstream())
    upstream.on('server/discover', (exchange) => exchange.status(503, 'down'))
    const directory = await start({ gateway: { servers: { one: { url: upstream.url } } } })
    expect(await fetchServer(directory)).toMatchObject({
      error: 'The server answered 503',
      health: { status: 'failing' },
    })
    expect(upstream.requests()).toHaveLength(1)
  })

  test('the server gets its own credentials, asked for as this principal, and none of theirs', async () => {
    const upstream = await startLegacy()
    const headers: HttpServer['headers'] = ({ principal, server }) => ({
      authorization: `${principal!.id}@${server}`,
    })
    const directory = await start({ gateway: { servers: { one: { url: upstream.url, headers } }, authenticate } })
    await fetchServer(directory, { 'x-user': 'ada', authorization: 'Bearer of-ada', cookie: 'session=ada' })
    await upstream.nextRequest('DELETE')
    for (const request of upstream.requests()) {
      expect(request.headers['authorization']).toBe('ada@one')
      expect(request.headers['cookie']).toBeUndefined()
    }
  })

  test('a list that goes on for ever ends here', async () => {
    const upstream = await startLegacy()
    const page = Array.from({ length: 100 }, (_, index) => ({ name: `tool-${index}`, inputSchema: {} }))
    upstream.on('tools/list', (exchange) => exchange.result({ tools: page, nextCursor: 'more' }))
    const directory = await start({ gateway: { servers: { one: { url: upstream.url } } } })
    const { offer } = await fetchServer(directory)
    expect(upstream.requests('tools/list')).toHaveLength(5)
    expect(upstream.requests('tools/list')[1]?.message?.params).toEqual({ cursor: 'more' })
    expect(offer.tools).toMatchObject({ hasMore: true })
    expect(offer.tools.items).toHaveLength(500)
  })

  test('empty pages without end are given up as well', async () => {
    const upstream = await startLegacy()
    upstream.on('tools/list', (exchange) => exchange.result({ tools: [], nextCursor: 'more' }))
    const { offer } = await fetchServer(await start({ gateway: { servers: { one: { url: upstream.url } } } }))
    expect(upstream.requests('tools/list')).toHaveLength(20)
    expect(offer.tools).toEqual({ items: [], hasMore: true })
  })

  test('a list that the server refuses is said to be missing, and takes no other along', async () => {
    const upstream = await startLegacy()
    upstream.on('initialize', (exchange) =>
      exchange.result({
        protocolVersion: '2025-06-18',
        capabilities: { tools: {}, prompts: {}, resources: {} },
        serverInfo: { name: 'one', version: '1' },
      }),
    )
    upstream.on('prompts/list', (exchange) => exchange.error(-32603, 'The <b>prompts</b> are locked'))
    for (const kind of ['notifications/initialized', 'DELETE']) upstream.on(kind, (exchange) => exchange.status(202))
    upstream.on('tools/list', (exchange) => exchange.result({ tools: [{ name: 'echo' }, 'no object', null] }))
    upstream.on('resources/list', (exchange) => exchange.result({ resources: 'no list' }))
    upstream.on('resources/templates/list', (exchange) => exchange.error(-32601, 'Method not found'))
    const directory = await start({ gateway: { servers: { one: { url: upstream.url } } } })
    const { offer } = await fetchServer(directory)
    expect(offer.tools).toEqual({ items: [{ name: 'echo' }] })
    expect(offer.prompts).toEqual({ items: [], error: 'The <b>prompts</b> are locked' })
    expect([offer.resources, offer.resourceTemplates]).toEqual([{ items: [] }, { items: [] }])
    const { text } = await directory.agent.get('/mcp-servers?server=one').set('accept', BROWSER)
    expect(text).toContain('The server says: The &lt;b&gt;prompts&lt;/b&gt; are locked')
  })
})

describe('failures', () => {
  test('a server that is down: the card says so, and onError why', async () => {
    const directory = await start({ gateway: { servers: { one: { url: 'http://127.0.0.1:9/mcp' } } } })
    expect(await fetchServer(directory)).toMatchObject({ error: 'The server cannot be reached' })
    expect(await directory.reported.next()).toMatchObject({ code: 'upstream_unreachable' })
    const { text } = await directory.agent.get('/mcp-servers?server=one').set('accept', BROWSER).expect(200)
    expect(text).toContain('The server could not be asked.')
  })

  test('what a `headers` function throws is not shown', async () => {
    const headers = (): never => {
      throw new Error('vault token hunter2 expired')
    }
    const directory = await start({ gateway: { servers: { one: { url: 'http://127.0.0.1:9/mcp', headers } } } })
    expect((await fetchServer(directory)).error).toBe('Internal error')
    expect((await directory.reported.next()).message).toContain('hunter2')
  })

  test('an error of the server is shown in its words', async () => {
    const upstream = await use(startUpstream())
    upstream.on('initialize', (exchange) => exchange.error(-32600, 'Come back tomorrow'))
    const directory = await start({ gateway: { servers: { one: { url: upstream.url, protocol: 'legacy' } } } })
    expect((await fetchServer(directory)).error).toBe('The server says: Come back tomorrow')
  })

  test.each([
    ['never answers', undefined],
    ['begins to answer and stops', 'stream'],
  ] as const)('a server that %s is given up at the deadline, and its connection closed', async (_what, how) => {
    const upstream = await use(startUpstream())
    upstream.on('initialize', (exchange) => {
      if (how) exchange.stream()
    })
    const gateway = await use(mcpGateway({ servers: {}, authenticate: false }))
    const config: ServerConfig = { url: upstream.url, protocol: 'legacy' }
    const subject = { server: 'one', config, principal: undefined, request: {} as never }
    const asking = introspect(internalsOf(gateway)!, subject, 50)
    await expect(asking).rejects.toMatchObject({
      code: 'upstream_timeout',
      message: 'The server took longer than 0.05 s',
    })
    expect(await (await upstream.nextRequest('initialize')).over).toBe('cut')
  })

  test('a hook that never answers does not keep anybody waiting either', async () => {
    const gateway = await use(mcpGateway({ servers: {}, authenticate: false }))
    const config: ServerConfig = { url: 'http://127.0.0.1:9/mcp', headers: () => new Promise(() => {}) }
    const subject = { server: 'one', config, principal: undefined, request: {} as never }
    await expect(introspect(internalsOf(gateway)!, subject, 20)).rejects.toBeInstanceOf(GatewayError)
  })

  test('a gateway that is closed asks nobody', async () => {
    const upstream = await use(startUpstream())
    const { agent, gateway } = await start({ gateway: { servers: { one: { url: upstream.url } } } })
    await gateway.close({ graceMs: 0 })
    const { body } = await agent.get('/mcp-servers?server=one').expect(200)
    expect(body.error).toBe('The gateway is shutting down')
    expect(upstream.requests()).toEqual([])
  })
})

describe('kept for a moment', () => {
  test('the same visitor asks once, at the same time or again; another one asks for themselves', async () => {
    const upstream = await startLegacy()
    const { agent } = await start({ gateway: { servers: { one: { url: upstream.url } }, authenticate } })
    const look = (user: string, token = 'one'): supertest.Test =>
      agent.get('/mcp-servers?server=one').set({ 'x-user': user, authorization: token }).expect(200)
    await Promise.all([look('ada'), look('ada')])
    await look('ada')
    expect(upstream.requests('initialize')).toHaveLength(1)
    await look('bob')
    expect(upstream.requests('initialize')).toHaveLength(2)
    // Another token of hers is nothing that the server is told.
    await look('ada', 'two')
    expect(upstream.requests('initialize')).toHaveLength(2)
  })

  test('another token asks again where the headers of the server depend on it', async () => {
    const upstream = await startLegacy()
    const headers: HttpServer['headers'] = ({ request }) => ({ 'x-token': String(request?.headers.authorization) })
    const { agent } = await start({ gateway: { servers: { one: { url: upstream.url, headers } }, authenticate } })
    for (const token of ['one', 'two', 'one']) {
      await agent.get('/mcp-servers?server=one').set({ 'x-user': 'ada', authorization: token }).expect(200)
    }
    expect(upstream.requests('initialize')).toHaveLength(2)
  })

  test('headers that fail are shown as a failure, and their cause is reported', async () => {
    const upstream = await startLegacy()
    const headers: HttpServer['headers'] = () => Promise.reject(new Error('the vault is sealed'))
    const directory = await start({ gateway: { servers: { one: { url: upstream.url, headers } } } })
    expect((await fetchServer(directory)).error).toBe('Internal error')
    expect(directory.reported.entries.map(({ message }) => message)).toEqual(['the vault is sealed'])
    expect(upstream.requests()).toEqual([])
  })

  test('SC6: one principal has so many servers asked, and others go on', async () => {
    const upstream = await startLegacy()
    let number = 0
    const headers: HttpServer['headers'] = () => ({ 'x-number': String((number += 1)) })
    const { agent } = await start({ gateway: { servers: { one: { url: upstream.url, headers } }, authenticate } })
    const look = (user: string): supertest.Test => agent.get('/mcp-servers?server=one').set('x-user', user).expect(200)
    let refused = 0
    for (let count = 0; count < 60; count += 1) if ((await look('ada')).body.error) refused += 1
    expect(refused).toBeGreaterThan(0)
    expect((await look('ada')).body.error).toBe('Too many servers are being asked. Look again in a moment.')
    expect((await look('bob')).body.offer).toBeDefined()
  })

  test('taking a server away from somebody takes away what was kept', async () => {
    const upstream = await startLegacy()
    let isHers = true
    const servers = (): ServerConfig | undefined => (isHers ? { url: upstream.url } : undefined)
    const { agent } = await start({ gateway: { servers }, directory: { list: () => ({}) } })
    await agent.get('/mcp-servers?server=one').expect(200)
    isHers = false
    await agent.get('/mcp-servers?server=one').expect(404)
    const page = await agent.get('/mcp-servers?server=one').set('accept', BROWSER).expect(404)
    expect(page.text).toContain('Unknown server')
  })
})

describe('the page of a server', () => {
  const pageOf = async (upstream: Upstream, directory: DirectoryParts['directory'] = {}): Promise<string> => {
    const { agent } = await start({ gateway: { servers: { one: { url: upstream.url } } }, directory })
    return (await agent.get('/mcp-servers?server=one').set('accept', BROWSER).expect(200)).text
  }

  test.each([
    [{ readOnlyHint: true }, 'read-only', false],
    [{ readOnlyHint: true, destructiveHint: true }, 'read-only', false],
    [{ destructiveHint: true }, 'destructive', true],
    [{ destructiveHint: false }, 'adds', false],
    [{}, 'may change things', true],
    [{ readOnlyHint: 'yes' }, 'may change things', true],
  ])('a tool annotated %j is marked "%s", by the defaults of the protocol', async (annotations, mark, asksFirst) => {
    const upstream = await startLegacy()
    upstream.on('tools/list', (exchange) => exchange.result({ tools: [{ name: 'one', inputSchema: {}, annotations }] }))
    const text = await pageOf(upstream)
    expect(text).toMatch(new RegExp(`<span class="mark[^>]*>${mark}</span>`))
    expect(text.includes('data-confirm')).toBe(asksFirst)
  })

  test('more than eight tools have a filter, and more than a hundred parameters are not all listed', async () => {
    const upstream = await startLegacy()
    const properties = Object.fromEntries(Array.from({ length: 150 }, (_, index) => [`p${index}`, { type: 'string' }]))
    const tools = Array.from({ length: 9 }, (_, index) => ({ name: `tool-${index}`, inputSchema: { properties } }))
    upstream.on('tools/list', (exchange) => exchange.result({ tools }))
    const text = await pageOf(upstream)
    expect(text).toContain('data-filter="tools-items"')
    expect(text.match(/<code>p99<\/code/g)).toHaveLength(9)
    expect(text).not.toContain('<code>p100</code')
    expect(text).toContain('50 more are in the schema.')
  })

  test('instructions come last, folded to three lines', async () => {
    const upstream = await startLegacy()
    upstream.on('initialize', (exchange) =>
      exchange.result({
        protocolVersion: '2025-11-25',
        capabilities: { tools: {} },
        serverInfo: { name: 'x', title: 'Its own title', version: '1' },
        instructions: 'a\nb\nc\nd\ne',
      }),
    )
    const text = await pageOf(upstream)
    expect(text).toContain('2 more lines')
    expect(text.indexOf('id="tools-title"')).toBeLessThan(text.indexOf('Instructions for agents'))
    expect(text).toMatch(/<h1>\s*Its own title\s*<\/h1>/)
  })

  test("a server's own title is not told to those who may not ask it, on public cards", async () => {
    const server = await use(startDualEraServer({}))
    const publicUrl = 'https://app.example.com/mcp-servers'
    const { agent } = await start({
      gateway: { servers: { one: { url: server.url } }, authenticate, publicUrl },
      directory: { publicCards: true },
    })
    const { body } = await agent.get('/mcp-servers?server=one').set('x-user', 'ada').expect(200)
    expect(body.title).toBe('Dual-era fixture')
    const card = await agent.get('/mcp-servers/one/mcp/server-card').expect(200)
    expect(card.body.title).toBe('one')
  })
})

describe('an aggregate', () => {
  test('is one server, with its members named, and which of them is missing', async () => {
    const [old, modern] = [await startLegacy(), await use(startDualEraServer({ legacy: 'reject' }))]
    const one = aggregate({
      old: { url: old.url },
      modern: { url: modern.url },
      dead: { url: 'http://127.0.0.1:9/mcp' },
    })
    const directory = await start({
      gateway: { servers: { one: { ...one, title: 'One', description: 'Three in one' } } },
    })
    const { offer, ...listed } = await fetchServer(directory)
    expect(listed).toMatchObject({ name: 'one', title: 'One', health: { status: 'answering' } })
    expect(offer).toMatchObject({
      protocolVersions: ['2026-07-28', '2025-11-25'],
      server: { name: 'one', title: 'One' },
      members: [{ name: 'old' }, { name: 'modern' }, { name: 'dead', missing: 'The server cannot be reached' }],
    })
    const names = offer.tools.items.map(({ name }: { name: string }) => name)
    expect(names).toEqual(expect.arrayContaining(['old__echo', 'modern__test_simple_text']))
    const page = await directory.agent.get('/mcp-servers?server=one').set('accept', BROWSER).expect(200)
    expect(page.text).toContain('made of old, modern, dead (missing: The server cannot be reached)')
  })

  test('has a card like any other server', async () => {
    const old = await startLegacy()
    const one = { ...aggregate({ old: { url: old.url } }), version: '2.0.0' }
    const { agent, url } = await start({ gateway: { servers: { one } }, directory: { namespace: 'com.example' } })
    const { body } = await agent.get('/mcp-servers/one/mcp/server-card').expect(200)
    expect(body).toMatchObject({ version: '2.0.0', remotes: [{ url: `${url}/one/mcp` }] })
  })
})
