// The same calls in every host a gateway can be mounted in: whoever asks cannot tell which one it is.
import type { RequestListener } from 'node:http'
import compression from 'compression'
import connect from 'connect'
import express from 'express'
import express4 from 'express4'
import supertest from 'supertest'
import type { Gateway, GatewayOptions } from '../lib/index.ts'
import { startGateway, type RunningGateway } from './support/gateway.ts'
import { initialize, initializeMessage, openStream, post, send, type Session } from './support/rpc.ts'
import { startUpstream, type Upstream } from './support/upstream.ts'

/** Express 4 answers to what Express 5's types say, as far as these tests use it. */
const four = express4 as unknown as typeof express

interface Mount {
  readonly what: string
  readonly mount: (gateway: Gateway) => RequestListener
  /** Where a server answers; the gateway's own `path` unless said otherwise. */
  readonly endpoint?: (name: string) => string
  readonly options?: Partial<GatewayOptions>
  /** A parser in front of the gateway answers malformed JSON itself. */
  readonly parses?: true
  /** Nobody else is there for other paths and for OPTIONS. */
  readonly alone?: true
}

const below = (name: string): string => `/mcp-servers/${name}/mcp`

function inExpress(app: typeof express, ...before: express.RequestHandler[]): Mount['mount'] {
  return (gateway) =>
    app()
      .use(passOn, ...before)
      .use('/mcp-servers', gateway)
      .get('/own', (_req, res) => void res.send('the host'))
}

const passOn: express.RequestHandler = (_req, _res, next) => next()

function inRouter(app: typeof express): Mount['mount'] {
  return (gateway) =>
    app()
      .use('/api', app.Router().use('/:tenant', app.Router({ mergeParams: true }).use('/mcp-servers', gateway)))
      .get('/own', (_req, res) => void res.send('the host'))
}

function behindProxy(app: typeof express): Mount['mount'] {
  return (gateway) => {
    const host = app()
    host.set('trust proxy', true)
    return host.use('/mcp-servers', gateway).get('/own', (_req, res) => void res.send('the host'))
  }
}

/** A parser after the gateway is for the host's own routes. */
function inExpressBeforeJson(app: typeof express): Mount['mount'] {
  return (gateway) =>
    app()
      .use('/mcp-servers', gateway)
      .use(app.json())
      .get('/own', (_req, res) => void res.send('the host'))
}

const expresses: [name: string, app: typeof express][] = [
  ['Express 4', four],
  ['Express 5', express],
]

const mounts: Mount[] = [
  { what: 'node:http', mount: (gateway) => gateway, endpoint: (name) => `/${name}/mcp`, alone: true },
  {
    what: 'node:http with a next of its own',
    endpoint: (name) => `/${name}/mcp`,
    mount: (gateway) => (req, res) =>
      gateway(req, res, (error) => {
        if (error !== undefined) res.statusCode = 500
        else res.statusCode = req.url === '/own' ? 200 : 404
        res.end('the host')
      }),
  },
  {
    what: 'Connect',
    mount: (gateway) =>
      connect()
        .use('/mcp-servers', gateway)
        .use('/own', (_req, res) => res.end('the host')),
  },
  ...expresses.flatMap(([name, app]): Mount[] => [
    { what: name, mount: inExpress(app) },
    { what: `${name}, nested routers`, mount: inRouter(app), endpoint: (server) => `/api/acme${below(server)}` },
    { what: `${name}, before express.json()`, mount: inExpressBeforeJson(app) },
    { what: `${name}, after express.json()`, mount: inExpress(app, app.json()), parses: true },
    { what: `${name}, after express.text()`, mount: inExpress(app, app.text({ type: '*/*' })) },
    { what: `${name}, after express.raw()`, mount: inExpress(app, app.raw({ type: '*/*' })) },
    { what: `${name}, after express.urlencoded()`, mount: inExpress(app, app.urlencoded({ extended: true })) },
    { what: `${name}, under compression()`, mount: inExpress(app, compression({ threshold: 0 })) },
    { what: `${name}, trust proxy`, mount: behindProxy(app) },
    {
      what: `${name}, option path`,
      mount: inExpress(app),
      options: { path: '/v1/:name' },
      endpoint: (server) => `/mcp-servers/v1/${server}`,
    },
  ]),
]

const KEY = { authorization: 'Bearer good' }
const LIMIT = 2_000

let upstream: Upstream
let running: RunningGateway
let url: string

beforeAll(async () => {
  upstream = await startUpstream()
})
afterAll(() => upstream.close())

