// Which era a message is of, and that nothing passes as a modern request which an SDK server would not take for one.
import { classifyInboundRequest, createMcpHandler, McpServer } from '@modelcontextprotocol/server'
import fc from 'fast-check'
import { classify as classifyWith } from '../../lib/inbound/classify.ts'
import type { StandardHeaders } from '../../lib/inbound/inbound-request.ts'
import { envelope, META, MODERN, modernNotification, modernRequest, standardHeaders } from '../support/modern.ts'

const NO_HEADERS: StandardHeaders = { protocolVersion: undefined, method: undefined, name: undefined, repeated: false }

const textOf = (json: unknown): string => JSON.stringify(json) ?? ''

function classify(json: unknown, headers: Partial<StandardHeaders> = {}) {
  return classifyWith(json, { ...NO_HEADERS, ...headers }, textOf(json))
}

const headersOf = (method: string, name?: string): Partial<StandardHeaders> => ({
  protocolVersion: MODERN,
  method,
  name,
})

const handshake = { jsonrpc: '2.0', id: 1, method: 'initialize', params: { protocolVersion: MODERN, capabilities: {} } }

describe('initialize', () => {
  test.each([
    ['without headers', {}],
    ['with a session revision in its header', { protocolVersion: '2025-11-25' }],
    ['with Mcp-Method on it, as mcp-remote sends it', { method: 'initialize' }],
    ['with another Mcp-Method on it', { method: 'tools/call', name: 'echo' }],
    ['with a standard header that came twice', { method: 'initialize, initialize', repeated: true }],
  ])('CL2 CL3 %s is the legacy handshake, even when it asks for 2026-07-28', (_what, headers) => {
    expect(classify(handshake, headers)).toMatchObject({ kind: 'request', era: 'legacy', method: 'initialize' })
  })

  test('CL2 with a modern envelope is a modern request for a method that does not exist', () => {
    const claimed = modernRequest('initialize', handshake.params)
    expect(classify(claimed, headersOf('initialize'))).toMatchObject({ code: 'method_not_found', id: 1 })
  })

  test('CL5 with a modern header and no envelope contradicts itself', () => {
    expect(classify(handshake, headersOf('initialize'))).toMatchObject({ code: 'header_mismatch', id: 1 })
  })
})

describe('the era', () => {
  test('CL1 a claim in the body decides, whatever the headers say or leave out', () => {
    const request = modernRequest('tools/list')
    for (const headers of [{}, { protocolVersion: '2025-11-25' }, { method: 'tools/list' }]) {
      expect(classify(request, headers)).toMatchObject({ code: 'header_mismatch' })
    }
    expect(classify(request, headersOf('tools/list'))).toMatchObject({ kind: 'request', era: 'modern' })
  })

  test('CL3 no Mcp-* header makes a request modern', () => {
    const request = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'echo' } }
    const headers = { method: 'tools/call', name: 'echo' }
    expect(classify(request, headers)).toMatchObject({ kind: 'request', era: 'legacy' })
    expect(classify(request, { ...headers, name: 'another', repeated: true })).toMatchObject({ era: 'legacy' })
  })

  test('CL4 a modern header over a legacy body is a modern request without its envelope', () => {
    const request = { jsonrpc: '2.0', id: 1, method: 'tools/list' }
    expect(classify(request, headersOf('tools/list'))).toMatchObject({ code: 'invalid_envelope', id: 1 })
  })

  test('CL8 a request that names no revision anywhere is legacy', () => {
    expect(classify({ jsonrpc: '2.0', id: 1, method: 'tools/list' })).toMatchObject({ era: 'legacy' })
  })

  test('RPC3 RPC13 a modern request keeps its id, and what nobody knows is no reason to refuse it', () => {
    for (const id of [0, -1, '', '0', 'a b', Number.MAX_SAFE_INTEGER]) {
      const request = { ...modernRequest('vendor/method', { more: [{}] }, id), extra: null }
      const { params } = request
      const found = classify(request, headersOf('vendor/method'))
      expect(found).toMatchObject({ kind: 'request', era: 'modern', id, params, text: JSON.stringify(request) })
    }
  })
})

test.each(['9007199254740993', '-9007199254740993', '1e300'])(
  'RPC2 RPC3 the id %s, which no double can tell from its neighbours, is refused, since nobody could answer to it',
  (id) => {
    for (const params of [JSON.stringify({ _meta: envelope }), '{}']) {
      const request: unknown = JSON.parse(`{"jsonrpc":"2.0","id":${id},"method":"tools/list","params":${params}}`)
      const rejection = classify(request, params === '{}' ? {} : headersOf('tools/list'))
      expect(rejection).toMatchObject({ kind: 'rejection', code: 'invalid_request' })
      expect(rejection).not.toHaveProperty('id')
    }
  },
)

