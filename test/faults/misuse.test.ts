// Misuse that 0.1.0 takes in silence, or answers with an error that names nothing: each must name the option and the cure.
import express from 'express'
import { jwtBearer } from '../../lib/auth/index.ts'
import {
  type Gateway,
  type GatewayOptions,
  mcpGateway,
  MemorySessionStore,
  type ServerConfig,
  type SessionStore,
} from '../../lib/index.ts'
import { type RunningGateway, startGateway } from '../support/gateway.ts'
import { createJournal } from '../support/journal.ts'
import { initialize, initializeMessage, post } from '../support/rpc.ts'
import { soon } from '../support/soon.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { refusalOf, said } from './support-clients.ts'

let upstream: Upstream
const cleanups: Array<() => unknown> = []

beforeEach(async () => {
  upstream = await startUpstream()
  cleanups.push(upstream.close)
})
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

async function start(options: Partial<GatewayOptions>): Promise<RunningGateway> {
  const gateway = await startGateway({ servers: { a: { url: upstream.url } }, ...options })
  cleanups.push(gateway.close)
  return gateway
}

/** Why the options are refused at construction, `undefined` when they are not. */
function constructing(options: Partial<GatewayOptions>): string | undefined {
  return refusalOf(() => {
    const gateway = mcpGateway({ servers: { a: { url: upstream.url } }, authenticate: false, ...options })
    cleanups.push(() => gateway.close({ graceMs: 0 }))
  })
}

/** What the operator was told, all of it. */
const told = ({ reported }: RunningGateway): string => reported.entries.map(({ error }) => said(error)).join('\n')

/** A handshake with the server `a`: its status. */
const knock = async (gateway: RunningGateway, headers = {}): Promise<number> =>
  (await post(gateway.url('a'), initializeMessage(), headers)).status

describe('A1: the config of a server', () => {
  const rules = { tools: { '*': ['docs:write'] } }
  const misused: Array<[string, object, RegExp]> = [
    ['"scope" for "scopes", which would open the door', { scope: rules }, /"scope"/],
    ['"Scopes" for "scopes"', { Scopes: rules }, /"Scopes"/],
    ['"header" for "headers"', { header: { 'x-key': 'k' } }, /"header"/],
    ['a key of no meaning', { retries: 3 }, /"retries"/],
    ['"command", and "stdio" is the cure', { url: undefined, command: 'npx', args: [] }, /^(?=.*"command").*stdio/s],
    ["type: 'sse' with a protocol", { type: 'sse', protocol: 'auto' }, /"protocol" is not a key of an HTTP\+SSE/],
  ]
  const misuse = (config: object): ServerConfig => ({ url: upstream.url, ...config })

  test.each(misused)('is refused with %s', (_, config, cure) => {
    expect(constructing({ servers: { a: misuse(config) } }) ?? 'taken').toMatch(cure)
  })

  test.each(misused)('is refused, when a lookup answers it, with %s', async (_, config, cure) => {
    const gateway = await start({ servers: () => misuse(config) })
    expect(await knock(gateway)).toBe(500)
    expect(told(gateway)).toMatch(cure)
    expect(upstream.requests().map(({ kind }) => kind)).toEqual([])
  })

  test('is refused with scope rules whose own keys are misspelt', () => {
    expect(constructing({ servers: { a: misuse({ scopes: { tool: {} } }) } })).toMatch(/"tool"/)
  })
})

describe('A1: "servers"', () => {
  test.each<[string, () => unknown]>([
    ['an array', () => [{ url: upstream.url }]],
    ['a promise', () => Promise.resolve({ a: { url: upstream.url } })],
    ['a Map', () => new Map([['a', { url: upstream.url }]])],
    ['a Set', () => new Set([{ url: upstream.url }])],
  ])('as %s is refused, or serves: not every server is unknown', async (_, servers) => {
    const options = { servers: servers() as never }
    const refusal = constructing(options)
    if (refusal !== undefined) return expect(refusal).toContain('"servers"')
    expect(await knock(await start(options))).toBe(200)
  })

  test.each([null, false, ''])('as a lookup that answers %j is 404, or names "servers"', async (answer) => {
    const gateway = await start({ servers: () => answer as never })
    const status = await knock(gateway)
    if (status !== 404) expect([status, told(gateway)]).toEqual([500, expect.stringContaining('"servers"')])
    expect(told(gateway)).not.toMatch(/Cannot (?:read|destructure)|Invalid value used/)
  })

  test('as a lookup that answers null later on withdraws access, or says why not', async () => {
    let found: ServerConfig | null = { url: upstream.url }
    const reported = createJournal<Error>()
    const gateway = await start({
      servers: () => found,
      recheckMs: 20,
      onError: (error) => reported.record(error),
    })
    const listener = await (await initialize(gateway.url('a'))).listen()
    found = null
    await soon(Promise.race([listener.over, reported.next()]), 'the end of the stream, or a report')
    expect(told(gateway)).toMatch(/^$|"servers"/)
  })
})

