// What other gateways got wrong, each as a test that names it. The numbers are those of the project's survey of the field:
// the defects of Aqueduct, the first gateway with this URL shape, and the pains that users of many gateways reported.
// Pain 14 needs a clock that undici goes by from its first timer on: upstream/quiet-streams.test.ts.
import { jest } from '@jest/globals'
import type { GatewayOptions, SessionRecord, SessionStore } from '../lib/index.ts'
import { startGateway, type RunningGateway } from './support/gateway.ts'
import { initialize, post, send, type Session } from './support/rpc.ts'
import { startUpstream, type Exchange, type Upstream } from './support/upstream.ts'

let upstream: Upstream
let gateway: RunningGateway
let session: Session

beforeEach(async () => {
  upstream = await startUpstream()
  await start()
})

afterEach(async () => {
  jest.restoreAllMocks()
  jest.useRealTimers()
  await gateway.close()
  await upstream.close()
})

async function start(options: Partial<GatewayOptions> = {}): Promise<void> {
  await gateway?.close()
  gateway = await startGateway({ servers: { a: { url: upstream.url }, b: { url: upstream.url } }, ...options })
  session = await initialize(gateway.url('a'), { headers: { authorization: 'Bearer alice' } })
}

const byToken: NonNullable<GatewayOptions['authenticate']> = ({ headers: { authorization } }) =>
  authorization === undefined ? undefined : { id: authorization.replace(/^Bearer (\w+).*$/, '$1') }

const call = { jsonrpc: '2.0', id: 'call-1', method: 'tools/call', params: { name: 'echo' } }