describe('what a modern client does not send', () => {
  const response = { jsonrpc: '2.0', id: 1, result: {} }
  const failure = { jsonrpc: '2.0', id: 1, error: { code: -1, message: 'no' } }

  test.each([response, failure])('RPC9 under a modern header %j is an invalid request', (message) => {
    expect(classify(message, { protocolVersion: MODERN })).toMatchObject({ code: 'invalid_request' })
    expect(classify(message, { protocolVersion: '2025-11-25' })).toMatchObject({ kind: 'response', era: 'legacy' })
  })

  test.each([
    ['requests', [modernRequest('tools/list'), modernRequest('tools/list', {}, 2)]],
    ['one request', [modernRequest('tools/list')]],
    ['a notification', [modernNotification('notifications/progress')]],
    ['a legacy request before a modern one', [{ jsonrpc: '2.0', id: 2, method: 'ping' }, modernRequest('tools/list')]],
  ])('RPC8 a batch of %s is an invalid request, with and without headers', (_what, batch) => {
    for (const headers of [{}, { protocolVersion: MODERN }, headersOf('tools/list')]) {
      expect(classify(batch, headers)).toMatchObject({ kind: 'rejection', code: 'invalid_request' })
    }
  })

  test.each([[[response]], [[{ jsonrpc: '2.0', id: 1, method: 'ping' }]], [[{ jsonrpc: '2.0', method: 'x' }]], [[]]])(
    'RPC8 under a modern header %j is an invalid request',
    (batch) => {
      expect(classify(batch, { protocolVersion: MODERN })).toMatchObject({ kind: 'rejection', code: 'invalid_request' })
    },
  )

  test('RPC11 a notification is modern by its claim or by its header', () => {
    const plain = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } }
    expect(classify(modernNotification('notifications/cancelled'))).toMatchObject({
      kind: 'notification',
      era: 'modern',
    })
    expect(classify(plain, { protocolVersion: MODERN })).toMatchObject({ kind: 'notification', era: 'modern' })
    expect(classify(plain, { method: 'notifications/cancelled' })).toMatchObject({
      kind: 'notification',
      era: 'legacy',
    })
  })
})

/** Anything JSON, with what the classifier looks at made likely. */
const METHODS = [
  'tools/call',
  'resources/read',
  'tasks/get',
  'tools/list',
  'initialize',
  'server/discover',
  'constructor',
]
const TEXTS = [MODERN, '2025-11-25', '2099-01-01', 'echo', '=?base64?ZWNobw==?=', '=?base64?e?=', '', '2.0']
const piece = fc.oneof(fc.constantFrom(...TEXTS, ...METHODS, 0, 1, -1, 1.5, true, null), fc.jsonValue({ maxDepth: 2 }))
const meta = fc.record(
  {
    [META.protocolVersion]: fc.oneof({ weight: 4, arbitrary: fc.constant(MODERN) }, piece),
    [META.clientCapabilities]: fc.oneof({ weight: 4, arbitrary: fc.constant({}) }, piece),
    'example.com/extra': piece,
  },
  { requiredKeys: [] },
)
const params = fc.record(
  { _meta: fc.oneof({ weight: 9, arbitrary: meta }, piece), name: piece, uri: piece, taskId: piece },
  { requiredKeys: [] },
)
const message = fc.record(
  {
    jsonrpc: fc.oneof({ weight: 9, arbitrary: fc.constant('2.0') }, piece),
    id: fc.oneof({ weight: 4, arbitrary: fc.integer() }, fc.string(), piece),
    method: fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...METHODS) }, piece),
    params: fc.oneof({ weight: 9, arbitrary: params }, piece),
    result: piece,
    error: piece,
  },
  { requiredKeys: ['jsonrpc'] },
)
const value = fc.option(fc.oneof(fc.constantFrom(...TEXTS, ...METHODS), fc.string()), { nil: undefined })
const anyHeaders: fc.Arbitrary<StandardHeaders> = fc.record({
  protocolVersion: fc.oneof({ weight: 2, arbitrary: fc.constant(MODERN) }, value),
  method: value,
  name: value,
  repeated: fc.boolean(),
})
const anything = fc.oneof({ weight: 9, arbitrary: message }, fc.array(fc.oneof(message, piece)), fc.jsonValue())

test('CL11 RPC1 whatever JSON comes under whatever headers is classified or refused, never thrown at', () => {
  const kinds = ['request', 'notification', 'response', 'batch', 'rejection']
  fc.assert(
    fc.property(anything, anyHeaders, (json, headers) => {
      const found = classifyWith(json, headers, textOf(json))
      expect(kinds).toContain(found.kind)
      if (found.kind === 'rejection') expect(found.reason).not.toBe('')
      else if ('id' in found) expect(found.id).toBe((json as { id?: unknown }).id ?? null)
    }),
    { numRuns: 3_000 },
  )
})

