// What a pipe gets and what its clients get of it, to the letter: sessions, ids, streams, bounds.
import { setTimeout as sleep } from 'node:timers/promises'
import { jest } from '@jest/globals'
import {
  MemoryEventLog,
  MemorySessionStore,
  type Principal,
  SealedSessionStore,
  type SessionStore,
} from '../../../lib/index.ts'
import { type RunningGateway, startGateway } from '../../support/gateway.ts'
import { META, type ModernMessage, modernRequest, openModern, postModern, sendModern } from '../../support/modern.ts'
import { initialize, post, type Session } from '../../support/rpc.ts'
import { ScriptedPipe, scriptedServer } from '../../support/scripted-pipe.ts'
import { closeUsed, use } from '../../support/use.ts'

afterEach(closeUsed)

type Options = Omit<Parameters<typeof startGateway>[0], 'servers'>
type Scripted = ReturnType<typeof scriptedServer>

async function gatewayOf(server: Scripted, options: Options = {}): Promise<RunningGateway> {
  return use(startGateway({ servers: { here: server }, ...options }))
}

/** A gateway with one session, and the pipe of it. */
async function sessionOf(
  server: Scripted = scriptedServer(),
  options: Options = {},
): Promise<{ gateway: RunningGateway; session: Session; pipe: ScriptedPipe; url: string }> {
  const gateway = await gatewayOf(server, options)
  const url = gateway.url('here')
  const session = await initialize(url)
  return { gateway, session, pipe: await server.pipes.next(), url }
}

const call = (id: number | string, params: object = {}): object => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: { name: 'echo', ...params },
})

describe('ids', () => {
  test('two requests with id 1 at once each get their own response, and the rest is the very text', async () => {
    const { session, pipe } = await sessionOf()
    const text = '{"jsonrpc" : "2.0","id":1, "method":"tools/call","params":{"name":"a","n":12345678901234567890}}'
    const [one, other] = [session.post(text), session.post(text.replace('"a"', '"b"'))]
    const asked = [await pipe.asked('tools/call'), await pipe.asked('tools/call')]
    expect(asked[0]!.id).not.toBe(asked[1]!.id)
    expect(asked[0]!.text).toBe(text.replace('"id":1', `"id":${String(asked[0]!.id)}`))
    for (const { id, params } of asked.toReversed()) {
      pipe.say(`{"jsonrpc":"2.0", "result":{"is":"${String(params?.['name'])}","n":1.0},"id":${String(id)}}`)
    }
    expect((await one).body).toBe('{"jsonrpc":"2.0", "result":{"is":"a","n":1.0},"id":1}')
    expect((await other).body).toBe('{"jsonrpc":"2.0", "result":{"is":"b","n":1.0},"id":1}')
  })

  test.each(['"1"', '1', '-7', '"\\u00e4\\"x"', '9007199254740991'])('%s comes back as it was', async (id) => {
    const { session, pipe } = await sessionOf()
    const answer = session.post(`{"jsonrpc":"2.0","id":${id},"method":"ping"}`)
    pipe.say({ id: (await pipe.asked('ping')).id, result: {} })
    expect((await answer).body).toBe(`{"jsonrpc":"2.0","id":${id},"result":{}}`)
  })

  test('a progress token is unique on the pipe, and the client gets its own', async () => {
    const { session, pipe } = await sessionOf()
    const params = { _meta: { progressToken: 'tok', other: 1 } }
    const stream = session.stream(call(1, params))
    const { id, params: asked } = await pipe.asked('tools/call')
    expect(asked?.['_meta']).toEqual({ progressToken: id, other: 1 })
    pipe.say({ method: 'notifications/progress', params: { progressToken: 'tok', progress: 1 } })
    pipe.say({ method: 'notifications/progress', params: { progressToken: id, progress: 2 } })
    pipe.say({ id, result: {} })
    const { nextMessage } = await stream
    expect(await nextMessage()).toMatchObject({ params: { progressToken: 'tok', progress: 2 } })
    expect(await nextMessage()).toMatchObject({ id: 1, result: {} })
  })

  test('a client that cancels names its request by its own id; the request is over then', async () => {
    const { session, pipe } = await sessionOf()
    const answer = session.post(call('x'))
    const { id } = await pipe.asked('tools/call')
    await session.post({
      jsonrpc: '2.0',
      method: 'notifications/cancelled',
      params: { requestId: 'x', reason: 'enough' },
    })
    expect((await pipe.asked('notifications/cancelled')).params).toEqual({ requestId: id, reason: 'enough' })
    expect((await answer).message).toMatchObject({ id: 'x', error: { message: 'The client cancelled the request' } })
  })

  test('cancelling what is not under way says nothing', async () => {
    const { session, pipe } = await sessionOf()
    const params = { requestId: 99 }
    expect((await session.post({ jsonrpc: '2.0', method: 'notifications/cancelled', params })).status).toBe(202)
    void session.post(call(1))
    await pipe.asked('tools/call')
    expect(pipe.sent.entries.filter((each) => each.includes('cancelled'))).toEqual([])
  })

  test('a call that is not answered in time is 504, and cancelled by its id on the pipe', async () => {
    const { session, pipe } = await sessionOf(scriptedServer(), { timeouts: { responseMs: 700 } })
    const answer = session.post(call(1))
    const { id } = await pipe.asked('tools/call')
    expect((await answer).status).toBe(504)
    expect((await pipe.asked('notifications/cancelled')).params).toMatchObject({ requestId: id })
  })
})

