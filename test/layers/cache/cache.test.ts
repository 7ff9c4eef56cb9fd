// The cache through a real gateway: how often the upstream is asked is counted, never guessed. (ST10-ST14)
import { startGateway, type RunningGateway } from '../../support/gateway.ts'
import { openStream, post, type Answer } from '../../support/rpc.ts'
import { startUpstream, type Exchange, type Upstream } from '../../support/upstream.ts'

const MINUTE_MS = 60_000
const VERSION = '2026-07-28'

let upstream: Upstream
let gateway: RunningGateway

beforeEach(async () => {
  upstream = await startUpstream({ sessions: false })
  gateway = await startGateway({
    servers: { a: { url: upstream.url }, b: { url: `${upstream.origin}/other` } },
    authenticate: (request) => {
      const [scheme, user] = (request.headers.authorization ?? '').split(' ')
      return scheme === 'Bearer' && user ? { id: user.split('.')[0]! } : undefined
    },
    cache: true,
  })
})
afterEach(async () => {
  await gateway.close()
  await upstream.close()
})

interface Ask {
  readonly id?: string | number
  readonly params?: Record<string, unknown>
  readonly meta?: Record<string, unknown>
  readonly token?: string
  readonly server?: string
}

function envelope(method: string, { id = 1, params = {}, meta = {}, token = 'ada', server = 'a' }: Ask) {
  const _meta = {
    'io.modelcontextprotocol/protocolVersion': VERSION,
    'io.modelcontextprotocol/clientCapabilities': {},
    ...meta,
  }
  const name = method === 'resources/read' ? { 'mcp-name': String(params['uri']) } : {}
  return {
    url: gateway.url(server),
    message: { jsonrpc: '2.0', id, method, params: { ...params, _meta } },
    headers: {
      authorization: `Bearer ${token}`,
      'mcp-protocol-version': VERSION,
      'mcp-method': method,
      ...name,
    },
  }
}

function ask(method: string, options: Ask = {}): Promise<Answer> {
  const { url, message, headers } = envelope(method, options)
  return post(url, message, headers)
}

/** Answers with a result that counts how often the upstream was asked. */
function answering(result: Record<string, unknown>): (exchange: Exchange) => void {
  let times = 0
  return (exchange) => exchange.result({ resultType: 'complete', times: (times += 1), ...result })
}

const timesOf = ({ message }: Answer): unknown => (message?.result as { times?: number } | undefined)?.times
const fresh = { ttlMs: MINUTE_MS, cacheScope: 'public' }

test('ST12: a public result is requested once and shared by all principals', async () => {
  upstream.on('tools/list', answering(fresh))
  const answers = [await ask('tools/list', { token: 'ada' }), await ask('tools/list', { token: 'bob', id: 'x' })]
  expect(answers.map(timesOf)).toEqual([1, 1])
  expect(answers.map(({ message }) => message?.id)).toEqual([1, 'x'])
  expect(upstream.requests('tools/list')).toHaveLength(1)
})

test('ST12: a private result is kept for its principal with its token, and for nobody else', async () => {
  upstream.on('tools/list', answering({ ...fresh, cacheScope: 'private' }))
  const tokens = ['ada.1', 'ada.1', 'bob.1', 'ada.2', 'bob.1', 'ada.1']
  const times: unknown[] = []
  for (const token of tokens) times.push(timesOf(await ask('tools/list', { token })))
  expect(times).toEqual([1, 1, 2, 3, 2, 1])
})

test('ST12: a result that does not say for whom is private', async () => {
  upstream.on('tools/list', answering({ ttlMs: MINUTE_MS }))
  expect(timesOf(await ask('tools/list', { token: 'ada' }))).toBe(1)
  expect(timesOf(await ask('tools/list', { token: 'bob' }))).toBe(2)
  expect(timesOf(await ask('tools/list', { token: 'ada' }))).toBe(1)
})

test('ST12: without authentication a private result is kept for nobody', async () => {
  const open = await startGateway({ servers: { a: { url: upstream.url } }, cache: true })
  try {
    upstream.on('tools/list', answering({ ...fresh, cacheScope: 'private' }))
    const { message, headers } = envelope('tools/list', {})
    const times = [await post(open.url('a'), message, headers), await post(open.url('a'), message, headers)]
    expect(times.map(timesOf)).toEqual([1, 2])
  } finally {
    await open.close()
  }
})

