// A headers function learns that the upstream refused what it answered, and may answer something better: once.
import { type GatewayOptions, type HeadersContext, type HttpServer, MemorySessionStore } from '../../../lib/index.ts'
import { startGateway, type RunningGateway } from '../../support/gateway.ts'
import { modernRequest, postModern } from '../../support/modern.ts'
import { initialize, initializeMessage, post, type Session } from '../../support/rpc.ts'
import { startUpstream, type Exchange, type Upstream } from '../../support/upstream.ts'

/** What the upstream takes, and everything the function was told. */
let good: string
let asked: HeadersContext[]
let upstream: Upstream
let gateway: RunningGateway

const CHALLENGE = { 'www-authenticate': 'Bearer resource_metadata="https://upstream.example/.well-known/x"' }
const call = { jsonrpc: '2.0', id: 'call-1', method: 'tools/call', params: { name: 'write', arguments: { n: 1 } } }

/** Refuses what does not carry the good token; `undefined` when it does. */
const refuses = (exchange: Exchange): boolean => {
  const isRefused = exchange.headers.authorization !== `Bearer ${good}`
  if (isRefused) exchange.status(401, 'no', CHALLENGE)
  return isRefused
}

/** Answers the old token first, and the good one to whoever says that it was refused. */
const renewing = (context: HeadersContext): Record<string, string> => {
  asked.push(context)
  return { authorization: `Bearer ${context.refused ? good : 'old'}` }
}

beforeEach(async () => {
  good = 'good'
  asked = []
  upstream = await startUpstream()
})

afterEach(async () => {
  await gateway.close()
  await upstream.close()
})

async function start(
  headers: NonNullable<HttpServer['headers']>,
  options: Partial<GatewayOptions> = {},
): Promise<void> {
  gateway = await startGateway({ servers: { a: { url: upstream.url, headers } }, ...options })
}

/** A session that was opened while the upstream took any token. The next request of each kind needs the good one. */
async function open(...kinds: string[]): Promise<Session> {
  const session = await initialize(gateway.url('a'))
  for (const kind of ['tools/call', ...kinds]) upstream.once(kind, (exchange) => void refuses(exchange))
  asked.length = 0
  return session
}

test('is told the URL, and what was refused; the same bytes go again with what it then answers', async () => {
  await start(renewing)
  const session = await open()
  const body = '{ "id":"call-1", "jsonrpc":"2.0", "method":"tools/call", "params":{"z":12345678901234567890, "a":1} }'
  const answer = await session.post(body)
  expect(answer).toMatchObject({ status: 200, message: { id: 'call-1', result: {} } })
  const sent = upstream.requests('tools/call')
  expect(sent.map((each) => each.body.toString())).toEqual([body, body])
  expect(sent.map(({ headers }) => headers.authorization)).toEqual(['Bearer old', 'Bearer good'])
  expect(asked.map(({ refused, url, server }) => ({ refused, url, server }))).toEqual([
    { refused: undefined, url: upstream.url, server: 'a' },
    { refused: { authorization: 'Bearer old' }, url: upstream.url, server: 'a' },
  ])
  expect(asked[1]!.request).toBe(asked[0]!.request)
  expect(gateway.reported.entries).toEqual([])
})

test('each kind of request is sent again: a handshake, a response, a stream, the end of the session', async () => {
  await start(renewing)
  upstream.once('initialize', (exchange) => void refuses(exchange))
  const session = await open('response', 'GET', 'DELETE')
  expect(upstream.requests('initialize')).toHaveLength(2)
  expect(await session.post({ jsonrpc: '2.0', id: 1, result: {} })).toMatchObject({ status: 202 })
  const stream = await session.listen()
  const [, listening] = upstream.requests('GET')
  await listening!.stream().send({ method: 'notifications/message' })
  expect(await stream.nextMessage()).toMatchObject({ method: 'notifications/message' })
  await session.end()
  expect(upstream.requests('DELETE').map(({ headers }) => headers.authorization)).toEqual(['Bearer old', 'Bearer good'])
  expect(upstream.sessions.size).toBe(0)
})

test('a message of 2026-07-28 is sent again too', async () => {
  await start(renewing)
  upstream.on('tools/list', (exchange) => void (refuses(exchange) || exchange.result({ tools: [] })))
  const answer = await postModern(gateway.url('a'), modernRequest('tools/list'))
  expect(answer.status).toBe(200)
  expect(upstream.requests('tools/list')).toHaveLength(2)
})

test('a promise is waited for both times', async () => {
  await start(async (context) => renewing(context))
  const session = await open()
  expect(await session.post(call)).toMatchObject({ status: 200 })
  expect(upstream.requests('tools/call')).toHaveLength(2)
})