describe('what a server says by itself', () => {
  test('a question goes along with the only request, and its answer goes back; any other answer does not', async () => {
    const { session, pipe } = await sessionOf()
    const stream = session.stream(call(1))
    const { id } = await pipe.asked('tools/call')
    pipe.say({ id: 'q', method: 'roots/list' })
    const { nextMessage } = await stream
    expect(await nextMessage()).toMatchObject({ id: 'q', method: 'roots/list' })
    expect((await session.post({ jsonrpc: '2.0', id: 'other', result: {} })).status).toBe(202)
    expect((await session.post('{"jsonrpc":"2.0","id":"q","result":{"roots":[]}}')).status).toBe(202)
    pipe.say({ id, result: {} })
    expect(await nextMessage()).toMatchObject({ id: 1 })
    expect(pipe.sent.entries.filter((each) => each.includes('"result"'))).toEqual([
      '{"jsonrpc":"2.0","id":"q","result":{"roots":[]}}',
    ])
  })

  test('with several requests a question goes to the listener', async () => {
    const { session, pipe } = await sessionOf()
    const listener = await session.listen()
    void session.post(call(1))
    void session.post(call(2))
    await pipe.asked('tools/call')
    await pipe.asked('tools/call')
    pipe.say({ id: 5, method: 'sampling/createMessage', params: {} })
    expect(await listener.nextMessage()).toMatchObject({ id: 5 })
  })

  test('what comes while nobody listens is kept for the listener, in order', async () => {
    const { session, pipe } = await sessionOf()
    pipe.say({ method: 'notifications/tools/list_changed' })
    pipe.say({ id: 1, method: 'elicitation/create', params: {} })
    const listener = await session.listen()
    expect(await listener.nextMessage()).toMatchObject({ method: 'notifications/tools/list_changed' })
    expect(await listener.nextMessage()).toMatchObject({ method: 'elicitation/create' })
    pipe.say({ method: 'notifications/resources/updated', params: { uri: 'a' } })
    expect(await listener.nextMessage()).toMatchObject({ params: { uri: 'a' } })
  })

  test('a second listener is 409; once the first has left there may be another', async () => {
    const { session } = await sessionOf()
    const first = await session.listen()
    expect((await session.listen()).status).toBe(409)
    first.close()
    let status = 409
    while (status === 409) status = (await session.listen()).status
    expect(status).toBe(200)
  })

  test('what is kept is bounded: a notification is dropped, a question is refused', async () => {
    const { session, pipe } = await sessionOf()
    for (let count = 0; count < 300; count += 1) {
      pipe.say({ method: 'notifications/resources/updated', params: { uri: String(count) } })
    }
    pipe.say({ id: 'q', method: 'roots/list' })
    expect(JSON.parse(pipe.sent.entries.at(-1)!)).toMatchObject({ id: 'q', error: { code: -32603 } })
    const listener = await session.listen()
    for (let count = 0; count < 256; count += 1) {
      expect(await listener.nextMessage()).toMatchObject({ params: { uri: String(count) } })
    }
  })

  test('it is bounded in bytes, too', async () => {
    const { pipe } = await sessionOf()
    for (let count = 0; count < 3; count += 1) {
      pipe.say({ id: count, method: 'elicitation/create', params: { message: 'x'.repeat(500_000) } })
    }
    expect(pipe.sent.entries.filter((each) => each.includes('-32603'))).toHaveLength(1)
  })

  test('a ping is answered though no client is there', async () => {
    const { pipe } = await sessionOf()
    pipe.say('{"jsonrpc":"2.0","id":"\\u0070","method":"ping"}')
    expect(pipe.sent.entries.at(-1)).toBe('{"jsonrpc":"2.0","id":"\\u0070","result":{}}')
  })

  test('what is no message is told of once, and passed over; a batch is taken apart', async () => {
    const { gateway, session, pipe } = await sessionOf()
    const [one, other] = [session.post(call(1)), session.post(call(2))]
    const ids = [await pipe.asked('tools/call'), await pipe.asked('tools/call')].map(({ id }) => id)
    for (const garbage of ['Server running on stdio', '', '17', 'null', '{', '{"jsonrpc":"2.0"}']) pipe.say(garbage)
    pipe.say(`[{"jsonrpc":"2.0","id":${ids[0]},"result":{"a":1}}, {"jsonrpc":"2.0","id":${ids[1]},"result":{}}]`)
    expect((await one).message).toMatchObject({ id: 1, result: { a: 1 } })
    expect((await other).message).toMatchObject({ id: 2 })
    expect(gateway.reported.entries.map(({ error }) => (error as { code?: string }).code)).toEqual(['upstream_invalid'])
  })

  test('an error without an id is the answer to the only request', async () => {
    const { session, pipe } = await sessionOf()
    const answer = session.post(call('only'))
    await pipe.asked('tools/call')
    pipe.say({ id: null, error: { code: -32700, message: 'Parse error' } })
    expect((await answer).message).toMatchObject({ id: 'only', error: { code: -32700 } })
  })
})

