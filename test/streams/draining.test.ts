// close(): what each kind of client sees of it, at once and at the end of the grace.
import { once } from 'node:events'
import { startGateway, type RunningGateway } from '../support/gateway.ts'
import { META, modernRequest, openModern } from '../support/modern.ts'
import { initialize, openStream, type OpenStream, type Session } from '../support/rpc.ts'
import { startUpstream, type Exchange, type Upstream } from '../support/upstream.ts'

let upstream: Upstream
let gateway: RunningGateway
let session: Session

beforeEach(async () => {
  upstream = await startUpstream()
  gateway = await startGateway({ servers: { a: { url: upstream.url } } })
  session = await initialize(gateway.url('a'))
})

afterEach(async () => {
  await gateway.close()
  await upstream.close()
})

const LONG_MS = 60_000
const RETRY = 'retry: 1000\n\n'
const note = 'data: {"jsonrpc":"2.0","method":"notifications/message","params":{}}\n\n'
const primed = `id: s/1\n${note}`

interface Running {
  readonly client: OpenStream
  readonly exchange: Exchange
}

function call(id: string | number = 'call-1'): object {
  return { jsonrpc: '2.0', id, method: 'tools/call', params: { name: 'slow' } }
}

/** A stream of which the client has got this much. */
async function start(kind: string, open: () => Promise<OpenStream>, sent = '', seen = sent): Promise<Running> {
  upstream.once(kind, (exchange) => void exchange.stream())
  const [client, exchange] = await Promise.all([open(), upstream.nextRequest(kind)])
  if (sent !== '') await exchange.stream().write(sent)
  while (client.bytes().length < seen.length) await once(client.res, 'data')
  return { client, exchange }
}

const startCall = (sent = note, seen = sent): Promise<Running> =>
  start('tools/call', () => session.stream(call()), sent, seen)
const startListening = (): Promise<Running> => start('GET', () => session.listen(), note)
const startModern = (method: string): Promise<Running> =>
  start(method, () => openModern(gateway.url('a'), modernRequest(method, { name: 'slow', notifications: {} }, 7)), note)

/** Everything a client got, when its stream has ended as it should. */
async function textOf({ client }: Running): Promise<string> {
  expect(await client.over).toBe('complete')
  return client.bytes().toString()
}

function errorEvent(id: string | number): string {
  const error = { code: 503, message: 'The gateway is shutting down' }
  return `event: message\ndata: ${JSON.stringify({ jsonrpc: '2.0', id, error })}\n\n`
}

