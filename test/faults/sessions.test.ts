// Faults of sessions: what one client can do to another's, what a session is bound to, and what each of them may hold.
import { jest } from '@jest/globals'
import {
  type GatewayOptions,
  type GatewayRequest,
  MemorySessionStore,
  SealedSessionStore,
  type ServerConfig,
} from '../../lib/index.ts'
import { clientCredentials, jwtBearer } from '../../lib/auth/index.ts'
import { startAuthorizationServer } from '../support/authorization-server.ts'
import { startGateway, type RunningGateway } from '../support/gateway.ts'
import { listen } from '../support/listen.ts'
import { modernRequest, standardHeaders } from '../support/modern.ts'
import { initialize, initializeMessage, post, type Session } from '../support/rpc.ts'
import { settles, soon } from '../support/soon.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { head, wire, type Wire } from '../support/wire.ts'
import { call, fakeClocks, heldBytes, KEYS, quiet } from './support-streams.ts'

// A machine that is busy counts and collects for longer; each of these takes about a second where it is not.
const MiB = 1024 * 1024
const HOUR = 60 * 60_000

let upstream: Upstream
let gateway: RunningGateway
const cleanups: Array<() => unknown> = []

beforeEach(async () => {
  upstream = await startUpstream()
})

afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup()
  await gateway?.close()
  await upstream.close()
  jest.restoreAllMocks()
  jest.useRealTimers()
})

const byHeader = ({ headers }: GatewayRequest): { id: string } => ({ id: String(headers.authorization) })

async function start(options: Partial<GatewayOptions> = {}): Promise<void> {
  gateway = await startGateway({ servers: { a: { url: upstream.url } }, authenticate: byHeader, ...options })
}

const as = (authorization: string): { headers: { authorization: string } } => ({ headers: { authorization } })

describe('a handshake that an upstream of both eras refuses', () => {
  test.each([
    ['for a wrong Mcp-Method', -32_020, '2025-11-25', { 'mcp-method': 'tools/list' }],
    ['for a capability that it lacks', -32_021, '2025-11-25', {}],
    ['for a revision that nobody knows', -32_022, '1999-01-01', {}],
    ['for a header of a revision that nobody knows', -32_022, '2025-11-25', { 'mcp-protocol-version': '2031-01-01' }],
  ])('12: %s shuts no GET and no DELETE of other live sessions (CL3, RT4)', async (_, code, version, headers) => {
    await start()
    const ann = await initialize(gateway.url('a'), as('ann'))
    const bob = await initialize(gateway.url('a'), as('bob'))
    upstream.once('initialize', (exchange) => exchange.error(code, 'refused', 400))
    await post(gateway.url('a'), initializeMessage(version), { authorization: 'mallory', ...headers })
    const listener = await ann.listen()
    listener.close()
    expect([listener.status, (await bob.end()).status]).toEqual([200, 200])
  })
})

describe('a server of which "servers" answers another URL meanwhile', () => {
  let other: Upstream
  let config: ServerConfig
  beforeEach(async () => {
    other = await startUpstream()
    cleanups.push(() => other.close())
    config = { url: upstream.url }
  })

  const told = (): unknown[] => other.requests().map(({ headers }) => headers['mcp-session-id'])

  const ways: ReadonlyArray<[string, (session: Session) => Promise<unknown>]> = [
    ['a request', (session) => session.request('ping')],
    ['a notification', (session) => session.post({ jsonrpc: '2.0', method: 'notifications/roots/list_changed' })],
    ['GET', async (session) => session.listen().then((listener) => listener.close())],
    ['DELETE', (session) => session.end()],
  ]

  test.each(ways)('21: is not told the session id of the first one, by %s (SC5, SS7)', async (_, act) => {
    await start({ servers: () => config })
    const session = await initialize(gateway.url('a'), as('ann'))
    config = { url: other.url }
    await soon(act(session), 'it is answered')
    expect(told()).not.toContain([...upstream.sessions][0])
  })

  test('21: is not told it where the session comes from another node or an earlier config (SC5)', async () => {
    const sessions = (): SealedSessionStore => new SealedSessionStore({ keys: KEYS })
    await start({ sessions: sessions() })
    const session = await initialize(gateway.url('a'), as('ann'))
    const second = await startGateway({
      servers: { a: { url: other.url } },
      authenticate: byHeader,
      sessions: sessions(),
    })
    cleanups.push(() => second.close())
    await post(second.url('a'), call, session.headers)
    expect(told()).not.toContain([...upstream.sessions][0])
  })

  test('21: is not told it where the session can be recovered: it gets a handshake (SS8)', async () => {
    await start({ servers: () => config })
    config = { url: upstream.url, recover: true }
    const session = await initialize(gateway.url('a'), as('ann'))
    config = { url: other.url, recover: true }
    await session.request('ping')
    expect(told()).not.toContain([...upstream.sessions][0])
  })
})

