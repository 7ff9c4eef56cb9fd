// `telemetry: openTelemetry()` with the real SDK: spans, metrics and trace context, by the letter of the conventions.
// (governance.md 3, and behaviours 39, 41, 42, 44 and 45 of its section 4)
import { AsyncLocalStorage } from 'node:async_hooks'
import type { IncomingMessage, ServerResponse } from 'node:http'
import {
  type Attributes,
  type Context,
  context,
  type MeterProvider,
  metrics,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
} from '@opentelemetry/api'
import { AlwaysOffSampler, type ReadableSpan, type Sampler, SamplingDecision } from '@opentelemetry/sdk-trace-node'
import {
  type AuditRecord,
  GatewayError,
  type GatewayOptions,
  inProcess,
  type Interceptor,
  tools,
} from '../../lib/index.ts'
import { openTelemetry, type OpenTelemetryOptions } from '../../lib/opentelemetry/index.ts'
import { envelope } from '../support/modern.ts'
import { type RunningGateway, startGateway } from '../support/gateway.ts'
import { initialize, post, type Session } from '../support/rpc.ts'
import { type EventStream, startUpstream, type Upstream } from '../support/upstream.ts'
import { type Sdk, startSdk } from './setup.ts'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const PARENT = 'b7ad6b7169203331'

let sdk: Sdk
let upstream: Upstream
let gateway: RunningGateway
const cleanups: Array<() => unknown> = []

interface Start {
  readonly options?: OpenTelemetryOptions
  readonly gateway?: Partial<GatewayOptions>
  readonly sdk?: Sdk | false
  readonly around?: (serve: () => void) => void
}

async function start({ options, gateway: given, sdk: own = startSdk(), around }: Start = {}): Promise<void> {
  if (own) sdk = own
  upstream = await startUpstream()
  const host = around && {
    prefix: '',
    mount: (mounted: RunningGateway['gateway']) => (request: IncomingMessage, response: ServerResponse) =>
      around(() => mounted(request, response)),
  }
  gateway = await startGateway(
    { servers: { crm: { url: upstream.url } }, telemetry: openTelemetry(options), ...given },
    host,
  )
  cleanups.push(
    () => own && own.close(),
    () => upstream.close(),
    () => gateway.close(),
  )
}

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

const call = (meta?: object, name = 'echo') => ({
  jsonrpc: '2.0',
  id: 7,
  method: 'tools/call',
  params: { name, arguments: { secret: 'of ada' }, ...(meta && { _meta: meta }) },
})

const spanOf = (kind: SpanKind, method = 'tools/call') =>
  sdk.spans.next((span) => span.kind === kind && span.attributes['mcp.method.name'] === method)

/** Both spans of the next call. */
async function both(method = 'tools/call'): Promise<{ server: ReadableSpan; client: ReadableSpan }> {
  const client = await spanOf(SpanKind.CLIENT, method)
  return { client, server: await spanOf(SpanKind.SERVER, method) }
}

async function calling(session: Session, meta?: object) {
  const answer = await session.post(call(meta))
  const sent = await upstream.nextRequest('tools/call')
  return { answer, sent, ...(await both()) }
}

