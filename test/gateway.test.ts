// The way of a request: in which order it is checked, what it is refused with, and what a hook may do to it.
import type { GatewayOptions, Principal, SessionStore } from '../lib/index.ts'
import { GatewayError, MemorySessionStore } from '../lib/index.ts'
import { startGateway, type Host, type RunningGateway } from './support/gateway.ts'
import { createJournal } from './support/journal.ts'
import { initialize, initializeMessage, post, send, type Answer, type Headers } from './support/rpc.ts'
import { startUpstream, type Upstream } from './support/upstream.ts'
import { chunk, head, wire } from './support/wire.ts'

const ping = { jsonrpc: '2.0', id: 'p', method: 'ping' }
const SECRET = 'sesame-4711'
const fault = (): Error => new Error(`connect to postgres://admin:${SECRET}@db`)

/** Both ways a hook can fail. */
const failing: [how: string, fail: () => never | Promise<never>][] = [
  [
    'throws',
    () => {
      throw fault()
    },
  ],
  ['rejects', () => Promise.reject(fault())],
]

let upstream: Upstream
const running: RunningGateway[] = []

beforeAll(async () => {
  upstream = await startUpstream()
})
afterEach(() => Promise.all(running.splice(0).map((gateway) => gateway.close())))
afterAll(() => upstream.close())

type Options = Partial<GatewayOptions>

async function start(options: Options = {}, host?: Host): Promise<RunningGateway> {
  const gateway = await startGateway({ servers: { weather: { url: upstream.url } }, ...options }, host)
  running.push(gateway)
  return gateway
}

/** POST, GET and DELETE of one server, each as a client would send it. */
async function all(url: string, headers: Headers = {}): Promise<Answer[]> {
  return [
    await post(url, ping, headers),
    await send('GET', url, { accept: 'text/event-stream', ...headers }),
    await send('DELETE', url, headers),
  ]
}

/** Everything a client can read of an answer. */
function readable({ headers, body }: Answer): string {
  return JSON.stringify(headers) + body
}

describe('the order of the checks', () => {
  /** A gateway whose every hook notes that it was asked, and refuses nothing. */
  async function noting(over: Options = {}) {
    const asked: string[] = []
    const store = new MemorySessionStore()
    const sessions: SessionStore = {
      create: (record) => store.create(record),
      delete: (id) => store.delete(id),
      get(id) {
        asked.push('store')
        return store.get(id)
      },
    }
    const gateway = await start({
      authenticate() {
        asked.push('authenticate')
        return { id: 'ann' }
      },
      servers(name) {
        asked.push('servers')
        return name === 'weather' ? { url: upstream.url } : undefined
      },
      sessions,
      ...over,
    })
    return { gateway, asked, url: gateway.url('weather') }
  }

  test('AU9 SS5 authentication, lookup, session: on every POST, GET and DELETE', async () => {
    const { asked, url } = await noting()
    const session = await initialize(url)
    asked.length = 0
    const stream = await session.listen()
    stream.close()
    await session.request('ping')
    await session.end()
    expect(asked).toEqual(Array.from({ length: 3 }, () => ['authenticate', 'servers', 'store']).flat())
  })

  test('RT7 another method is 405 before anybody is asked', async () => {
    const { asked, url } = await noting()
    expect(await send('PUT', url, { host: 'evil.example' })).toMatchObject({ status: 405 })
    expect(asked).toEqual([])
  })

  test('SC1 SC2 a foreign Host or Origin is 403 before anybody is asked', async () => {
    const { asked, url } = await noting()
    expect(await post(url, ping, { host: 'evil.example' })).toMatchObject({ status: 403 })
    expect(await post(url, ping, { origin: 'https://evil.example' })).toMatchObject({ status: 403 })
    expect(asked).toEqual([])
  })

  test('AU10 401 comes before the lookup: nobody unknown learns which servers there are', async () => {
    const { gateway, asked } = await noting({ authenticate: () => undefined })
    const answers = [...(await all(gateway.url('weather'))), ...(await all(gateway.url('mail')))]
    expect(new Set(answers.map(({ status, body }) => `${status} ${body}`))).toEqual(
      new Set(['401 {"jsonrpc":"2.0","error":{"code":401,"message":"Authentication required"}}']),
    )
    expect(asked).toEqual([])
  })

  test('AU10 SC10 401 comes before the body has, and what may still come of it is not taken for a request', async () => {
    const gateway = await start({ authenticate: () => undefined })
    const keep = { connection: 'keep-alive', 'content-length': 1_000_000 }
    const { answer } = wire(gateway.origin, head(gateway.url('weather'), keep))
    const headers = { 'www-authenticate': 'Bearer', connection: 'close' }
    expect(await answer).toMatchObject({ status: 401, headers })
  })

  test('RT8 404 comes before the body has', async () => {
    const gateway = await start()
    const { answer } = wire(gateway.origin, head(gateway.url('mail'), { 'content-length': 1_000_000 }))
    expect(await answer).toMatchObject({ status: 404 })
  })

  test('the message is judged before its session is looked for', async () => {
    const { asked, url } = await noting()
    const headers = { 'mcp-session-id': 'unknown' }
    expect(await post(url, ping, { ...headers, accept: 'text/html' })).toMatchObject({ status: 406 })
    expect(await post(url, ping, { ...headers, 'content-type': 'text/plain' })).toMatchObject({ status: 415 })
    expect(await post(url, '{', headers)).toMatchObject({ status: 400 })
    expect(await post(url, {}, headers)).toMatchObject({ status: 400 })
    expect(asked).not.toContain('store')
    expect(await post(url, ping, headers)).toMatchObject({ status: 404 })
    expect(asked).toContain('store')
  })
})