describe('at once', () => {
  test('a listener is told to come back in a second, here or at another node (SE2, SE3)', async () => {
    const listening = await startListening()
    await gateway.gateway.close({ graceMs: LONG_MS })
    expect(await textOf(listening)).toBe(note + RETRY)
    expect(await listening.exchange.over).toBe('cut')
  })

  test('a subscription of the stateless revision gets its result, and no retry (ST18, SE13)', async () => {
    const listening = await startModern('subscriptions/listen')
    await gateway.gateway.close({ graceMs: LONG_MS })
    const text = await textOf(listening)
    expect(text.startsWith(note)).toBe(true)
    expect(JSON.parse(text.slice(note.length).replace('event: message\ndata: ', ''))).toEqual({
      jsonrpc: '2.0',
      id: 7,
      result: { resultType: 'complete', _meta: { [META.subscriptionId]: 7 } },
    })
    expect(await listening.exchange.over).toBe('cut')
  })

  test('calls go on, and are answered within the grace as if nothing were', async () => {
    const running = [await startCall(), await startCall(primed), await startModern('tools/call')]
    let isClosed = false
    const closed = gateway.gateway.close({ graceMs: LONG_MS }).then(() => (isClosed = true))
    for (const { exchange } of running) {
      expect(isClosed).toBe(false)
      exchange.stream().finish({ done: true })
    }
    await closed
    for (const each of running) {
      const text = await textOf(each)
      expect(text).toContain('"result":{"done":true}')
      expect(text).not.toContain('retry')
      expect(text).not.toContain('"error"')
    }
  })

  test('who comes anew gets 503 with its id and when to come back; what belongs to a running call passes', async () => {
    const running = await startCall()
    const closed = gateway.gateway.close({ graceMs: LONG_MS })
    const answers = [await session.request('ping'), await session.post(call('new'))]
    expect(answers).toMatchObject([
      { status: 503, message: { id: 1, error: { code: 503 } }, headers: { 'retry-after': '1' } },
      { status: 503, message: { id: 'new', error: { code: 503 } } },
    ])
    expect((await session.listen()).status).toBe(503)
    const modern = await openModern(gateway.url('a'), modernRequest('tools/list', {}, 9))
    expect(modern.status).toBe(503)
    expect((await session.post({ jsonrpc: '2.0', id: 1, result: {} })).status).toBe(202)
    expect((await session.post({ jsonrpc: '2.0', method: 'notifications/progress', params: {} })).status).toBe(202)
    running.exchange.stream().finish({})
    await closed
  })

  test('a session can still be ended', async () => {
    const running = await startCall()
    const closed = gateway.gateway.close({ graceMs: LONG_MS })
    expect((await session.end()).status).toBe(200)
    await closed
    expect(await textOf(running)).toMatch(/"id":"call-1","error":{"code":404/)
    expect(upstream.requests('DELETE')).toHaveLength(1)
  })
})

describe('at the end of the grace', () => {
  test('a call without event ids gets an error for its id (ER14)', async () => {
    const running = await startCall()
    await gateway.gateway.close({ graceMs: 0 })
    expect(await textOf(running)).toBe(note + errorEvent('call-1') + RETRY)
    expect(await running.exchange.over).toBe('cut')
  })

  test('a call that can be resumed is told to come back, without an error (SE2, SE3)', async () => {
    const running = await startCall(primed)
    await gateway.gateway.close({ graceMs: 0 })
    expect(await textOf(running)).toBe(primed + RETRY)
    expect(await running.exchange.over).toBe('cut')
  })

  test('a call of the stateless revision gets an error for its id, and no retry (SE13)', async () => {
    const running = await startModern('tools/call')
    await gateway.gateway.close({ graceMs: 0 })
    expect(await textOf(running)).toBe(note + errorEvent(7))
    expect(await running.exchange.over).toBe('cut')
  })

  test('half an event is never sent (ER14)', async () => {
    const running = await startCall(`${note}data: {"jsonrpc":"2.0","id":"call-1","res`, note)
    await gateway.gateway.close({ graceMs: 0 })
    expect(await textOf(running)).toBe(note + errorEvent('call-1') + RETRY)
  })

  test('a giant event that is half out looks broken (ER14)', async () => {
    const running = await startCall(`data: {"text":"${'x'.repeat(1024 * 1024)}`)
    await gateway.gateway.close({ graceMs: 0 })
    expect(await running.client.over).toBe('cut')
  })

  test('a JSON answer that is half out looks broken (ER14)', async () => {
    upstream.once('tools/call', ({ res }) => void res.writeHead(200, { 'content-type': 'application/json' }).write('{'))
    const client = await session.stream(call())
    await gateway.gateway.close({ graceMs: 0 })
    expect(await client.over).toBe('cut')
  })

  test('a call without a head gets 503 with its id', async () => {
    upstream.once('tools/call', () => {})
    const answer = session.post(call())
    const exchange = await upstream.nextRequest('tools/call')
    await gateway.gateway.close({ graceMs: 0 })
    expect(await answer).toMatchObject({ status: 503, message: { id: 'call-1', error: { code: 503 } } })
    expect(await exchange.over).toBe('cut')
  })

  test('that comes although a call never ends', async () => {
    const running = await startCall()
    await gateway.gateway.close({ graceMs: 50 })
    expect(await textOf(running)).toBe(note + errorEvent('call-1') + RETRY)
  })

  test('nothing is reported: shutting down is no fault', async () => {
    await startCall()
    await startListening()
    await gateway.gateway.close({ graceMs: 0 })
    expect(gateway.reported.entries).toEqual([])
  })
})

test('the upstream is told that the sessions have ended (UC5)', async () => {
  await initialize(gateway.url('a'))
  await gateway.gateway.close({ graceMs: 0 })
  expect(upstream.sessions.size).toBe(0)
})

test('an upstream that does not listen keeps the gateway a second, and is not complained of for each session (UC5)', async () => {
  upstream.on('DELETE', () => {})
  await Promise.all(Array.from({ length: 100 }, () => initialize(gateway.url('a'))))
  await gateway.gateway.close({ graceMs: 0 })
  expect(upstream.requests('DELETE')).toHaveLength(32)
  expect(gateway.reported.entries.length).toBeLessThanOrEqual(32)
})

test('under load each call is answered or refused, once, and nothing is left open', async () => {
  upstream.on('tools/call', (exchange) => {
    exchange.stream().finish({ echo: exchange.message?.id })
  })
  const sessions = await Promise.all(Array.from({ length: 4 }, () => initialize(gateway.url('a'))))
  const seen: Array<{ id: string; status: number; messages: unknown[] }> = []
  async function load(own: Session, worker: number): Promise<void> {
    for (let count = 0, refused = 0; refused < 2; count += 1) {
      const id = `${worker}/${count}`
      const { status, messages } = await own.post(call(id))
      seen.push({ id, status, messages })
      if (status === 503) refused += 1
    }
  }
  const listeners = await Promise.all(sessions.map((own) => openStream(own.url, { headers: own.headers })))
  const workers = sessions.flatMap((own, index) => [load(own, index * 2), load(own, index * 2 + 1)])
  while (seen.length < 100) await session.request('ping')
  await gateway.gateway.close({ graceMs: LONG_MS })
  await Promise.all(workers)
  for (const { id, status, messages } of seen) {
    const answer = status === 200 ? { id, result: { echo: id } } : { id, error: { code: 503 } }
    expect({ id, messages }).toMatchObject({ id, messages: [answer] })
  }
  for (const client of listeners) expect(await client.over).toBe('complete')
  await Promise.all(upstream.requests().map(({ over }) => over))
})