describe('spans', () => {
  test('a call is a SERVER span, and a CLIENT span for its attempt, with exactly the attributes of the conventions', async () => {
    await start()
    const session = await initialize(gateway.url('crm'))
    const { server, client } = await calling(session)
    const { port } = new URL(upstream.origin)
    expect([server.name, client.name]).toEqual(['tools/call echo', 'tools/call echo'])
    expect(server.attributes).toEqual({
      'mcp.method.name': 'tools/call',
      'jsonrpc.request.id': '7',
      'gen_ai.tool.name': 'echo',
      'gen_ai.operation.name': 'execute_tool',
      'mcp.protocol.version': '2025-11-25',
      'mcp.session.id': expect.stringMatching(/^[\w-]{43}$/) as string,
      'network.transport': 'tcp',
      'network.protocol.name': 'http',
      'network.protocol.version': '1.1',
      'client.address': '127.0.0.1',
      'client.port': expect.any(Number) as number,
      'mcp_gateway.server': 'crm',
    })
    expect(client.attributes).toEqual({
      'mcp.method.name': 'tools/call',
      'jsonrpc.request.id': '7',
      'gen_ai.tool.name': 'echo',
      'gen_ai.operation.name': 'execute_tool',
      'mcp.protocol.version': '2025-11-25',
      'mcp.session.id': expect.stringMatching(/^[\w-]{43}$/) as string,
      'network.transport': 'tcp',
      'network.protocol.name': 'http',
      'network.protocol.version': '1.1',
      'server.address': '127.0.0.1',
      'server.port': Number(port),
      'mcp_gateway.server': 'crm',
    })
    expect(client.attributes['mcp.session.id']).not.toBe(server.attributes['mcp.session.id'])
    expect(client.parentSpanContext?.spanId).toBe(server.spanContext().spanId)
    expect(server.status.code).toBe(SpanStatusCode.UNSET)
  })

  test.each([
    ['prompts/get', { name: 'greet' }, 'prompts/get greet', { 'gen_ai.prompt.name': 'greet' }],
    ['resources/read', { uri: 'file:///a' }, 'resources/read', { 'mcp.resource.uri': 'file:///a' }],
    ['tools/list', {}, 'tools/list', {}],
    ['vendor/made-up', { name: 'x' }, '_OTHER', {}],
  ])('%s is named without what there may be any number of', async (method, params, name, attributes) => {
    await start()
    const session = await initialize(gateway.url('crm'))
    await session.request(method, params)
    const { server, client } = await both(method)
    expect([server.name, client.name]).toEqual([name, name])
    expect(server.attributes).toMatchObject(attributes)
    expect(server.attributes).not.toHaveProperty(['gen_ai.operation.name'])
  })

  test('a notification has no span, unless that is asked for', async () => {
    await start()
    await initialize(gateway.url('crm'))
    expect(sdk.spans.entries.map(({ name }) => name)).toEqual(['initialize', 'initialize'])
    await gateway.close()
    gateway = await startGateway({
      servers: { crm: { url: upstream.url } },
      telemetry: openTelemetry({ notifications: true }),
    })
    await initialize(gateway.url('crm'))
    const { server } = await both('notifications/initialized')
    expect(server.attributes).not.toHaveProperty(['jsonrpc.request.id'])
  })

  test('each attempt has a span of its own: a second one with fresh credentials, one in a session opened anew', async () => {
    await start({
      gateway: {
        servers: () => ({
          url: upstream.url,
          recover: true,
          headers: ({ refused }) => ({ authorization: refused ? 'fresh' : 'stale' }),
        }),
        authenticate: () => ({ id: 'ada' }),
      },
    })
    const session = await initialize(gateway.url('crm'))
    upstream.once('tools/call', (exchange) => exchange.status(401))
    await session.post(call())
    const refused = await spanOf(SpanKind.CLIENT)
    expect(refused.status.code).toBe(SpanStatusCode.ERROR)
    expect(refused.attributes['error.type']).toBe('upstream_unauthorized')
    const { server, client } = await both()
    expect(client.status.code).toBe(SpanStatusCode.UNSET)
    for (const span of [refused, client]) expect(span.parentSpanContext?.spanId).toBe(server.spanContext().spanId)
    upstream.sessions.clear()
    await session.post(call())
    const lost = await spanOf(SpanKind.CLIENT)
    const again = await spanOf(SpanKind.CLIENT, 'initialize').then(() => spanOf(SpanKind.CLIENT, 'initialize'))
    const { server: whole, client: last } = await both()
    expect(lost.attributes['error.type']).toBe('session_not_found')
    for (const span of [lost, again, last]) expect(span.spanContext().traceId).toBe(whole.spanContext().traceId)
  })

  test('each request of a batch has a span, and each its own trace context', async () => {
    await start()
    const session = await initialize(gateway.url('crm'), { version: '2025-03-26' })
    upstream.once('batch', (exchange) =>
      exchange.json([
        { jsonrpc: '2.0', id: 1, result: {} },
        { jsonrpc: '2.0', id: 2, error: { code: -32603, message: 'no' } },
      ]),
    )
    await session.post([
      { ...call(), id: 1 },
      { ...call(), id: 2 },
    ])
    const sent = JSON.parse((await upstream.nextRequest('batch')).body.toString()) as ReturnType<typeof call>[]
    const spans = [await both(), await both()]
    const traceparents = sent.map(({ params }) => (params._meta as { traceparent: string }).traceparent.split('-')[2])
    expect(new Set(traceparents)).toEqual(new Set(spans.map(({ client }) => client.spanContext().spanId)))
    for (const { server, client } of spans) {
      expect(client.parentSpanContext?.spanId).toBe(server.spanContext().spanId)
      const isFault = server.attributes['jsonrpc.request.id'] === '2'
      expect(server.status.code).toBe(isFault ? SpanStatusCode.ERROR : SpanStatusCode.UNSET)
    }
  })
})

