// Server cards and the catalog: what agents look for. (SEP-2127)
import type { ServerConfig } from '../../lib/index.ts'
import { startDualEraServer } from '../fixtures/dual-era-server.mjs'
import { startUpstream } from '../support/upstream.ts'
import { closeUsed, use } from '../support/use.ts'
import { faultsOfCard, faultsOfCatalog } from './schemas.ts'
import { authenticate, type DirectoryParts, type RunningDirectory, startDirectory } from './setup.ts'

afterEach(closeUsed)

const start = (parts: DirectoryParts): Promise<RunningDirectory> => use(startDirectory(parts))

const CARD = '/mcp-servers/one/mcp/server-card'
const CATALOG = '/.well-known/ai-catalog.json'
const down: ServerConfig = { url: 'http://127.0.0.1:9/mcp', version: '3.1.4' }

test('the checks find what they are there for', () => {
  expect(faultsOfCard({ $schema: 'x', name: 'no-slash', description: '' })).toHaveLength(4)
  expect(faultsOfCatalog({ specVersion: 'draft', entries: [{ identifier: 'one' }] })?.length).toBeGreaterThan(3)
})

describe('a card', () => {
  test('says who the server is, as the server itself does, and where it is', async () => {
    const server = await use(startDualEraServer({}))
    const one = { url: server.url, title: 'One', description: 'The first.', tags: ['a'] }
    const { agent, url } = await start({ gateway: { servers: { one } }, directory: { namespace: 'com.example' } })
    const { body, headers } = await agent.get(CARD).set('accept', 'application/mcp-server-card+json').expect(200)
    expect(headers['content-type']).toBe('application/mcp-server-card+json')
    expect(body).toEqual({
      $schema: 'https://static.modelcontextprotocol.io/schemas/v1/server-card.schema.json',
      name: 'com.example/one',
      version: '1.0.0',
      title: 'One',
      description: 'The first.',
      remotes: [{ type: 'streamable-http', url: `${url}/one/mcp`, supportedProtocolVersions: ['2026-07-28'] }],
    })
    expect(faultsOfCard(body)).toEqual([])
  })

  test('with a version in the config nobody is asked', async () => {
    const upstream = await use(startUpstream())
    const one: ServerConfig = { url: upstream.url, version: '3.1.4', protocol: 'legacy' }
    const { agent } = await start({ gateway: { servers: { one } } })
    const { body } = await agent.get(CARD).expect(200)
    expect(body.version).toBe('3.1.4')
    expect(body.remotes[0].supportedProtocolVersions).toEqual(['2025-03-26', '2025-06-18', '2025-11-25'])
    expect(upstream.requests()).toEqual([])
  })

  test.each<[string, string, ServerConfig]>([
    ['a server that is down', 'one', { url: 'http://127.0.0.1:9/mcp' }],
    ['long texts', 'one', { ...down, title: 't'.repeat(300), description: 'd'.repeat(300), version: '1'.repeat(300) }],
    ['empty texts', 'one', { ...down, title: '', description: '' }],
    ['an odd name', `größe & "co" (a/b) '%'`, down],
    ['a long name', 'n'.repeat(300), down],
  ])('of %s is valid', async (_what, name, config) => {
    const { agent, reported } = await start({ gateway: { servers: { [name]: config } } })
    const { body } = await agent.get(`/mcp-servers/${encodeURIComponent(name)}/mcp/server-card`).expect(200)
    expect(faultsOfCard(body)).toEqual([])
    const catalog = await agent.get(CATALOG).expect(200)
    expect(faultsOfCatalog(catalog.body)).toEqual([])
    expect(reported.entries.length).toBe(config.version ? 0 : 1)
  })

  test('the headers that a client must be given are described, and no value is given away', async () => {
    const clientHeaders = { Authorization: 'Bearer YOUR-KEY' }
    const { agent } = await start({ gateway: { servers: { one: down } }, directory: { clientHeaders } })
    const { body } = await agent.get(CARD).expect(200)
    expect(body.remotes[0].headers).toEqual([
      { name: 'Authorization', isRequired: true, isSecret: true, placeholder: 'Bearer YOUR-KEY' },
    ])
    expect(faultsOfCard(body)).toEqual([])
  })

  test('the namespace is the public host backwards, unless there is another', async () => {
    const { agent } = await start({
      gateway: { servers: { one: down }, publicUrl: 'https://app.example.com:8443/mcp-servers' },
    })
    expect((await agent.get(CARD)).body.name).toBe('com.example.app/one')
    expect((await agent.get(CATALOG)).body.entries[0].identifier).toBe('urn:air:app.example.com:mcp:one')
    const local = await start({ gateway: { servers: { one: down } } })
    expect((await local.agent.get(CARD)).body.name).toBe('127.0.0.1/one')
  })
})

