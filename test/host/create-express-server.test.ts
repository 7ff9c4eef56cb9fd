// createExpressServer(app): whatever Express does, it does the same on this server, Express 4 and Express 5 alike.
import { once } from 'node:events'
import {
  Agent,
  createServer as createHttpServer,
  IncomingMessage,
  request,
  type Server,
  ServerResponse,
} from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { basename, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setImmediate } from 'node:timers/promises'
import compression from 'compression'
import connectApp from 'connect'
import express from 'express'
import express4 from 'express4'
import supertest from 'supertest'
import { createExpressServer, mcpGateway } from '../../lib/index.ts'
import { initialize, openStream } from '../support/rpc.ts'
import { startUpstream } from '../support/upstream.ts'

type Method = 'get' | 'head' | 'post'

/** Something Express does, and what whoever asks for it gets. */
interface Behaviour {
  readonly what: string
  set(app: express.Express, framework: typeof express): void
  readonly method?: Method
  readonly path?: string
  readonly headers?: Record<string, string>
  readonly send?: object
  readonly status?: number
  readonly gets?: Record<string, string | RegExp>
  readonly text?: string
  readonly body?: unknown
}

/** Express 4 answers to what Express 5's types say, as far as these tests use it. */
const four = express4 as unknown as typeof express
const frameworks: [name: string, framework: typeof express][] = [
  ['Express 4', four],
  ['Express 5', express],
]
const HERE = import.meta.dirname
const THIS_FILE = basename(import.meta.filename)

const servers: Server[] = []
afterEach(() => Promise.all(servers.splice(0).map(close)))