describe('what is an error', () => {
  test.each<[string, object, object, object]>([
    [
      'what the caller did wrong, for who called',
      { error: { code: -32602, message: 'Unknown tool: x' } },
      { 'rpc.response.status_code': '-32602' },
      { 'rpc.response.status_code': '-32602', 'error.type': '-32602' },
    ],
    [
      'any other JSON-RPC error, for both',
      { error: { code: -32603, message: 'Broken' } },
      { 'rpc.response.status_code': '-32603', 'error.type': '-32603' },
      { 'rpc.response.status_code': '-32603', 'error.type': '-32603' },
    ],
    [
      'a tool that failed, for both',
      { result: { isError: true } },
      { 'error.type': 'tool_error' },
      { 'error.type': 'tool_error' },
    ],
  ])('%s', async (_, response, onServer, onClient) => {
    await start()
    const session = await initialize(gateway.url('crm'))
    upstream.on('tools/call', (exchange) => exchange.json({ jsonrpc: '2.0', id: 7, ...response }))
    const { server, client } = await calling(session)
    for (const [span, expected] of [
      [server, onServer],
      [client, onClient],
    ] as const) {
      const { 'error.type': type, 'rpc.response.status_code': code } = span.attributes
      const found = {
        ...(code !== undefined && { 'rpc.response.status_code': code }),
        ...(type !== undefined && { 'error.type': type }),
      }
      expect(found).toEqual(expected)
      expect(span.status.code).toBe('error.type' in expected ? SpanStatusCode.ERROR : SpanStatusCode.UNSET)
      const { error } = response as { error?: { message: string } }
      if ('error.type' in expected && error) expect(span.status.message).toBe(error.message)
    }
  })

  test('what the gateway refuses, and a server that cannot be reached', async () => {
    await start({
      gateway: {
        servers: { crm: { url: 'http://127.0.0.1:1/mcp' } },
      },
    })
    await post(gateway.url('crm'), call())
    const { server, client } = await both()
    for (const span of [server, client]) expect(span.attributes['error.type']).toBe('upstream_unreachable')
    expect(server.attributes['rpc.response.status_code']).toBe('502')
  })
})

