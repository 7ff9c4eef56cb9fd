// `audit`: one record of each message, however it ended. (governance.md 4: behaviours 14, 38, 39, 40)
import { AsyncLocalStorage } from 'node:async_hooks'
import { setTimeout } from 'node:timers/promises'
import {
  type AuditRecord,
  GatewayError,
  type GatewayOptions,
  type HttpServer,
  MemoryEventLog,
  tools,
} from '../../lib/index.ts'
import { Audit } from '../../lib/observe/audit.ts'
import { createJournal, type Journal } from '../support/journal.ts'
import { type RunningGateway, startGateway } from '../support/gateway.ts'
import { envelope } from '../support/modern.ts'
import { initialize, openStream, post, send, type Session } from '../support/rpc.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

let upstream: Upstream
let gateway: RunningGateway
let records: Journal<AuditRecord>
const cleanups: Array<() => unknown> = []

async function start(options: Partial<GatewayOptions> = {}, server: Partial<HttpServer> = {}): Promise<void> {
  records = createJournal<AuditRecord>()
  upstream = await startUpstream()
  gateway = await startGateway({
    servers: { crm: { url: upstream.url, ...server } },
    audit: (record) => records.record(record),
    ...options,
  })
  cleanups.push(
    () => upstream.close(),
    () => gateway.close(),
  )
}

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

const call = (id: string | number = 1, name = 'echo') => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: { name, arguments: { secret: 'of ada' } },
})

/** The next record of a client's message with this method. */
const of = (method: string | undefined, from: AuditRecord['from'] = 'client') =>
  records.next((record) => record.from === from && record.method === method)

const methodsOfClient = () => records.entries.filter(({ from }) => from === 'client').map(({ method }) => method)

async function open(): Promise<Session> {
  const session = await initialize(gateway.url('crm'))
  await of('notifications/initialized')
  return session
}

