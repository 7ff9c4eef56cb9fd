// With OpenTelemetry's own instrumentation in the app the server gets one of each trace header, and its span belongs to
// the client's trace. (governance.md E1 and E4, behaviour 43) The instrumentation patches modules as node loads them,
// which jest does by itself: so the app is a process of its own.
import { initialize, type Session } from '../support/rpc.ts'
import { soon } from '../support/soon.ts'
import { startUpstream, type Exchange, type Upstream } from '../support/upstream.ts'
import { startApp, type TracedApp } from '../support/traced-app.ts'
import type { TracedAppConfig } from '../fixtures/traced-app.mjs'
import { call, note } from './support-seam.ts'

type Watching = Omit<TracedAppConfig, 'url'>

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const PARENT = 'b7ad6b7169203331'
const traced = {
  traceparent: `00-${TRACE}-${PARENT}-01`,
  tracestate: 'vendor=opaque',
  baggage: 'tenant=north',
}
const malformed = { traceparent: '00-nonsense' }

/** Each value that a header came with, as it was on the wire. */
function valuesOf({ rawHeaders }: Exchange, name: string): string[] {
  return rawHeaders.filter((_, index) => index % 2 === 1 && rawHeaders[index - 1]!.toLowerCase() === name)
}

/** The one `traceparent` of a request. */
function parentOf(exchange: Exchange): { traceId: string; spanId: string } {
  const values = valuesOf(exchange, 'traceparent')
  expect(values).toEqual([expect.stringMatching(/^00-[\da-f]{32}-[\da-f]{16}-0[01]$/)])
  const [, traceId, spanId] = values[0]!.split('-')
  return { traceId: traceId!, spanId: spanId! }
}

let upstream: Upstream
let app: TracedApp
let session: Session

/** An app of its own for each group of tests, since what is instrumented stays so. */
function startOnce(watching: Watching): void {
  beforeAll(async () => {
    upstream = await startUpstream()
    app = await startApp({ url: upstream.url, ...watching })
    session = await initialize(app.url('a'))
  })
  afterAll(async () => {
    await app.close()
    await upstream.close()
  })
}

async function callWith(headers: Record<string, string>): Promise<Exchange> {
  upstream.on('tools/call', (exchange) => exchange.result({}))
  expect((await soon(session.post(call, headers), 'the answer')).status).toBe(200)
  return soon(upstream.nextRequest('tools/call'), 'the call')
}

/** What crosses as it is. */
function expectRelayed(exchange: Exchange, headers: Record<string, string>): void {
  for (const name of ['traceparent', 'tracestate', 'baggage']) {
    expect([name, ...valuesOf(exchange, name)]).toEqual([name, ...(name in headers ? [headers[name]] : [])])
  }
}

describe.each<Watching>([
  { instrumentation: 'off', watched: false },
  { instrumentation: 'off', watched: true },
  { instrumentation: 'ignores', watched: false },
])('where nobody adds a traceparent (%j), the server gets', (watching) => {
  startOnce(watching)

  test("the client's trace headers once and as they are", async () => {
    expectRelayed(await callWith(traced), traced)
  })

  test.each(['traceparent', 'tracestate', 'baggage'] as const)("the client's %s alone, as it is", async (name) => {
    const headers = { [name]: traced[name] }
    expectRelayed(await callWith(headers), headers)
  })

  test('none where the client sends none', async () => {
    expectRelayed(await callWith({}), {})
  })
})

describe.each<Watching>([
  { instrumentation: 'on', watched: false },
  { instrumentation: 'on', watched: true },
])('where undici is instrumented (%j), the server gets one traceparent', (watching) => {
  startOnce(watching)

  test('of the trace of the app where the client sends none', async () => {
    const { spanId, traceId } = parentOf(await callWith({}))
    const span = await soon(
      app.spans.next((each) => each.spanId === spanId),
      'the span',
    )
    expect(span).toMatchObject({ kind: 'CLIENT', traceId })
  })

  test("in the client's trace, whose parent is the app's request to the server", async () => {
    const exchange = await callWith(traced)
    const { spanId, traceId } = parentOf(exchange)
    expect(traceId).toBe(TRACE)
    const span = await soon(
      app.spans.next((each) => each.spanId === spanId),
      'the span',
    )
    expect(span).toMatchObject({ kind: 'CLIENT', traceId })
  })

  test.each(['tracestate', 'baggage'] as const)('and one %s', async (name) => {
    expect(valuesOf(await callWith(traced), name)).toEqual([traced[name]])
  })

  test('of the trace of the app where the one of the client is malformed', async () => {
    expect(parentOf(await callWith(malformed)).traceId).toMatch(/^[\da-f]{32}$/)
  })

  test('with a notification', async () => {
    expect((await session.post({ jsonrpc: '2.0', ...note }, traced)).status).toBe(202)
    expect(parentOf(await upstream.nextRequest(note.method)).traceId).toBe(TRACE)
  })

  test('from a client that listens', async () => {
    const client = await soon(session.listen(traced), 'the stream')
    client.close()
    expect(parentOf(await upstream.nextRequest('GET')).traceId).toBe(TRACE)
  })

  test('with the end of a session', async () => {
    const other = await initialize(app.url('a'))
    expect((await other.end(traced)).status).toBe(200)
    expect(parentOf(await upstream.nextRequest('DELETE')).traceId).toBe(TRACE)
  })

  test('from who is asked for the rest of a stream', async () => {
    upstream.on('tools/call', async (exchange) => {
      await exchange.stream().write('retry: 1\nid: s-1\ndata: \n\n')
      await exchange.stream().send(note)
    })
    const client = await soon(session.stream(call, traced), 'the stream')
    await soon(client.nextMessage(), 'the first event')
    upstream.once('GET', (exchange) => exchange.json({}, 400))
    ;(await upstream.nextRequest('tools/call')).cut()
    const rest = await soon(upstream.nextRequest('GET'), 'the upstream is asked for the rest')
    expect(rest.headers['last-event-id']).toBe('s-1')
    expect(parentOf(rest).traceId).toBe(TRACE)
  })
})

describe('where undici is instrumented, a request that the gateway makes once more is in the trace of its client', () => {
  startOnce({ instrumentation: 'on', watched: false })

  test('after a 401', async () => {
    const other = await initialize(app.url('renewed'))
    upstream.once('tools/call', (exchange) => exchange.status(401))
    expect((await soon(other.post(call), 'the answer')).status).toBe(200)
    const [refused, renewed] = [await upstream.nextRequest('tools/call'), await upstream.nextRequest('tools/call')]
    expect(renewed.headers.authorization).toBe('fresh')
    expect(parentOf(renewed).traceId).toBe(parentOf(refused).traceId)
  })

  test('with the cancellation of what takes too long', async () => {
    upstream.once('tools/call', () => {})
    expect((await soon(session.post(call), 'the refusal')).status).toBe(504)
    const slow = await upstream.nextRequest('tools/call')
    const notice = await soon(upstream.nextRequest('notifications/cancelled'), 'the cancellation')
    expect(parentOf(notice).traceId).toBe(parentOf(slow).traceId)
  })
})