describe('trace context', () => {
  const traceparent = `00-${TRACE}-${PARENT}-01`

  test('a message that names its parent has it, and the HTTP request that it came in is linked', async () => {
    const ambient = { traceId: 'c'.repeat(32), spanId: 'd'.repeat(16), traceFlags: TraceFlags.SAMPLED }
    await start({ around: (serve) => context.with(trace.setSpanContext(context.active(), ambient), serve) })
    const session = await initialize(gateway.url('crm'))
    const { server, client, sent } = await calling(session, { traceparent, tracestate: 'vendor=1', baggage: 'a=b' })
    expect(server.parentSpanContext).toMatchObject({ traceId: TRACE, spanId: PARENT, isRemote: true })
    expect(server.links.map((link) => link.context)).toEqual([ambient])
    const { traceId, spanId } = client.spanContext()
    expect(traceId).toBe(TRACE)
    expect(sent.message!.params!['_meta']).toEqual({
      traceparent: `00-${TRACE}-${spanId}-01`,
      tracestate: 'vendor=1',
      baggage: 'a=b',
    })
    expect(sent.headers['traceparent']).toBe(`00-${TRACE}-${spanId}-01`)
    const other = await calling(session)
    expect(other.server.parentSpanContext).toMatchObject(ambient)
    expect(other.server.links).toEqual([])
    const nobody = await calling(session, { traceparent: `00-${'0'.repeat(32)}-${PARENT}-01` })
    expect([nobody.server.parentSpanContext, nobody.server.links]).toEqual([ambient, []])
  })

  test.each(['00-nonsense', `ff-${TRACE}-${PARENT}-01`, `00-${'0'.repeat(32)}-${PARENT}-01`, `${traceparent}-more`, 7])(
    'a malformed parent, such as %p, is none',
    async (malformed) => {
      await start()
      const session = await initialize(gateway.url('crm'))
      const { server, sent } = await calling(session, { traceparent: malformed })
      expect(server.parentSpanContext).toBeUndefined()
      expect(server.spanContext().traceId).not.toBe(TRACE)
      expect(sent.message!.params!['_meta']).toEqual({
        traceparent: expect.stringMatching(/^00-[\da-f-]+-01$/) as string,
      })
    },
  )

  test('a tracestate that belongs to another parent does not go on', async () => {
    await start()
    const session = await initialize(gateway.url('crm'))
    await session.post(call({ traceparent }), { tracestate: 'vendor=9' })
    expect((await upstream.nextRequest('tools/call')).headers['tracestate']).toBeUndefined()
  })

  test('all else of a message stays byte for byte', async () => {
    await start()
    const text = `{ "jsonrpc":"2.0", "id": 7, "method": "tools/call",\n "params": {"name":"echo","__proto__":{"p":1},"arguments": {"n": 9007199254740993, "x":1e400, "e": "\\u00e9"},"_meta":{"__proto__": {"q":1},"progressToken":1, "traceparent":"${traceparent}"}}}`
    const session = await initialize(gateway.url('crm'))
    await session.post(text)
    const sent = (await upstream.nextRequest('tools/call')).body.toString()
    expect(sent.replace(/00-[\da-f]{32}-[\da-f]{16}-01/, traceparent)).toBe(text)
    expect(sent).not.toBe(text)
  })

  test('what is not sampled stays so, and its context goes on', async () => {
    await start({ sdk: startSdk(new AlwaysOffSampler()) })
    const session = await initialize(gateway.url('crm'))
    await session.post(call({ traceparent: `00-${TRACE}-${PARENT}-00` }))
    const { params } = (await upstream.nextRequest('tools/call')).message!
    expect(params!['_meta']).toEqual({
      traceparent: expect.stringMatching(`^00-${TRACE}-(?!${PARENT})[\\da-f]{16}-00$`) as string,
    })
    expect(sdk.spans.entries).toEqual([])
  })

  test('a sampler decides by the method, its target and the server; the rest is for spans that are recorded', async () => {
    const asked: [SpanKind, Attributes][] = []
    const sampler: Sampler = {
      shouldSample(_context, _traceId, _name, kind, attributes) {
        asked.push([kind, attributes])
        return { decision: SamplingDecision.NOT_RECORD }
      },
      toString: () => 'none',
    }
    await start({ sdk: startSdk(sampler) })
    const session = await initialize(gateway.url('crm'))
    asked.length = 0
    await session.post(call())
    await session.request('resources/read', { uri: 'file:///a' })
    const ofCall = {
      'mcp.method.name': 'tools/call',
      'mcp_gateway.server': 'crm',
      'gen_ai.tool.name': 'echo',
      'gen_ai.operation.name': 'execute_tool',
    }
    const ofRead = {
      'mcp.method.name': 'resources/read',
      'mcp_gateway.server': 'crm',
      'mcp.resource.uri': 'file:///a',
    }
    expect(asked).toEqual([
      [SpanKind.SERVER, ofCall],
      [SpanKind.CLIENT, ofCall],
      [SpanKind.SERVER, ofRead],
      [SpanKind.CLIENT, ofRead],
    ])
  })

  test('with propagate: never, and without an SDK, a message goes on as its client wrote it', async () => {
    await start({ options: { propagate: 'never' } })
    const session = await initialize(gateway.url('crm'))
    const message = JSON.stringify(call({ traceparent }), null, 1)
    await session.post(message, { traceparent })
    const sent = await upstream.nextRequest('tools/call')
    expect([sent.body.toString(), sent.headers['traceparent']]).toEqual([message, traceparent])
    for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
    await start({ sdk: false })
    const other = await initialize(gateway.url('crm'))
    await other.post(message)
    const same = await upstream.nextRequest('tools/call')
    expect([same.body.toString(), same.headers['traceparent']]).toEqual([message, undefined])
  })

  test('hooks run in the context of the message’s span, and of its attempt’s', async () => {
    const seen: (string | undefined)[] = []
    await start({
      gateway: {
        servers: () => ({
          url: upstream.url,
          headers: () => {
            seen.push(trace.getActiveSpan()?.spanContext().spanId)
            return {}
          },
        }),
        authenticate: () => ({ id: 'ada' }),
      },
    })
    const session = await initialize(gateway.url('crm'))
    const { server } = await calling(session)
    expect(seen.at(-1)).toBe(server.spanContext().spanId)
  })
})

