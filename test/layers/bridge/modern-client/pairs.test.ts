// The bridge for modern clients together with what stands around it in a whole gateway: scopes, interceptors, audit, access.
import type { AuditRecord, GatewayOptions } from '../../../../lib/index.ts'
import { type RunningGateway, startGateway } from '../../../support/gateway.ts'
import { type LegacyOnlyServer, startLegacyOnlyServer } from '../../../support/legacy-only-server.ts'
import { META, type ModernMessage, openModern, postModern } from '../../../support/modern.ts'
import { closeUsed, use } from '../../../support/use.ts'

let server: LegacyOnlyServer
let gateway: RunningGateway

beforeEach(async () => {
  server = await use(startLegacyOnlyServer())
})
afterEach(closeUsed)

async function start(options: Partial<GatewayOptions> = {}, config: object = {}): Promise<string> {
  const servers = { old: { url: server.url, bridge: true, protocol: 'legacy' as const, ...config } }
  gateway = await use(startGateway({ servers, authenticate: () => ({ id: 'ada', scopes: ['a'] }), ...options }))
  return gateway.url('old')
}

function message(method: string, params: object = {}): ModernMessage {
  const _meta = { [META.protocolVersion]: '2026-07-28', [META.clientCapabilities]: { elicitation: {} } }
  return { jsonrpc: '2.0', id: 1, method, params: { ...params, _meta } }
}

const ask = message('tools/call', { name: 'ask', arguments: {} })

interface Asking {
  result: { resultType: string; requestState: string; content?: unknown }
}

function answering(asked: Asking): ModernMessage {
  const inputResponses = { elicitation_1: { action: 'accept', content: { name: 'Ada' } } }
  return { ...ask, params: { ...ask.params, inputResponses, requestState: asked.result.requestState } }
}

test('CL5 CL7 HD9 the envelope and the headers are checked here, and nothing of a bad one reaches the server', async () => {
  const url = await start()
  const bare = { ...ask, params: { name: 'ask', _meta: { [META.protocolVersion]: '2026-07-28' } } }
  for (const [bad, headers, code] of [
    [bare, {}, -32602],
    [ask, { 'mcp-method': 'tools/list' }, -32020],
    [ask, { 'mcp-name': 'other' }, -32020],
    [ask, { 'mcp-protocol-version': '2025-11-25' }, -32020],
  ] as const) {
    const { status, body } = await postModern(url, bad, headers)
    expect([status, JSON.parse(body).error.code]).toEqual([400, code])
  }
  expect(server.runs.size).toBe(0)
})

test('AU7 a scope of resources/subscribe is one of listening to a resource, too', async () => {
  const url = await start({}, { scopes: { methods: { 'resources/subscribe': ['b'] } } })
  const filter = { notifications: { resourceSubscriptions: ['test://watched'] } }
  expect((await postModern(url, message('subscriptions/listen', filter))).status).toBe(403)
  const open = await openModern(url, message('subscriptions/listen', { notifications: { toolsListChanged: true } }))
  expect(open.status).toBe(200)
  open.close()
})

test('interceptors see the modern request, the question and the result', async () => {
  const seen: unknown[] = []
  const url = await start({
    intercept: {
      'tools/call': async (request, next) => {
        seen.push(Object.keys(request.params ?? {}).toSorted())
        const result = await next()
        seen.push((result as { resultType?: unknown }).resultType)
        return result
      },
    },
  })
  const asked = JSON.parse((await postModern(url, ask)).body) as Asking
  const done = JSON.parse((await postModern(url, answering(asked))).body) as Asking
  expect(done.result.content).toEqual([{ type: 'text', text: 'accept: {"name":"Ada"}' }])
  expect(seen).toEqual([
    ['_meta', 'arguments', 'name'],
    'input_required',
    ['_meta', 'arguments', 'inputResponses', 'name', 'requestState'],
    'complete',
  ])
})

test('audit has a record of the client’s request, and of the messages to the server', async () => {
  const records: AuditRecord[] = []
  const url = await start({ audit: (record) => void records.push(record) })
  await postModern(url, message('tools/call', { name: 'count', arguments: { to: 1 } }))
  expect(records.filter(({ method }) => method === 'tools/call')).not.toHaveLength(0)
})

test('4 AU11 a server that is withdrawn while its question waits is told, and the answer finds nothing', async () => {
  let isThere = true
  const config = { url: server.url, bridge: true, protocol: 'legacy' as const }
  const url = await start({ servers: () => (isThere ? config : undefined), recheckMs: 20 })
  const asked = JSON.parse((await postModern(url, ask)).body) as Asking
  expect(asked.result.resultType).toBe('input_required')
  isThere = false
  await server.happened('DELETE')
  isThere = true
  const late = await postModern(url, answering(asked))
  expect(JSON.parse(late.body)).toMatchObject({ error: { code: -32602 } })
  expect(server.runs.get('ask')).toBe(1)
})

test('4 SS12 a closing gateway ends the sessions of questions that wait, and does not wait for them', async () => {
  const url = await start()
  await postModern(url, ask)
  const deleted = server.happened('DELETE')
  await gateway.gateway.close({ graceMs: 60_000 })
  await deleted
})