describe('A1: "headers"', () => {
  const shapes: Array<[string, () => unknown]> = [
    ['Headers', () => new Headers({ 'x-key': 'sesame' })],
    ['a Map', () => new Map([['x-key', 'sesame']])],
    ['an array of pairs', () => [['x-key', 'sesame']]],
    ['a string', () => 'x-key: sesame'],
    ['null', () => null],
  ]

  test.each(shapes)('as %s are sent, or refused at construction', async (_, headers) => {
    const servers = { a: { url: upstream.url, headers: headers() as never } }
    const refusal = constructing({ servers })
    if (refusal !== undefined) return expect(refusal).toMatch(/"headers".*(?:record|object|name)/s)
    expect(await knock(await start({ servers }))).toBe(200)
    expect(upstream.requests('initialize')[0]!.headers).toMatchObject({ 'x-key': 'sesame' })
  })

  test.each([...shapes, ['undefined', () => undefined] as const])(
    'as a function that answers %s are sent, or the request fails and "headers" is named',
    async (_, headers) => {
      const gateway = await start({ servers: { a: { url: upstream.url, headers: () => headers() as never } } })
      const status = await knock(gateway)
      if (status >= 500) {
        expect(upstream.requests().map(({ kind }) => kind)).toEqual([])
        return expect(told(gateway)).toContain('"headers"')
      }
      expect(upstream.requests('initialize')[0]!.headers).toMatchObject({ 'x-key': 'sesame' })
    },
  )

  test('with a value that is undefined are refused by name', () => {
    const servers = { a: { url: upstream.url, headers: { 'x-key': undefined } as never } }
    expect(constructing({ servers })).toMatch(/"headers".*"x-key"/)
  })
})

describe('A1: "authenticate"', () => {
  const inAnHourMs = (): number => Date.now() + 3_600_000
  const info = { token: 'sesame', clientId: 'client', scopes: [] }

  test.each<[string, () => object]>([
    ['milliseconds', () => ({ id: 'ada', expiresAt: inAnHourMs() })],
    ['milliseconds, as AuthInfo', () => ({ ...info, expiresAt: inAnHourMs() })],
    ['milliseconds that have passed', () => ({ id: 'ada', expiresAt: Date.now() - 60_000 })],
    ['a Date', () => ({ id: 'ada', expiresAt: new Date(inAnHourMs()) })],
  ])('with "expiresAt" in %s is refused, since it would never expire', async (_, principal) => {
    const gateway = await start({ authenticate: () => principal() as never })
    expect(await knock(gateway)).toBe(500)
    expect(told(gateway)).toMatch(/"expiresAt".*seconds/)
    expect(upstream.requests().map(({ kind }) => kind)).toEqual([])
  })

  test('with "expiresAt" in a hundred years, in seconds, is let in', async () => {
    const expiresAt = Date.now() / 1_000 + 100 * 365 * 24 * 3_600
    expect(await knock(await start({ authenticate: () => ({ id: 'ada', expiresAt }) }))).toBe(200)
  })

  test.each([null, 'ada', 7, true, ['ada'], { id: 7 }, { id: '' }])(
    'that answers %j is told what it may',
    async (it) => {
      const gateway = await start({ authenticate: () => it as never })
      expect(await knock(gateway)).toBe(500)
      expect(told(gateway)).toContain('"authenticate"')
    },
  )

  test.each<[string, unknown]>([
    ['a string', 'docs:read docs:write'],
    ['a Set', new Set(['docs:read'])],
    ['an object', { 'docs:read': true }],
  ])('with "scopes" that are %s is told that they are an array', async (_, scopes) => {
    const servers = { a: { url: upstream.url, scopes: { methods: { initialize: ['docs:read'] } } } }
    const gateway = await start({ servers, authenticate: () => ({ id: 'ada', scopes: scopes as never }) })
    expect([403, 500]).toContain(await knock(gateway))
    expect(told(gateway)).toMatch(/"scopes".*array/s)
  })
})