async function listening(server: Server): Promise<string> {
  servers.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function close(server: Server): Promise<void> {
  if (!server.listening) return
  server.close()
  server.closeAllConnections()
  await once(server, 'close')
}

/** The app on this server. */
const serve = (app: express.Express): Promise<string> => listening(createExpressServer(app))

/** A server Express has to swap the prototypes on, for what `app.listen()` would do. */
const serveAsEver = (app: express.Express): Promise<string> => listening(createHttpServer(app))

const behaviours: Behaviour[] = [
  {
    what: 'req.ip and req.hostname without trust proxy',
    set: (app) => app.get('/', (req, res) => void res.json([req.ip, req.hostname, req.protocol])),
    headers: { host: 'app.example.com', 'x-forwarded-for': '203.0.113.9', 'x-forwarded-host': 'other.example.com' },
    body: ['127.0.0.1', 'app.example.com', 'http'],
  },
  {
    what: 'req.ip, req.hostname and req.protocol with trust proxy',
    set: (app) =>
      app
        .set('trust proxy', 'loopback')
        .get('/', (req, res) => void res.json([req.ip, req.ips, req.hostname, req.protocol, req.secure])),
    headers: {
      'x-forwarded-for': '203.0.113.9',
      'x-forwarded-host': 'other.example.com',
      'x-forwarded-proto': 'https',
    },
    body: ['203.0.113.9', ['203.0.113.9'], 'other.example.com', 'https', true],
  },
  {
    what: 'req.query, req.params, req.path and req.originalUrl',
    set: (app, { Router }) =>
      app.use(
        '/api',
        Router().get('/:name', (req, res) => {
          res.json([req.query, req.params, req.path, req.originalUrl, req.baseUrl])
        }),
      ),
    path: '/api/ada?a=1&a=2&b=%C3%A9',
    body: [{ a: ['1', '2'], b: 'é' }, { name: 'ada' }, '/ada', '/api/ada?a=1&a=2&b=%C3%A9', '/api'],
  },
  {
    what: 'req.get, req.accepts, req.is, req.xhr and req.fresh',
    set: (app) =>
      app.get('/', (req, res) => {
        res.json([req.get('X-Own'), req.accepts(['html', 'json']), req.is('json'), req.xhr, req.fresh])
      }),
    headers: { 'x-own': 'yes', accept: 'application/json', 'x-requested-with': 'XMLHttpRequest' },
    body: ['yes', 'json', null, true, false],
  },
  {
    what: 'req.app, req.res, res.req, res.app and res.locals',
    set: (app) =>
      app
        .use((_req, res, next) => {
          res.locals['seen'] = true
          next()
        })
        .get('/', (req, res) => {
          res.json([req.app === app, req.res === res, res.req === req, res.app === app, { ...res.locals }])
        }),
    body: [true, true, true, true, { seen: true }],
  },
  {
    what: 'res.json, its settings, and res.status',
    set: (app) => app.set('json spaces', 1).get('/', (_req, res) => void res.status(201).json({ é: 1 })),
    status: 201,
    gets: { 'content-type': 'application/json; charset=utf-8', 'x-powered-by': 'Express', etag: /^W\// },
    body: { é: 1 },
  },
  {
    what: 'res.send of a string, with an ETag',
    set: (app) => app.get('/', (_req, res) => void res.send('<p>é</p>')),
    gets: { 'content-type': 'text/html; charset=utf-8', 'content-length': '9', etag: /^W\/"9-/ },
    text: '<p>é</p>',
  },
  {
    what: 'res.send of a Buffer, a strong ETag',
    set: (app) => app.set('etag', 'strong').get('/', (_req, res) => void res.send(Buffer.from('{}'))),
    gets: { 'content-type': 'application/octet-stream', 'content-length': '2', etag: /^"2-/ },
    body: Buffer.from('{}'),
  },
  {
    what: '304 to a client that has it',
    set: (app) => app.get('/', (_req, res) => void res.set('ETag', '"one"').send('the same')),
    headers: { 'if-none-match': '"one"' },
    status: 304,
    gets: { etag: '"one"' },
  },
  {
    what: 'HEAD',
    set: (app) => app.get('/', (_req, res) => void res.send('eight by')),
    method: 'head',
    gets: { 'content-length': '8' },
  },
  {
    what: '404 of its own',
    set: (app) => app.post('/', (_req, res) => void res.end()),
    status: 404,
    gets: { 'content-security-policy': "default-src 'none'" },
  },
  {
    what: 'res.sendFile',
    set: (app) => app.get('/', (_req, res) => res.sendFile(THIS_FILE, { root: HERE, maxAge: '1h' })),
    gets: { 'cache-control': 'public, max-age=3600', 'accept-ranges': 'bytes', 'last-modified': /GMT$/ },
  },
  {
    what: 'res.sendFile of a range',
    set: (app) => app.get('/', (_req, res) => res.sendFile(join(HERE, THIS_FILE))),
    headers: { range: 'bytes=3-14' },
    status: 206,
    gets: { 'content-length': '12', 'content-range': /^bytes 3-14\// },
  },
  {
    what: 'res.redirect',
    set: (app) => app.get('/', (_req, res) => res.redirect(303, '/there')),
    status: 303,
    gets: { location: '/there' },
  },
  {
    what: 'res.cookie and res.clearCookie',
    set: (app) =>
      app.get('/', (_req, res) => void res.cookie('a', 'b c', { httpOnly: true }).clearCookie('old').sendStatus(202)),
    status: 202,
    gets: { 'set-cookie': /^a=b%20c; Path=\/; HttpOnly,old=; Path=\/; Expires=/ },
  },
  {
    what: 'res.render, res.type, res.links, res.vary and res.append',
    set: (app) =>
      app
        .engine('ts', (_path, options, done) => done(null, `hello ${(options as { name?: string }).name}`))
        .set('views', HERE)
        .get('/', (_req, res) => {
          res.type('txt').links({ next: '/2' }).vary('Accept').append('X-Own', 'a')
          res.render(THIS_FILE, { name: 'ada' })
        }),
    gets: { 'content-type': /^text\/plain/, link: '</2>; rel="next"', vary: 'Accept', 'x-own': 'a' },
    text: 'hello ada',
  },
  {
    what: 'express.static',
    set: (app, framework) => app.use('/files', framework.static(HERE)),
    path: `/files/${THIS_FILE}`,
    gets: { 'accept-ranges': 'bytes' },
  },
  {
    what: 'express.json',
    set: (app, framework) => app.use(framework.json()).post('/', (req, res) => void res.json({ got: req.body })),
    method: 'post',
    send: { a: [1, 'é'] },
    body: { got: { a: [1, 'é'] } },
  },
  {
    what: 'express.urlencoded',
    set: (app, framework) =>
      app.use(framework.urlencoded({ extended: false })).post('/', (req, res) => void res.json({ ...req.body })),
    method: 'post',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    send: { a: '1' },
    body: { a: '1' },
  },
  {
    what: 'compression',
    set: (app) => app.use(compression({ threshold: 0 })).get('/', (_req, res) => void res.send('x'.repeat(2000))),
    gets: { 'content-encoding': 'gzip', vary: 'Accept-Encoding' },
  },
  {
    what: 'an error handler, told of what a handler throws',
    set: (app) =>
      app
        .get('/', () => {
          throw Object.assign(new Error('broken'), { status: 418 })
        })
        .use(answerError),
    status: 418,
    body: { error: 'broken' },
  },
  {
    what: "Express's own error handler",
    set: (app) =>
      app.set('env', 'test').get('/', (_req, _res, next) => next(Object.assign(new Error(), { status: 409 }))),
    status: 409,
    gets: { 'content-type': 'text/html; charset=utf-8' },
  },
]

const answerError: express.ErrorRequestHandler = (error, _req, res, _next) => {
  res.status((error as { status?: number }).status ?? 500).json({ error: (error as Error).message })
}

/** What nobody compares: when it was, and how the connection goes on. */
const PASSING = new Set(['date', 'connection', 'keep-alive'])

async function ask(origin: string, { method = 'get', path = '/', headers = {}, send }: Behaviour) {
  const asking = supertest(origin)[method](path).set(headers).redirects(0).buffer(true)
  const answer = await (send === undefined ? asking : asking.send(send))
  const lasting = Object.entries(answer.headers as Record<string, string>).filter(([name]) => !PASSING.has(name))
  return {
    status: answer.status,
    headers: Object.fromEntries(lasting),
    text: answer.text,
    body: answer.body as unknown,
  }
}

describe.each(frameworks)('%s on createExpressServer()', (name, framework) => {
  test.each(behaviours)('$what: as ever', async (behaviour) => {
    const app = framework()
    behaviour.set(app, framework)
    const answer = await ask(await serve(app), behaviour)
    expect(answer.status).toBe(behaviour.status ?? 200)
    for (const [header, value] of Object.entries(behaviour.gets ?? {})) {
      expect([header, String(answer.headers[header])]).toEqual([
        header,
        typeof value === 'string' ? value : expect.stringMatching(value),
      ])
    }
    if (behaviour.text !== undefined) expect(answer.text).toBe(behaviour.text)
    if ('body' in behaviour) expect(answer.body).toEqual(behaviour.body)
    expect(answer).toEqual(await ask(await serveAsEver(app), behaviour))
  })

  test('requests and responses have the prototypes of the app before Express sees them', async () => {
    const app = framework().get('/', (_req, res) => void res.end()) as express.Express
    const server = createExpressServer(app)
    const seen: unknown[] = []
    server.prependListener('request', (req, res) => {
      seen.push(Object.getPrototypeOf(req) === app.request, Object.getPrototypeOf(res) === app.response)
      seen.push(req instanceof IncomingMessage, res instanceof ServerResponse)
    })
    await supertest(await listening(server)).get('/')
    expect(seen).toEqual([true, true, true, true])
  })

  test('what an app adds to app.request and app.response is there, also when it is added late', async () => {
    const app = framework().get('/', (req, res) => {
      const { early, late } = req as unknown as Record<string, string>
      ;(res as unknown as { fine(value: object): void }).fine({ early, late })
    }) as express.Express
    Object.assign(app.request, { early: 'early' })
    const origin = await serve(app)
    Object.defineProperty(app.request, 'late', { get: () => 'late' })
    Object.assign(app.response, {
      fine(this: express.Response, value: object) {
        this.json({ fine: value })
      },
    })
    const { body } = await supertest(origin).get('/')
    expect(body).toEqual({ fine: { early: 'early', late: 'late' } })
  })

  test('an error after an await reaches the error handler', async () => {
    const fail = async (): Promise<void> => {
      await setImmediate()
      throw new Error('too late')
    }
    const app = framework()
    // Express 4 does not look at promises.
    if (name === 'Express 4') app.get('/', (_req, _res, next) => void fail().catch(next))
    else app.get('/', fail)
    app.use(answerError)
    const { status, body } = await supertest(await serve(app)).get('/')
    expect({ status, body }).toEqual({ status: 500, body: { error: 'too late' } })
  })

  test('a sub-app has its own settings and prototypes, and gives them back', async () => {
    const main = framework().disable('x-powered-by') as express.Express
    const sub = framework().set('trust proxy', true).set('json spaces', 2) as express.Express
    Object.assign(main.request, { whose: 'main' })
    Object.assign(sub.request, { whose: 'sub' })
    const tell: express.RequestHandler = (req, res) => {
      const ofWhom = Object.getPrototypeOf(req) === (req.app as express.Express).request
      res.json([(req as unknown as { whose: string }).whose, req.ip, req.baseUrl, ofWhom, res.app === req.app])
    }
    sub.get('/here', tell)
    sub.use((_req, _res, next) => next())
    main.use('/sub', sub).use(tell)
    const origin = await serve(main)
    const visit = async (path: string) => supertest(origin).get(path).set('x-forwarded-for', '203.0.113.9')

    const inside = await visit('/sub/here')
    expect(inside.body).toEqual(['sub', '203.0.113.9', '/sub', true, true])
    expect(inside.text).toContain('\n  ')
    expect((await visit('/sub/gone')).body).toEqual(['main', '127.0.0.1', '', true, true])
    const after = await visit('/')
    expect(after.body).toEqual(['main', '127.0.0.1', '', true, true])
    expect(after.text).not.toContain('\n')
  })

  test('one connection carries many requests, each with a request and a response of its own', async () => {
    const seen = new Set<object>()
    const ports = new Set<number | undefined>()
    const app = framework()
    app.use(framework.json()).post('/', (req, res) => {
      seen.add(req).add(res)
      ports.add(req.socket.remotePort)
      res.json(req.body)
    })
    const origin = await serve(app as express.Express)
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    try {
      for (let n = 0; n < 50; n++) {
        const asking = request(origin, { agent, method: 'POST', headers: { 'content-type': 'application/json' } })
        const [answer] = (await once(asking.end(JSON.stringify({ n })), 'response')) as [IncomingMessage]
        expect(JSON.parse(await text(answer))).toEqual({ n })
        expect(answer.headers['keep-alive']).toBe('timeout=65')
      }
    } finally {
      agent.destroy()
    }
    expect(seen.size).toBe(100)
    expect(ports.size).toBe(1)
  })

  test('upgrades, CONNECT and what is no HTTP reach the events of the server', async () => {
    const server = createExpressServer(framework() as express.Express)
    const told: string[] = []
    server.on('upgrade', (req, socket) => {
      told.push(`upgrade ${req.url} ${req instanceof IncomingMessage}`)
      socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: own\r\n\r\nhello')
    })
    server.on('connect', (req, socket) => {
      told.push(`connect ${req.url}`)
      socket.end('HTTP/1.1 200 OK\r\n\r\n')
    })
    server.on('clientError', (error, socket) => {
      told.push((error as NodeJS.ErrnoException).code!)
      socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')
    })
    const origin = await listening(server)
    const upgrade = 'GET /own HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: own\r\n\r\n'
    expect(await say(origin, upgrade)).toMatch(/^HTTP\/1\.1 101 .*hello$/s)
    expect(await say(origin, 'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n')).toMatch(/^HTTP\/1\.1 200 /)
    expect(await say(origin, 'no HTTP\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /)
    expect(told).toEqual(['upgrade /own true', 'connect a:1', 'HPE_INVALID_METHOD'])
  })

  test('a gateway is mounted in it: JSON, an event stream, the GET stream, under compression() too', async () => {
    const upstream = await startUpstream()
    const gateway = mcpGateway({
      servers: { weather: { url: upstream.url } },
      authenticate: (req: express.Request) =>
        req.get('authorization') === 'Bearer good' ? { id: req.ip! } : undefined,
    })
    const app = framework()
      .use(compression({ threshold: 0 }))
      .use('/mcp-servers', gateway) as express.Express
    try {
      const url = `${await serve(app)}/mcp-servers/weather/mcp`
      const session = await initialize(url, { headers: { authorization: 'Bearer good' } })
      const answer = await session.request('tools/list')
      expect(answer.headers['content-type']).toBe('application/json')
      expect(answer.message).toHaveProperty('result.tools.0.name', 'echo')

      upstream.once('tools/call', async (exchange) => {
        const stream = exchange.stream()
        await stream.send({ jsonrpc: '2.0', method: 'notifications/progress', params: { progress: 1 } })
        stream.finish({ content: [] })
      })
      const call = await session.stream({ jsonrpc: '2.0', id: 7, method: 'tools/call', params: { name: 'echo' } })
      expect(await call.nextMessage()).toHaveProperty('params.progress', 1)
      expect(await call.nextMessage()).toEqual({ jsonrpc: '2.0', id: 7, result: { content: [] } })
      expect(await call.over).toBe('complete')

      upstream.once('GET', (exchange) =>
        exchange.stream().send({ jsonrpc: '2.0', method: 'notifications/tools/list_changed' }),
      )
      const stream = await session.listen()
      expect(await stream.nextMessage()).toHaveProperty('method', 'notifications/tools/list_changed')
      stream.close()

      const refused = await openStream(url)
      expect(refused.status).toBe(401)
      refused.close()
    } finally {
      await gateway.close({ graceMs: 0 })
      await upstream.close()
    }
  })

  test('an app that gets another prototype later is none the worse for it', async () => {
    const app = framework().get('/', (req, res) => {
      res.json([(req as unknown as { own?: string }).own, req.ip])
    }) as express.Express
    const origin = await serve(app)
    app.request = Object.assign(Object.create(app.request) as express.Request, { own: 'mine' })
    const { body } = await supertest(origin).get('/')
    expect(body).toEqual(['mine', '127.0.0.1'])
  })
})

/** Says this on a socket of its own, and gives what comes back until the socket closes. */
async function say(origin: string, bytes: string): Promise<string> {
  const socket: Socket = connect(Number(new URL(origin).port), '127.0.0.1')
  socket.end(bytes)
  return text(socket)
}

describe('the options of createExpressServer()', () => {
  test('connections are kept for 65 s unless it is told otherwise', () => {
    expect(createExpressServer(express()).keepAliveTimeout).toBe(65_000)
    expect(createExpressServer(express(), {}).keepAliveTimeout).toBe(65_000)
    expect(createExpressServer(express(), { keepAliveTimeout: undefined }).keepAliveTimeout).toBe(65_000)
    expect(createExpressServer(express(), { keepAliveTimeout: 1_000 }).keepAliveTimeout).toBe(1_000)
    expect(createExpressServer(express(), { keepAliveTimeout: 0 }).keepAliveTimeout).toBe(0)
  })

  test('the others are those of node:http, with its defaults', () => {
    const usual = createHttpServer()
    const { requestTimeout, headersTimeout, timeout } = createExpressServer(express())
    expect({ requestTimeout, headersTimeout, timeout }).toEqual({
      requestTimeout: usual.requestTimeout,
      headersTimeout: usual.headersTimeout,
      timeout: 0,
    })
    expect(createExpressServer(express(), { requestTimeout: 5_000 }).requestTimeout).toBe(5_000)
  })

  test('an option that is there reaches the server', async () => {
    const app = express().get('/', (_req, res) => void res.end())
    const origin = await listening(createExpressServer(app, { maxHeaderSize: 1_000 }))
    expect((await supertest(origin).get('/')).status).toBe(200)
    expect((await supertest(origin).get('/').set('x-long', 'x'.repeat(2_000))).status).toBe(431)
  })
})

describe('misuse of createExpressServer() is a TypeError that says the cure', () => {
  const misuses: [what: string, app: unknown][] = [
    ['nothing', undefined],
    ['null', null],
    ['options in place of the app', { keepAliveTimeout: 1 }],
    ['a bare listener', () => {}],
    ['a gateway', mcpGateway({ servers: {}, authenticate: false })],
    ['a Router', express.Router()],
    ['a Connect app', connectApp()],
    ['Express 5 itself, not called', express],
    ['Express 4 itself, not called', express4],
  ]
  test.each(misuses)('%s', (_what, app) => {
    expect(() => createExpressServer(app as express.Express)).toThrow(TypeError)
    expect(() => createExpressServer(app as express.Express)).toThrow(/createExpressServer\(express\(\)\)/)
  })

  test.each(['IncomingMessage', 'ServerResponse'])('a %s of one’s own, which it could not use', (option) => {
    const options = { [option]: option === 'IncomingMessage' ? IncomingMessage : ServerResponse }
    expect(() => createExpressServer(express(), options)).toThrow(TypeError)
    expect(() => createExpressServer(express(), options)).toThrow(`"${option}"`)
  })
})
