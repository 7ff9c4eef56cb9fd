// The sessions of members within one: lost and opened again, late, at other nodes; their questions and their events.
import { MemoryEventLog, MemorySessionStore, SealedSessionStore } from '../../../lib/index.ts'
import { aggregated, CACHED, DEAD, isModern, member, modernMember, serveList, tool } from '../../support/aggregated.ts'
import { initialize, openStream, post, type Session } from '../../support/rpc.ts'
import { scriptedServer } from '../../support/scripted-pipe.ts'
import type { Upstream } from '../../support/upstream.ts'
import { closeUsed } from '../../support/use.ts'

afterEach(closeUsed)

const call = (name: string, id: number | string = 1) => ({ jsonrpc: '2.0', id, method: 'tools/call', params: { name } })
const sealed = () => new SealedSessionStore({ keys: ['a secret of 32 characters or more, the same on each node'] })
/** What it was sent, but for the GET that a gateway sends by itself. */
const kinds = (upstream: Upstream): string[] =>
  upstream
    .requests()
    .map(({ kind }) => kind)
    .filter((kind) => kind !== 'GET')

describe('a member that has lost its session', () => {
  test('is opened again alone, with what the client has said: handshake, log level, subscriptions', async () => {
    const [one, two] = [await member(), await member()]
    one.on('resources/subscribe', ({ result }) => result({}))
    const gateway = await aggregated({ members: { one, two } })
    const session = await initialize(gateway.url('desk'), { capabilities: { roots: {} } })
    await session.request('logging/setLevel', { level: 'debug' })
    await session.request('resources/subscribe', { uri: 'one+a:1' })
    const before = kinds(one).length
    one.sessions.clear()
    expect((await session.post(call('one__echo'))).message?.result).toBeDefined()
    expect(kinds(one).slice(before)).toEqual([
      'tools/call',
      'initialize',
      'notifications/initialized',
      'logging/setLevel',
      'resources/subscribe',
      'tools/call',
    ])
    const again = one.requests('initialize')[1]!.message!.params
    expect(again).toMatchObject({
      protocolVersion: '2025-11-25',
      capabilities: { roots: {} },
      clientInfo: { name: 'raw-client' },
    })
    expect(one.requests('resources/subscribe')[1]!.message!.params).toEqual({ uri: 'a:1' })
    expect(kinds(two).filter((kind) => kind === 'initialize')).toHaveLength(1)
    await session.post(call('one__echo'))
    expect(one.requests('initialize')).toHaveLength(2)
  })

  test('is opened once for all that need it at the same time', async () => {
    const one = await member()
    const gateway = await aggregated({ members: { one } })
    const session = await initialize(gateway.url('desk'))
    one.sessions.clear()
    const answers = await Promise.all([1, 2, 3, 4].map((id) => session.post(call('one__echo', id))))
    expect(answers.map(({ message }) => message?.result !== undefined)).toEqual([true, true, true, true])
    expect(one.requests('initialize')).toHaveLength(2)
  })

  test('SS8 ends the whole session, never half of it, where the store cannot keep another', async () => {
    const [one, two] = [await member(), await member()]
    const gateway = await aggregated({ members: { one, two }, gateway: { sessions: sealed() } })
    const session = await initialize(gateway.url('desk'))
    one.sessions.clear()
    expect((await session.post(call('one__echo'))).status).toBe(404)
    const again = await initialize(gateway.url('desk'))
    expect((await again.post(call('one__echo'))).status).toBe(200)
  })

  test('with `recover` it is the member’s own layer that opens it again', async () => {
    const one = await member()
    const gateway = await aggregated({ members: { one: { url: one.url, recover: true } } })
    const session = await initialize(gateway.url('desk'))
    one.sessions.clear()
    expect((await session.post(call('one__echo'))).message?.result).toBeDefined()
    expect(one.requests('initialize')).toHaveLength(2)
    await session.post(call('one__echo'))
    expect(one.requests('initialize')).toHaveLength(2)
  })
})