describe('sessions', () => {
  test('each has a pipe of its own, which ends with it', async () => {
    const server = scriptedServer()
    const { session, pipe, url } = await sessionOf(server)
    await initialize(url)
    expect(server.pipes.entries).toHaveLength(2)
    expect((await session.end()).status).toBe(200)
    expect(server.pipes.entries.map(({ isClosed }) => isClosed)).toEqual([true, false])
    expect((await session.request('ping')).status).toBe(404)
    expect(pipe.context).toMatchObject({ server: 'here', era: 'legacy' })
  })

  test('a pipe that ends answers all who wait at once, ends the listener, and the session is 404', async () => {
    const { gateway, session, pipe } = await sessionOf()
    const listener = await session.listen()
    const answers = [session.post(call(1)), session.post(call(2))]
    await pipe.asked('tools/call')
    await pipe.asked('tools/call')
    pipe.onClose?.(new Error('exit code 7'))
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([502, 502])
    expect(await listener.over).toBe('complete')
    expect((await session.request('ping')).status).toBe(404)
    expect(gateway.reported.entries.map(({ error }) => String(error.cause))).toEqual(
      Array(2).fill('Error: exit code 7'),
    )
  })

  test('ER14 a pipe that ends after the stream of a call has begun answers the call there', async () => {
    const server = scriptedServer()
    const gateway = await gatewayOf(server)
    const params = {
      name: 'echo',
      _meta: { ...(modernRequest('tools/call').params['_meta'] as object), progressToken: 'p' },
    }
    const opening = openModern(gateway.url('here'), modernRequest('tools/call', params, 7))
    const pipe = await server.pipes.next()
    const asked = await pipe.asked('tools/call')
    const { progressToken } = asked.params!['_meta'] as { progressToken: unknown }
    pipe.say({ method: 'notifications/progress', params: { progressToken, progress: 1 } })
    const stream = await opening
    expect(await stream.nextMessage()).toMatchObject({ method: 'notifications/progress' })
    pipe.onClose?.(new Error('It ended'))
    expect(await stream.nextMessage()).toMatchObject({ id: 7, error: { code: 502 } })
    expect(await stream.over).toBe('complete')
  })

  test('a handshake that is refused, or left, ends its pipe', async () => {
    const server = scriptedServer()
    jest.spyOn(ScriptedPipe.prototype, 'send').mockImplementationOnce(function (this: ScriptedPipe, text) {
      this.say({ id: JSON.parse(text).id, error: { code: -32602, message: 'No' } })
      return true
    })
    const gateway = await gatewayOf(server)
    await expect(initialize(gateway.url('here'))).rejects.toThrow('-32602')
    expect(server.pipes.entries[0]?.isClosed).toBe(true)
  })

  test('past maxPipes there is 503 with Retry-After, until one has ended', async () => {
    const server = scriptedServer({ maxPipes: 2 })
    const gateway = await gatewayOf(server)
    const url = gateway.url('here')
    const session = await initialize(url)
    await initialize(url)
    await expect(initialize(url)).rejects.toThrow('503')
    await session.end()
    await initialize(url)
    expect(server.pipes.entries).toHaveLength(3)
  })

  test('a principal takes no more pipes than are left: the other half is for the others', async () => {
    const authenticate = ({ headers }: { headers: Record<string, unknown> }): Principal => ({
      id: String(headers['x-id']),
    })
    const url = (await gatewayOf(scriptedServer({ maxPipes: 6 }), { authenticate })).url('here')
    const open = (id: string): Promise<Session> => initialize(url, { headers: { 'x-id': id } })
    const eves = [await open('eve'), await open('eve'), await open('eve')]
    await expect(open('eve')).rejects.toThrow('503')
    await open('ada')
    await open('bob')
    await expect(open('ada')).rejects.toThrow('503')
    await eves[0]!.end()
    await open('ada')
    await open('joe')
    await expect(open('new')).rejects.toThrow('503')
  })

  const stores: [string, () => SessionStore][] = [
    ['memory', () => new MemorySessionStore()],
    ['sealed', () => new SealedSessionStore({ keys: ['k'.repeat(32)] })],
  ]

  test.each(stores)('with the %s store a pipe that is not used ends after idleMs', async (_name, store) => {
    const { session, pipe } = await sessionOf(scriptedServer({ idleMs: 1_000 }), { sessions: store() })
    const listener = await session.listen()
    await sleep(1_400)
    expect(pipe.isClosed).toBe(false)
    listener.close()
    while (!pipe.isClosed) await sleep(20)
    expect((await session.request('ping')).status).toBe(404)
  })

  test.each(stores)(
    'with the %s store and recover a new pipe takes the place of one that ended here',
    async (_, store) => {
      const server = scriptedServer({ recover: true })
      const { session, pipe } = await sessionOf(server, { sessions: store() })
      pipe.onClose?.()
      const answer = session.post(call(1))
      const next = await server.pipes.next()
      next.say({ id: (await next.asked('tools/call')).id, result: { again: true } })
      expect((await answer).message).toMatchObject({ id: 1, result: { again: true } })
    },
  )

  test('at another node a session is 404, is not opened anew, and goes on where its pipe is', async () => {
    const sessions = new SealedSessionStore({ keys: ['k'.repeat(32)] })
    const here = await sessionOf(scriptedServer({ recover: true }), { sessions })
    const elsewhere = scriptedServer({ recover: true })
    const other = await gatewayOf(elsewhere, { sessions: new SealedSessionStore({ keys: ['k'.repeat(32)] }) })
    const astray = { ...here.session.headers }
    expect((await post(other.url('here'), call(1), astray)).status).toBe(404)
    expect(elsewhere.pipes.entries).toEqual([])
    expect(String(other.reported.entries[0]?.error.cause)).toContain('sticky sessions')
    const answer = here.session.post(call(1))
    here.pipe.say({ id: (await here.pipe.asked('tools/call')).id, result: {} })
    expect((await answer).status).toBe(200)
  })

  test('with an event log a call goes on without its client, who has the rest later', async () => {
    const { session, pipe } = await sessionOf(scriptedServer(), { events: new MemoryEventLog() })
    const opening = session.stream(call(1, { _meta: { progressToken: 'p' } }))
    const { id } = await pipe.asked('tools/call')
    pipe.say({ method: 'notifications/progress', params: { progressToken: id, progress: 1 } })
    const stream = await opening
    const last = await stream.next()
    const event = last.data === '' ? await stream.next() : last
    stream.close()
    pipe.say({ id, result: { late: true } })
    const rest = await session.listen({ 'last-event-id': event.id })
    expect(await rest.nextMessage()).toMatchObject({ id: 1, result: { late: true } })
  })
})