describe.each(mounts)('RT11 $what', ({ mount, endpoint = below, options, parses, alone }) => {
  let session: Session

  beforeAll(async () => {
    running = await startGateway(
      {
        servers: { weather: { url: upstream.url } },
        authenticate: ({ headers }) => (headers.authorization === KEY.authorization ? { id: 'ann' } : undefined),
        limits: { bodyBytes: LIMIT },
        ...options,
      },
      { prefix: '', mount },
    )
    url = running.origin + endpoint('weather')
    session = await initialize(url, { headers: KEY })
  })
  afterAll(() => running.close())

  test('RT1 SS1 LC3 the handshake opens a session', () => {
    expect(session.opening.message).toMatchObject({ id: 'init', result: { protocolVersion: '2025-11-25' } })
    expect(session.id).toMatch(/^[\x21-\x7e]{22,}$/)
    expect([...upstream.sessions]).not.toContain(session.id)
  })

  test('HD21 a request is answered in JSON', async () => {
    const answer = await session.post({ jsonrpc: '2.0', id: 'a', method: 'tools/list' })
    expect(answer).toMatchObject({ status: 200, headers: { 'content-type': 'application/json' } })
    expect(answer.message).toMatchObject({ id: 'a', result: { tools: [{ name: 'echo' }] } })
  })

  test('RPC13 the upstream gets what the client said', async () => {
    const message = {
      jsonrpc: '2.0',
      id: 7,
      method: 'tools/call',
      params: { name: 'é', arguments: { text: '漢\u{1f511}' } },
    }
    await session.post(message)
    const { body, headers } = await upstream.nextRequest('tools/call')
    expect(body.toString()).toBe(JSON.stringify(message))
    expect(headers).toMatchObject({ 'content-length': String(body.length), 'content-type': 'application/json' })
    expect(headers).not.toHaveProperty('authorization')
  })

  test('RT12 SE16 a request is answered by an event stream, each event as it comes', async () => {
    const asked = upstream.nextRequest('tools/stream')
    upstream.once('tools/stream', (exchange) => void exchange.stream())
    const stream = await session.stream(
      { jsonrpc: '2.0', id: 's', method: 'tools/stream' },
      { 'accept-encoding': 'gzip' },
    )
    expect(stream).toMatchObject({
      status: 200,
      headers: {
        'content-type': 'text/event-stream',
        'cache-control': 'no-cache, no-transform',
        'x-accel-buffering': 'no',
      },
    })
    expect(stream.headers).not.toHaveProperty('content-encoding')
    const answer = (await asked).stream()
    for (const step of [1, 2]) {
      await answer.send({ method: 'notifications/progress', params: { step } })
      expect(await stream.nextMessage()).toMatchObject({ params: { step } })
    }
    answer.finish({ done: true })
    expect(await stream.nextMessage()).toMatchObject({ id: 's', result: { done: true } })
    expect(await stream.over).toBe('complete')
  })

  test('RT3 PU2 a GET listens', async () => {
    const asked = upstream.nextRequest('GET')
    const stream = await session.listen()
    expect(stream).toMatchObject({ status: 200, headers: { 'content-type': 'text/event-stream' } })
    await (await asked).stream().send({ id: 'r', method: 'roots/list' }, { id: 'e1' })
    expect(await stream.next()).toMatchObject({ id: 'e1', data: expect.stringContaining('roots/list') })
    stream.close()
    expect(await (await asked).over).toBe('cut')
  })

  test('RPC10 a notification and a response are 202 without a body', async () => {
    const messages = [
      { jsonrpc: '2.0', method: 'notifications/roots/list_changed' },
      { jsonrpc: '2.0', id: 'r', result: { roots: [] } },
    ]
    for (const message of messages) expect(await session.post(message)).toMatchObject({ status: 202, body: '' })
  })

  test('SS3 SS4 DELETE ends the session', async () => {
    const { id, end, request } = await initialize(url, { headers: KEY })
    const asked = upstream.nextRequest('DELETE')
    expect(await end()).toMatchObject({ status: 200, body: '' })
    expect((await asked).headers['mcp-session-id']).not.toBe(id)
    expect(await request('ping')).toMatchObject({ status: 404 })
  })

  test('AU6 AU9 without a principal POST, GET and DELETE are 401 with a challenge', async () => {
    const { authorization: _, ...headers } = session.headers
    const answers = [
      await post(url, { jsonrpc: '2.0', id: 1, method: 'ping' }, headers),
      await send('GET', url, { accept: 'text/event-stream', ...headers }),
      await send('DELETE', url, headers),
    ]
    for (const answer of answers) {
      expect(answer).toMatchObject({
        status: 401,
        headers: { 'www-authenticate': 'Bearer', 'cache-control': 'no-store' },
      })
    }
  })

  test('RT8 an unknown server is 404, in JSON', async () => {
    const answer = await post(running.origin + endpoint('mail'), initializeMessage(), KEY)
    expect(answer).toMatchObject({ status: 404, headers: { 'content-type': 'application/json' } })
    expect(answer.message).toMatchObject({ error: { code: 404, message: 'Unknown server' } })
  })

  test.each(['PUT', 'PATCH', 'HEAD'])('RT7 %s is 405 with Allow', async (method) => {
    const answer = await send(method, url, session.headers)
    expect(answer).toMatchObject({ status: 405, headers: { allow: 'POST, GET, DELETE' } })
  })

  test('RPC1 a malformed body is 400', async () => {
    const answer = await session.post('{"jsonrpc":')
    expect(answer.status).toBe(400)
    if (!parses)
      expect(answer.message).toEqual({ jsonrpc: '2.0', error: { code: -32_700, message: expect.any(String) } })
  })

  test('ER9 SC6 a body past the limit is 413', async () => {
    const message = { jsonrpc: '2.0', id: 1, method: 'ping', params: { text: 'x'.repeat(LIMIT) } }
    expect(await session.post(message)).toMatchObject({ status: 413 })
  })

  test('other paths are the host’s', async () => {
    const host = supertest(running.origin)
    if (alone) {
      await host.get('/own').expect(404, /"Not found"/)
      return
    }
    await host.get('/own').expect(200, 'the host')
    await host.get('/mcp-servers/weather').expect(404)
    await host.get(`${endpoint('weather')}/more`).expect(404)
    expect(running.reported.entries).toEqual([])
  })

  test('RT10 OPTIONS goes on to the host, before authentication', async () => {
    const { status, headers } = await supertest(running.origin).options(endpoint('weather'))
    if (alone) expect({ status, headers }).toMatchObject({ status: 405, headers: { allow: 'POST, GET, DELETE' } })
    else expect(status).not.toBe(401)
  })
})