describe('a member that was not there at the handshake', () => {
  test('joins when it is needed, and is told all', async () => {
    const one = await member()
    let url = 'http://127.0.0.1:9/mcp'
    const members = () => ({ one: { url: one.url }, late: { url } })
    const gateway = await aggregated({ members: {}, config: { members } })
    const session = await initialize(gateway.url('desk'))
    const late = await member(['x'])
    url = late.url
    const { tools } = (await session.request('tools/list')).message!.result as { tools: { name: string }[] }
    expect(tools.map(({ name }) => name)).toEqual(['one__echo', 'late__x'])
    expect(kinds(late)).toEqual(['initialize', 'notifications/initialized', 'tools/list'])
    await session.end()
    expect(late.sessions.size).toBe(0)
  })

  test('joins with the very handshake that was late, which is not made twice', async () => {
    const late = await member()
    let answer = (): void => {}
    const asked = new Promise<void>((resolve) => {
      late.once('initialize', ({ message, result }) => {
        late.sessions.add('slow')
        answer = () =>
          result({ ...message!.params, serverInfo: { name: 'late', version: '1' } }, { 'mcp-session-id': 'slow' })
        resolve()
      })
    })
    const gateway = await aggregated({ members: { one: await member(), late } })
    const session = await initialize(gateway.url('desk'))
    await asked
    answer()
    expect((await session.post(call('late__echo'))).message?.result).toBeDefined()
    expect(kinds(late)).toEqual(['initialize', 'notifications/initialized', 'tools/call'])
    expect(late.requests('tools/call')[0]!.headers['mcp-session-id']).toBe('slow')
  })

  test('joins through a bridge with what was late, though the handshake of the client is over', async () => {
    const late = await modernMember()
    let answer = (): void => {}
    late.once('server/discover', ({ result }) => {
      answer = () => result({ ...CACHED, supportedVersions: ['2026-07-28'], capabilities: { tools: {} } })
    })
    const members = { one: await member(), late: { url: late.url, protocol: 'modern' as const } }
    const gateway = await aggregated({ members })
    const session = await initialize(gateway.url('desk'))
    const reply = session.post(call('late__echo'))
    answer()
    expect((await reply).message?.result).toBeDefined()
    expect(late.requests('server/discover')).toHaveLength(1)
  })

  test('is ended when its session has been', async () => {
    const late = await member()
    let answer = (): void => {}
    late.once('initialize', ({ message, result }) => {
      late.sessions.add('slow')
      answer = () =>
        result({ ...message!.params, serverInfo: { name: 'late', version: '1' } }, { 'mcp-session-id': 'slow' })
    })
    const gateway = await aggregated({ members: { one: await member(), late } })
    const session = await initialize(gateway.url('desk'))
    await session.end()
    answer()
    const ended = await late.nextRequest('DELETE')
    expect(ended.headers['mcp-session-id']).toBe('slow')
  })

  test('stays out where other nodes would not see it', async () => {
    const one = await member()
    let url = 'http://127.0.0.1:9/mcp'
    const members = () => ({ one: { url: one.url }, late: { url } })
    const gateway = await aggregated({ members: {}, config: { members }, gateway: { sessions: sealed() } })
    const session = await initialize(gateway.url('desk'))
    const late = await member()
    url = late.url
    expect((await session.post(call('late__echo'))).message?.error?.message).toMatch(
      /not there when the session was opened/,
    )
    expect((await session.post(call('one__echo'))).message?.result).toBeDefined()
    expect(kinds(late)).toEqual([])
  })
})

