// What hooks and stores throw, leave unanswered or let slip, and what guards before the gateway do not see.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { jest } from '@jest/globals'
import connect from 'connect'
import express from 'express'
import express4 from 'express4'
import {
  GatewayError,
  type GatewayOptions,
  type mcpGateway,
  MemorySessionStore,
  type SessionStore,
} from '../../lib/index.ts'
import { clientCredentials, tokenExchange } from '../../lib/auth/index.ts'
import { serverDirectory } from '../../lib/directory/index.ts'
import { bareHttp, type Host, startGateway, type RunningGateway } from '../support/gateway.ts'
import { listen, type Listening } from '../support/listen.ts'
import { type Answer, initialize, initializeMessage, post, send } from '../support/rpc.ts'
import { settles, soon } from '../support/soon.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { wire } from '../support/wire.ts'
import { call } from './support-edges.ts'

let upstream: Upstream
let gateway: RunningGateway
const cleanups: Array<() => unknown> = []

beforeEach(async () => {
  upstream = await startUpstream()
})

afterEach(async () => {
  jest.useRealTimers()
  for (const cleanup of cleanups.splice(0)) await cleanup()
  await gateway?.close()
  await upstream.close()
})

async function start(options: Partial<GatewayOptions> = {}, host: Host = bareHttp): Promise<void> {
  gateway = await startGateway({ servers: { a: { url: upstream.url } }, ...options }, host)
}

const handshake = initializeMessage()
const never = (): Promise<never> => new Promise(() => {})

/** A store that keeps its word but for one method. */
function storeBut(method: 'create' | 'get' | 'delete', broken: () => Promise<never>): SessionStore {
  const kept = new MemorySessionStore()
  cleanups.push(() => kept.close())
  const store: SessionStore = {
    create: (record) => kept.create(record),
    get: (id) => kept.get(id),
    delete: (id) => kept.delete(id),
  }
  return { ...store, [method]: broken }
}