test('ST14: what remains of the freshness is passed on, never more, and the rest is byte for byte the server’s', async () => {
  const result =
    '{"z":12345678901234567890, "ttlMs" : 60000,"resultType":"complete","a":"\\u00e9","cacheScope":"public"}'
  upstream.on('tools/list', (exchange) => {
    exchange.res.writeHead(200, { 'content-type': 'application/json' })
    exchange.res.end(`{"result": ${result},"id":1,"jsonrpc":"2.0"}`)
  })
  await ask('tools/list')
  const { body } = await ask('tools/list', { id: 'again' })
  const remainingMs = Number(/"ttlMs" : (\d+)/.exec(body)?.[1])
  expect(remainingMs).toBeLessThanOrEqual(MINUTE_MS)
  expect(remainingMs).toBeGreaterThan(0)
  expect(body).toBe(`{"jsonrpc":"2.0","id":"again","result":${result.replace('60000', String(remainingMs))}}`)
  expect(upstream.requests('tools/list')).toHaveLength(1)
})

test('ST10: an answer that comes as an event stream is kept too', async () => {
  upstream.on('tools/list', (exchange) => exchange.stream().finish({ resultType: 'complete', tools: [], ...fresh }))
  await ask('tools/list')
  expect((await ask('tools/list')).message?.result).toMatchObject({ tools: [] })
  expect(upstream.requests('tools/list')).toHaveLength(1)
})

test.each([
  ['without a ttl', { cacheScope: 'public' }],
  ['with a ttl of zero', { ttlMs: 0, cacheScope: 'public' }],
  ['with a negative ttl', { ttlMs: -1, cacheScope: 'public' }],
  ['with a ttl that is no integer', { ttlMs: 0.5, cacheScope: 'public' }],
  ['that asks for input', { ...fresh, resultType: 'input_required' }],
])('ST10 ST14: a result %s is not kept', async (_, result) => {
  upstream.on('tools/list', answering(result))
  expect([timesOf(await ask('tools/list')), timesOf(await ask('tools/list'))]).toEqual([1, 2])
})

test('ST10: an error is not kept', async () => {
  upstream.on('tools/list', (exchange) => exchange.error(-32603, 'no'))
  await ask('tools/list')
  await ask('tools/list')
  expect(upstream.requests('tools/list')).toHaveLength(2)
})

test('ST10: a method that is not cacheable is asked every time, whatever its result says', async () => {
  upstream.on('prompts/get', answering(fresh))
  const { url, message, headers } = envelope('prompts/get', { params: { name: 'p' } })
  const get = async () => timesOf(await post(url, message, { ...headers, 'mcp-name': 'p' }))
  expect([await get(), await get()]).toEqual([1, 2])
})

test.each(['inputResponses', 'requestState'])(
  'ST11: a retry with %s is neither answered from the cache nor kept',
  async (key) => {
    upstream.on('resources/read', answering(fresh))
    const params = { uri: 'file:///a' }
    const retry = { params: { ...params, [key]: 'x' } }
    expect(timesOf(await ask('resources/read', { params }))).toBe(1)
    expect(timesOf(await ask('resources/read', retry))).toBe(2)
    expect(timesOf(await ask('resources/read', retry))).toBe(3)
    expect(timesOf(await ask('resources/read', { params }))).toBe(1)
  },
)

test('ST11: other parameters, capabilities or servers are other questions; progress tokens and traces are not', async () => {
  upstream.on('tools/list', answering(fresh))
  const same: Ask[] = [{}, { meta: { progressToken: 'p' } }, { meta: { traceparent: '00-1' } }]
  const others: Ask[] = [
    { params: { cursor: '' } },
    { params: { cursor: '2' } },
    { meta: { 'io.modelcontextprotocol/clientCapabilities': { sampling: {} } } },
    { meta: { 'com.example/tenant': 'red' } },
    { meta: { baggage: 'tenant=red' } },
    { server: 'b' },
  ]
  const times: unknown[] = []
  for (const each of [...same, ...others]) times.push(timesOf(await ask('tools/list', each)))
  expect(times).toEqual([1, 1, 1, 2, 3, 4, 5, 6, 7])
})