describe('RT11 under compression()', () => {
  test.each(expresses)('%s: a JSON answer is compressed and arrives whole', async (_, app) => {
    const behind = await startUpstream()
    behind.on('tools/list', (exchange) => exchange.result({ text: 'x'.repeat(10_000) }))
    const gateway = await startGateway(
      { servers: { weather: { url: behind.url } } },
      { prefix: '/mcp-servers', mount: inExpress(app, compression()) },
    )
    const session = await initialize(gateway.url('weather'))
    const { headers, body } = await supertest(gateway.origin)
      .post(below('weather'))
      .set({ ...session.headers, accept: 'application/json, text/event-stream', 'accept-encoding': 'gzip' })
      .send({ jsonrpc: '2.0', id: 1, method: 'tools/list' })
      .expect(200)
    expect(headers).toMatchObject({ 'content-encoding': 'gzip' })
    expect(body).toMatchObject({ id: 1, result: { text: 'x'.repeat(10_000) } })
    await gateway.close()
    await behind.close()
  })
})

describe('a path without :name', () => {
  test.each([
    ['/mcp', '/mcp'],
    ['/', ''],
  ])('serves one server at %s', async (path, at) => {
    const gateway = await startGateway(
      { servers: { weather: { url: upstream.url } }, path },
      { prefix: '', mount: (mounted) => express().use('/api', mounted) },
    )
    const session = await initialize(`${gateway.origin}/api${at}`)
    expect(await session.request('ping')).toMatchObject({ status: 200 })
    expect(await send('GET', `${gateway.origin}/api/elsewhere`)).toMatchObject({ status: 404 })
    await gateway.close()
  })
})

describe('a cors() of the host', () => {
  test.each(expresses)('RT10 %s: answers the preflight after the gateway has passed it on', async (_, app) => {
    const preflight: express.RequestHandler = (_req, res) => {
      res.status(204).set({ 'access-control-allow-origin': '*', 'access-control-allow-headers': '*' }).end()
    }
    const gateway = await startGateway(
      { servers: { weather: { url: upstream.url } }, authenticate: () => undefined },
      { prefix: '/mcp-servers', mount: (mounted) => app().use('/mcp-servers', mounted).use(preflight) },
    )
    const answer = await send('OPTIONS', gateway.url('weather'), { origin: 'https://page.example' })
    expect(answer).toMatchObject({ status: 204, headers: { 'access-control-allow-origin': '*' } })
    await gateway.close()
  })
})

describe('a stream', () => {
  test.each(mounts)(
    'SE4 $what: that the client drops leaves the host in good order',
    async ({ mount, endpoint = below, options }) => {
      const gateway = await startGateway(
        { servers: { weather: { url: upstream.url } }, ...options },
        { prefix: '', mount },
      )
      const session = await initialize(gateway.origin + endpoint('weather'))
      const asked = upstream.nextRequest('tools/stream')
      upstream.once('tools/stream', (exchange) => void exchange.stream())
      const stream = await openStream(session.url, {
        message: { jsonrpc: '2.0', id: 's', method: 'tools/stream' },
        headers: session.headers,
      })
      stream.close()
      await stream.over
      const exchange = await asked
      exchange.stream().finish({})
      expect(await exchange.over).toBe('complete')
      expect(await session.request('ping')).toMatchObject({ status: 200 })
      expect(gateway.reported.entries).toEqual([])
      await gateway.close()
    },
  )
})
