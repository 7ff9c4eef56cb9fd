// The raw wire table of a dual-era SDK v2 server, row by row: what it answers directly, and what a client of the gateway gets.
//
// `measured` is the row of the reference table as it was measured on the SDK's own everything-server. Our fixture is
// another server on the same SDK: where it answers otherwise, `direct` says what and why. The gateway's answer is the
// upstream's, status, media type and JSON-RPC code; where the gateway decides by itself, `own` says what and why.
import { startDualEraServer } from './fixtures/dual-era-server.mjs'
import { startGateway, type RunningGateway } from './support/gateway.ts'
import {
  META,
  MODERN,
  modernNotification,
  modernRequest,
  standardHeaders,
  type ModernMessage,
} from './support/modern.ts'
import { initialize, initializeMessage, post, send, type Answer, type OpenStream, type Session } from './support/rpc.ts'

/** HTTP status, media type, JSON-RPC error code. */
type Cell = readonly [status: number, type: string, code?: number]

interface Reason {
  cell: Cell
  because: string
}

interface Row {
  case: string
  ids: string
  measured: Cell
  direct?: Reason
  own?: Reason
  /** Sends it; with a session of its own where one is opened. */
  ask: (url: string) => Promise<Answer>
  /** What the text of the row says. */
  check?: (answer: Answer) => void
}

const JSON_TYPE = 'application/json'
const SSE = 'text/event-stream'
const HTML = 'text/html'

const list = { jsonrpc: '2.0', id: 1, method: 'tools/list' }
const listAgain = { ...list, id: 2 }

const inSession =
  (ask: (session: Session) => Promise<Answer>, version?: string) =>
  async (url: string): Promise<Answer> => {
    const session = await initialize(url, version === undefined ? {} : { version })
    try {
      return await ask(session)
    } finally {
      await session.end()
    }
  }

/** The head of a stream that stays open, which is closed again. */
async function headOf(opening: Promise<OpenStream>): Promise<Answer> {
  const stream = await opening
  const { status, headers } = stream
  if (status === 200) stream.close()
  else await stream.over
  const body = stream.bytes().toString()
  const messages = status === 200 ? [] : [JSON.parse(body) as Answer['messages'][number]]
  return { status, headers, body, messages, message: messages.at(-1) }
}

const modern =
  (message: ModernMessage, headers: Record<string, string | undefined> = {}) =>
  (url: string) =>
    post(url, message, { ...standardHeaders(message), ...headers })

const negotiated = (version: string) => (answer: Answer) =>
  expect(answer.message).toMatchObject({ result: { protocolVersion: version } })
const hasTools = (answer: Answer) => expect(answer.message).toHaveProperty('result.tools.length')
const discovers = (answer: Answer) => {
  expect(answer.message).toMatchObject({ result: { supportedVersions: [MODERN] } })
  expect(answer.headers).not.toHaveProperty('mcp-session-id')
}

const NO_EXPRESS_PAGE = 'the fixture answers in JSON-RPC where the reference lets Express answer'
const OWN_FAULT = 'an error of the gateway has its HTTP status as its JSON-RPC code'
const SESSIONS_ARE_ITS_OWN = `session ids are the gateway's own; ${OWN_FAULT}`