describe('an error that cannot be sent', () => {
  const circle: Record<string, unknown> = {}
  circle['self'] = circle
  const faults: ReadonlyArray<[what: string, options: ConstructorParameters<typeof GatewayError>[2]]> = [
    ['a header beyond Latin-1', { headers: { 'x-name': '\u65E5' } }],
    ['a header with a line end', { headers: { 'x-name': 'a\r\nx-injected: 1' } }],
    ['a header whose name is none', { headers: { 'x name': 'a' } }],
    ['a number that JSON cannot say', { data: { count: 1n } }],
    ['a circle', { data: circle }],
    ['a status below all', { status: 99 }],
    ['a status above all', { status: 1000 }],
    ['a status that is no number', { status: Number.NaN }],
  ]

  /** Gateways in a process of their own: what nobody catches ends it. */
  let child: ChildProcess | undefined
  let ports: Record<string, number> = {}
  afterAll(() => child?.kill('SIGKILL'))

  /** The gateway where this hook throws this error; in another process once one has ended, which fails one test alone. */
  async function startApart(place: string, fault: string = faults[0]![0]): Promise<{ origin: string; url: string }> {
    if (child === undefined || child.exitCode !== null) {
      const script = fileURLToPath(new URL('support-edges-errors.mjs', import.meta.url))
      child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'ignore'] })
      const [line] = (await soon(once(child.stdout!, 'data'), 'the process starts')) as [Buffer]
      ports = JSON.parse(String(line)) as Record<string, number>
    }
    await fetch(`http://127.0.0.1:${ports['fault']}/`, { method: 'POST', body: fault })
    const origin = `http://127.0.0.1:${ports[place]}`
    return { origin, url: `${origin}/a/mcp` }
  }

  /** Asked twice: it must be there the second time, too. */
  async function expectErrors(ask: () => Promise<Answer>, expected = 500): Promise<void> {
    for (let time = 0; time < 2; time += 1) {
      const { status, headers } = await soon(ask(), 'There is no answer')
      expect(status).toBe(expected)
      expect(headers['x-injected']).toBeUndefined()
    }
  }

  test.each(faults)('01: because of %s is answered 500, and does not end the process (ER9)', async (fault) => {
    const { url } = await startApart('authenticate', fault)
    await expectErrors(() => post(url, handshake))
  })

  test.each(faults)('01: because of %s cannot be made (SC6)', (_, options) => {
    expect(() => new GatewayError('forbidden', 'No', options)).toThrow(Error)
  })

  test.each(['authenticate, at once', 'servers', 'headers'])(
    '01: is answered 500, and does not end the process, wherever it was thrown: %s (ER9)',
    async (place) => {
      const { url } = await startApart(place)
      await expectErrors(() => post(url, handshake))
    },
  )

  // The error could not be made: what a store throws instead is 503, as ever.
  test('01: is answered 503, and does not end the process, where a store threw it: create (ER9)', async () => {
    const { url } = await startApart('create')
    await expectErrors(() => post(url, handshake), 503)
  })

  test.each(['get', 'delete'])(
    '01: is answered 503, and does not end the process, where a store threw it: %s (ER9)',
    async (method) => {
      const { url } = await startApart(method)
      const { headers } = await post(url, handshake)
      await expectErrors(() => send('DELETE', url, { 'mcp-session-id': headers['mcp-session-id'] }), 503)
    },
  )

  test.each(['authenticate', 'authenticate, at once', 'servers', 'headers', 'create'])(
    '01: that can be sent is what its hook chose: %s',
    async (place) => {
      const { url } = await startApart(place, 'nothing')
      expect((await post(url, handshake)).status).toBe(403)
    },
  )

  test('01: is answered 500, and does not end the process, in the metadata (AU4)', async () => {
    const { origin } = await startApart('has')
    await expectErrors(() => send('GET', `${origin}/.well-known/oauth-protected-resource/a/mcp`))
  })

  test.each(['text/html', 'application/json'])(
    '01: is answered 500, and does not end the process, in the directory: %s (ER9)',
    async (accept) => {
      const { origin } = await startApart('authenticate')
      await expectErrors(() => send('GET', origin, { accept }))
    },
  )

  // It could not be made, so the lookup did not answer it: a hook that merely fails takes nothing away.
  test('01: ends neither the process nor a stream that has begun (AU11)', async () => {
    const { url } = await startApart('a stream that has begun', 'a circle')
    const session = await initialize(url)
    const client = await session.stream(call)
    const ended = client.nextMessage()
    expect(await settles(ended, 300)).toBe(false)
    ended.catch(() => {})
    await expectErrors(() => post(url, handshake))
  })

  test('01: that can be said ends a stream that has begun (ER14)', async () => {
    const { url } = await startApart('a stream that has begun', 'nothing')
    const session = await initialize(url)
    const client = await session.stream(call)
    expect(await soon(client.nextMessage(), 'Nobody ends the stream')).toMatchObject({ id: 'call-1', error: {} })
  })

  test.each([{ 'Content-Length': '1' }, { 'Transfer-Encoding': 'chunked' }])(
    '01: that says how it is framed is framed once all the same: %j (SC10)',
    async (headers) => {
      const authenticate = (): never => {
        throw new GatewayError('forbidden', 'No', { headers })
      }
      await start({ authenticate })
      const head = `GET /a/mcp HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\nconnection: close\r\n\r\n`
      const { socket, answer } = wire(gateway.origin, head)
      const read = text(socket)
      await soon(answer, 'There is no answer')
      expect((await read).match(/^(?:content-length|transfer-encoding):/gim)).toHaveLength(1)
    },
  )
})

function directoryOf(handle: ReturnType<typeof mcpGateway>): ReturnType<Host['mount']> {
  const directory = serverDirectory({ gateway: handle })
  return (request, response) => handle(request, response, () => directory(request, response))
}