describe('who is asking', () => {
  test('the hook is told the request and the server', async () => {
    const seen: unknown[] = []
    const gateway = await start({
      authenticate(request, context) {
        seen.push([request.method, request.url, request.headers['x-test'], context])
        return undefined
      },
    })
    await all(gateway.url('weather'), { 'x-test': 'yes' })
    const context = { server: 'weather' }
    expect(seen).toEqual(['POST', 'GET', 'DELETE'].map((method) => [method, '/weather/mcp', 'yes', context]))
  })

  test('the principal reaches servers, headers and onError as the hook answered it', async () => {
    const ann: Principal & { tenant: string } = { id: 'ann', scopes: ['tools'], tenant: 'acme' }
    const principals: unknown[] = []
    const gateway = await start({
      authenticate: () => Promise.resolve(ann),
      servers(name, { principal, request }) {
        principals.push(principal)
        expect([name, request.method]).toEqual(['weather', 'POST'])
        return {
          url: upstream.url,
          headers(context) {
            principals.push(context.principal)
            expect(context).toMatchObject({ server: 'weather', request: { method: 'POST' } })
            throw fault()
          },
        }
      },
    })
    expect(await post(gateway.url('weather'), initializeMessage())).toMatchObject({ status: 500 })
    const { context } = await gateway.reported.next()
    principals.push(context.principal)
    expect(context).toMatchObject({ server: 'weather', request: { method: 'POST' } })
    expect(principals).toHaveLength(3)
    for (const principal of principals) expect(principal).toBe(ann)
  })

  test('with authenticate: false there is no principal', async () => {
    const seen: unknown[] = []
    const gateway = await start({
      servers(_, { principal }) {
        seen.push(principal)
        return undefined
      },
    })
    expect(await post(gateway.url('weather'), ping)).toMatchObject({ status: 404 })
    expect(seen).toEqual([undefined])
  })

  test('SS10 every request on one connection is asked anew', async () => {
    let asked = 0
    const gateway = await start({ authenticate: () => ((asked += 1) === 1 ? undefined : { id: 'ann' }) })
    const url = gateway.url('weather')
    const end = `DELETE ${new URL(url).pathname} HTTP/1.1\r\nhost: localhost\r\n`
    const { answer } = wire(gateway.origin, `${end}\r\n${end}connection: close\r\n\r\n`)
    const { status, body } = await answer
    expect(status).toBe(401)
    expect(body).toMatch(/HTTP\/1\.1 400/)
    expect(asked).toBe(2)
  })

  test.each([null, '', 'ann', 7, true, {}, { id: '' }, { id: 7 }, { sub: 'ann' }])(
    'a hook that answers %j is a fault, and lets nobody in',
    async (principal) => {
      const gateway = await start({ authenticate: (() => principal) as never })
      expect(await post(gateway.url('weather'), ping)).toMatchObject({ status: 500 })
      const { error } = await gateway.reported.next()
      expect(error).toBeInstanceOf(TypeError)
      expect(error.message).toMatch(/^"authenticate" must answer \{ id \}/)
    },
  )

  test('taking a server away from somebody works at once', async () => {
    let allowed = true
    const gateway = await start({ servers: () => (allowed ? { url: upstream.url } : undefined) })
    const session = await initialize(gateway.url('weather'))
    expect(await session.request('ping')).toMatchObject({ status: 200 })
    allowed = false
    for (const answer of await all(session.url, session.headers)) expect(answer).toMatchObject({ status: 404 })
  })
})