describe('Aqueduct', () => {
  test('(1) concurrent requests each get their own answer, never the next message of the session (RPC3, SE10)', async () => {
    upstream.on('tools/call', (exchange) => void exchange.stream())
    const listener = await session.listen()
    const listening = await upstream.nextRequest('GET')
    const streams = await Promise.all([1, 2, 3].map((id) => session.stream({ ...call, id })))
    const exchanges = upstream.requests('tools/call')
    await listening.stream().send({ method: 'notifications/message', params: { to: 'listener' } })
    for (const exchange of exchanges) {
      await exchange
        .stream()
        .send({ method: 'notifications/progress', params: { progressToken: exchange.message?.id } })
    }
    for (const exchange of exchanges.toReversed()) exchange.stream().finish({ for: exchange.message?.id })
    for (const [index, stream] of streams.entries()) {
      expect(await stream.nextMessage()).toMatchObject({ params: { progressToken: index + 1 } })
      expect(await stream.nextMessage()).toEqual({ jsonrpc: '2.0', id: index + 1, result: { for: index + 1 } })
      expect(await stream.over).toBe('complete')
    }
    expect(await listener.nextMessage()).toMatchObject({ params: { to: 'listener' } })
    expect(listener.bytes().toString()).not.toContain('"result"')
  })

  test('(2) a session is bound to who opened it and to the server it was opened for (SS6, SS7, SC5)', async () => {
    await start({ authenticate: byToken })
    const before = upstream.requests().length
    const onOtherServer = await post(gateway.url('b'), call, session.headers)
    const byOther = await session.post(call, { authorization: 'Bearer mallory' })
    const unknown = await session.post(call, { 'mcp-session-id': 'unknown' })
    expect([onOtherServer.status, byOther.status, unknown.status]).toEqual([404, 404, 404])
    expect(onOtherServer.body).toBe(unknown.body)
    expect(byOther.body).toBe(unknown.body)
    expect(upstream.requests()).toHaveLength(before)
    expect((await session.request('ping')).status).toBe(200)
  })

  test('(3) close() waits for every request that runs, however many events its stream has brought (SE1)', async () => {
    upstream.once('tools/call', (exchange) => void exchange.stream())
    const stream = await session.stream(call)
    const exchange = await upstream.nextRequest('tools/call')
    for (let event = 0; event < 5; event += 1) await exchange.stream().send({ method: 'notifications/message' })
    for (let event = 0; event < 5; event += 1) await stream.nextMessage()
    let closed = false
    const closing = gateway.gateway.close({ graceMs: 60_000 }).then(() => (closed = true))
    expect((await session.request('ping')).status).toBe(503)
    expect(closed).toBe(false)
    exchange.stream().finish({ finished: true })
    expect(await stream.nextMessage()).toMatchObject({ result: { finished: true } })
    await closing
  })

  test('(4) a handshake that fails is an honest error, not a fault of the gateway (ER9)', async () => {
    for (const fail of [
      (exchange: Exchange) => exchange.cut(),
      (exchange: Exchange) => exchange.status(500, 'oops'),
      (exchange: Exchange) => exchange.stream().end(),
    ]) {
      upstream.once('initialize', fail)
      const answer = await post(gateway.url('a'), {
        ...call,
        method: 'initialize',
        params: { protocolVersion: '2025-11-25' },
      })
      expect(answer.message).toMatchObject({ id: 'call-1', error: { code: 502 } })
      expect(answer.headers['mcp-session-id']).toBeUndefined()
    }
  })

  test.each(['POST', 'GET', 'DELETE'])(
    '(5) %s for a session that is gone is 404, the one status after which clients start over (SS3, SS8)',
    async (method) => {
      await session.end()
      const { status } =
        method === 'POST'
          ? await session.request('ping')
          : await send(method, session.url, { accept: 'text/event-stream', 'mcp-session-id': session.id })
      expect(status).toBe(404)
    },
  )

  test.each<[string, (exchange: Exchange) => void]>([
    ['ends', (exchange) => exchange.stream().end()],
    ['is cut', (exchange) => exchange.cut()],
  ])('(6) a GET stream that %s is never given an error with an id that a request may have (SE9)', async (_, end) => {
    const listener = await session.listen()
    const listening = await upstream.nextRequest('GET')
    await listening.stream().send({ method: 'notifications/message' })
    await listener.next()
    const before = listener.bytes().length
    end(listening)
    expect(await listener.over).toBe('complete')
    expect(listener.bytes()).toHaveLength(before)
  })

  test('(7) DELETE of a session that never was is 404, and a 202 has no body (SS3, RPC10)', async () => {
    expect((await send('DELETE', session.url, { 'mcp-session-id': 'never-was' })).status).toBe(404)
    const accepted = await session.post({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 9 } })
    expect(accepted).toMatchObject({ status: 202, body: '' })
    expect(accepted.headers['content-type']).toBeUndefined()
  })

  test('(8) nothing is printed, least of all credentials, session ids or arguments (SC7)', async () => {
    const printed: unknown[][] = []
    for (const method of ['log', 'info', 'debug', 'warn', 'error', 'trace'] as const) {
      jest.spyOn(console, method).mockImplementation((...line: unknown[]) => void printed.push(line))
    }
    for (const output of [process.stdout, process.stderr]) {
      jest.spyOn(output, 'write').mockImplementation((line) => printed.push([line]) > 0)
    }
    await start({ authenticate: byToken })
    upstream.once('tools/call', (exchange) => exchange.status(401))
    await session.post({ ...call, params: { name: 'echo', arguments: { password: 'hunter2' } } })
    await session.listen()
    await session.end()
    jest.restoreAllMocks()
    expect(printed).toEqual([])
    const { error } = await gateway.reported.next()
    const told = `${error.message} ${String(error.cause)} ${String(error.stack)}`
    for (const secret of ['alice', session.id, 'hunter2']) expect(told).not.toContain(secret)
  })

  test('(9) a request that is never answered is 504, not a wait for ever (ER9, LC8)', async () => {
    await start({ timeouts: { responseMs: 700 } })
    upstream.once('tools/call', () => {})
    expect(await session.post(call)).toMatchObject({ status: 504, message: { id: 'call-1', error: { code: 504 } } })
  })

  test('(10) a server has headers and credentials of its own (UC1)', async () => {
    await start({
      servers: { a: { url: upstream.url, headers: async () => Promise.resolve({ authorization: 'Bearer own' }) } },
    })
    await session.request('ping')
    expect((await upstream.nextRequest('ping')).headers.authorization).toBe('Bearer own')
  })

  test('(10) sessions live where the embedder keeps them, and outlive the gateway (SS1)', async () => {
    const kept = new Map<string, string>()
    const sessions = (): SessionStore => ({
      create(record) {
        const id = `kept-${kept.size}`
        kept.set(id, JSON.stringify(record))
        return id
      },
      get: async (id) => Promise.resolve(kept.has(id) ? (JSON.parse(kept.get(id) ?? '') as SessionRecord) : undefined),
      delete: (id) => void kept.delete(id),
    })
    await start({ sessions: sessions() })
    const second = await startGateway({ servers: { a: { url: upstream.url } }, sessions: sessions() })
    const answer = await post(second.url('a'), call, session.headers)
    await second.close()
    expect(answer).toMatchObject({ status: 200, message: { id: 'call-1' } })
  })

  test('(10) a listener on a quiet server is no idle session: it gets heartbeats and is never reaped (SS11, SE15)', async () => {
    jest.useFakeTimers({
      doNotFake: ['nextTick', 'setImmediate', 'clearImmediate', 'queueMicrotask', 'performance', 'hrtime'],
    })
    await start()
    const listener = await session.listen()
    for (let minute = 0; minute < 180; minute += 1) {
      jest.advanceTimersByTime(60_000)
      await listener.next()
    }
    expect((await session.request('ping')).status).toBe(200)
    await (await upstream.nextRequest('GET')).stream().send({ method: 'notifications/message' })
    let event = await listener.next()
    while (event.data === '') event = await listener.next()
    expect(JSON.parse(event.data)).toMatchObject({ method: 'notifications/message' })
  })

  test('(11) a lookup that is a function is asked on every request: a server that is taken away is gone at once (RT8)', async () => {
    const servers = new Map([['a', { url: upstream.url }]])
    await start({ servers: (name) => servers.get(name) })
    expect((await session.request('ping')).status).toBe(200)
    servers.delete('a')
    expect((await session.request('ping')).status).toBe(404)
    expect((await session.listen()).status).toBe(404)
  })

  test('(12) not initialize alone but every request passes the hook that can log it (AU9, SS5)', async () => {
    const seen: unknown[] = []
    await start({
      authenticate(request, { server }) {
        seen.push([request.method, server, request.headers['mcp-session-id'] === undefined])
        return { id: 'alice' }
      },
    })
    await session.request('ping')
    await session.listen()
    await session.end()
    expect(seen).toEqual([
      ['POST', 'a', true],
      ['POST', 'a', false],
      ['POST', 'a', false],
      ['GET', 'a', false],
      ['DELETE', 'a', false],
    ])
  })
})