describe('a session', () => {
  test('26: keeps nothing of the URL that it was opened by but the name of the server (SC6)', async () => {
    const SESSIONS = 80
    await start({ servers: () => ({ url: upstream.url }) })
    const url = gateway.url('a-server-with-a-long-name')
    const open = async (query: string): Promise<void> => {
      for (let each = 0; each < SESSIONS; each += 20) {
        const openings = Array.from({ length: 20 }, (_, more) => initialize(`${url}?${query}${each + more}`, as('ann')))
        await Promise.all(openings)
      }
    }
    const growth = async (query: string): Promise<number> => {
      const before = await heldBytes()
      await open(query)
      // A kept-alive socket holds its last request, URL and all: 20 of them would count as much as half of the sessions.
      await open('')
      return (await heldBytes()) - before
    }
    await open('')
    const usual = await growth('')
    const grown = (await growth('x'.repeat(12_000))) - usual
    expect(grown / SESSIONS).toBeLessThan(6_000)
  })

  test.each(['principal', 'upstream session'])(
    'Also: with the id of a %s of 4 000 characters is not refused as if it were for a moment by a sealed store (ER9)',
    async (whose) => {
      const long = 'x'.repeat(4_000)
      const isPrincipal = whose === 'principal'
      await start({ sessions: new SealedSessionStore({ keys: KEYS }) })
      upstream.on('initialize', (exchange) => {
        const headers = { 'mcp-session-id': isPrincipal ? 'upstream-1' : long }
        exchange.result({ protocolVersion: '2025-11-25', capabilities: {}, serverInfo: { name: 'u' } }, headers)
      })
      const opening = await post(gateway.url('a'), initializeMessage(), as(isPrincipal ? long : 'ann').headers)
      expect(opening.status).not.toBe(503)
      if (opening.status !== 200) return
      // Whatever stands for a long id, it stands for this one alone.
      const headers = { 'mcp-session-id': String(opening.headers['mcp-session-id']) }
      const byOther = as(isPrincipal ? `${long.slice(1)}y` : 'bob').headers
      expect((await post(gateway.url('a'), call, { ...headers, ...byOther })).status).toBe(404)
    },
  )
})

test('08: who waits until a session is opened anew is let in no longer than the access lasts (AU11)', async () => {
  let expiresAt = Infinity
  await start({
    servers: { a: { url: upstream.url, recover: true } },
    authenticate: (request) => ({ ...byHeader(request), expiresAt }),
  })
  const session = await initialize(gateway.url('a'), as('ann'))
  upstream.sessions.clear()
  upstream.once('initialize', () => {})
  expiresAt = Date.now() / 1_000 + 0.3
  const answer = session.request('ping')
  const isAnswered = await settles(answer)
  upstream.requests('initialize').at(-1)!.cut()
  await soon(answer, 'it is answered when the upstream has left')
  expect(isAnswered).toBe(true)
})

describe('a clock that steps back', () => {
  /** The time of day alone; timers and monotonic clocks go on. */
  function stepBack(): void {
    const { now } = Date
    jest.spyOn(Date, 'now').mockImplementation(() => now() - HOUR)
  }

  test('R7: does not put off the look whether a stream may still go on (AU11)', async () => {
    let config: ServerConfig | undefined = { url: upstream.url }
    await start({ servers: () => config, recheckMs: 50 })
    const session = await initialize(gateway.url('a'), as('ann'))
    const listener = await session.listen()
    cleanups.push(() => listener.close())
    stepBack()
    config = undefined
    expect(await settles(listener.over)).toBe(true)
  })

  const resource = 'https://app.example.com/a/mcp'
  const asking = (token: string): GatewayRequest =>
    ({ url: '/', headers: { authorization: `Bearer ${token}` }, rawHeaders: [] }) as unknown as GatewayRequest

  test('R7: does not keep an issuer’s new key from being fetched (AU8)', async () => {
    const clocks = fakeClocks()
    const issuer = await startAuthorizationServer({ ttlS: 3_600 })
    cleanups.push(issuer.close)
    const authenticate = jwtBearer({ issuer: issuer.issuer })
    const ask = async (): Promise<unknown> =>
      authenticate(asking(await issuer.sign({ aud: resource })), { server: 'a', resource })
    await ask()
    clocks.stepBack(HOUR)
    clocks.advance(60_000)
    issuer.rotate({ keep: false })
    await expect(ask()).resolves.toMatchObject({ id: `${issuer.issuer} ada` })
  })

  test('R7: does not make a token of the gateway’s own serve past its end (AU14)', async () => {
    const clocks = fakeClocks()
    const issuer = await startAuthorizationServer({ ttlS: 60 })
    cleanups.push(issuer.close)
    const { id: clientId, secret: clientSecret } = issuer.client
    const headers = clientCredentials({ issuer: issuer.issuer, clientId, clientSecret })
    const ask = async (): Promise<string | undefined> =>
      (await headers({ principal: undefined, request: undefined, server: 'a', url: upstream.url }))['authorization']
    const first = await ask()
    clocks.stepBack(HOUR)
    clocks.advance(61_000)
    expect(await ask()).not.toBe(first)
  })

  test.each([
    ['idle', { ttlMs: 60_000 }],
    ['overdue', { ttlMs: HOUR, lifetimeMs: 60_000 }],
  ])('R7: does not keep an %s session alive in memory (SS11)', (_, options) => {
    jest.useFakeTimers()
    const store = new MemorySessionStore(options)
    const id = store.create({
      server: 'a',
      principal: 'ann',
      protocolVersion: '2025-11-25',
      upstream: { upstream: 'x', protocolVersion: '2025-11-25' },
    })
    jest.setSystemTime(Date.now() - HOUR)
    jest.advanceTimersByTime(2 * 60_000)
    const found = store.get(id)
    store.close()
    expect(found).toBeUndefined()
  })
})