test('ST11: one upstream under two names answers two questions, and so do two upstreams under one name', async () => {
  let path = 'mcp'
  const moving = await startGateway({
    authenticate: () => ({ id: 'ada' }),
    servers: (name) => ({ url: `${upstream.origin}/${path}`, headers: { 'x-name': name } }),
    cache: true,
  })
  try {
    upstream.on('tools/list', answering(fresh))
    const { message, headers } = envelope('tools/list', {})
    const askFor = async (name: string): Promise<unknown> => timesOf(await post(moving.url(name), message, headers))
    expect([await askFor('one'), await askFor('two'), await askFor('one')]).toEqual([1, 2, 1])
    path = 'other'
    expect([await askFor('one'), await askFor('one')]).toEqual([3, 3])
    path = 'mcp'
    expect(await askFor('one')).toBe(1)
  } finally {
    await moving.close()
  }
})

test('equal questions at the same time become one', async () => {
  let release: (() => void) | undefined
  const held = new Promise<void>((resolve) => (release = resolve))
  upstream.on('tools/list', async (exchange) => {
    await held
    exchange.result({ resultType: 'complete', tools: [], ...fresh })
  })
  const answers = Array.from({ length: 5 }, (_, id) => ask('tools/list', { id, token: `user${id}` }))
  await upstream.nextRequest('tools/list')
  release!()
  expect((await Promise.all(answers)).map(({ message }) => message?.id)).toEqual([0, 1, 2, 3, 4])
  expect(upstream.requests('tools/list')).toHaveLength(1)
})

test.each([
  ['a trace is not', { traceparent: '00-1', tracestate: 'a=1' }, 1],
  ['baggage is', { baggage: 'tenant=red' }, 2],
  ['a parameter is', { 'mcp-param-tenant': 'red' }, 2],
])('ST11: of the headers that cross, %s part of the question', async (_, extra, times) => {
  upstream.on('tools/list', answering(fresh))
  const { url, message, headers } = envelope('tools/list', {})
  await post(url, message, headers)
  expect(timesOf(await post(url, message, { ...headers, ...extra }))).toBe(times)
})

test('ST11: a key that stands twice is another question than its last value: the server may read the first', async () => {
  upstream.on('resources/read', answering(fresh))
  const params = { uri: 'file:///a', in: { the: { third: { page: 'PAGE' } } } }
  const { url, message, headers } = envelope('resources/read', { params })
  const twice = JSON.stringify(message).replace('"page":"PAGE"', '"page":1,"page":"PAGE"')
  expect(timesOf(await post(url, message, headers))).toBe(1)
  expect(timesOf(await post(url, twice, headers))).toBe(2)
})

test('a request whose client leaves continues for the clients that wait for its result', async () => {
  let release: (() => void) | undefined
  const held = new Promise<void>((resolve) => (release = resolve))
  const answer = answering(fresh)
  upstream.on('tools/list', async (exchange) => {
    await held
    answer(exchange)
  })
  const { url, message, headers } = envelope('tools/list', {})
  const leaving = new AbortController()
  const types = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }
  const init = { method: 'POST', headers: { ...types, ...headers }, body: JSON.stringify(message) }
  const left = fetch(url, { ...init, signal: leaving.signal }).catch(() => 'left')
  await upstream.nextRequest('tools/list')
  const waiting = ask('tools/list', { token: 'bob' })
  // He waits by the time that another request of his has been answered.
  upstream.on('prompts/get', (exchange) => exchange.result({ resultType: 'complete' }))
  const other = envelope('prompts/get', { params: { name: 'p' }, token: 'bob' })
  await post(other.url, other.message, { ...other.headers, 'mcp-name': 'p' })
  leaving.abort()
  await left
  release!()
  expect(timesOf(await waiting)).toBe(1)
  expect(upstream.requests('tools/list')).toHaveLength(1)
})

test('ST12: a private result is not cached for a principal that cannot be compared', async () => {
  const authenticate = () => ({ id: 'ada', may: () => true })
  const opaque = await startGateway({ servers: { a: { url: upstream.url } }, authenticate, cache: true })
  try {
    upstream.on('tools/list', answering({ ...fresh, cacheScope: 'private' }))
    const { message, headers } = envelope('tools/list', {})
    const times = [await post(opaque.url('a'), message, headers), await post(opaque.url('a'), message, headers)]
    expect(times.map(timesOf)).toEqual([1, 2])
  } finally {
    await opaque.close()
  }
})