describe('the field', () => {
  test('pain 4: sending to clients that are gone harms nobody: no unhandled rejection, and the gateway goes on (SE16)', async () => {
    const unhandled: unknown[] = []
    const note = (reason: unknown): void => void unhandled.push(reason)
    process.on('unhandledRejection', note).on('uncaughtException', note)
    upstream.on('tools/call', (exchange) => void exchange.stream())
    const streams = await Promise.all([1, 2, 3, 4].map((id) => session.stream({ ...call, id })))
    const listener = await session.listen()
    for (const stream of [...streams, listener]) stream.res.socket.resetAndDestroy()
    for (const exchange of upstream.requests('tools/call')) {
      for (let event = 0; event < 10; event += 1)
        await exchange.stream().send({ method: 'notifications/message', params: { data: 'x'.repeat(50_000) } })
      exchange.stream().finish({})
    }
    await Promise.all(upstream.requests('tools/call').map(({ over }) => over))
    expect((await session.request('ping')).status).toBe(200)
    process.off('unhandledRejection', note).off('uncaughtException', note)
    expect(unhandled).toEqual([])
  })

  test('pain 9: a call to an upstream that has forgotten the session fails aloud, never with an empty success (SS8, UC4)', async () => {
    upstream.sessions.clear()
    const answer = await session.post(call)
    expect(answer).toMatchObject({ status: 404, message: { id: null, error: { code: 404 } } })
    expect(answer.message).not.toHaveProperty('result')
    expect((await session.post({ jsonrpc: '2.0', method: 'notifications/x' })).status).toBe(404)
  })

  test('pain 9: after that 404 the client starts over at once, without a restart of anything (SS8)', async () => {
    upstream.sessions.clear()
    await session.post(call)
    const anew = await initialize(gateway.url('a'), { headers: { 'mcp-session-id': session.id } })
    expect(anew.id).not.toBe(session.id)
    expect((await anew.request('ping')).status).toBe(200)
  })

  test('pain 12: an upstream that answers GET with 405 is asked once, and no other server is disturbed (RT3, PU6)', async () => {
    const other = await startUpstream()
    await start({ servers: { a: { url: upstream.url }, b: { url: other.url } } })
    upstream.on('GET', (exchange) => exchange.status(405))
    const elsewhere = await initialize(gateway.url('b'))
    const listener = await elsewhere.listen()
    expect((await session.listen()).status).toBe(405)
    expect((await session.request('ping')).status).toBe(200)
    expect(upstream.requests('GET')).toHaveLength(1)
    await (await other.nextRequest('GET')).stream().send({ method: 'notifications/message' })
    expect(await listener.nextMessage()).toMatchObject({ method: 'notifications/message' })
    await other.close()
  })

  test('pain 13: a client never waits more than 15 s for a sign of life, on a call or on a listener (SE15)', async () => {
    jest.useFakeTimers({
      doNotFake: ['nextTick', 'setImmediate', 'clearImmediate', 'queueMicrotask', 'performance', 'hrtime'],
    })
    await start()
    upstream.once('tools/call', (exchange) => void exchange.stream())
    const calling = await session.stream(call)
    const listener = await session.listen()
    for (let beat = 0; beat < 40; beat += 1) {
      jest.advanceTimersByTime(15_000)
      expect((await calling.next()).comments).toEqual([''])
      expect((await listener.next()).comments).toEqual([''])
    }
  })

  test.each(['call', 'listener'] as const)(
    'pain 15: a question on a %s reaches the client at once, so that the upstream gets its answer (PU1, SE16, RPC12)',
    async (where) => {
      upstream.once('tools/call', (exchange) => void exchange.stream())
      const stream = where === 'call' ? await session.stream(call) : await session.listen()
      const exchange = await upstream.nextRequest(where === 'call' ? 'tools/call' : 'GET')
      await exchange.stream().send({ id: 0, method: 'elicitation/create', params: { message: 'Sure?' } })
      expect(await stream.nextMessage()).toMatchObject({ id: 0, method: 'elicitation/create' })
      expect((await session.post({ jsonrpc: '2.0', id: 0, result: { action: 'accept' } })).status).toBe(202)
      expect((await upstream.nextRequest('response')).message).toEqual({
        jsonrpc: '2.0',
        id: 0,
        result: { action: 'accept' },
      })
      if (where === 'listener') return
      exchange.stream().finish({ sure: true })
      expect(await stream.nextMessage()).toMatchObject({ id: 'call-1', result: { sure: true } })
    },
  )

  test('pain 17: a refreshed token keeps the session, since it is bound to who asks and not to token bytes (SS6)', async () => {
    await start({ authenticate: byToken })
    expect((await session.post(call, { authorization: 'Bearer alice.refreshed' })).status).toBe(200)
    expect((await session.post(call, { authorization: 'Bearer bob' })).status).toBe(404)
  })

  test("pain 22: the client's Authorization is not sent to any upstream (HD16)", async () => {
    const other = await startUpstream()
    await start({ authenticate: byToken, servers: { a: { url: upstream.url }, b: { url: other.url } } })
    const elsewhere = await initialize(gateway.url('b'), {
      headers: { authorization: 'Bearer alice', cookie: 'alice=1' },
    })
    for (const each of [session, elsewhere]) {
      await each.request('ping')
      await each.post({ jsonrpc: '2.0', id: 1, result: {} })
      await each.listen()
      await each.end()
    }
    const requests = [...upstream.requests(), ...other.requests()]
    expect(requests.length).toBeGreaterThanOrEqual(12)
    for (const { rawHeaders } of requests) expect(rawHeaders.join('\n')).not.toMatch(/alice|authorization|cookie/i)
    await other.close()
  })

  test('pain 23: clients that use the same ids at the same time each get their own answers (RPC4, SS10)', async () => {
    await start({ authenticate: byToken })
    const others = await Promise.all(
      ['bob', 'carol'].map(async (name) =>
        initialize(gateway.url('a'), { headers: { authorization: `Bearer ${name}` } }),
      ),
    )
    const everybody = [session, ...others]
    const waiting: Exchange[] = []
    upstream.on('tools/call', (exchange) => {
      waiting.push(exchange)
      if (waiting.length < everybody.length) return
      for (const each of waiting.toReversed()) each.result({ for: each.message?.params?.['name'] })
    })
    const names = ['alice', 'bob', 'carol']
    const answers = await Promise.all(
      everybody.map((each, index) => each.post({ ...call, id: 0, params: { name: names[index] } })),
    )
    expect(answers.map(({ message }) => message)).toEqual(
      names.map((name) => ({ jsonrpc: '2.0', id: 0, result: { for: name } })),
    )
    expect(new Set(waiting.map(({ headers }) => headers['mcp-session-id'])).size).toBe(everybody.length)
  })

  test('pain 24: Last-Event-ID resumes within the own session only, whoever asks for whose events (SS6, SS10)', async () => {
    await start({ authenticate: byToken })
    const bob = await initialize(gateway.url('a'), { headers: { authorization: 'Bearer bob' } })
    const [alicesUpstream] = upstream.requests('notifications/initialized').slice(-2)
    const alicesEvent = { 'last-event-id': 'alices-stream/1' }
    const before = upstream.requests('GET').length
    const stolen = await session.listen({ ...alicesEvent, authorization: 'Bearer bob' })
    expect(stolen.status).toBe(404)
    expect(upstream.requests('GET')).toHaveLength(before)
    await bob.listen(alicesEvent)
    const asked = await upstream.nextRequest('GET')
    expect(asked.headers['last-event-id']).toBe('alices-stream/1')
    expect(asked.headers['mcp-session-id']).not.toBe(alicesUpstream?.headers['mcp-session-id'])
    expect(upstream.sessions).toContain(asked.headers['mcp-session-id'])
  })
})