describe('modern requests', () => {
  const echo = (id: number, params: object = {}): ModernMessage =>
    modernRequest('tools/call', { name: 'e', ...params }, id)

  /** A gateway where the header says who asks. */
  async function modernOf(server: Scripted = scriptedServer()): Promise<{ url: string; as: (id: string) => object }> {
    const authenticate = ({ headers }: { headers: Record<string, unknown> }): Principal => ({
      id: String(headers['x-id']),
    })
    const gateway = await gatewayOf(server, { authenticate })
    return { url: gateway.url('here'), as: (id) => ({ 'x-id': id }) }
  }

  test('share a pipe by principal, and none is opened twice', async () => {
    const server = scriptedServer()
    const { url, as } = await modernOf(server)
    const answers = ['ada', 'ada', 'bob'].map((id) => postModern(url, echo(1), as(id) as never))
    const [ada, bob] = [await server.pipes.next(), await server.pipes.next()]
    const asked = [await ada.asked('tools/call'), await ada.asked('tools/call')]
    ada.say({ id: asked[1]!.id, result: { second: true } })
    ada.say({ id: asked[0]!.id, result: { first: true } })
    bob.say({ id: (await bob.asked('tools/call')).id, result: { bob: true } })
    const results = (await Promise.all(answers)).map(({ message }) => message?.result)
    expect(results.slice(2)).toEqual([{ bob: true }])
    expect(results.slice(0, 2)).toEqual(expect.arrayContaining([{ first: true }, { second: true }]))
    expect(server.pipes.entries).toHaveLength(2)
    expect(ada.context).toMatchObject({ principal: { id: 'ada' }, era: 'modern' })
  })

  test('a shared pipe that ends answers all who wait, and the next request opens another', async () => {
    const server = scriptedServer()
    const { url } = await modernOf(server)
    const waiting = postModern(url, echo(1))
    const pipe = await server.pipes.next()
    await pipe.asked('tools/call')
    pipe.onClose?.(new Error('gone'))
    expect((await waiting).status).toBe(502)
    const answer = postModern(url, echo(2))
    const next = await server.pipes.next()
    next.say({ id: (await next.asked('tools/call')).id, result: {} })
    expect((await answer).status).toBe(200)
    expect(pipe.isClosed).toBe(true)
  })

  test('a shared pipe that is not used ends after idleMs, and counts no more', async () => {
    const server = scriptedServer({ idleMs: 50, maxPipes: 1 })
    const { url, as } = await modernOf(server)
    for (const id of ['ada', 'bob']) {
      const answer = postModern(url, echo(1), as(id) as never)
      const pipe = await server.pipes.next()
      pipe.say({ id: (await pipe.asked('tools/call')).id, result: {} })
      expect((await answer).status).toBe(200)
      while (!pipe.isClosed) await sleep(10)
    }
  })

  test('sharedBy says who shares; what it answers must be a text', async () => {
    const server = scriptedServer({ sharedBy: ({ principal }) => (principal?.id === 'eve' ? (7 as never) : 'all') })
    const { url, as } = await modernOf(server)
    void postModern(url, echo(1), as('ada') as never)
    void postModern(url, echo(1), as('bob') as never)
    const pipe = await server.pipes.next()
    await pipe.asked('tools/call')
    await pipe.asked('tools/call')
    expect((await postModern(url, echo(1), as('eve') as never)).status).toBe(500)
  })

  test.each([
    [-32601, 404],
    [-32022, 400],
    [-32020, 400],
    [-32602, 200],
    [-32603, 200],
  ])('the error %i is answered %i', async (code, status) => {
    const server = scriptedServer()
    const { url } = await modernOf(server)
    const answer = postModern(url, echo(3))
    const pipe = await server.pipes.next()
    pipe.say({ id: (await pipe.asked('tools/call')).id, error: { code, message: 'No' } })
    expect(await answer).toMatchObject({ status, message: { id: 3, error: { code } } })
  })

  test("a client that leaves cancels its own request, and nobody else's of the same id", async () => {
    const server = scriptedServer({ sharedBy: () => '' })
    const { url } = await modernOf(server)
    const staying = postModern(url, echo(1))
    const pipe = await server.pipes.next()
    const kept = await pipe.asked('tools/call')
    const leaving = sendModern(url, echo(1))
    const { id } = await pipe.asked('tools/call')
    leaving.leave()
    expect((await pipe.asked('notifications/cancelled')).params).toMatchObject({ requestId: id })
    pipe.say({ id: kept.id, result: { kept: true } })
    expect((await staying).message).toMatchObject({ id: 1, result: { kept: true } })
  })

  test('a listener hears of its own subscription by its own id, and ends with it', async () => {
    const server = scriptedServer()
    const { url } = await modernOf(server)
    const opening = openModern(
      url,
      modernRequest('subscriptions/listen', { notifications: { toolsListChanged: true } }, 9),
    )
    const pipe = await server.pipes.next()
    const { id } = await pipe.asked('subscriptions/listen')
    const _meta = { [META.subscriptionId]: id }
    pipe.say({ method: 'notifications/subscriptions/acknowledged', params: { _meta, notifications: {} } })
    const stream = await opening
    expect(await stream.nextMessage()).toMatchObject({ params: { _meta: { [META.subscriptionId]: 9 } } })
    pipe.say({ method: 'notifications/tools/list_changed', params: { _meta } })
    pipe.say({ method: 'notifications/tools/list_changed' })
    expect(await stream.nextMessage()).toMatchObject({ method: 'notifications/tools/list_changed' })
    pipe.say({ id, result: { _meta } })
    expect(await stream.nextMessage()).toMatchObject({ id: 9, result: { _meta: { [META.subscriptionId]: 9 } } })
    expect(await stream.over).toBe('complete')
  })

  test('log messages go along where one principal alone is on the pipe; no question is ever answered', async () => {
    const server = scriptedServer({ sharedBy: () => '' })
    const { url, as } = await modernOf(server)
    const ask = async (id: string): Promise<string> => {
      const answer = postModern(url, echo(1), as(id) as never)
      const pipe = server.pipes.entries[0] ?? (await server.pipes.next())
      const asked = await pipe.asked('tools/call')
      pipe.say({ id: 'q', method: 'roots/list' })
      pipe.say({ method: 'notifications/message', params: { level: 'info', data: 'secret' } })
      pipe.say({ id: asked.id, result: {} })
      return (await answer).body
    }
    expect(await ask('ada')).toContain('secret')
    expect(await ask('bob')).not.toContain('secret')
    expect(server.pipes.entries[0]!.sent.entries.filter((each) => !/tools\/call|discover/.test(each))).toEqual([])
  })

  test('a slow reader is cut, and others go on', async () => {
    const server = scriptedServer()
    const { url } = await modernOf(server)
    const opening = openModern(
      url,
      echo(1, { _meta: { ...(modernRequest('a').params['_meta'] as object), progressToken: 1 } }),
    )
    const pipe = await server.pipes.next()
    const slow = await pipe.asked('tools/call')
    const tell = (): void =>
      pipe.say({ method: 'notifications/progress', params: { progressToken: slow.id, message: 'x'.repeat(100_000) } })
    tell()
    const stream = await opening
    stream.res.pause()
    for (let count = 0; count < 200; count += 1) {
      tell()
      if (count % 10 === 0) await sleep(1)
    }
    expect(pipe.isPaused).toBe(false)
    const answer = postModern(url, echo(2))
    const { id } = await pipe.asked('tools/call')
    pipe.say({ id, result: { fine: true } })
    expect((await answer).message).toMatchObject({ result: { fine: true } })
    stream.res.resume()
    await stream.over
    expect(stream.bytes().length).toBeLessThan(20_000_000)
    expect(stream.bytes().toString()).toContain('"error"')
  })
})