describe('A1: a session store', () => {
  /** What a store that keeps text would answer, were it to forget to parse it. */
  const answering = (answer: (record: object | undefined) => unknown): SessionStore => {
    const store = new MemorySessionStore()
    return {
      create: (record) => store.create(record),
      get: (id) => answer(store.get(id)) as never,
      delete: (id) => store.delete(id),
      close: () => store.close(),
    }
  }

  test.each<[string, (record: object | undefined) => unknown]>([
    ['a string', (record) => JSON.stringify(record)],
    ['a Buffer', (record) => Buffer.from(JSON.stringify(record))],
    ['true', () => true],
    ['an empty object', () => ({})],
    ['a promise of a string', (record) => Promise.resolve(JSON.stringify(record))],
  ])('whose "get" answers %s is unavailable, and not every session unknown', async (_, answer) => {
    const gateway = await start({ sessions: answering(answer) })
    const opening = await post(gateway.url('a'), initializeMessage())
    const id = opening.headers['mcp-session-id']
    const { status } = await post(gateway.url('a'), { jsonrpc: '2.0', id: 1, method: 'ping' }, { 'mcp-session-id': id })
    expect([500, 503]).toContain(status)
    expect(told(gateway)).toMatch(/store/)
  })

  test('whose "get" answers null has no such session', async () => {
    const gateway = await start({ sessions: answering(() => null) })
    const unknown = { 'mcp-session-id': 'unknown' }
    expect(await post(gateway.url('a'), { jsonrpc: '2.0', id: 1, method: 'ping' }, unknown)).toMatchObject({
      status: 404,
    })
  })
})

describe('two gateways on one store', () => {
  test('are refused where the store ends sessions by itself: it would tell one of them alone', () => {
    const sessions = new MemorySessionStore()
    expect(constructing({ sessions })).toBeUndefined()
    expect(constructing({ sessions })).toMatch(/"sessions".*another gateway.*of its own/)
  })

  test('one after the other are taken', async () => {
    const sessions = new MemorySessionStore()
    const options = { servers: { a: { url: upstream.url } }, authenticate: false, sessions } as const
    await mcpGateway(options).close({ graceMs: 0 })
    expect(constructing({ sessions })).toBeUndefined()
  })

  test('keep apart what each of them opened, where the store ends nothing by itself', async () => {
    const elsewhere = await startUpstream()
    cleanups.push(elsewhere.close)
    const kept = new MemorySessionStore()
    cleanups.push(() => kept.close())
    const sessions = (): SessionStore => ({
      create: (record) => kept.create(record),
      get: (id) => kept.get(id),
      delete: (id) => kept.delete(id),
    })
    const one = await start({ sessions: sessions() })
    const other = await start({ sessions: sessions(), servers: { a: { url: elsewhere.url } } })
    const session = { 'mcp-session-id': (await initialize(one.url('a'))).id }
    expect((await post(other.url('a'), { jsonrpc: '2.0', id: 1, method: 'ping' }, session)).status).toBe(404)
    expect(elsewhere.requests()).toEqual([])
    expect((await post(one.url('a'), { jsonrpc: '2.0', id: 1, method: 'ping' }, session)).status).toBe(200)
  })
})

describe('behind a proxy without "publicUrl"', () => {
  test('on the same machine is 403, and "publicUrl" is named', async () => {
    const gateway = await start({})
    expect(await knock(gateway, { host: 'app.example.com' })).toBe(403)
    expect(told(gateway)).toMatch(/"publicUrl"/)
  })

  test('the tokens of jwtBearer() cannot be for a server: it is refused, and "publicUrl" is named', () => {
    const authenticate = jwtBearer({ issuer: 'https://login.example.com' })
    expect(constructing({ authenticate })).toMatch(/"publicUrl"/)
  })
})

describe('a gateway in a route instead of a mount', () => {
  const PATH = '/mcp-servers/:name/mcp'
  type Mount = (app: express.Express, gateway: Gateway) => unknown

  test.each<[string, Mount]>([
    ['app.all(path, gateway)', (app, gateway) => app.all(PATH, gateway)],
    ['app.post(path, gateway)', (app, gateway) => app.post(PATH, gateway)],
    ['app.route(path).post(gateway)', (app, gateway) => app.route(PATH).post(gateway)],
  ])('%s works, or names app.use', async (_, mount) => {
    const errors = createJournal<unknown>()
    const gateway = await startGateway(
      { servers: { a: { url: upstream.url } } },
      {
        prefix: '/mcp-servers',
        mount(handler) {
          const app = express()
          mount(app, handler)
          const fail: express.ErrorRequestHandler = (error, _request, response, _next) => {
            errors.record(error)
            response.status(500).end()
          }
          return app.use(fail)
        },
      },
    )
    cleanups.push(gateway.close)
    const status = await knock(gateway)
    if (status !== 200) expect(`${told(gateway)} ${errors.entries.map(said).join()}`).toMatch(/app\.use/)
  })
})