test.each([
  ['of a document', false, false],
  ['of a stream', true, false],
  ['of a document that is read', false, true],
  ['of a stream that is read', true, true],
])('the app’s code runs in the async context of the request: %s', async (_, isStream, isRead) => {
  const storage = new AsyncLocalStorage<string>()
  const [ended, read]: (string | undefined)[][] = [[], []]
  let who = 'ada'
  await start({
    sdk: startSdk(undefined, (span) => {
      if (span.attributes['mcp.method.name'] === 'tools/call') ended!.push(storage.getStore())
    }),
    options: isRead ? { content: (_value, what) => void (what === 'result' && read!.push(storage.getStore())) } : {},
    around: (serve) => storage.run(who, serve),
  })
  // Both use the connection to the server that the first one has opened.
  for (who of ['ada', 'bob']) {
    const session = await initialize(gateway.url('crm'))
    if (isStream) {
      const streams: EventStream[] = []
      upstream.on('tools/call', (exchange) => void streams.push(exchange.stream()))
      // The head first: what comes later comes in the context of the connection.
      await session.stream(call())
      streams[0]!.finish({ content: [] })
      await both()
    } else await calling(session)
  }
  expect(ended).toEqual(['ada', 'ada', 'bob', 'bob'])
  expect(new Set(read)).toEqual(new Set(isRead ? ['ada', 'bob'] : []))
  expect(read!.slice(0, read!.length / 2)).not.toContain('bob')
  expect(read!.slice(read!.length / 2)).not.toContain('ada')
})

describe('content', () => {
  test('is recorded by no default', async () => {
    await start()
    const session = await initialize(gateway.url('crm'))
    await calling(session)
    const all = sdk.spans.entries.map(({ attributes, name, events, status }) => ({ attributes, name, events, status }))
    expect(JSON.stringify(all)).not.toContain('of ada')
    expect(JSON.stringify(all)).not.toContain(session.id)
  })

  test('is what a function makes of it, as document and as stream', async () => {
    await start({ options: { content: (value, what) => (what === 'arguments' ? value : 'kept back') } })
    const session = await initialize(gateway.url('crm'))
    const expected = { 'gen_ai.tool.call.arguments': '{"secret":"of ada"}', 'gen_ai.tool.call.result': 'kept back' }
    const document = await calling(session)
    upstream.on('tools/call', (exchange) => exchange.stream().finish({ content: [] }))
    const stream = await calling(session)
    for (const span of [document.server, document.client, stream.server, stream.client]) {
      expect(span.attributes).toMatchObject(expected)
    }
  })

  test('is not recorded where the function throws, which onError is told', async () => {
    await start({
      options: {
        content: () => {
          throw new Error('cannot redact')
        },
      },
    })
    const session = await initialize(gateway.url('crm'))
    const { server, answer } = await calling(session)
    expect(answer.status).toBe(200)
    expect(server.attributes).not.toHaveProperty(['gen_ai.tool.call.arguments'])
    expect((await gateway.reported.next()).error.message).toBe('cannot redact')
  })
})