describe('backpressure', () => {
  test('a pipe that is full gets no more until it drains; then in order, without what was given up', async () => {
    const { session, pipe } = await sessionOf(scriptedServer(), { timeouts: { responseMs: 700 } })
    pipe.isFull = true
    void session.post(call('first'))
    await pipe.asked('tools/call')
    expect((await session.post(call('second'))).status).toBe(504)
    void session.post({ jsonrpc: '2.0', method: 'notifications/roots/list_changed' })
    await sleep(50)
    const before = pipe.sent.entries.length
    pipe.drain()
    expect(pipe.sent.entries.slice(before).map((each) => JSON.parse(each).method)).toEqual([
      'notifications/cancelled',
      'notifications/roots/list_changed',
    ])
  })

  test('past 16 MiB that wait it is 503', async () => {
    const { session, pipe } = await sessionOf()
    pipe.isFull = true
    void session.post(call(0))
    await pipe.asked('tools/call')
    const answers = Array.from({ length: 6 }, (_, id) => session.post(call(id + 1, { x: 'x'.repeat(4_000_000) })))
    const first = await Promise.race(answers)
    expect(first.status).toBe(503)
    await session.end()
    await Promise.all(answers)
  })

  test("a session's reader that is slow pauses its pipe, and resumes it", async () => {
    const { session, pipe } = await sessionOf()
    const listener = await session.listen()
    listener.res.pause()
    for (let count = 0; count < 200 && !pipe.isPaused; count += 1) {
      pipe.say({ method: 'notifications/message', params: { level: 'info', data: 'x'.repeat(100_000) } })
      await sleep(1)
    }
    expect(pipe.isPaused).toBe(true)
    listener.res.resume()
    while (pipe.isPaused) await sleep(5)
    pipe.say({ method: 'notifications/tools/list_changed' })
    let message = await listener.nextMessage()
    while (message.method === 'notifications/message') message = await listener.nextMessage()
    expect(message.method).toBe('notifications/tools/list_changed')
  })

  test('a reader that leaves while it held the pipe up lets it go', async () => {
    const { session, pipe } = await sessionOf()
    const listener = await session.listen()
    listener.res.pause()
    for (let count = 0; count < 200 && !pipe.isPaused; count += 1) {
      pipe.say({ method: 'notifications/message', params: { level: 'info', data: 'x'.repeat(100_000) } })
      await sleep(1)
    }
    listener.close()
    while (pipe.isPaused) await sleep(5)
    expect(pipe.isPaused).toBe(false)
  })
})