describe('Host and Origin', () => {
  test('SC1 ER7 a foreign Origin is 403 on POST, GET and DELETE, also within a session', async () => {
    const gateway = await start()
    const session = await initialize(gateway.url('weather'))
    for (const answer of await all(session.url, { ...session.headers, origin: 'https://evil.example' })) {
      expect(answer).toMatchObject({ status: 403 })
      expect(answer.message).toEqual({ jsonrpc: '2.0', error: { code: 403, message: 'Origin not allowed' } })
    }
    expect(await session.request('ping')).toMatchObject({ status: 200 })
  })

  test('SC1 two Origins are 403', async () => {
    const gateway = await start()
    const url = gateway.url('weather')
    const own = new URL(url).origin
    expect(await post(url, initializeMessage(), { origin: own })).toMatchObject({ status: 200 })
    expect(await post(url, initializeMessage(), { origin: [own, 'https://evil.example'] })).toMatchObject({
      status: 403,
    })
  })

  test('SC2 a foreign Host on a loopback socket is 403, and onError is told the options to set', async () => {
    const gateway = await start({ authenticate: () => ({ id: 'ann' }) })
    for (const answer of await all(gateway.url('weather'), { host: 'gateway.example.com' })) {
      expect(answer).toMatchObject({ status: 403 })
      expect(readable(answer)).not.toMatch(/gateway\.example\.com|allowedHosts/)
      const { error, context } = await gateway.reported.next()
      expect(error).toMatchObject({ code: 'host_not_allowed' })
      expect((error.cause as Error).message).toMatch(/"gateway\.example\.com" was refused.*"allowedHosts".*"publicUrl"/)
      expect(context).toMatchObject({ server: 'weather', principal: undefined })
    }
  })

  test('SC1 a refused Origin reaches onError with the options to set', async () => {
    const gateway = await start()
    await post(gateway.url('weather'), ping, { origin: 'https://app.example.com' })
    const { error } = await gateway.reported.next()
    expect((error.cause as Error).message).toMatch(
      /"https:\/\/app\.example\.com" was refused.*"allowedOrigins".*"publicUrl"/,
    )
  })

  const allowing: [what: string, options: Options, headers: Headers][] = [
    [
      'publicUrl',
      { publicUrl: 'https://gateway.example.com/mcp' },
      { host: 'gateway.example.com', origin: 'https://gateway.example.com' },
    ],
    ['allowedHosts', { allowedHosts: ['gateway.example.com'] }, { host: 'gateway.example.com' }],
    [
      'allowedHosts, beside which localhost stays',
      { allowedHosts: ['gateway.example.com'] },
      { host: 'localhost:1234' },
    ],
    ['allowedOrigins', { allowedOrigins: ['https://app.example.com'] }, { origin: 'https://app.example.com' }],
  ]

  test.each(allowing)('SC1 SC2 %s lets in', async (_, options, headers) => {
    const gateway = await start(options)
    expect(await post(gateway.url('weather'), initializeMessage(), headers)).toMatchObject({ status: 200 })
    expect(await post(gateway.url('weather'), initializeMessage(), { ...headers, host: 'evil.example' })).toMatchObject(
      { status: 403 },
    )
  })
})