/** 15 of them are nearly as long as a body may be. */
const PIECE = Buffer.alloc(MiB / 4, 'x')

describe('one principal', () => {
  function connect(bytes: string): Wire {
    const wired = wire(gateway.origin, bytes)
    wired.socket.on('error', () => {})
    cleanups.push(() => wired.socket.destroy())
    return wired
  }

  /** Writes so much in pieces, and tells of each that has left. */
  async function fill({ socket }: Wire, bytes: number, onPiece: () => void): Promise<void> {
    for (let written = 0; written < bytes; written += PIECE.length) {
      await new Promise<void>((resolve) => void socket.write(PIECE, () => resolve()))
      onPiece()
    }
  }

  /** What has left may be on its way for a while. */
  const arrivedMiB = (): number => Math.round(process.memoryUsage().arrayBuffers / MiB)

  test('Also: with 40 bodies that stall holds less than they have brought (SC6)', async () => {
    const BODIES = 40
    await start()
    const session = await initialize(gateway.url('a'), as('ann'))
    const before = await heldBytes()
    let pieces = 0
    for (let body = 0; body < BODIES; body += 1) {
      const wired = connect(head(session.url, { ...session.headers, 'content-length': 4 * MiB }))
      void fill(wired, 15 * PIECE.length, () => (pieces += 1))
    }
    await quiet(() => pieces + arrivedMiB())
    expect((await heldBytes()) - before).toBeLessThan(100 * MiB)
  })

  test.each([
    ['', {}],
    [', which are observed,', { audit: () => {} }],
  ])(
    'Also: with 24 long calls that are not answered%s holds less than they have brought (SC6)',
    async (_, observing) => {
      const CALLS = 24
      let progress = 0
      // An upstream that keeps nothing of what it is told.
      const forgetful = await listen((req, res) => {
        const isLong = Number(req.headers['content-length']) > MiB
        const isHandshake = req.headers['mcp-session-id'] === undefined
        req.resume().once('end', () => {
          progress += 1
          if (isLong) return
          const result = { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: { name: 'u' } }
          const body = isHandshake ? JSON.stringify({ jsonrpc: '2.0', id: 'init', result }) : ''
          const headers = { 'content-type': 'application/json', 'mcp-session-id': 'u-1' }
          res.writeHead(isHandshake ? 200 : 202, headers).end(body)
        })
      })
      cleanups.push(forgetful.close)
      await start({ servers: { a: { url: forgetful.origin } }, ...observing })
      const session = await initialize(gateway.url('a'), as('ann'))
      const before = await heldBytes()
      for (let id = 0; id < CALLS; id += 1) {
        const first = `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"name":"x","arguments":{"text":"`
        const length = first.length + 15 * PIECE.length + 4
        const wired = connect(head(session.url, { ...session.headers, 'content-length': length }) + first)
        void fill(wired, 15 * PIECE.length, () => (progress += 1)).then(() => wired.socket.write('"}}}'))
      }
      await quiet(() => progress + arrivedMiB())
      expect((await heldBytes()) - before).toBeLessThan(100 * MiB)
    },
  )

  const PIPELINED = 300
  const heads: Record<string, (session: Session) => (id: number) => string> = {
    'legacy calls':
      ({ url, headers }) =>
      (id) => {
        const body = JSON.stringify({ ...call, id })
        return head(url, { ...headers, connection: 'keep-alive', 'content-length': body.length }) + body
      },
    'modern calls':
      ({ url, headers: { authorization = '' } }) =>
      (id) => {
        const message = modernRequest('tools/call', { name: 'slow' }, id)
        const body = JSON.stringify(message)
        const headers = { authorization, ...standardHeaders(message), connection: 'keep-alive' }
        return head(url, { ...headers, 'content-length': body.length }) + body
      },
    'streams to listen on':
      ({ url, headers }) =>
      () =>
        head(url, { ...headers, connection: 'keep-alive' }).replace('POST', 'GET'),
  }

  test.each(Object.entries(heads))(
    'Also: who pipelines 300 %s on one connection opens fewer upstream connections (SC6)',
    async (_, of) => {
      let arrived = 0
      for (const kind of ['tools/call', 'GET']) upstream.on(kind, () => void (arrived += 1))
      await start()
      const write = of(await initialize(gateway.url('a'), as('ann')))
      connect(Array.from({ length: PIPELINED }, (__, id) => write(id)).join(''))
      await quiet(() => arrived)
      expect(arrived).toBeLessThan(PIPELINED)
    },
  )
})