test('a call is one plain record: who, where, what, and how it ended', async () => {
  await start({ authenticate: () => ({ id: 'ada', team: 'north' }) })
  const session = await open()
  await session.post(call('c1'), { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' })
  const record = await of('tools/call')
  expect(record).toEqual({
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    durationMs: expect.any(Number),
    server: 'crm',
    principal: { id: 'ada', team: 'north' },
    address: '127.0.0.1',
    client: { name: expect.any(String), version: expect.any(String) },
    session: expect.stringMatching(/^[\w-]{43}$/),
    protocolVersion: session.version,
    from: 'client',
    method: 'tools/call',
    target: 'echo',
    id: 'c1',
    outcome: 'ok',
    by: undefined,
    code: undefined,
    traceId: '0af7651916cd43dd8448eb211c80319c',
  })
  expect(methodsOfClient()).toEqual(['initialize', 'notifications/initialized', 'tools/call'])
  expect(new Set(records.entries.map(({ session: digest }) => digest)).size).toBe(1)
})

test('a modern call is a record with the revision and the program of its envelope', async () => {
  await start()
  upstream.on('tools/call', (exchange) => exchange.result({ resultType: 'complete', content: [] }))
  const program = { name: 'agent', version: '2.0.0' }
  const meta = { ...envelope, 'io.modelcontextprotocol/clientInfo': program }
  const message = { ...call(), params: { ...call().params, _meta: meta } }
  await post(gateway.url('crm'), message, {
    'mcp-protocol-version': '2026-07-28',
    'mcp-method': 'tools/call',
    'mcp-name': 'echo',
  })
  expect(await of('tools/call')).toMatchObject({
    outcome: 'ok',
    session: undefined,
    protocolVersion: '2026-07-28',
    client: program,
  })
})

test('no token, no session id, no argument and no result is in any record', async () => {
  await start({ authenticate: () => ({ id: 'ada' }) })
  const session = await open()
  upstream.on('tools/call', (exchange) => exchange.result({ content: [{ type: 'text', text: 'the result' }] }))
  await session.post(call(), { authorization: 'Bearer the-token' })
  await session.end()
  await of('DELETE')
  const said = JSON.stringify(records.entries)
  const behind = upstream.requests('tools/call')[0]!.headers['mcp-session-id'] as string
  for (const secret of ['the-token', session.id, behind, 'of ada', 'the result']) expect(said).not.toContain(secret)
})

describe('how a message ended', () => {
  test.each<[string, object, Partial<AuditRecord>]>([
    ['a result', { result: { content: [] } }, { outcome: 'ok', code: undefined }],
    ['a tool that failed', { result: { content: [], isError: true } }, { outcome: 'tool_error', code: undefined }],
    ['a JSON-RPC error', { error: { code: -32000, message: 'no' } }, { outcome: 'error', code: -32000 }],
  ])('%s, as a document and as a stream', async (_, response, expected) => {
    await start()
    const session = await open()
    upstream.once('tools/call', (exchange) => exchange.json({ jsonrpc: '2.0', id: exchange.message!.id, ...response }))
    await session.post(call())
    expect(await of('tools/call')).toMatchObject({ ...expected, by: undefined })
    upstream.once('tools/call', async (exchange) => {
      const stream = exchange.stream()
      await stream.send({ method: 'notifications/progress', params: { progress: 1 } })
      await stream.send({ id: exchange.message!.id!, ...response })
      stream.end()
    })
    await session.post(call())
    expect(await of('tools/call')).toMatchObject({ ...expected, by: undefined })
  })

  test('a server that cannot be reached, that breaks off, that has no answer', async () => {
    await start()
    const session = await open()
    upstream.once('tools/call', (exchange) => exchange.cut())
    await session.post(call())
    expect(await of('tools/call')).toMatchObject({ outcome: 'error', code: 'upstream_broken' })
    upstream.once('tools/call', (exchange) => exchange.status(500, 'oops', { 'content-type': 'text/plain' }))
    await session.post(call())
    expect(await of('tools/call')).toMatchObject({ outcome: 'error', code: 'upstream_refused' })
  })

  test.each([
    ['', () => ({})],
    [' behind an event log, where the error is an event of the stream', () => ({ events: new MemoryEventLog() })],
  ] as const)('a server that breaks off in the middle of a stream%s', async (_, options) => {
    await start(options())
    const session = await open()
    for (const ends of ['cut', 'end'] as const) {
      upstream.once('tools/call', async (exchange) => {
        const stream = exchange.stream()
        await stream.send({ method: 'notifications/progress', params: { progress: 1 } })
        if (ends === 'cut') exchange.cut()
        else stream.end()
      })
      await session.post(call())
      expect(await of('tools/call')).toMatchObject({ outcome: 'error', code: 'upstream_broken' })
    }
  })

  test('a stream that its client resumes has its response there, and here it is pending', async () => {
    await start()
    const session = await open()
    upstream.once('tools/call', async (exchange) => {
      const stream = exchange.stream()
      await stream.write('id: e1\nretry: 10\ndata:\n\n')
      stream.end()
    })
    await session.post(call())
    expect(await of('tools/call')).toMatchObject({ outcome: 'pending' })
    upstream.once('GET', (exchange) => {
      exchange.stream().finish({ content: [] })
    })
    const resumed = await session.listen({ 'last-event-id': 'e1' })
    await resumed.over
    expect(await of('GET')).toMatchObject({ outcome: 'ok', id: undefined })
  })

  test('a client that leaves, and one that cancels while the answer is on its way: one record each', async () => {
    await start()
    const message = { ...call(), params: { ...call().params, _meta: envelope } }
    const headers = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': 'echo' }
    upstream.on('tools/call', (exchange) => void exchange.stream())
    const leaving = await openStream(gateway.url('crm'), { message, headers })
    leaving.close()
    expect(await of('tools/call')).toMatchObject({ outcome: 'cancelled', code: undefined })
    const session = await open()
    const stream = await session.stream(call(5))
    const behind = await upstream.nextRequest('tools/call').then(() => upstream.nextRequest('tools/call'))
    await session.post({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 5 } })
    behind.stream().finish({ content: [] })
    await stream.over
    const record = await of('tools/call')
    expect(['cancelled', 'ok']).toContain(record.outcome)
    expect(records.entries.filter(({ method }) => method === 'tools/call')).toHaveLength(2)
  })

  test('what its client has cancelled, and its server therefore does not answer, is cancelled', async () => {
    await start()
    const session = await open()
    upstream.on('tools/call', (exchange) => void exchange.stream())
    const stream = await session.stream(call(5))
    const behind = await upstream.nextRequest('tools/call')
    await session.post({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 5 } })
    behind.stream().end()
    await stream.over
    expect(await of('tools/call')).toMatchObject({ outcome: 'cancelled', code: undefined })
  })

  test('a gateway that closes ends what goes on, and refuses what comes', async () => {
    await start()
    const session = await open()
    upstream.on('tools/call', (exchange) => void exchange.stream())
    const stream = await session.stream(call())
    await gateway.gateway.close({ graceMs: 0 })
    await stream.over
    expect(await of('tools/call')).toMatchObject({ outcome: 'cancelled', code: 'closing' })
    await post(gateway.url('crm'), call(2), session.headers)
    expect(await of('tools/call')).toMatchObject({ id: 2, outcome: 'refused', by: 'closing', code: 'closing' })
  })

  test('each message of a batch is a record, with its own end', async () => {
    await start()
    const session = await initialize(gateway.url('crm'), { version: '2025-03-26' })
    upstream.once('batch', (exchange) =>
      exchange.json([
        { jsonrpc: '2.0', id: 2, result: { content: [], isError: true } },
        { jsonrpc: '2.0', id: 1, result: { content: [] } },
      ]),
    )
    const notice = { jsonrpc: '2.0', method: 'notifications/roots/list_changed' }
    await session.post([call(1), call(2, 'other'), notice])
    expect(await of('tools/call')).toMatchObject({ id: 1, target: 'echo', outcome: 'ok' })
    expect(await of('tools/call')).toMatchObject({ id: 2, target: 'other', outcome: 'tool_error' })
    expect(await of('notifications/roots/list_changed')).toMatchObject({ id: undefined, outcome: 'ok' })
  })

  test('an answer of the client, a listener and the end of a session are records', async () => {
    await start()
    const session = await open()
    await session.post({ jsonrpc: '2.0', id: 9, result: { action: 'accept' } })
    expect(await of('response')).toMatchObject({ id: 9, outcome: 'ok' })
    const stream = await session.listen()
    stream.close()
    expect(await of('GET')).toMatchObject({ outcome: 'ok' })
    await session.end()
    expect(await of('DELETE')).toMatchObject({ outcome: 'ok', session: expect.any(String) as string })
  })

  test('heartbeats and paths that are none of the gateway’s are no records', async () => {
    await start()
    await send('GET', `${gateway.origin}/favicon.ico`)
    const session = await open()
    await session.request('ping')
    await of('ping')
    expect(methodsOfClient()).toEqual(['initialize', 'notifications/initialized', 'ping'])
  })
})

