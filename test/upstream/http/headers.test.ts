// Which headers of a client cross: by the list itself; and through a real gateway, each way.
import { type Message, notificationOf, requestOf } from '../../../lib/exchange/message.ts'
import { clientHeadersToServer } from '../../../lib/upstream/http/headers.ts'
import { startGateway, type RunningGateway } from '../../support/gateway.ts'
import { initialize, type Session } from '../../support/rpc.ts'
import { startUpstream, type Exchange, type Upstream } from '../../support/upstream.ts'

/** What a client may say that is nobody's business behind the gateway. */
const PRIVATE: Readonly<Record<string, string>> = {
  authorization: 'Bearer client-secret',
  cookie: 'session=client-secret',
  'proxy-authorization': 'Basic client-secret',
  forwarded: 'for=192.0.2.1',
  'x-forwarded-for': '192.0.2.1',
  'x-forwarded-host': 'evil.example',
  'x-forwarded-proto': 'https',
  'x-real-ip': '192.0.2.1',
  'x-api-key': 'client-secret',
  te: 'trailers',
  'proxy-connection': 'keep-alive',
  'keep-alive': 'timeout=5',
  referer: 'https://app.example/secret',
  'user-agent': 'client-agent',
  'accept-language': 'de',
  'x-anything': 'client-secret',
}

/** What belongs to the protocol, or to tracing. */
const CROSSING: Readonly<Record<string, string>> = {
  'mcp-protocol-version': '2025-11-25',
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  tracestate: 'vendor=value',
  baggage: 'key=value',
}

describe('clientHeadersToServer', () => {
  test('lets the listed headers through as they are and nothing else (HD16)', () => {
    const given = { ...PRIVATE, ...CROSSING, 'mcp-method': 'tools/call', 'mcp-name': 'echo', 'mcp-param-city': 'Wien' }
    const message = requestOf('modern', 1, 'tools/call', { name: 'echo' })
    const { 'mcp-param-city': param, ...crossed } = clientHeadersToServer({ verb: 'POST', message }, given)
    expect(crossed).toEqual({ ...CROSSING, 'mcp-method': 'tools/call', 'mcp-name': 'echo' })
    expect(param).toBe('Wien')
  })

  test("never lets the session id of the client through: the upstream's own goes instead (HD16)", () => {
    expect(clientHeadersToServer({ verb: 'POST' }, { 'mcp-session-id': 'gateway-id' })).toEqual({})
  })

  test('lets Last-Event-ID through with GET, which resumes, and with nothing else (HD16)', () => {
    expect(clientHeadersToServer({ verb: 'GET', resumes: true }, { 'last-event-id': '7' })).toEqual({
      'last-event-id': '7',
    })
    expect(clientHeadersToServer({ verb: 'POST', resumes: true }, { 'last-event-id': '7' })).toEqual({})
    expect(clientHeadersToServer({ verb: 'DELETE', resumes: true }, { 'last-event-id': '7' })).toEqual({})
    expect(clientHeadersToServer({ verb: 'GET' }, { 'last-event-id': '7' })).toEqual({})
  })

  test.each<[what: string, message: Message | undefined, headers: Record<string, string>, crossed: object]>([
    ['another method', requestOf('legacy', 1, 'tools/call', { name: 'a' }), { 'mcp-method': 'tools/list' }, {}],
    ['another name', requestOf('legacy', 1, 'tools/call', { name: 'a' }), { 'mcp-name': 'b' }, {}],
    ['a name where there is none', requestOf('modern', 1, 'tools/list'), { 'mcp-name': 'b' }, {}],
    ['a name without parameters', requestOf('legacy', 1, 'tools/call'), { 'mcp-name': 'undefined' }, {}],
    ['anything of no message', undefined, { 'mcp-method': 'tools/list', 'mcp-name': 'b' }, {}],
    [
      'the method of a notification',
      notificationOf('modern', 'notifications/x'),
      { 'mcp-method': 'notifications/x' },
      { 'mcp-method': 'notifications/x' },
    ],
    [
      'an encoded name',
      requestOf('modern', 1, 'prompts/get', { name: '\u00FC' }),
      { 'mcp-name': '=?base64?w7w=?=' },
      { 'mcp-name': '=?base64?w7w=?=' },
    ],
  ])('repeats what the body says, and nothing else: %s (HD9, HD15)', (_, message, headers, crossed) => {
    expect(clientHeadersToServer({ verb: message ? 'POST' : 'GET', message }, headers)).toEqual(crossed)
  })

  test('names the negotiated revision where the client names none, from the first that has the header on (UC1, HD5)', () => {
    const named = (headers: Record<string, string>, negotiated?: string): unknown =>
      clientHeadersToServer({ verb: 'POST', negotiated }, headers)['mcp-protocol-version']
    expect(['2025-03-26', '2025-06-18', '2025-11-25'].map((version) => named({}, version))).toEqual([
      undefined,
      '2025-06-18',
      '2025-11-25',
    ])
    expect(named({ 'mcp-protocol-version': '2025-06-18' }, '2025-11-25')).toBe('2025-06-18')
    expect(named({})).toBeUndefined()
  })

  test('passes over what has no value, and a name that a prototype would have (SC10)', () => {
    expect(clientHeadersToServer({ verb: 'POST' }, { traceparent: undefined, baggage: ['a', 'b'] })).toEqual({})
    const crossed = clientHeadersToServer(
      { verb: 'POST' },
      JSON.parse('{"__proto__":"x","constructor":"x"}') as Record<string, string>,
    )
    expect(Object.keys(crossed)).toEqual([])
  })
})