describe('a pipe that throws', () => {
  test.each(['initialize', 'tools/call'])('when it is sent %s ends, with 502 for whoever waits', async (method) => {
    const server = scriptedServer()
    const open = server.pipe
    let isBroken = true
    const pipe: typeof open = Object.assign(
      async (context: Parameters<typeof open>[0]) => {
        const made = (await open(context)) as ScriptedPipe
        const send = made.send.bind(made)
        made.send = (text) => {
          if (isBroken && text.includes(`"${method}"`)) throw new Error('no more')
          return send(text)
        }
        return made
      },
      { key: open.key, sharedBy: open.sharedBy },
    )
    const gateway = await gatewayOf({ ...server, pipe })
    const url = gateway.url('here')
    const hello = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'c', version: '1' } }
    const refused =
      method === 'initialize'
        ? await post(url, { jsonrpc: '2.0', id: 1, method, params: hello })
        : await (await initialize(url)).post(call(1))
    expect(refused.status).toBe(502)
    expect((await server.pipes.next()).isClosed).toBe(true)
    isBroken = false
    expect((await (await initialize(url)).post({ jsonrpc: '2.0', method: 'notifications/initialized' })).status).toBe(
      202,
    )
  })

  test('or never ends its closing does not keep the gateway from closing', async () => {
    const { gateway, pipe } = await sessionOf()
    let end = (): void => {}
    pipe.close = () => new Promise((resolve) => (end = resolve))
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask', 'performance'] })
    try {
      let isClosed = false
      const closed = gateway.gateway.close({ graceMs: 0 }).then(() => (isClosed = true))
      for (let turn = 0; turn < 20; turn += 1) await jest.advanceTimersByTimeAsync(2_000)
      expect(isClosed).toBe(true)
      await closed
    } finally {
      end()
      jest.useRealTimers()
    }
  })
})