test('a request whose client leaves is sent again by the clients that wait for its result', async () => {
  upstream.once('tools/list', () => {})
  upstream.on('tools/list', answering(fresh))
  const { url, message, headers } = envelope('tools/list', {})
  const leaver = post(url, message, { ...headers, connection: 'close' }).catch(() => 'left')
  const first = await upstream.nextRequest('tools/list')
  const waiting = ask('tools/list', { token: 'bob' })
  first.cut()
  expect(timesOf(await waiting)).toBe(1)
  await leaver
})

test('ST14: list_changed on any listen stream drops what it names at once, and nothing else', async () => {
  upstream.on('tools/list', answering(fresh))
  upstream.on('prompts/list', answering(fresh))
  upstream.on('subscriptions/listen', (exchange) => void exchange.stream())
  await ask('tools/list')
  await ask('prompts/list')
  const { url, message, headers } = envelope('subscriptions/listen', { id: 'l', token: 'bob' })
  const stream = await openStream(url, { message, headers })
  const listening = await upstream.nextRequest('subscriptions/listen')
  await listening.stream().send({ jsonrpc: '2.0', method: 'notifications/tools/list_changed' })
  await stream.nextMessage()
  expect(timesOf(await ask('tools/list'))).toBe(2)
  expect(timesOf(await ask('prompts/list'))).toBe(1)
  stream.close()
})

test('ST14: what an upstream says has changed drops nothing of another one', async () => {
  upstream.on('tools/list', answering(fresh))
  upstream.on('subscriptions/listen', (exchange) => void exchange.stream())
  expect([timesOf(await ask('tools/list')), timesOf(await ask('tools/list', { server: 'b' }))]).toEqual([1, 2])
  const { url, message, headers } = envelope('subscriptions/listen', { id: 'l', server: 'b' })
  const stream = await openStream(url, { message, headers })
  const listening = await upstream.nextRequest('subscriptions/listen')
  await listening.stream().send({ jsonrpc: '2.0', method: 'notifications/tools/list_changed' })
  await stream.nextMessage()
  expect([timesOf(await ask('tools/list')), timesOf(await ask('tools/list', { server: 'b' }))]).toEqual([1, 3])
  stream.close()
})

test('ST14: resources/updated drops that resource alone', async () => {
  upstream.on('resources/read', answering(fresh))
  upstream.on('subscriptions/listen', (exchange) => void exchange.stream())
  const read = async (uri: string) => timesOf(await ask('resources/read', { params: { uri } }))
  expect([await read('file:///a'), await read('file:///b')]).toEqual([1, 2])
  const { url, message, headers } = envelope('subscriptions/listen', { id: 'l' })
  const stream = await openStream(url, { message, headers })
  const listening = await upstream.nextRequest('subscriptions/listen')
  const params = { uri: 'file:///a' }
  await listening.stream().send({ jsonrpc: '2.0', method: 'notifications/resources/updated', params })
  await stream.nextMessage()
  expect([await read('file:///a'), await read('file:///b')]).toEqual([3, 2])
  stream.close()
})

test('ST14: a result that was on its way when its list changed is not kept', async () => {
  upstream.on('subscriptions/listen', (exchange) => void exchange.stream())
  const { url, message, headers } = envelope('subscriptions/listen', { id: 'l' })
  const stream = await openStream(url, { message, headers })
  const listening = await upstream.nextRequest('subscriptions/listen')
  upstream.once('tools/list', async (exchange) => {
    await listening.stream().send({ jsonrpc: '2.0', method: 'notifications/tools/list_changed' })
    await stream.nextMessage()
    exchange.result({ resultType: 'complete', times: 'old', ...fresh })
  })
  upstream.on('tools/list', answering(fresh))
  expect(timesOf(await ask('tools/list'))).toBe('old')
  expect(timesOf(await ask('tools/list'))).toBe(1)
  stream.close()
})

test('AU9: a client without access gets nothing from the cache either', async () => {
  upstream.on('tools/list', answering(fresh))
  await ask('tools/list')
  expect((await ask('tools/list', { token: '' })).status).toBe(401)
})

test('off by default', async () => {
  const plain = await startGateway({ servers: { a: { url: upstream.url } } })
  try {
    upstream.on('tools/list', answering(fresh))
    const { message, headers } = envelope('tools/list', {})
    const times = [await post(plain.url('a'), message, headers), await post(plain.url('a'), message, headers)]
    expect(times.map(timesOf)).toEqual([1, 2])
  } finally {
    await plain.close()
  }
})