describe('who refused it', () => {
  const scoped = { scopes: { tools: { echo: ['write'] } } }

  test.each<[string, Partial<GatewayOptions>, Record<string, string>, object | string, Partial<AuditRecord>]>([
    ['host', {}, { host: 'evil.example' }, call(), { by: 'host', code: 'host_not_allowed', method: undefined }],
    ['authenticate', { authenticate: () => undefined }, {}, call(), { by: 'authenticate', code: 'unauthorized' }],
    [
      'servers',
      { authenticate: () => ({ id: 'ada' }), servers: () => undefined },
      {},
      call(),
      { by: 'servers', code: 'not_found', principal: { id: 'ada' } },
    ],
    ['message', {}, {}, '{"jsonrpc"', { by: 'message', code: 'parse_error', method: undefined }],
    ['message', {}, {}, { jsonrpc: '2.0', id: 4, method: 1 }, { by: 'message', code: 'invalid_request', id: 4 }],
    ['message', {}, { accept: 'text/html' }, call(), { by: 'message', code: 'not_acceptable' }],
    ['session', {}, { 'mcp-session-id': 'nonsense' }, call(), { by: 'session', code: 'session_not_found', id: 1 }],
    [
      'limits',
      { limits: { principalBytes: 10 }, authenticate: () => ({ id: 'ada' }) },
      {},
      call(),
      { by: 'limits', code: 'too_many_requests' },
    ],
  ])('%s', async (_, options, headers, message, expected) => {
    await start(options)
    await post(gateway.url('crm'), message, headers)
    expect(await records.next()).toMatchObject({ outcome: 'refused', ...expected })
    expect(upstream.requests()).toEqual([])
  })

  test('scopes, with the tool that was not to be called', async () => {
    await start()
    await gateway.close()
    gateway = await startGateway({
      servers: { crm: { url: upstream.url, ...scoped } },
      authenticate: () => ({ id: 'ada', scopes: ['read'] }),
      audit: (record) => records.record(record),
    })
    const session = await open()
    await session.post(call())
    expect(await of('tools/call')).toMatchObject({
      outcome: 'refused',
      by: 'scopes',
      code: 'insufficient_scope',
      target: 'echo',
    })
  })

  test('a hook that fails refuses nothing: the message failed', async () => {
    await start({
      authenticate: () => {
        throw new Error('The directory is down')
      },
    })
    await post(gateway.url('crm'), call())
    expect(await records.next()).toMatchObject({ outcome: 'error', code: 'internal', by: undefined })
  })

  test('an unknown HTTP method', async () => {
    await start()
    await send('PUT', gateway.url('crm'))
    expect(await records.next()).toMatchObject({ outcome: 'refused', by: 'message', code: 'method_not_allowed' })
  })
})