describe('the message', () => {
  test.each([undefined, 'text/html', 'text/event-stream', 'application/json;q=0, */*'])(
    'HD1 a POST that accepts %j is 406',
    async (accept) => {
      const gateway = await start()
      const answer = await post(gateway.url('weather'), initializeMessage(), { accept })
      expect(answer).toMatchObject({ status: 406, message: { error: { code: 406 } } })
    },
  )

  test.each([undefined, 'application/json', 'text/event-stream;q=0'])(
    'HD1 a GET that accepts %j is 406',
    async (accept) => {
      const gateway = await start()
      const session = await initialize(gateway.url('weather'))
      expect(await send('GET', session.url, { ...session.headers, accept })).toMatchObject({ status: 406 })
    },
  )

  test.each([undefined, 'text/plain', 'application/x-www-form-urlencoded', 'application/jsonp'])(
    'HD2 content of type %j is 415',
    async (type) => {
      const gateway = await start()
      const answer = await post(gateway.url('weather'), initializeMessage(), { 'content-type': type })
      expect(answer).toMatchObject({ status: 415, message: { error: { code: 415 } } })
    },
  )

  test('HD2 a content type with parameters is taken', async () => {
    const gateway = await start()
    const type = 'application/json; charset=utf-8'
    expect(await post(gateway.url('weather'), initializeMessage(), { 'content-type': type })).toMatchObject({
      status: 200,
    })
  })

  const malformed: [what: string, body: string | Buffer, rpc: number][] = [
    ['nothing', '', -32_700],
    ['half a message', '{"jsonrpc":"2.0",', -32_700],
    ['bytes that are no UTF-8', Buffer.from('{"jsonrpc":"2.0","id":1,"method":"\xe9"}', 'latin1'), -32_700],
    ['JSON that is no message', '"ping"', -32_600],
    ['a message of JSON-RPC 1.0', '{"id":1,"method":"ping"}', -32_600],
    ['an empty batch', '[]', -32_600],
    ['a key that stands twice', '{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}', -32_600],
  ]

  test.each(malformed)('RPC1 SC9 %s is 400, and nothing of it goes upstream', async (_, body, code) => {
    const gateway = await start()
    const session = await initialize(gateway.url('weather'))
    const before = upstream.requests().length
    const answer = await session.post(body)
    expect(answer).toMatchObject({ status: 400, headers: { 'content-type': 'application/json' } })
    expect(answer.message).toMatchObject({ jsonrpc: '2.0', error: { code } })
    expect(upstream.requests()).toHaveLength(before)
    expect(gateway.reported.entries).toEqual([])
  })

  test('ER6 RPC3 an error names the id of the request it answers, with its type', async () => {
    const gateway = await start()
    for (const id of ['7', 7, 0, '']) {
      const answer = await post(gateway.url('weather'), { ...ping, id })
      expect(answer).toMatchObject({ status: 400, message: { id } })
    }
  })

  test('ER9 SC6 a body past the limit is 413, with its length said before', async () => {
    const gateway = await start({ limits: { bodyBytes: 1_000 } })
    const answer = await post(gateway.url('weather'), { ...ping, params: { text: 'x'.repeat(1_000) } })
    expect(answer).toMatchObject({ status: 413, message: { error: { code: 413 } } })
  })

  test('ER9 SC6 a body past the limit is 413, while it goes on without a length', async () => {
    const gateway = await start({ limits: { bodyBytes: 1_000 } })
    const start413 =
      head(gateway.url('weather'), { 'transfer-encoding': 'chunked' }) + chunk('x'.repeat(900)) + chunk('x'.repeat(101))
    expect(await wire(gateway.origin, start413).answer).toMatchObject({ status: 413, headers: { connection: 'close' } })
  })

  test('ER9 a client that sends far more than the limit reads its 413', async () => {
    const gateway = await start({ limits: { bodyBytes: 1_000 } })
    const answer = await post(gateway.url('weather'), Buffer.alloc(8 * 1024 * 1024, 'x'))
    expect(answer).toMatchObject({ status: 413 })
  })

  test('ER9 4 MiB pass when nothing else is said', async () => {
    const gateway = await start()
    const session = await initialize(gateway.url('weather'))
    const message = { ...ping, params: { text: '' } }
    const room = 4 * 1024 * 1024 - JSON.stringify(message).length
    message.params.text = 'x'.repeat(room)
    expect(await session.post(message)).toMatchObject({ status: 200 })
    message.params.text += 'x'
    expect(await session.post(message)).toMatchObject({ status: 413 })
  })

  test('a client that goes away in the middle of its body leaves nothing behind', async () => {
    const closed = createJournal<boolean>()
    const watched: Host = {
      prefix: '',
      mount: (gateway) => (req, res) => {
        res.once('close', () => closed.record(true))
        gateway(req, res)
      },
    }
    const gateway = await start({}, watched)
    const before = upstream.requests().length
    const { socket } = wire(gateway.origin, `${head(gateway.url('weather'), { 'content-length': 100 })}{"jsonrpc":`)
    setImmediate(() => socket.destroy())
    await closed.next()
    await initialize(gateway.url('weather'))
    expect(
      upstream
        .requests()
        .slice(before)
        .map(({ kind }) => kind),
    ).toEqual(['initialize', 'notifications/initialized'])
    expect(gateway.reported.entries).toEqual([])
  })

  const doubled: [header: string, second: string, status: number][] = [
    ['mcp-session-id', 'same', 404],
    ['mcp-session-id', 'other', 404],
    ['mcp-protocol-version', '2025-11-25', 400],
    ['mcp-protocol-version', '2025-06-18', 400],
  ]

  test.each(doubled)('SC9 %s twice, the second time %s, is refused', async (header, second, status) => {
    const gateway = await start()
    const session = await initialize(gateway.url('weather'))
    const first = session.headers[header]!
    const answer = await session.post(ping, { [header]: [first, second === 'same' ? first : second] })
    expect(answer).toMatchObject({ status })
  })
})