describe('questions', () => {
  const ask = (
    upstream: Upstream,
    id: number | string,
    method = 'elicitation/create',
    params: object = { message: 'Who?' },
  ) =>
    upstream.on('tools/call', (exchange) => {
      void exchange.stream().send({ id, method, params: { ...params } })
    })

  test('RPC3 two members ask at once with the same id, and each gets its own answer, type and all', async () => {
    const members = { one: await member(), two: await member(), three: await member() }
    ask(members.one, 0)
    ask(members.two, 0)
    ask(members.three, '0')
    const gateway = await aggregated({ members })
    const session = await initialize(gateway.url('desk'), { capabilities: { elicitation: {} } })
    const streams = await Promise.all(
      ['one', 'two', 'three'].map((name, index) => session.stream(call(`${name}__echo`, index + 1))),
    )
    const questions = await Promise.all(streams.map((stream) => stream.nextMessage()))
    expect(questions.map(({ id }) => id)).toEqual(['one~0', 'two~0', 'three~"0"'])
    for (const { id } of questions.toReversed()) {
      expect(
        (await session.post({ jsonrpc: '2.0', id: id!, result: { action: 'accept', content: { to: id } } })).status,
      ).toBe(202)
    }
    const answers = await Promise.all(Object.values(members).map((each) => each.nextRequest('response')))
    expect(
      answers.map(({ message }) => [message?.id, (message!.result as { content: { to: string } }).content.to]),
    ).toEqual([
      [0, 'one~0'],
      [0, 'two~0'],
      ['0', 'three~"0"'],
    ])
    for (const stream of streams) stream.close()
  })

  test('a token of progress in a question, and its taking back, name the member, too', async () => {
    const one = await member()
    one.on('tools/call', async (exchange) => {
      const stream = exchange.stream()
      const params = {
        messages: [{ role: 'user', content: { type: 'resource_link', uri: 'a:1', name: 'a' } }],
        maxTokens: 1,
        _meta: { progressToken: 7 },
      }
      await stream.send({ id: 'q', method: 'sampling/createMessage', params })
      await stream.send({ method: 'notifications/cancelled', params: { requestId: 'q' } })
      await stream.send({ method: 'notifications/progress', params: { progressToken: 'client', progress: 1 } })
    })
    const gateway = await aggregated({ members: { one } })
    const session = await initialize(gateway.url('desk'), { capabilities: { sampling: {} } })
    const stream = await session.stream(call('one__echo'))
    expect(await stream.nextMessage()).toMatchObject({
      id: 'one~"q"',
      params: { _meta: { progressToken: 'one~7' }, messages: [{ content: { uri: 'one+a:1' } }] },
    })
    expect(await stream.nextMessage()).toMatchObject({ params: { requestId: 'one~"q"' } })
    expect(await stream.nextMessage()).toMatchObject({ params: { progressToken: 'client' } })
    await session.post({
      jsonrpc: '2.0',
      method: 'notifications/progress',
      params: { progressToken: 'one~7', progress: 1 },
    })
    expect((await one.nextRequest('notifications/progress')).message?.params).toEqual({ progressToken: 7, progress: 1 })
    stream.close()
  })

  test.each([0, '0', 'gone~0', 'one~x'])('an answer to no question is accepted, and sent to nobody: %j', async (id) => {
    const one = await member()
    const gateway = await aggregated({ members: { one } })
    const session = await initialize(gateway.url('desk'))
    expect((await session.post(`{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":{}}`)).status).toBe(202)
    expect(kinds(one)).not.toContain('response')
  })
})

describe('UT4 a cancellation', () => {
  const cancel = (session: Session, requestId: unknown) =>
    session.post({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId } })

  test('comes to the member of the request alone', async () => {
    const [one, two] = [await member(), await member()]
    one.on('tools/call', () => {})
    const gateway = await aggregated({ members: { one, two } })
    const session = await initialize(gateway.url('desk'))
    const calling = session.post(call('one__echo', 9))
    await one.nextRequest('tools/call')
    await cancel(session, 9)
    expect((await one.nextRequest('notifications/cancelled')).message?.params).toMatchObject({ requestId: 9 })
    expect(kinds(two)).not.toContain('notifications/cancelled')
    one.requests('tools/call')[0]!.cut()
    await calling
  })

  test('comes to all members where another node has sent the request', async () => {
    const [one, two] = [await member(), await member()]
    const store = sealed()
    const members = { one, two }
    const here = await aggregated({ members, gateway: { sessions: store } })
    const there = await aggregated({ members, gateway: { sessions: sealed() } })
    const session = await initialize(here.url('desk'))
    await cancel({ ...session, post: (message) => post(there.url('desk'), message, session.headers) }, 9)
    for (const each of [one, two])
      expect((await each.nextRequest('notifications/cancelled')).message?.params).toMatchObject({ requestId: 9 })
  })
})