describe('what the gateway and the server say', () => {
  test('the gateway’s own messages are records from the gateway: it cancels, listens early and ends sessions', async () => {
    await start()
    const session = await open()
    upstream.on('tools/call', (exchange) => void exchange.stream())
    const stream = await session.stream(call(3))
    await session.end()
    await stream.over
    expect(await of('DELETE', 'gateway')).toMatchObject({ outcome: 'ok', server: 'crm' })
    expect(await of('GET', 'gateway')).toMatchObject({ server: 'crm', outcome: 'error', code: 409 })
  })

  test('a call that takes too long is cancelled, which is a record', async () => {
    await start({ timeouts: { responseMs: 700 } })
    const session = await open()
    upstream.on('tools/call', () => {})
    await session.post(call(3))
    expect(await of('tools/call')).toMatchObject({ outcome: 'error', code: 'upstream_timeout' })
    expect(await of('notifications/cancelled', 'gateway')).toMatchObject({ outcome: 'ok', id: undefined })
  })

  test('a session that the server has lost is opened anew by the gateway', async () => {
    await start({}, { recover: true })
    const session = await open()
    upstream.sessions.clear()
    await session.post(call(3))
    expect(await of('initialize', 'gateway')).toMatchObject({ outcome: 'ok' })
    expect(await of('notifications/initialized', 'gateway')).toMatchObject({ outcome: 'ok' })
    expect(await of('tools/call')).toMatchObject({ outcome: 'ok' })
  })

  test('the time of a message of the gateway’s own is when it was sent, and its duration is until it was answered', async () => {
    await start({}, { recover: true })
    const session = await open()
    upstream.sessions.clear()
    let [received, answered] = [0, 0]
    upstream.once('notifications/initialized', async (exchange) => {
      received = Date.now()
      // What is measured is a duration.
      await setTimeout(50)
      answered = Date.now()
      exchange.status(202)
    })
    await session.post(call(3))
    const { time, durationMs } = await of('notifications/initialized', 'gateway')
    // The clock of dates and that of durations may differ by the fraction of a millisecond that dates leave out.
    expect(Date.parse(time)).toBeLessThanOrEqual(received + 1)
    expect(Date.parse(time) + durationMs).toBeGreaterThanOrEqual(answered - 2)
  })

  test('questions and notifications of the server are records from the server, once, with an event log too', async () => {
    await start({ events: new MemoryEventLog(), authenticate: () => ({ id: 'ada' }) })
    const session = await open()
    upstream.once('tools/call', async (exchange) => {
      const stream = exchange.stream()
      await stream.send({ id: 'q1', method: 'elicitation/create', params: { message: 'Your secret?' } })
      stream.finish({ content: [] })
    })
    const stream = await session.stream(call(3))
    const { id } = await stream.next()
    await stream.over
    const again = await session.listen({ 'last-event-id': String(id).replace(/\d+$/, '0') })
    await again.over
    await of('tools/call')
    const said = records.entries.filter(({ from }) => from === 'server')
    expect(said).toEqual([
      expect.objectContaining({
        method: 'elicitation/create',
        id: 'q1',
        server: 'crm',
        principal: { id: 'ada' },
        session: expect.any(String) as string,
      }),
    ])
    expect(JSON.stringify(said)).not.toContain('secret')
  })
})

test('what is read on its way and given back is told once', async () => {
  await start()
  upstream.once('initialize', async (exchange) => {
    const stream = exchange.stream({ 'mcp-session-id': 's-1' })
    upstream.sessions.add('s-1')
    await stream.send({ method: 'notifications/message', params: { level: 'info', data: 'hello' } })
    stream.finish({ protocolVersion: '2025-11-25', capabilities: {}, serverInfo: { name: 'u', version: '1' } })
  })
  await open()
  expect(records.entries.filter(({ from }) => from === 'server')).toHaveLength(1)
})