describe('a hook or store that never answers', () => {
  let asked: Promise<void>
  const silent = (): (() => Promise<never>) => {
    let tell = (): void => {}
    asked = new Promise((resolve) => (tell = resolve))
    return () => (tell(), never())
  }

  /** Ten minutes go by. */
  async function inTime<T>(answer: Promise<T>, what: string): Promise<T> {
    await soon(asked, `${what} was not asked`)
    for (let minute = 0; minute < 10; minute += 1) {
      jest.advanceTimersByTime(60_000)
      for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve))
    }
    return soon(answer, `an answer: the request waits for ${what}`)
  }

  beforeEach(() => {
    jest.useFakeTimers({
      doNotFake: ['nextTick', 'setImmediate', 'clearImmediate', 'queueMicrotask', 'performance', 'hrtime'],
    })
  })

  const places: ReadonlyArray<[what: string, options: () => Partial<GatewayOptions>]> = [
    ['authenticate', () => ({ authenticate: silent() })],
    ['servers', () => ({ servers: silent() })],
    ['headers', () => ({ servers: { a: { url: upstream.url, headers: silent() } } })],
    ['the creation of a session', () => ({ sessions: storeBut('create', silent()) })],
  ]

  test.each(places)('does not keep a client waiting for ever: %s (ER9)', async (what, options) => {
    await start(options())
    expect((await inTime(post(gateway.url('a'), handshake), what)).status).toBeGreaterThanOrEqual(500)
  })

  test.each(['get', 'delete'] as const)(
    'does not keep a client waiting for ever: %s of a store (ER9)',
    async (method) => {
      await start({ sessions: storeBut(method, silent()) })
      const { headers } = await post(gateway.url('a'), handshake)
      const named = { 'mcp-session-id': headers['mcp-session-id'] }
      expect((await inTime(send('DELETE', gateway.url('a'), named), method)).status).toBeGreaterThanOrEqual(500)
    },
  )

  test('does not keep who reads the metadata waiting for ever: has (AU4)', async () => {
    const protectedResource = { authorizationServers: ['https://login.example.com'], has: silent() }
    await start({ authenticate: () => undefined, publicUrl: 'http://localhost/', protectedResource })
    const metadata = `${gateway.origin}/.well-known/oauth-protected-resource/a/mcp`
    expect((await inTime(send('GET', metadata), 'has')).status).toBeGreaterThanOrEqual(500)
  })

  test('does not keep a visitor of the directory waiting for ever: authenticate', async () => {
    await start({ authenticate: silent() }, { ...bareHttp, mount: directoryOf })
    const answer = inTime(send('GET', gateway.origin, { accept: 'application/json' }), 'authenticate')
    expect((await answer).status).toBeGreaterThanOrEqual(500)
  })
})

describe('a guard before the gateway', () => {
  const guard = (_request: IncomingMessage, response: ServerResponse): void => void response.writeHead(403).end()
  const hosts: ReadonlyArray<[name: string, app: () => ReturnType<typeof express>]> = [
    ['Express 5', express],
    ['Express 4', express4 as unknown as typeof express],
    ['Connect', connect as unknown as typeof express],
  ]
  const mounted = hosts.map(([name, app]) => {
    const mount: Host['mount'] = (handle) => app().use('/mcp-servers/admin', guard).use('/mcp-servers', handle)
    return [name, { prefix: '/mcp-servers', mount }] as const
  })
  const passing = mounted.map(([name, host]) => [name, '/mcp-servers/%61dmin/mcp', host] as const)
  const doubled = mounted.map(([name, host]) => [name, '/mcp-servers//admin/mcp', host] as const)

  async function expectGuarded(target: string, host: Host): Promise<void> {
    await start({ servers: { admin: { url: upstream.url } } }, host)
    const status = await asIs(target)
    expect(upstream.requests().map(({ kind }) => kind)).toEqual([])
    expect(status).toBeGreaterThanOrEqual(400)
  }

  test.each([...passing, ...doubled.filter(([name]) => name === 'Express 4')])(
    'R9: in %s is not passed by %s: a name that is not canonical is refused (HD15)',
    (_, target, host) => expectGuarded(target, host),
  )

  test.each(doubled.filter(([name]) => name !== 'Express 4'))(
    'R9: in %s is not passed by %s (HD15)',
    (_, target, host) => expectGuarded(target, host),
  )

  test('R9: keeps nobody from a name that must be encoded (RT9)', async () => {
    const name = 'caf\u00E9 a+b'
    await start({ servers: { [name]: { url: upstream.url } } }, mounted[0]![1])
    expect((await post(gateway.url(encodeURIComponent(name)), handshake)).status).toBe(200)
  })

  /** A request target that no URL parser has touched. */
  async function asIs(target: string): Promise<number> {
    const body = JSON.stringify(handshake)
    const lines = [`POST ${target} HTTP/1.1`, 'host: localhost', 'content-type: application/json', 'connection: close']
    const accept = `accept: application/json, text/event-stream\r\ncontent-length: ${body.length}`
    const { answer } = wire(gateway.origin, `${lines.join('\r\n')}\r\n${accept}\r\n\r\n${body}`)
    return (await soon(answer, 'There is no answer')).status
  }
})