describe('through a gateway', () => {
  let upstream: Upstream
  let gateway: RunningGateway
  let session: Session

  beforeEach(async () => {
    upstream = await startUpstream()
    gateway = await startGateway({
      servers: {
        a: { url: upstream.url, headers: { 'X-Upstream-Key': 'upstream-secret', Authorization: 'Bearer own' } },
      },
    })
    session = await initialize(gateway.url('a'), { headers: { ...PRIVATE, origin: gateway.origin } })
  })

  afterEach(async () => {
    await gateway.close()
    await upstream.close()
  })

  /** One of each: POST with a request, with a notification and with a response, GET and DELETE. */
  async function everyRequest(): Promise<Exchange[]> {
    await session.post({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: {} }, CROSSING)
    await session.post({ jsonrpc: '2.0', id: 1, result: {} }, CROSSING)
    const listener = await session.listen(CROSSING)
    await session.end(CROSSING)
    await listener.over
    return upstream.requests()
  }

  test('no request shows the upstream anything of the client but what the lists name (HD16)', async () => {
    const requests = await everyRequest()
    expect(requests.map(({ kind }) => kind).toSorted()).toEqual([
      'DELETE',
      'GET',
      'initialize',
      'notifications/initialized',
      'response',
      'tools/call',
    ])
    for (const { rawHeaders, headers } of requests) {
      const shown = rawHeaders.join('\n')
      for (const secret of ['client-secret', '192.0.2.1', 'evil.example', 'client-agent', gateway.origin, session.id]) {
        expect(shown).not.toContain(secret)
      }
      expect(headers.origin).toBeUndefined()
      expect(headers.host).toBe(new URL(upstream.url).host)
    }
  })

  test('Authorization and Cookie never cross, whatever way they are written (HD16, AU14)', async () => {
    await session.post(
      { jsonrpc: '2.0', id: 1, method: 'ping' },
      { AUTHORIZATION: 'Bearer shouted-secret', COOKIE: 'shouted-secret=1' },
    )
    const { rawHeaders, headers } = await upstream.nextRequest('ping')
    expect(rawHeaders.join('\n')).not.toContain('shouted-secret')
    expect(headers.authorization).toBe('Bearer own')
    expect(headers.cookie).toBeUndefined()
  })

  test("every request carries the upstream's own session id, credentials and both media types, unencoded (HD1, HD3, HD16, HD17, UC1)", async () => {
    for (const { kind, headers } of await everyRequest()) {
      expect(headers).toMatchObject({
        accept: 'application/json, text/event-stream',
        'accept-encoding': 'identity',
        'x-upstream-key': 'upstream-secret',
        authorization: 'Bearer own',
      })
      if (kind === 'initialize') continue
      expect(headers['mcp-session-id']).toMatch(/^upstream-/)
      expect(headers['mcp-protocol-version']).toBe('2025-11-25')
    }
  })

  test('trace context crosses (HD16)', async () => {
    await session.post({ jsonrpc: '2.0', id: 1, method: 'ping' }, CROSSING)
    expect((await upstream.nextRequest('ping')).headers).toMatchObject(CROSSING)
  })

  test('a body is sent with one length of its own and no transfer encoding (HD16, SC10)', async () => {
    await session.post({ jsonrpc: '2.0', id: 1, method: 'ping' }, { 'transfer-encoding': 'chunked' })
    const { rawHeaders, body } = await upstream.nextRequest('ping')
    const names = rawHeaders.filter((_, index) => index % 2 === 0).map((name) => name.toLowerCase())
    expect(names.filter((name) => name === 'content-length')).toHaveLength(1)
    expect(names).not.toContain('transfer-encoding')
    expect(names.filter((name) => name === 'content-type')).toHaveLength(1)
    expect(new Set(names).size).toBe(names.length)
    expect(body.toString()).toBe('{"jsonrpc":"2.0","id":1,"method":"ping"}')
  })

  const UPSTREAM_HEADERS = {
    'set-cookie': ['upstream=secret', 'b=2'],
    'www-authenticate': 'Bearer resource_metadata="https://upstream.example/.well-known"',
    'mcp-session-id': 'another-upstream-id',
    'access-control-allow-origin': '*',
    server: 'upstream-server',
    'x-powered-by': 'upstream',
  }

  test.each([
    ['JSON', (exchange: Exchange) => exchange.result({}, UPSTREAM_HEADERS)],
    ['an event stream', (exchange: Exchange) => exchange.stream(UPSTREAM_HEADERS).finish({})],
    [
      'a refusal',
      (exchange: Exchange) => exchange.json({ jsonrpc: '2.0', error: { code: 1, message: '' } }, 400, UPSTREAM_HEADERS),
    ],
    ['a 401', (exchange: Exchange) => exchange.status(401, 'no', UPSTREAM_HEADERS)],
    ['a 403', (exchange: Exchange) => exchange.json({}, 403, UPSTREAM_HEADERS)],
    ['a 503', (exchange: Exchange) => exchange.status(503, 'later', UPSTREAM_HEADERS)],
  ])('%s brings no Set-Cookie, no WWW-Authenticate and no session id back (HD20, AU12)', async (_, handler) => {
    upstream.once('tools/call', handler)
    const { headers } = await session.request('tools/call')
    for (const name of Object.keys(UPSTREAM_HEADERS)) expect(headers[name]).toBeUndefined()
  })

  test("the client's session id is the gateway's own, and the upstream's is not part of it (HD19)", () => {
    const [upstreamId] = [...upstream.sessions]
    expect(session.id).toMatch(/^[\x21-\x7e]+$/)
    expect(session.opening.headers['mcp-session-id']).toBe(session.id)
    expect(session.id).not.toContain(upstreamId)
    expect(JSON.stringify(session.opening)).not.toContain(upstreamId)
  })
})