describe('Mcp-Param-*, which no server at the end of a pipe sees', () => {
  const inputSchema = { type: 'object', properties: { region: { type: 'string', 'x-mcp-header': 'Region' } } }
  const forecast = modernRequest('tools/call', { name: 'forecast', arguments: { region: 'eu' } })

  /** Lets a list of tools pass, and gives what a call with these headers is answered. */
  async function afterList(
    gateway: RunningGateway,
    pipe: ScriptedPipe | undefined,
    tools: object[],
  ): Promise<ScriptedPipe> {
    const listed = postModern(gateway.url('here'), modernRequest('tools/list'))
    const listening = pipe ?? (await server.pipes.next())
    listening.say({ id: (await listening.asked('tools/list')).id, result: { tools } })
    await listed
    return listening
  }

  const server = scriptedServer()

  test('HD13 HD10 are compared by the gateway once a list of tools has passed: -32020, and the server is not asked', async () => {
    const gateway = await gatewayOf(server)
    const url = gateway.url('here')
    const pipe = await afterList(gateway, undefined, [{ name: 'forecast', inputSchema }, { name: 7 }, null] as object[])
    for (const headers of [{}, { 'mcp-param-region': 'us' }]) {
      const answer = await postModern(url, forecast, headers)
      expect([answer.status, answer.message?.error]).toMatchObject([400, { code: -32_020 }])
    }
    expect(pipe.sent.entries.filter((each) => each.includes('tools/call'))).toEqual([])
    const right = postModern(url, forecast, { 'mcp-param-region': 'eu' })
    pipe.say({ id: (await pipe.asked('tools/call')).id, result: {} })
    expect((await right).status).toBe(200)

    // ST28: whoever is refused lists the tools anew, and what the server has changed holds from then on.
    await afterList(gateway, pipe, [{ name: 'forecast', inputSchema: { type: 'object' } }])
    const bare = postModern(url, forecast)
    pipe.say({ id: (await pipe.asked('tools/call')).id, result: {} })
    expect((await bare).status).toBe(200)
  })
})