test('a second 401 is 502, and there is no third request (AU12, UC10)', async () => {
  await start(renewing)
  const session = await open()
  upstream.on('tools/call', (exchange) => exchange.status(401, 'no', CHALLENGE))
  const answer = await session.post(call)
  expect(answer).toMatchObject({
    status: 502,
    message: { id: 'call-1', error: { code: 502, message: "The server refused the gateway's credentials (401)" } },
  })
  expect(answer.headers['www-authenticate']).toBeUndefined()
  expect(JSON.stringify(answer)).not.toContain('upstream.example')
  expect(upstream.requests('tools/call')).toHaveLength(2)
  expect(asked).toHaveLength(2)
  expect((await gateway.reported.next()).error).toMatchObject({ code: 'upstream_unauthorized' })
})

test.each([
  ['a function that answers the same again', () => ({ authorization: 'Bearer old' }), 401],
  ['a function whose answer is refused for what it may not do', renewing, 403],
  ['a record', { authorization: 'Bearer old' }, 401],
])('%s: the message is sent once, and 502 (AU12)', async (_, headers, status) => {
  await start(headers)
  const session = await initialize(gateway.url('a'))
  upstream.on('tools/call', (exchange) => exchange.status(status, 'no', CHALLENGE))
  const answer = await session.post(call)
  expect(answer).toMatchObject({ status: 502, message: { id: 'call-1' } })
  expect(answer.headers['www-authenticate']).toBeUndefined()
  expect(upstream.requests('tools/call')).toHaveLength(1)
})

test('what the function throws the second time is the answer', async () => {
  await start((context) => {
    if (context.refused) throw new Error('the vault is down')
    return renewing(context)
  })
  const session = await open()
  expect(await session.post(call)).toMatchObject({ status: 500, message: { id: 'call-1' } })
  expect((await gateway.reported.next()).error.message).toBe('the vault is down')
})

test('headers that cannot be sent the second time are told to the operator alone (SC6, SC7)', async () => {
  await start(({ refused }) => (refused ? { authorization: 'Bearer a\r\nx: y' } : { authorization: 'Bearer old' }))
  const session = await open()
  expect(await session.post(call)).toMatchObject({ status: 500 })
  const { error } = await gateway.reported.next()
  expect(error.message).toContain('authorization')
  expect(error.message).not.toContain('x: y')
})

describe('a call that is stopped', () => {
  /** Headers whose second answer never comes. */
  async function startHanging(): Promise<{ isHanging: Promise<void> }> {
    let hangs = (): void => {}
    const isHanging = new Promise<void>((resolve) => (hangs = resolve))
    await start((context) => {
      if (!context.refused) return renewing(context)
      hangs()
      return new Promise(() => {})
    })
    return { isHanging }
  }

  test('while better headers are looked up ends at once, and nothing more is sent (SS12)', async () => {
    const { isHanging } = await startHanging()
    const session = await open()
    const answer = session.post(call)
    await isHanging
    await session.end()
    expect(await answer).toMatchObject({ status: 404, message: { id: null } })
    expect(upstream.requests('tools/call')).toHaveLength(1)
  })

  test('does not keep a gateway from closing', async () => {
    const { isHanging } = await startHanging()
    const session = await open()
    const answer = session.post(call)
    await isHanging
    await gateway.gateway.close({ graceMs: 0 })
    expect(await answer).toMatchObject({ status: 503, message: { id: 'call-1' } })
  })

  test('in its second attempt is stopped there: the upstream sees it cut (SE5, SS12)', async () => {
    await start(renewing)
    const session = await open()
    upstream.on('tools/call', () => {})
    const answer = session.post(call)
    await upstream.nextRequest('tools/call')
    const second = await upstream.nextRequest('tools/call')
    await session.end()
    expect(await answer).toMatchObject({ status: 404, message: { id: null } })
    expect(await second.over).toBe('cut')
  })
})

test('a body that comes with the 401 and never ends holds nothing up', async () => {
  await start(renewing)
  const session = await initialize(gateway.url('a'))
  upstream.on('ping', (exchange) => {
    if (exchange.headers.authorization === 'Bearer good') return exchange.result({})
    exchange.res.writeHead(401, { 'content-type': 'text/html' }).write('x'.repeat(100_000))
  })
  expect(await session.request('ping')).toMatchObject({ status: 200 })
  const [first] = upstream.requests('ping')
  expect(await first!.over).toBe('cut')
})

test('the end of an expired session is sent again as well, though there is no request', async () => {
  await start(renewing, { sessions: new MemorySessionStore({ ttlMs: 20 }) })
  upstream.once('DELETE', (exchange) => void refuses(exchange))
  await post(gateway.url('a'), initializeMessage())
  const first = await upstream.nextRequest('DELETE')
  const second = await upstream.nextRequest('DELETE')
  expect([first, second].map(({ headers }) => headers.authorization)).toEqual(['Bearer old', 'Bearer good'])
  expect(asked.at(-1)).toMatchObject({ request: undefined, refused: { authorization: 'Bearer old' } })
})