const ROWS: Row[] = [
  {
    case: 'init unknown version -> negotiated',
    ids: 'LC1',
    measured: [200, SSE],
    ask: (url) => post(url, initializeMessage('1999-01-01')),
    check: negotiated('2025-11-25'),
  },
  {
    case: 'POST tools/list ok',
    ids: 'SE1',
    measured: [200, SSE],
    ask: inSession((s) => s.post(list)),
    check: hasTools,
  },
  {
    case: 'POST no session id',
    ids: 'SS2',
    measured: [400, JSON_TYPE, -32_000],
    own: { cell: [400, JSON_TYPE, 400], because: SESSIONS_ARE_ITS_OWN },
    ask: (url) => post(url, list),
  },
  {
    case: 'POST unknown session id',
    ids: 'SS3',
    measured: [404, JSON_TYPE, -32_001],
    own: { cell: [404, JSON_TYPE, 404], because: SESSIONS_ARE_ITS_OWN },
    ask: (url) => post(url, list, { 'mcp-session-id': 'unknown' }),
  },
  {
    case: 'POST bad MCP-Protocol-Version',
    ids: 'HD4',
    measured: [400, JSON_TYPE, -32_000],
    own: { cell: [400, JSON_TYPE, 400], because: `the session knows its version; ${OWN_FAULT}` },
    ask: inSession((s) => s.post(list, { 'mcp-protocol-version': '1999-01-01' })),
  },
  {
    case: 'POST no MCP-Protocol-Version',
    ids: 'HD5',
    measured: [200, SSE],
    ask: inSession((s) => s.post(list, { 'mcp-protocol-version': undefined })),
    check: hasTools,
  },
  {
    case: 'POST Accept json only',
    ids: 'HD1',
    measured: [406, JSON_TYPE, -32_000],
    own: { cell: [200, JSON_TYPE], because: 'upstream both are always accepted, and the stream is collapsed' },
    ask: inSession((s) => s.post(list, { accept: 'application/json' })),
  },
  {
    case: 'POST Accept */*',
    ids: 'HD1',
    measured: [406, JSON_TYPE, -32_000],
    own: { cell: [200, SSE], because: 'upstream both are always accepted, and the client takes anything' },
    ask: inSession((s) => s.post(list, { accept: '*/*' })),
  },
  {
    case: 'POST content-type text/plain',
    ids: 'HD2',
    measured: [415, JSON_TYPE, -32_000],
    own: { cell: [415, JSON_TYPE, 415], because: `the body is read by the gateway; ${OWN_FAULT}` },
    ask: inSession((s) => s.post(list, { 'content-type': 'text/plain' })),
  },
  {
    case: 'POST invalid JSON',
    ids: 'RPC1 RT11',
    measured: [400, HTML],
    direct: { cell: [400, JSON_TYPE, -32_700], because: NO_EXPRESS_PAGE },
    ask: inSession((s) => s.post('{"jsonrpc":')),
  },
  {
    case: 'POST not JSON-RPC',
    ids: 'RPC1',
    measured: [400, JSON_TYPE, -32_600],
    ask: inSession((s) => s.post({ hello: 'world' })),
  },
  { case: 'POST empty array', ids: 'RPC1', measured: [400, JSON_TYPE, -32_600], ask: inSession((s) => s.post([])) },
  {
    case: 'POST batch on 2025-11-25',
    ids: 'RPC8',
    measured: [200, SSE],
    own: {
      cell: [400, JSON_TYPE, -32_600],
      because:
        'only 2025-03-26 has batches; the SDK takes them in every session, the gateway goes by the specification',
    },
    ask: inSession((s) => s.post([list, listAgain])),
  },
  {
    case: 'POST batch on 2025-03-26',
    ids: 'RPC5 RPC7',
    measured: [200, SSE],
    ask: inSession((s) => s.post([list, listAgain]), '2025-03-26'),
    check: ({ messages }) => expect(new Set(messages.map(({ id }) => id))).toEqual(new Set([1, 2])),
  },
  {
    case: 'POST batch with initialize',
    ids: 'RPC6',
    measured: [400, JSON_TYPE, -32_000],
    own: { cell: [400, JSON_TYPE, -32_600], because: 'refused for what it is, before a session is looked for' },
    ask: (url) => post(url, [initializeMessage(), list]),
  },
  {
    case: 'POST id null',
    ids: 'RPC1 RPC2',
    measured: [400, JSON_TYPE, -32_600],
    ask: inSession((s) => s.post({ ...list, id: null })),
  },
  {
    case: 'POST notification',
    ids: 'RPC10',
    measured: [202, ''],
    ask: inSession((s) => s.post({ jsonrpc: '2.0', method: 'notifications/roots/list_changed' })),
    check: ({ body }) => expect(body).toBe(''),
  },
  {
    case: 'POST response unknown id',
    ids: 'RPC12',
    measured: [202, ''],
    ask: inSession((s) => s.post({ jsonrpc: '2.0', id: 'unknown', result: {} })),
    check: ({ body }) => expect(body).toBe(''),
  },
  {
    case: 'POST re-initialize in session',
    ids: 'LC7',
    measured: [400, JSON_TYPE, -32_600],
    ask: inSession((s) => s.post(initializeMessage())),
  },
  {
    case: 'POST unknown method (legacy)',
    ids: 'ER10',
    measured: [200, SSE, -32_601],
    ask: inSession((s) => s.post({ ...list, method: 'no/such/method' })),
  },
  { case: 'GET ok', ids: 'RT3', measured: [200, SSE], ask: inSession((s) => headOf(s.listen())) },
  {
    case: 'GET second concurrently',
    ids: 'SE10',
    measured: [409, JSON_TYPE, -32_000],
    ask: inSession(async (s) => {
      const first = await s.listen()
      const second = await headOf(s.listen())
      first.close()
      return second
    }),
  },
  {
    case: 'GET no Accept',
    ids: 'HD1',
    measured: [406, JSON_TYPE, -32_000],
    own: { cell: [406, JSON_TYPE, 406], because: `upstream both are always accepted; ${OWN_FAULT}` },
    ask: inSession((s) => headOf(s.listen({ accept: undefined }))),
  },
  {
    case: 'GET no session',
    ids: 'RT3 SS2',
    measured: [400, HTML],
    direct: { cell: [400, JSON_TYPE, -32_000], because: NO_EXPRESS_PAGE },
    own: { cell: [400, JSON_TYPE, 400], because: SESSIONS_ARE_ITS_OWN },
    ask: (url) => send('GET', url, { accept: SSE }),
  },
  {
    case: 'GET unknown Last-Event-ID',
    ids: 'RT3',
    measured: [200, SSE],
    ask: inSession((s) => headOf(s.listen({ 'last-event-id': 'unknown' }))),
  },
  {
    case: 'PUT',
    ids: 'RT7',
    measured: [404, HTML],
    direct: { cell: [400, JSON_TYPE, -32_000], because: 'the fixture takes every method and misses a session' },
    own: { cell: [405, JSON_TYPE, 405], because: 'a method that the endpoint does not have is 405 with Allow' },
    ask: (url) => send('PUT', url),
  },
  {
    case: 'modern discover',
    ids: 'ST7',
    measured: [200, JSON_TYPE],
    ask: modern(modernRequest('server/discover')),
    check: discovers,
  },
  {
    case: 'modern + Mcp-Session-Id bogus',
    ids: 'RT5',
    measured: [200, JSON_TYPE],
    ask: modern(modernRequest('server/discover'), { 'mcp-session-id': 'bogus' }),
    check: discovers,
  },
  {
    case: 'modern no MCP-Protocol-Version header',
    ids: 'CL5 CL8',
    measured: [400, JSON_TYPE, -32_020],
    ask: modern(modernRequest('tools/list'), { 'mcp-protocol-version': undefined }),
  },
  {
    case: 'modern header only, no _meta',
    ids: 'CL4',
    measured: [400, JSON_TYPE, -32_602],
    ask: (url) => post(url, list, { 'mcp-protocol-version': MODERN, 'mcp-method': 'tools/list' }),
  },
  {
    case: 'modern notification',
    ids: 'RPC11',
    measured: [202, ''],
    ask: modern(modernNotification('notifications/progress', { progressToken: 1, progress: 1 })),
    check: ({ body }) => expect(body).toBe(''),
  },
  {
    case: 'modern JSON-RPC response body',
    ids: 'RPC9',
    measured: [400, JSON_TYPE, -32_000],
    own: { cell: [400, JSON_TYPE, -32_600], because: 'refused for what it is, before a session is looked for' },
    ask: (url) => post(url, { jsonrpc: '2.0', id: 1, result: {} }, { 'mcp-protocol-version': MODERN }),
  },
  {
    case: 'modern batch',
    ids: 'RPC8',
    measured: [400, JSON_TYPE, -32_600],
    ask: (url) => post(url, [modernRequest('tools/list')], { 'mcp-protocol-version': MODERN }),
  },
  {
    case: 'modern unknown tool',
    ids: 'ER3',
    measured: [200, JSON_TYPE, -32_602],
    ask: modern(modernRequest('tools/call', { name: 'nope', arguments: {} })),
  },
  {
    case: 'modern unknown resource',
    ids: 'ER3 ER11',
    measured: [200, JSON_TYPE, -32_602],
    ask: modern(modernRequest('resources/read', { uri: 'x://y' })),
  },
  {
    case: 'modern initialize no _meta + header 2026',
    ids: 'CL2 CL5',
    measured: [400, JSON_TYPE, -32_020],
    ask: (url) => post(url, initializeMessage(), { 'mcp-protocol-version': MODERN }),
  },
  {
    case: 'modern initialize protocolVersion=2026-07-28 (legacy shape)',
    ids: 'CL2 LC1',
    measured: [200, SSE],
    ask: (url) => post(url, initializeMessage(MODERN)),
    check: negotiated('2025-11-25'),
  },
  {
    case: 'modern GET',
    ids: 'RT3 RT4',
    measured: [400, HTML],
    direct: { cell: [400, JSON_TYPE, -32_000], because: NO_EXPRESS_PAGE },
    own: { cell: [400, JSON_TYPE, 400], because: SESSIONS_ARE_ITS_OWN },
    ask: (url) => send('GET', url, { accept: SSE, 'mcp-protocol-version': MODERN }),
  },
  {
    case: 'modern DELETE',
    ids: 'RT4 RT6',
    measured: [400, HTML],
    direct: { cell: [400, JSON_TYPE, -32_000], because: NO_EXPRESS_PAGE },
    own: { cell: [400, JSON_TYPE, 400], because: SESSIONS_ARE_ITS_OWN },
    ask: (url) => send('DELETE', url, { 'mcp-protocol-version': MODERN }),
  },
  {
    case: 'modern legacy version in _meta (2025-11-25)',
    ids: 'CL6',
    measured: [400, JSON_TYPE, -32_022],
    ask: modern(
      modernRequest('tools/list', { _meta: { [META.protocolVersion]: '2025-11-25', [META.clientCapabilities]: {} } }),
      { 'mcp-protocol-version': '2025-11-25' },
    ),
    check: ({ message }) => expect(message?.error?.data).toEqual({ supported: [MODERN], requested: '2025-11-25' }),
  },
  {
    case: 'DELETE',
    ids: 'SS4',
    measured: [200, ''],
    ask: async (url) => (await initialize(url)).end(),
  },
  {
    case: 'POST after DELETE',
    ids: 'SS3',
    measured: [404, JSON_TYPE, -32_001],
    own: { cell: [404, JSON_TYPE, 404], because: SESSIONS_ARE_ITS_OWN },
    ask: async (url) => {
      const session = await initialize(url)
      await session.end()
      return session.post(list)
    },
  },
]