describe('a hook', () => {
  test.each(failing)('SC7 authenticate that %s is 500, and its words are for onError alone', async (_, fail) => {
    const gateway = await start({ authenticate: fail })
    for (const answer of await all(gateway.url('weather'))) {
      expect(answer).toMatchObject({ status: 500, message: { error: { code: 500, message: 'Internal error' } } })
      expect(readable(answer)).not.toContain(SECRET)
      expect(await gateway.reported.next()).toMatchObject({ error: fault(), context: { server: 'weather' } })
    }
  })

  test.each(failing)('SC7 servers that %s is 500, and its words are for onError alone', async (_, fail) => {
    const gateway = await start({ servers: fail, authenticate: () => ({ id: 'ann' }) })
    for (const answer of await all(gateway.url('weather'))) {
      expect(answer).toMatchObject({ status: 500, message: { error: { message: 'Internal error' } } })
      expect(readable(answer)).not.toContain(SECRET)
      expect(await gateway.reported.next()).toMatchObject({ error: fault(), context: { principal: { id: 'ann' } } })
    }
  })

  test.each(failing)('SC7 ER6 headers that %s is 500 with the id of the request', async (_, fail) => {
    const gateway = await start({ servers: { weather: { url: upstream.url, headers: fail } } })
    const answer = await post(gateway.url('weather'), initializeMessage())
    expect(answer).toMatchObject({ status: 500, message: { id: 'init', error: { message: 'Internal error' } } })
    expect(readable(answer)).not.toContain(SECRET)
    expect(await gateway.reported.next()).toMatchObject({ error: fault() })
  })

  test.each(failing)(
    'SC7 ER9 a store whose every method %s is 503, and its words are for onError alone',
    async (_, fail) => {
      const gateway = await start({ sessions: { create: fail, get: fail, delete: fail } })
      const url = gateway.url('weather')
      const answers = [await post(url, initializeMessage()), ...(await all(url, { 'mcp-session-id': 'x' }))]
      for (const answer of answers) {
        expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': expect.stringMatching(/^\d+$/) } })
        expect(readable(answer)).not.toContain(SECRET)
        expect(await gateway.reported.next()).toMatchObject({ error: { code: 'unavailable', cause: fault() } })
      }
      expect(answers[0]).toMatchObject({ message: { id: 'init' } })
    },
  )

  test.each(failing)('SC7 a store whose delete() %s is 503 to DELETE, and the session stays', async (_, fail) => {
    const store = new MemorySessionStore()
    const sessions: SessionStore = {
      create: (record) => store.create(record),
      get: (id) => store.get(id),
      delete: fail,
    }
    const gateway = await start({ sessions })
    const session = await initialize(gateway.url('weather'))
    const answer = await session.end()
    expect(answer).toMatchObject({ status: 503 })
    expect(readable(answer)).not.toContain(SECRET)
    expect(await gateway.reported.next()).toMatchObject({ error: { cause: fault() } })
    expect(await session.request('ping')).toMatchObject({ status: 200 })
  })

  test.each(failing)(
    'SS4 an upstream session that the store could not keep, because create() %s, is ended',
    async (_, fail) => {
      const sessions: SessionStore = { create: fail, get: () => undefined, delete() {} }
      const gateway = await start({ sessions })
      const asked = upstream.nextRequest('DELETE')
      const answer = await post(gateway.url('weather'), initializeMessage())
      expect(answer).toMatchObject({ status: 503 })
      expect(answer.headers).not.toHaveProperty('mcp-session-id')
      await (
        await asked
      ).over
      expect(upstream.sessions.has(String((await asked).headers['mcp-session-id']))).toBe(false)
    },
  )

  test('a GatewayError of a hook is the answer it asks for; its cause stays here', async () => {
    const challenge = 'Bearer error="insufficient_scope", scope="tools"'
    const gateway = await start({
      authenticate() {
        throw new GatewayError('forbidden', 'The scope "tools" is missing', {
          headers: { 'www-authenticate': challenge },
          cause: fault(),
        })
      },
    })
    const answer = await post(gateway.url('weather'), ping)
    expect(answer).toMatchObject({ status: 403, headers: { 'www-authenticate': challenge } })
    expect(answer.message).toMatchObject({ error: { code: 403, message: 'The scope "tools" is missing' } })
    expect(readable(answer)).not.toContain(SECRET)
    expect(await gateway.reported.next()).toMatchObject({ error: { code: 'forbidden', cause: fault() } })
  })

  const configs: [what: string, config: unknown, message: RegExp][] = [
    ['a relative url', { url: '/mcp' }, /^Server "weather": "url" must be an absolute/],
    ['an unknown type', { type: 'stdio', url: 'http://127.0.0.1' }, /^Server "weather": "type" must be/],
    [
      'credentials in the url',
      { url: `http://admin:${SECRET}@127.0.0.1/` },
      /^Server "weather": "url" may not hold credentials/,
    ],
    [
      'a header that is the gateway’s own',
      { url: 'http://127.0.0.1', headers: { Host: 'x' } },
      /^Server "weather": "headers" may not set Host/,
    ],
    [
      'a header with a line end',
      { url: 'http://127.0.0.1', headers: () => ({ 'x-key': `${SECRET}\r\nx: y` }) },
      /x-key/,
    ],
    ['a headers function that answers nothing', { url: 'http://127.0.0.1', headers: () => undefined }, /./],
    ['false', false, /"servers"/],
    ['text', 'http://127.0.0.1', /"servers"/],
  ]

  test.each(configs)('a lookup that answers %s is 500, and onError is told', async (_, config, message) => {
    const gateway = await start({ servers: (() => config) as never })
    const answer = await post(gateway.url('weather'), initializeMessage())
    expect(answer).toMatchObject({ status: 500, message: { error: { message: 'Internal error' } } })
    expect(readable(answer)).not.toContain(SECRET)
    const { error } = await gateway.reported.next()
    expect(String(error)).toMatch(/TypeError/)
    expect(error.message).toMatch(message)
    expect(error.message).not.toContain(SECRET)
  })

  test.each(failing)('onError that %s changes no answer and breaks nothing', async (_, fail) => {
    const written = import.meta.jest.spyOn(console, 'error').mockImplementation(() => {})
    const gateway = await start({ authenticate: () => Promise.reject(new Error('of authenticate')), onError: fail })
    expect(await post(gateway.url('weather'), ping)).toMatchObject({ status: 500 })
    expect(await post(gateway.url('weather'), ping)).toMatchObject({ status: 500 })
    await new Promise(setImmediate)
    expect(written.mock.calls.flat()).toContainEqual(fault())
    written.mockRestore()
  })

  test('a refusal that is the client’s own fault is not the operator’s to know', async () => {
    const gateway = await start({ authenticate: ({ headers }) => (headers.authorization ? { id: 'ann' } : undefined) })
    const url = gateway.url('weather')
    const key = { authorization: 'x' }
    await all(url)
    await all(url, key)
    await post(gateway.url('mail'), ping, key)
    await post(url, '{', key)
    await post(url, ping, { ...key, 'mcp-session-id': 'unknown' })
    await send('PUT', url)
    expect(gateway.reported.entries).toEqual([])
  })
})

test('RT9 SC10 a name with a path in it is a key that is not found', async () => {
  const names: string[] = []
  const gateway = await start({
    servers(name) {
      names.push(name)
      return undefined
    },
  })
  for (const name of ['..%2f..%2fadmin', '__proto__', 'constructor', '%00', 'a%3Fb']) {
    expect(await post(gateway.url(name), ping)).toMatchObject({ status: 404 })
  }
  expect(names).toEqual(['../../admin', '__proto__', 'constructor', '\0', 'a?b'])
  const record = await start()
  for (const name of ['__proto__', 'constructor', 'toString']) {
    expect(await post(record.url(name), ping)).toMatchObject({ status: 404 })
  }
  expect(await post(record.url('%zz'), ping)).toMatchObject({ status: 400 })
})

test('AU14 HD16 a credential in the query string does not go upstream', async () => {
  const gateway = await start()
  await initialize(`${gateway.url('weather')}?access_token=${SECRET}`)
  expect(upstream.requests('initialize').at(-1)).toMatchObject({ url: '/mcp' })
})