describe('the catalog', () => {
  test('leads to every card, for whoever may use the servers', async () => {
    const { agent, url } = await start({
      gateway: { servers: { one: { ...down, tags: ['a'] }, two: down }, authenticate },
      directory: { title: 'Servers of Example', namespace: 'com.example' },
    })
    await agent.get(CATALOG).expect(401)
    const { body, headers } = await agent.get(CATALOG).set('x-user', 'ada').expect(200)
    expect(headers['content-type']).toBe('application/ai-catalog+json')
    expect(headers['cache-control']).toBe('private, no-cache')
    expect(body).toEqual({
      specVersion: '1.0',
      host: { displayName: 'Servers of Example' },
      entries: [
        {
          identifier: 'urn:air:example.com:mcp:one',
          displayName: 'one',
          type: 'application/mcp-server-card+json',
          url: `${url}/one/mcp/server-card`,
          tags: ['a'],
        },
        {
          identifier: 'urn:air:example.com:mcp:two',
          displayName: 'two',
          type: 'application/mcp-server-card+json',
          url: `${url}/two/mcp/server-card`,
        },
      ],
    })
    expect(faultsOfCatalog(body)).toEqual([])
    for (const entry of body.entries) {
      const card = await agent.get(new URL(entry.url).pathname).set('x-user', 'ada').expect(200)
      expect(card.headers['content-type']).toBe(entry.type)
      expect(faultsOfCard(card.body)).toEqual([])
    }
  })
})

describe('with public cards', () => {
  const open: ServerConfig = { url: 'http://127.0.0.1:9/mcp', title: 'Open' }
  const startPublic = (): Promise<RunningDirectory> =>
    start({
      gateway: {
        servers: (name, { principal }) => (principal && name in { one: 1, two: 1 } ? open : undefined),
        authenticate,
        publicUrl: 'https://app.example.com/mcp-servers',
      },
      directory: { publicCards: true, list: (principal) => (principal ? { one: open, two: open } : { one: open }) },
    })

  test('anybody may read the cards that are listed without a principal, from any page, and keep them', async () => {
    const { agent, reported } = await startPublic()
    for (const path of [CARD, CATALOG]) {
      const { headers } = await agent.get(path).set('origin', 'https://elsewhere.example').expect(200)
      expect(headers).toMatchObject({
        'access-control-allow-origin': '*',
        'access-control-allow-methods': 'GET',
        'access-control-allow-headers': 'Content-Type, If-None-Match',
        'access-control-expose-headers': 'ETag',
        'cache-control': 'public, max-age=3600',
      })
      await agent.get(path).set('if-none-match', headers['etag']!).expect(304)
      const asks = { origin: 'https://elsewhere.example', 'access-control-request-method': 'GET' }
      const preflight = await agent.options(path).set(asks).expect(204)
      expect(preflight.headers['access-control-allow-origin']).toBe('*')
    }
    expect((await agent.get(CATALOG)).body.entries).toHaveLength(1)
    await agent.get('/mcp-servers/two/mcp/server-card').expect(404)
    await agent.get('/mcp-servers/toString/mcp/server-card').expect(404)
    expect(reported.entries).toEqual([])
  })

  test('no server is asked as nobody, and the list stays private', async () => {
    const { agent, reported } = await startPublic()
    const { body } = await agent.get(CARD).expect(200)
    expect(body).toMatchObject({ version: '0.0.0', description: 'Open' })
    expect(reported.entries).toEqual([])
    const list = await agent.get('/mcp-servers').expect(401)
    expect(list.headers['access-control-allow-origin']).toBeUndefined()
    await agent.options('/mcp-servers').set('access-control-request-method', 'GET').expect(418)
  })
})