/** Close to a modern request without a fault, so that many pass; a fault in one place, or in none. */
const NAMED: Readonly<Record<string, string>> = { 'tools/call': 'name', 'resources/read': 'uri', 'tasks/get': 'taskId' }
const nearly = fc
  .record({
    method: fc.constantFrom(...METHODS),
    id: fc.oneof(fc.integer(), fc.string()),
    name: fc.oneof(fc.constantFrom('echo', '=?base64?ZWNobw==?=', 'H\u00e4nsel', ' x '), fc.string({ maxLength: 8 })),
    extra: fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 1 }), { maxKeys: 3 }),
    fault: fc.option(fc.record({ where: fc.nat(7), what: piece }), { nil: undefined }),
    isEncoded: fc.boolean(),
  })
  .map(({ method, id, name, extra, fault, isEncoded }) => {
    const request = modernRequest(method, { ...extra, _meta: { ...envelope }, [NAMED[method] ?? 'other']: name }, id)
    const said = isEncoded ? `=?base64?${Buffer.from(name).toString('base64')}?=` : name
    const headers: StandardHeaders = { ...NO_HEADERS, protocolVersion: MODERN, method, name: said }
    const text = typeof fault?.what === 'string' ? fault.what : undefined
    const spoilt = [
      () => ({ request, headers: { ...headers, protocolVersion: text } }),
      () => ({ request, headers: { ...headers, method: text } }),
      () => ({ request, headers: { ...headers, name: text } }),
      () => ({ request: { ...request, id: fault?.what }, headers }),
      () => ({ request: { ...request, params: fault?.what }, headers }),
      () => ({ request: { ...request, params: { ...request.params, _meta: fault?.what } }, headers }),
      () => ({ request: withMeta(request, META.clientCapabilities, fault?.what), headers }),
      () => ({ request: withMeta(request, META.protocolVersion, fault?.what), headers }),
    ][fault?.where ?? -1]
    return spoilt?.() ?? { request, headers }
  })

function withMeta(request: ReturnType<typeof modernRequest>, key: string, what: unknown) {
  return { ...request, params: { ...request.params, _meta: { ...envelope, [key]: what } } }
}

test('CL11 what passes as a modern request is one to the classifier of the SDK, under the same headers', () => {
  let passed = 0
  fc.assert(
    fc.property(nearly, ({ request, headers }) => {
      if (classifyWith(request, headers, textOf(request)).kind !== 'request') return
      passed += 1
      const outcome = classifyInboundRequest({
        httpMethod: 'POST',
        body: JSON.parse(JSON.stringify(request)) as unknown,
        ...(headers.protocolVersion !== undefined && { protocolVersionHeader: headers.protocolVersion }),
        ...(headers.method !== undefined && { mcpMethodHeader: headers.method }),
        ...(headers.name !== undefined && { mcpNameHeader: headers.name }),
      })
      expect(outcome).toMatchObject({ kind: 'modern', messageKind: 'request' })
    }),
    { numRuns: 1_500 },
  )
  expect(passed).toBeGreaterThan(100)
})

test('HD9 HD10 what passes as a modern request is answered by an SDK server for what it asks, not for its headers', async () => {
  const handler = createMcpHandler(
    () => new McpServer({ name: 'judge', version: '1.0.0' }, { capabilities: { tools: {} } }),
    {
      legacy: 'reject',
    },
  )
  const judge = async (request: object, headers: Record<string, string>): Promise<number | undefined> => {
    const common = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }
    const init = { method: 'POST', headers: { ...common, ...headers }, body: JSON.stringify(request) }
    const response = await handler.fetch(new Request('http://127.0.0.1/mcp', init))
    return ((await response.json()) as { error?: { code: number } }).error?.code
  }
  // The judge can say no, and would say it in these codes.
  const request = modernRequest('tools/call', { name: 'echo' })
  await expect(judge(request, { ...standardHeaders(request), 'mcp-name': 'x' })).resolves.toBe(-32020)
  await expect(judge(request, { ...standardHeaders(request), 'mcp-protocol-version': '1' })).resolves.toBe(-32020)

  let passed = 0
  await fc.assert(
    fc.asyncProperty(nearly, async ({ request: each, headers }) => {
      if (classifyWith(each, headers, textOf(each)).kind !== 'request') return
      const entries = Object.entries({
        'mcp-protocol-version': headers.protocolVersion,
        'mcp-method': headers.method,
        'mcp-name': headers.name,
      })
      // Only what HTTP can carry, as it arrives: without space around it.
      fc.pre(
        entries.every(
          ([, text]) => text === undefined || /^(?:[\x21-\xff](?:[\t\x20-\xff]*[\x21-\xff])?)?$/.test(text),
        ),
      )
      passed += 1
      const sent = Object.fromEntries(entries.filter(([, text]) => text !== undefined)) as Record<string, string>
      expect([-32_020, -32_022, -32_600]).not.toContain(await judge(each, sent))
    }),
    { numRuns: 300 },
  )
  await handler.close()
  expect(passed).toBeGreaterThan(20)
})