describe('any node', () => {
  test('answers a question that another has brought, and resumes a stream that another began', async () => {
    const [one, two] = [await member(), await member()]
    one.on('tools/call', async (exchange) => {
      const stream = exchange.stream()
      await stream.send({ id: 0, method: 'elicitation/create', params: { message: 'Who?' } }, { id: '5' })
      stream.end()
    })
    const members = { one, two }
    const here = await aggregated({ members, gateway: { sessions: sealed() } })
    const there = await aggregated({ members, gateway: { sessions: sealed() } })
    const session = await initialize(here.url('desk'), { capabilities: { elicitation: {} } })
    const stream = await session.stream(call('one__echo', 1))
    const { id: eventId, data } = await stream.next()
    const { id } = JSON.parse(data) as { id: string }
    expect([eventId, id]).toEqual(['one~5', 'one~0'])
    await post(there.url('desk'), { jsonrpc: '2.0', id, result: { action: 'decline' } }, session.headers)
    expect((await one.nextRequest('response')).message).toMatchObject({ id: 0 })
    one.on('GET', async (exchange) => {
      const resumed = exchange.stream()
      await resumed.send({ id: 1, result: { content: [] } }, { id: '6' })
    })
    const resumed = await openStream(there.url('desk'), { headers: { ...session.headers, 'last-event-id': 'one~5' } })
    expect(one.requests('GET').at(-1)!.headers['last-event-id']).toBe('5')
    const event = await resumed.next()
    expect([event.id, JSON.parse(event.data)]).toEqual(['one~6', { jsonrpc: '2.0', id: 1, result: { content: [] } }])
    expect(two.requests('GET')).toEqual([])
    resumed.close()
  })

  test('SE7 an event id that is no member’s is refused', async () => {
    const gateway = await aggregated({ members: { one: await member() } })
    const session = await initialize(gateway.url('desk'))
    for (const id of ['5', 'gone~5']) {
      const refused = await session.listen({ 'last-event-id': id })
      expect(refused.status).toBe(400)
      refused.close()
    }
  })
})

test('24 members fit in a sealed session', async () => {
  const one = await member()
  const members = Object.fromEntries(Array.from({ length: 24 }, (_, index) => [`m${index}`, one]))
  const gateway = await aggregated({ members, gateway: { sessions: sealed() } })
  const session = await initialize(gateway.url('desk'))
  expect(session.id.length).toBeLessThanOrEqual(4096)
  expect((await session.post(call('m23__echo'))).status).toBe(200)
})

test('two principals have sessions of their own at each member', async () => {
  const one = await member()
  const authenticate = ({ headers }: { headers: NodeJS.Dict<string | string[]> }) => ({ id: String(headers['x-user']) })
  const gateway = await aggregated({ members: { one }, gateway: { authenticate } })
  const [ada, bob] = await Promise.all(
    ['ada', 'bob'].map((user) => initialize(gateway.url('desk'), { headers: { 'x-user': user } })),
  )
  expect(one.sessions.size).toBe(2)
  const stolen = await ada!.post(call('one__echo'), { 'mcp-session-id': bob!.id })
  expect(stolen.status).toBe(404)
})

test('a session that expires ends those of its members', async () => {
  const one = await member()
  const gateway = await aggregated({
    members: { one, dead: DEAD },
    gateway: { sessions: new MemorySessionStore({ ttlMs: 1_000 }) },
  })
  await initialize(gateway.url('desk'))
  await one.nextRequest('DELETE')
  expect(one.sessions.size).toBe(0)
})

test('two members at the end of pipes of the same name in two aggregates are two', async () => {
  const [here, there] = [scriptedServer(), scriptedServer()]
  const gateway = await aggregated({ members: { notes: here, other: there } })
  await initialize(gateway.url('desk'))
  expect([here, there].map(({ pipes }) => pipes.entries.length)).toEqual([1, 1])
})

test('modern and legacy clients have their own', async () => {
  const one = await member()
  serveList(one, 'tools/list', [tool('a')])
  one.on('tools/list', (exchange) => exchange.result({ tools: [tool(isModern(exchange) ? 'new' : 'old')] }))
  const gateway = await aggregated({ members: { one } })
  const session = await initialize(gateway.url('desk'))
  expect((await session.request('tools/list')).body).toContain('one__old')
})