describe('the hook', () => {
  test('runs in the async context of the request', async () => {
    const storage = new AsyncLocalStorage<string>()
    const heard: [string | undefined, string | undefined][] = []
    await start({
      authenticate: (request) => {
        const who = String(request.headers['x-who'])
        storage.enterWith(who)
        return { id: who }
      },
      audit: (record) => {
        heard.push([record.principal?.id, storage.getStore()])
        records.record(record)
      },
    })
    const sessions = await Promise.all(
      ['ada', 'bob'].map((who) => initialize(gateway.url('crm'), { headers: { 'x-who': who } })),
    )
    await Promise.all(sessions.map((session, index) => session.post(call(), { 'x-who': ['ada', 'bob'][index]! })))
    await of('tools/call')
    await of('tools/call')
    expect(heard.filter(([asked, found]) => asked !== found)).toEqual([])
  })

  test('that throws or rejects changes nothing for the client, and onError is told', async () => {
    let count = 0
    await start({
      audit: () => {
        count += 1
        if (count === 1) throw new Error('no disk')
        return Promise.reject(new Error('no network'))
      },
    })
    const session = await initialize(gateway.url('crm'))
    expect((await session.post(call())).message?.result).toBeDefined()
    expect((await gateway.reported.next()).error.message).toBe('no disk')
    const second = await gateway.reported.next()
    expect(second.error.message).toBe('no network')
    expect(second.context).toMatchObject({ server: 'crm' })
  })

  test('that is slow holds nothing up, and closing waits for it', async () => {
    let write = (): void => {}
    const slow = new Promise<void>((resolve) => (write = resolve))
    await start({ audit: () => slow })
    const session = await initialize(gateway.url('crm'))
    expect((await session.post(call())).status).toBe(200)
    let isClosed = false
    const closing = gateway.gateway.close({ graceMs: 60_000 }).then(() => (isClosed = true))
    await new Promise(setImmediate)
    expect(isClosed).toBe(false)
    write()
    await closing
  })
})

test.each([
  ['audit', { audit: 'stdout' }, '"audit" must be a function (record), not a string'],
  ['telemetry', { telemetry: () => {} }, /^"telemetry" must be openTelemetry\(\), not a function: import/],
])('a wrong %s is a TypeError that says the cure', async (_, options, message) => {
  await expect(start(options as never)).rejects.toThrow(message)
  await upstream.close()
})

test('an error of a hook with a status of its own is told with its code', async () => {
  await start({
    authenticate: () => {
      throw new GatewayError('forbidden', 'Not you')
    },
  })
  await post(gateway.url('crm'), call())
  expect(await records.next()).toMatchObject({ outcome: 'refused', by: 'authenticate', code: 'forbidden' })
})

test('what a layer refuses, or answers in place of the server, was decided by it', async () => {
  await start({
    intercept: [
      tools({ deny: ['hidden'] }),
      {
        'tools/call': ({ params }, next) => {
          if (params.name === 'withheld') throw new GatewayError('forbidden', 'No')
          return params.name === 'made' ? { content: [] } : next()
        },
      },
    ],
  })
  const session = await open()
  for (const name of ['hidden', 'withheld', 'made', 'echo']) await session.post(call(1, name))
  expect(await of('tools/call')).toMatchObject({ target: 'hidden', outcome: 'refused', by: 'intercept', code: -32602 })
  expect(await of('tools/call')).toMatchObject({ target: 'withheld', outcome: 'refused', by: 'intercept' })
  expect(await of('tools/call')).toMatchObject({ target: 'made', outcome: 'ok', by: 'intercept' })
  expect(await of('tools/call')).toMatchObject({ target: 'echo', outcome: 'ok', by: undefined })
})

test('so many records are being written and no more: what is lost is told, and so is how much', async () => {
  const reported: string[] = []
  const writers: Array<() => void> = []
  const write = (): Promise<void> => new Promise((resolve) => void writers.push(resolve))
  const audit = new Audit(write, (error) => reported.push((error as Error).message))
  const record = { server: 'crm' } as AuditRecord
  for (let count = 0; count < 10_003; count += 1) audit.tell(record, undefined)
  expect(writers).toHaveLength(10_000)
  expect(reported).toEqual(['Audit records are lost, from now on: 10000 are being written'])
  for (const resolve of writers.splice(0)) resolve()
  await new Promise(setImmediate)
  audit.tell(record, undefined)
  expect(reported.at(-1)).toBe('Audit records are lost, 3 so far: 10000 are being written')
  let isClosed = false
  const closing = audit.close(performance.now() + 60_000).then(() => (isClosed = true))
  await new Promise(setImmediate)
  expect(isClosed).toBe(false)
  for (const resolve of writers) resolve()
  await closing
})
