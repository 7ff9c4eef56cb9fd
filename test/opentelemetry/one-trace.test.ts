// One trace from the client's span to the server's, through an app with OpenTelemetry's own instrumentation of http, express
// and undici: no orphan, and one `traceparent` at the server. (governance.md 4, behaviour 43)
import type { TracedAppConfig } from '../fixtures/traced-app.mjs'
import { initialize } from '../support/rpc.ts'
import { startApp, type Span, type TracedApp } from '../support/traced-app.ts'
import { startUpstream, type Exchange, type Upstream } from '../support/upstream.ts'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const PARENT = 'b7ad6b7169203331'
const traceparent = `00-${TRACE}-${PARENT}-01`

let upstream: Upstream
let app: TracedApp

async function start(config: Omit<TracedAppConfig, 'url' | 'telemetry'>): Promise<void> {
  upstream = await startUpstream()
  app = await startApp({ url: upstream.url, telemetry: true, ...config })
}

afterEach(async () => {
  await app.close()
  await upstream.close()
})

async function call(meta: object | undefined, headers: Record<string, string>): Promise<Exchange> {
  const session = await initialize(app.url('a'))
  const params = { name: 'echo', ...(meta && { _meta: meta }) }
  const answer = await session.post({ jsonrpc: '2.0', id: 7, method: 'tools/call', params }, headers)
  expect(answer.message?.result).toBeDefined()
  return upstream.nextRequest('tools/call')
}

/** The ids of the spans that a server is told of: in `_meta`, and in the header. */
function toldOf({ message, rawHeaders }: Exchange): { meta: string[]; header: string[] } {
  const headers = rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1]!.toLowerCase() === 'traceparent')
  expect(headers).toHaveLength(1)
  const meta = (message!.params!['_meta'] as { traceparent: string }).traceparent
  return { meta: meta.split('-').slice(1, 3), header: headers[0]!.split('-').slice(1, 3) }
}

/** The spans from one to its root, the root last. */
async function chainOf([traceId, spanId]: string[], root: string | undefined): Promise<Span[]> {
  const span = await app.spans.next((each) => each.spanId === spanId)
  expect(span.traceId).toBe(traceId)
  return span.parentId === root ? [span] : [span, ...(await chainOf([traceId!, span.parentId!], root))]
}

test.each(['on', 'ignores'] as const)(
  'a client that names its span in the message has it as the root of all (undici: %s)',
  async (instrumentation) => {
    await start({ instrumentation, watched: false })
    const told = toldOf(await call({ traceparent }, {}))
    expect([told.meta[0], told.header[0]]).toEqual([TRACE, TRACE])
    const spans = await chainOf(told.meta, PARENT)
    expect(spans.map(({ kind, name }) => `${kind} ${name}`)).toEqual([
      'CLIENT tools/call echo',
      'SERVER tools/call echo',
    ])
    if (instrumentation === 'ignores') expect(told.header).toEqual(told.meta)
    else {
      const request = await app.spans.next((each) => each.spanId === told.header[1])
      expect(request).toMatchObject({ kind: 'CLIENT', traceId: TRACE, parentId: spans[0]!.spanId })
    }
  },
)

test('a client that names its span in the header alone is the root of what the app’s own spans are in, too', async () => {
  await start({ instrumentation: 'on', watched: false })
  const told = toldOf(await call(undefined, { traceparent }))
  const [request, ...spans] = await chainOf(told.header, PARENT)
  expect(request).toMatchObject({ kind: 'CLIENT', traceId: TRACE })
  expect(spans[0]).toMatchObject({ spanId: told.meta[1], name: 'tools/call echo', kind: 'CLIENT' })
  expect(spans[1]).toMatchObject({ name: 'tools/call echo', kind: 'SERVER' })
  expect(spans.at(-1)).toMatchObject({ kind: 'SERVER', parentId: PARENT })
  const ids = new Set(app.spans.entries.map(({ spanId }) => spanId))
  const own = app.spans.entries.filter(({ traceId }) => traceId === TRACE)
  expect(own.filter(({ parentId }) => parentId !== PARENT && !ids.has(String(parentId)))).toEqual([])
})

test('without an SDK a server gets what its client sent', async () => {
  await start({ instrumentation: 'off', watched: false })
  const exchange = await call({ traceparent }, { traceparent })
  expect(toldOf(exchange)).toEqual({ meta: [TRACE, PARENT], header: [TRACE, PARENT] })
})