describe('a member that has changed', () => {
  test('and refuses the log level that it had accepted is opened again all the same', async () => {
    const one = await member()
    const gateway = await aggregated({ members: { one } })
    const session = await initialize(gateway.url('desk'))
    await session.request('logging/setLevel', { level: 'debug' })
    one.on('logging/setLevel', ({ error }) => error(-32601, 'No log'))
    one.sessions.clear()
    expect((await session.post(call('one__echo'))).message?.result).toBeDefined()
  })

  test('SS8 and has lost its session ends it whole with a log level, too, where the store cannot keep another', async () => {
    const [one, two] = [await member(), await member()]
    const gateway = await aggregated({ members: { one, two }, gateway: { sessions: sealed() } })
    const session = await initialize(gateway.url('desk'))
    one.sessions.clear()
    expect((await session.request('logging/setLevel', { level: 'debug' })).status).toBe(404)
  })

  test('SE7 SE9 the rest of a request of the session that it has lost is an error, and no listening stream', async () => {
    const one = await member()
    const gateway = await aggregated({ members: { one } })
    const session = await initialize(gateway.url('desk'))
    one.sessions.clear()
    expect((await session.listen({ 'last-event-id': 'one~5' })).status).toBe(400)
    const asked = one.requests('GET').map(({ headers }) => headers['last-event-id'])
    expect(asked.slice(asked.indexOf('5'))).toEqual(['5'])
    expect((await session.request('tools/list')).status).toBe(200)
  })

  test('SE7 ER14 a request whose stream is to be polled when it has lost its session gets an error', async () => {
    const one = await member()
    const gateway = await aggregated({ members: { one }, gateway: { events: new MemoryEventLog() } })
    const session = await initialize(gateway.url('desk'))
    one.on('tools/call', async (exchange) => {
      await exchange.stream().write('retry: 1\n\n')
      await exchange.stream().send({ jsonrpc: '2.0', method: 'notifications/progress', params: {} }, { id: '5' })
      one.sessions.clear()
      exchange.stream().end()
    })
    one.on('GET', async (exchange) => {
      if (one.sessions.has(String(exchange.headers['mcp-session-id']))) await exchange.stream().write(': here\n\n')
      else exchange.status(404)
    })
    const stream = await session.stream(call('one__echo', 7))
    let last: string | undefined
    while (
      (await stream
        .next()
        .then(({ id }) => (last = id ?? last))
        .catch(() => undefined)) !== undefined
    );
    const rest = await session.listen({ 'last-event-id': last! })
    expect(await rest.nextMessage()).toMatchObject({ id: 7, error: { message: 'The connection to the server broke' } })
  })
})

test('a member that agrees to no revision is missing in the handshake, with the reason', async () => {
  const [one, odd] = [await member(), await member()]
  odd.on('initialize', ({ result }) => result({}))
  const gateway = await aggregated({ members: { one, odd } })
  const { opening } = await initialize(gateway.url('desk'))
  expect(opening.message?.result).toMatchObject({
    _meta: { 'express-mcp-gateway/missing': { odd: expect.any(String) as string } },
  })
})

describe('UT4 cancelling', () => {
  const cancelled = 'notifications/cancelled'

  test.each(['tools/list', 'logging/setLevel'])('%s stops it at all members, under their own ids', async (method) => {
    const members = { one: await member(), two: await member() }
    for (const each of Object.values(members)) each.on(method, () => {})
    const gateway = await aggregated({ members })
    const session = await initialize(gateway.url('desk'))
    const asking = session.stream({ jsonrpc: '2.0', id: 9, method, params: { level: 'info' } })
    asking.catch(() => {})
    const asked = await Promise.all(Object.values(members).map((each) => each.nextRequest(method)))
    await session.post({ jsonrpc: '2.0', method: cancelled, params: { requestId: 9 } })
    for (const [index, each] of Object.values(members).entries()) {
      const { message } = await each.nextRequest(cancelled)
      expect(message!.params!['requestId']).toBe(asked[index]!.message!.id)
      expect(message!.params!['requestId']).not.toBe(9)
    }
  })

  test('a request whose id is too long to be remembered is said to all members', async () => {
    const [one, two] = [await member(), await member()]
    one.on('tools/call', () => {})
    const gateway = await aggregated({ members: { one, two } })
    const session = await initialize(gateway.url('desk'))
    const requestId = 'x'.repeat(300)
    const calling = session.post(call('one__echo', requestId))
    const asked = await one.nextRequest('tools/call')
    await session.post({ jsonrpc: '2.0', method: cancelled, params: { requestId } })
    for (const each of [one, two]) expect((await each.nextRequest(cancelled)).message?.params).toEqual({ requestId })
    asked.cut()
    await calling
  })
})