describe('metrics', () => {
  const BOUNDARIES = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300]

  test('there are the four histograms, with the unit, the buckets and the attributes of the conventions', async () => {
    await start()
    const session = await initialize(gateway.url('crm'))
    await session.request('tools/list')
    await session.post(call())
    upstream.once('tools/call', (exchange) => exchange.error(-32602, 'no'))
    await session.post(call())
    await session.end()
    const histograms = await sdk.histograms()
    expect([...histograms.keys()].toSorted()).toEqual([
      'mcp.client.operation.duration',
      'mcp.client.session.duration',
      'mcp.server.operation.duration',
      'mcp.server.session.duration',
    ])
    for (const { descriptor, dataPoints } of histograms.values()) {
      expect(descriptor.unit).toBe('s')
      for (const { value } of dataPoints) expect(value.buckets.boundaries).toEqual(BOUNDARIES)
    }
    const port = Number(new URL(upstream.origin).port)
    const network = {
      'network.transport': 'tcp',
      'network.protocol.name': 'http',
      'mcp.protocol.version': '2025-11-25',
      'mcp_gateway.server': 'crm',
    }
    const endpoint = { 'server.address': '127.0.0.1', 'server.port': port }
    const tool = {
      'mcp.method.name': 'tools/call',
      'gen_ai.tool.name': 'echo',
      'gen_ai.operation.name': 'execute_tool',
    }
    const pointsOf = (name: string, method?: string) =>
      histograms
        .get(name)!
        .dataPoints.filter(({ attributes }) => attributes['mcp.method.name'] === method)
        .map(({ attributes }) => attributes)
    const version = { 'network.protocol.version': '1.1' }
    expect(pointsOf('mcp.server.operation.duration', 'tools/call')).toEqual([
      { ...network, ...version, ...tool },
      { ...network, ...version, ...tool, 'rpc.response.status_code': '-32602' },
    ])
    expect(pointsOf('mcp.client.operation.duration', 'tools/call')).toEqual([
      { ...network, ...version, ...endpoint, ...tool },
      { ...network, ...version, ...endpoint, ...tool, 'rpc.response.status_code': '-32602', 'error.type': '-32602' },
    ])
    expect(pointsOf('mcp.server.session.duration')).toEqual([network])
    expect(pointsOf('mcp.client.session.duration')).toEqual([{ ...network, ...version, ...endpoint }])
    expect(pointsOf('mcp.server.operation.duration', 'notifications/initialized')).toHaveLength(1)
  })

  test('a client makes no time series: names that no list has, methods and versions are one', async () => {
    await start()
    const session = await initialize(gateway.url('crm'))
    for (const name of ['a', 'b', 'c']) await session.post(call(undefined, name))
    for (const method of ['x/a', 'x/b']) await session.request(method)
    const points = (await sdk.histograms()).get('mcp.server.operation.duration')!.dataPoints
    const names = (key: string) => new Set(points.map(({ attributes }) => attributes[key]))
    expect(names('gen_ai.tool.name')).toEqual(new Set([undefined, '_OTHER']))
    expect(names('mcp.method.name')).toEqual(
      new Set(['initialize', 'notifications/initialized', 'tools/call', '_OTHER']),
    )
    const keys = points.flatMap(({ attributes }) => Object.keys(attributes))
    for (const key of ['mcp.session.id', 'mcp.resource.uri', 'jsonrpc.request.id']) expect(keys).not.toContain(key)
  })

  test('a measurement is taken in the context of its span, which an exemplar names', async () => {
    await start()
    const seen: unknown[] = []
    const createHistogram = (name: string) => ({
      record: (_seconds: number, _attributes?: Attributes, around?: Context) =>
        seen.push([name, around && trace.getSpan(around)?.spanContext().spanId]),
    })
    metrics.disable()
    metrics.setGlobalMeterProvider({ getMeter: () => ({ createHistogram }) } as unknown as MeterProvider)
    const { server, client } = await calling(await initialize(gateway.url('crm')))
    expect(seen).toContainEqual(['mcp.server.operation.duration', server.spanContext().spanId])
    expect(seen).toContainEqual(['mcp.client.operation.duration', client.spanContext().spanId])
  })

  test('a listener of hours is not measured', async () => {
    await start()
    const listening = {
      jsonrpc: '2.0',
      id: 1,
      method: 'subscriptions/listen',
      params: { notifications: {}, _meta: envelope },
    }
    upstream.on('subscriptions/listen', (exchange) => exchange.stream().finish({ resultType: 'complete' }))
    const headers = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'subscriptions/listen' }
    const answer = await post(gateway.url('crm'), listening, headers)
    expect(answer.status).toBe(200)
    await spanOf(SpanKind.SERVER, 'subscriptions/listen')
    expect((await sdk.histograms()).get('mcp.server.operation.duration')?.dataPoints ?? []).toEqual([])
  })
})