describe('of two headers that must be one', () => {
  const body = JSON.stringify(handshake)
  const heads = (target: string, method: string, ...lines: string[]): string =>
    [
      `${method} ${target} HTTP/1.1`,
      ...lines,
      'content-type: application/json',
      'accept: application/json, text/event-stream',
      'connection: close',
      `content-length: ${method === 'POST' ? body.length : 0}`,
      `\r\n${method === 'POST' ? body : ''}`,
    ].join('\r\n')

  test.each([
    ['an allowed one first', ['host: localhost', 'host: evil.example']],
    ['the same again', ['host: localhost', 'host: localhost']],
  ])('the first of two Host headers does not count: %s (SC2)', async (_, hosts) => {
    await start()
    const answer = await soon(wire(gateway.origin, heads('/a/mcp', 'POST', ...hosts)).answer, 'There is no answer')
    expect([400, 403, 421]).toContain(answer.status)
  })

  test('the first of two Host headers does not count in the directory (SC2)', async () => {
    await start({}, { ...bareHttp, mount: directoryOf })
    const head = heads('/', 'GET', 'host: localhost', 'host: evil.example')
    expect([400, 403, 421]).toContain((await soon(wire(gateway.origin, head).answer, 'There is no answer')).status)
  })

  test('the first of two Authorization headers does not count, whoever reads it (AU9)', async () => {
    let asked = 0
    await start({ authenticate: () => ({ id: `ada${(asked += 1)}` }) })
    const lines = ['host: localhost', 'authorization: Bearer a', 'authorization: Bearer b']
    expect(
      (await soon(wire(gateway.origin, heads('/a/mcp', 'POST', ...lines)).answer, 'There is no answer')).status,
    ).toBe(400)
    expect(asked).toBe(0)
  })

  test('of two Origin headers, one that is not allowed is enough (SC1)', async () => {
    await start({ allowedOrigins: ['https://app.example'] })
    const origins = ['origin: https://app.example', 'origin: https://evil.example']
    const head = heads('/a/mcp', 'POST', 'host: localhost', ...origins)
    expect((await soon(wire(gateway.origin, head).answer, 'There is no answer')).status).toBe(403)
  })
})

describe('what an authorization server repeats', () => {
  const TOKEN = 'token-of-the-client-0123456789'
  const SECRET = 's3cret-of/the+gateway'

  /** An authorization server that refuses everybody in these words. */
  async function refusing(words: (asked: URLSearchParams) => object): Promise<Listening> {
    const server: Listening = await listen(async (request, response) => {
      response.setHeader('content-type', 'application/json')
      if (request.url !== '/token') {
        const token_endpoint = `${server.origin}/token`
        return void response.end(JSON.stringify({ issuer: server.origin, token_endpoint }))
      }
      response.writeHead(400).end(JSON.stringify(words(new URLSearchParams(await text(request)))))
    })
    cleanups.push(server.close)
    return server
  }

  /** Everything a logger could print. */
  function told(error: unknown): string {
    if (!(error instanceof Error)) return JSON.stringify(error) ?? ''
    return [error.message, error.stack, JSON.stringify(error), told(error.cause)].join('\n')
  }

  test.each<[string, (asked: URLSearchParams) => object]>([
    ['the token in its description', () => ({ error: 'invalid_request', error_description: `bad token ${TOKEN}` })],
    ['the token as its error', () => ({ error: TOKEN })],
    ['the secret', (asked) => ({ error: 'invalid_client', error_description: asked.get('client_secret') })],
    ['the whole body', (asked) => ({ error: 'invalid_request', error_description: String(asked) })],
  ])('R5: does not reach onError: %s (SC7)', async (_, words) => {
    const server = await refusing(words)
    const client = {
      issuer: server.origin,
      clientId: 'gateway',
      clientSecret: SECRET,
      authMethod: 'client_secret_post',
    }
    const headers = tokenExchange(client as Parameters<typeof tokenExchange>[0])
    await start({ servers: { a: { url: upstream.url, headers } } })
    const answer = await post(gateway.url('a'), handshake, { authorization: `Bearer ${TOKEN}` })
    const { error } = await soon(gateway.reported.next(), 'Nothing was reported')
    expect(answer.status).toBe(502)
    for (const secret of [TOKEN, SECRET, encodeURIComponent(SECRET)]) {
      expect(`${told(error)}${answer.body}`).not.toContain(secret)
    }
  })

  test('R5: does not reach onError: the secret of the gateway itself (SC7)', async () => {
    const server = await refusing(() => ({ error: 'invalid_client', error_description: `not ${SECRET}` }))
    const headers = clientCredentials({ issuer: server.origin, clientId: 'gateway', clientSecret: SECRET })
    await start({ servers: { a: { url: upstream.url, headers } } })
    await post(gateway.url('a'), handshake)
    const { error } = await soon(gateway.reported.next(), 'Nothing was reported')
    expect(told(error)).not.toContain(SECRET)
  })
})