function cellOf({ status, headers, message }: Answer): Cell {
  const type = (headers['content-type'] ?? '').replace(/;.*/, '')
  const code = message?.error?.code
  return code === undefined ? [status, type] : [status, type, code]
}

let server: { url: string; close(): Promise<void> }
let gateway: RunningGateway

beforeAll(async () => {
  server = await startDualEraServer()
  gateway = await startGateway({ servers: { dual: { url: server.url } } })
})
afterAll(async () => {
  await gateway.close()
  await server.close()
})

test('ER8 the table has every row, each once', () => {
  expect(new Set(ROWS.map((row) => row.case)).size).toBe(42)
  expect(ROWS).toHaveLength(42)
})

test.each(ROWS)('$ids ER8 $case', async ({ measured, direct, own, ask, check }) => {
  const expected = direct?.cell ?? measured
  const answer = await ask(server.url)
  expect({ directly: cellOf(answer) }).toEqual({ directly: expected })
  check?.(answer)

  const through = await ask(gateway.url('dual'))
  expect({ throughTheGateway: cellOf(through) }).toEqual({ throughTheGateway: own?.cell ?? expected })
  check?.(through)
})

const differing = ROWS.filter(({ measured, direct, own }) => own && own.cell[0] !== (direct?.cell ?? measured)[0])

test('ER8 RPC8 RT7 the gateway differs in status from the server behind it in four rows alone', () => {
  expect(differing.map((row) => row.case)).toEqual([
    'POST Accept json only',
    'POST Accept */*',
    'POST batch on 2025-11-25',
    'PUT',
  ])
})