test('35. a renamed tool has the name for clients on the SERVER span and in the record, and its own on the CLIENT span', async () => {
  const records: AuditRecord[] = []
  const intercept = tools({ rename: { echo: 'repeat' } })
  await start({ gateway: { intercept, audit: (record) => void records.push(record) } })
  const session = await initialize(gateway.url('crm'))
  await session.request('tools/list')
  await session.post(call(undefined, 'repeat'))
  const { server, client } = await both()
  expect([server.name, client.name]).toEqual(['tools/call repeat', 'tools/call echo'])
  expect(server.attributes['gen_ai.tool.name']).toBe('repeat')
  expect(client.attributes['gen_ai.tool.name']).toBe('echo')
  expect(records.find(({ method }) => method === 'tools/call')?.target).toBe('repeat')
  const histograms = await sdk.histograms()
  const names = (name: string) =>
    histograms.get(name)!.dataPoints.map(({ attributes }) => attributes['gen_ai.tool.name'])
  expect(names('mcp.server.operation.duration')).toContain('repeat')
  expect(names('mcp.client.operation.duration')).toContain('echo')
})

test.each([
  ['a result', 'echo', undefined],
  ['an error of the tool', 'fail', 'tool_error'],
])('both spans are told of %s that an interceptor has read in between', async (_, name, error) => {
  await start({ gateway: { intercept: { 'tools/call': (_message, next) => next() } } })
  const session = await initialize(gateway.url('crm'))
  upstream.on('tools/call', (exchange) => exchange.result({ content: [], isError: name === 'fail' }))
  await session.post(call(undefined, name))
  const { server, client } = await both()
  expect([server, client].map(({ attributes }) => attributes['error.type'])).toEqual([error, error])
})

test('42. what interceptors answer is a SERVER span alone, and what they refuse is an error where it is the gateway’s', async () => {
  const intercept: Interceptor = {
    'tools/call': ({ params }) => {
      if (params.name === 'no') throw new GatewayError('forbidden', 'No')
      return { content: [] }
    },
  }
  await start({ gateway: { intercept } })
  const session = await initialize(gateway.url('crm'))
  await session.post(call(undefined, 'yes'))
  await session.post(call(undefined, 'no'))
  const [answered, refused] = [await spanOf(SpanKind.SERVER), await spanOf(SpanKind.SERVER)]
  expect(answered.status.code).toBe(SpanStatusCode.UNSET)
  expect([refused.status.code, refused.attributes['error.type']]).toEqual([SpanStatusCode.ERROR, 'forbidden'])
  expect(sdk.spans.entries.filter(({ kind, name }) => kind === SpanKind.CLIENT && name !== 'initialize')).toEqual([])
})

test.each([
  [{ propagates: 'never' }, /"propagates" is not an option; did you mean "propagate"\?/],
  [{ content: 'all' }, '"content" must be a function (value, what), not a string'],
  [{ notifications: 1 }, '"notifications" must be true or false, not a number'],
  [{ propagate: 'no' }, '"propagate" must be "always" or "never"'],
])('the options %p are a TypeError that says the cure', (options, message) => {
  expect(() => openTelemetry(options as never)).toThrow(message)
})

test('a server at the end of a pipe has spans and trace context, too', async () => {
  const seen: unknown[] = []
  const answers = (message: { id?: number; method?: string; params?: Record<string, unknown> }): object | undefined => {
    if (message.id === undefined) return undefined
    if (message.method === 'tools/call') seen.push(message.params?.['_meta'])
    const result =
      message.method === 'initialize'
        ? { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: { name: 'p', version: '1' } }
        : { content: [] }
    return { jsonrpc: '2.0', id: message.id, result }
  }
  const server = inProcess(async (transport) => {
    transport.onmessage = (message) => {
      const answer = answers(message as Parameters<typeof answers>[0])
      if (answer) void transport.send(answer)
    }
    await transport.start()
  })
  await start({ gateway: { servers: { crm: server } } })
  const session = await initialize(gateway.url('crm'))
  await session.post(call())
  const { client } = await both()
  expect(client.attributes).toMatchObject({ 'network.transport': 'pipe', 'gen_ai.tool.name': 'echo' })
  expect(client.attributes).not.toHaveProperty(['server.address'])
  const { traceId, spanId } = client.spanContext()
  expect(seen).toEqual([{ traceparent: `00-${traceId}-${spanId}-01` }])
})

test('an SDK that throws changes nothing for the client, and onError is told', async () => {
  const broken = {
    shouldSample: () => {
      throw new Error('The sampler is broken')
    },
    toString: () => 'broken',
  }
  await start({ sdk: startSdk(broken) })
  const session = await initialize(gateway.url('crm'))
  expect((await session.post(call())).message?.result).toBeDefined()
  expect((await gateway.reported.next()).error.message).toBe('The sampler is broken')
})
