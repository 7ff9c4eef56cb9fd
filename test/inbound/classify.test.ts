// What was sent: kind, id, method and text of the session revisions' messages. Plain values in, a union out.
import fc from 'fast-check'
import { type BatchMessage, requestIdsOf } from '../../lib/exchange/message.ts'
import { classify as classifyWith } from '../../lib/inbound/classify.ts'

const VERSION = '2025-11-25'

/** With the headers of a client that repeats nothing but the version. */
function classify(json: unknown, protocolVersion: string | undefined, text: string = JSON.stringify(json) ?? '') {
  return classifyWith(json, { protocolVersion, method: undefined, name: undefined, repeated: false }, text)
}

function classifyBatch(items: readonly unknown[], text?: string): BatchMessage {
  const found = classify(items, undefined, text)
  if (found.kind === 'batch') return found
  throw new Error(`classified as a ${found.kind}`)
}

const request = { jsonrpc: '2.0', id: 1, method: 'tools/list' }
const notification = { jsonrpc: '2.0', method: 'notifications/initialized' }
const response = { jsonrpc: '2.0', id: 1, result: {} }

test.each([1, 0, -7, '1', '', 'a b', '\u{1f511}', Number.MAX_SAFE_INTEGER])(
  'RPC2 RPC3 the id %j is an id, and stays what it is',
  (id) => {
    expect(classify({ ...request, id }, VERSION)).toMatchObject({
      kind: 'request',
      era: 'legacy',
      id,
      method: 'tools/list',
    })
  },
)

test.each([null, 1.5, true, {}, [], ['1']])('RPC2 the id %j is none', (id) => {
  const rejection = classify({ ...request, id }, VERSION)
  expect(rejection).toMatchObject({ kind: 'rejection', code: 'invalid_request' })
  expect(rejection).not.toHaveProperty('id')
})

test('RPC2 a message with a method and no id is a notification', () => {
  expect(classify(notification, VERSION)).toMatchObject({
    kind: 'notification',
    era: 'legacy',
    method: 'notifications/initialized',
  })
})

test.each([
  { jsonrpc: '2.0', id: 1, result: {} },
  { jsonrpc: '2.0', id: '', result: null },
  { jsonrpc: '2.0', id: 1, error: { code: -1, message: 'no' } },
  { jsonrpc: '2.0', error: { code: -32700, message: 'unreadable' } },
])('RPC2 %j is a response', (message) => {
  const { id = null, result, error } = message as Partial<Record<string, unknown>>
  expect(classify(message, VERSION)).toEqual({
    kind: 'response',
    era: 'legacy',
    text: JSON.stringify(message),
    id,
    ...('error' in message ? { error } : { result }),
  })
})

test('RPC14 a message keeps its parameters, and the very text that stood on the wire', () => {
  const parameters = '{"big": 12345678901234567890, "name":"\\u00e9"}'
  for (const id of ['"id" : 1 ,', '']) {
    const text = ` {${id} "method":"tools/call","jsonrpc":"2.0","params":${parameters}}\n`
    expect(classify(JSON.parse(text), VERSION, text)).toMatchObject({
      method: 'tools/call',
      params: { big: expect.any(Number), name: 'é' },
      text,
    })
  }
  expect(classify(request, VERSION)).toHaveProperty('params', undefined)
})

test.each([
  undefined,
  null,
  1,
  'text',
  true,
  {},
  { id: 1, method: 'ping' },
  { jsonrpc: '1.0', id: 1, method: 'ping' },
  { jsonrpc: 2, id: 1, method: 'ping' },
  { jsonrpc: '2.0' },
  { jsonrpc: '2.0', id: 1 },
  { jsonrpc: '2.0', id: 1, method: 1 },
  { jsonrpc: '2.0', id: 1, method: null },
  { jsonrpc: '2.0', id: 1, method: 'ping', params: 'text' },
  { jsonrpc: '2.0', id: 1, method: 'ping', params: null },
  { jsonrpc: '2.0', id: 1, method: 'ping', params: [1] },
  { jsonrpc: '2.0', id: 1, result: {}, error: {} },
  { jsonrpc: '2.0', result: {} },
  { jsonrpc: '2.0', id: null, result: {} },
])('RPC1 RPC2 %j is an invalid request', (message) => {
  expect(classify(message, VERSION)).toMatchObject({ kind: 'rejection', code: 'invalid_request' })
})

test.each([
  { jsonrpc: '1.0', id: 'mine', method: 'ping' },
  { jsonrpc: '2.0', id: 'mine', method: 1 },
  { jsonrpc: '2.0', id: 'mine', method: 'ping', params: 1 },
  { jsonrpc: '2.0', id: 'mine' },
])('RPC1 a rejection of %j names the id that could be read', (message) => {
  expect(classify(message, VERSION)).toMatchObject({ kind: 'rejection', id: 'mine' })
})

test('RPC13 fields nobody knows are no reason to refuse', () => {
  const message = { ...request, extra: [1], params: { _meta: { 'example.com/x': null }, more: {} } }
  expect(classify(message, VERSION)).toMatchObject({ kind: 'request', id: 1 })
})

test('SC10 keys of Object.prototype are keys like others', () => {
  const message: unknown = JSON.parse(
    '{"jsonrpc":"2.0","id":1,"method":"constructor","__proto__":{"id":2},"params":{"__proto__":{"_meta":1}}}',
  )
  expect(classify(message, VERSION)).toMatchObject({ kind: 'request', id: 1, method: 'constructor' })
  const inherited: unknown = JSON.parse('{"__proto__":{"jsonrpc":"2.0","id":1,"method":"ping"}}')
  expect(classify(inherited, VERSION)).toMatchObject({ kind: 'rejection' })
})

describe('batches', () => {
  test('RPC5 a batch of requests and notifications names the ids it asks an answer for, in order', () => {
    const batch = classifyBatch([request, notification, { ...request, id: 'b' }, { ...request, id: 0 }])
    expect(batch).toMatchObject({ kind: 'batch', era: 'legacy' })
    expect(batch.items.map(({ kind }) => kind)).toEqual(['request', 'notification', 'request', 'request'])
    expect(requestIdsOf(batch)).toEqual([1, 'b', 0])
  })

  test('RPC5 RPC7 a batch of responses and notifications asks for no answer', () => {
    const batch = classifyBatch([response, notification])
    expect(batch.items).toMatchObject([{ kind: 'response', id: 1, result: {} }, { kind: 'notification' }])
    expect(requestIdsOf(batch)).toEqual([])
  })

  test('RPC5 RPC14 each message of a batch keeps its own text, and the batch the whole of it', () => {
    const texts = [
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"list":[1,[2,"],["]],"big":12345678901234567890}}',
      '{ "method" : "notifications/progress", "jsonrpc":"2.0","params":{"text":"}\\"{"} }',
      '{"jsonrpc":"2.0","id":"b","error":{"code":-1,"message":"no"}}',
    ]
    const text = ` [ ${texts.join(' ,\n')} ] `
    const batch = classifyBatch(JSON.parse(text) as unknown[], text)
    expect(batch.text).toBe(text)
    expect(batch.items.map((each) => each.text)).toEqual(texts)
    expect(batch.items).toMatchObject([{ params: { list: [1, [2, '],[']] } }, { params: { text: '}"{' } }, { id: 'b' }])
  })

  test('RPC1 an empty batch is an invalid request', () => {
    expect(classify([], undefined)).toMatchObject({ kind: 'rejection', code: 'invalid_request' })
  })

  test('RPC6 initialize is never part of a batch', () => {
    const items = [request, { jsonrpc: '2.0', id: 2, method: 'initialize', params: {} }]
    expect(classify(items, undefined)).toMatchObject({ kind: 'rejection', code: 'invalid_request' })
    expect(classify(items.slice(1), undefined)).toMatchObject({ kind: 'rejection', code: 'invalid_request' })
  })

  test.each([[[1]], [[request, null]], [[[request]]], [[request, {}]], [[{ ...request, id: null }]]])(
    'RPC1 one bad message spoils the batch: %j',
    (items) => {
      expect(classify(items, undefined)).toMatchObject({ kind: 'rejection', code: 'invalid_request' })
    },
  )

  test('SC6 a batch has a bound of 100 messages', () => {
    const items = Array.from({ length: 100 }, (_, id) => ({ ...request, id }))
    expect(classify(items, undefined)).toMatchObject({ kind: 'batch' })
    expect(classify([...items, notification], undefined)).toMatchObject({ kind: 'rejection', code: 'invalid_request' })
  })
})

describe('eras', () => {
  test('CL1 without a claim in _meta a message is legacy, whatever its version header of a session revision', () => {
    for (const version of [undefined, '2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25', 'unknown']) {
      expect(classify(request, version)).toMatchObject({ kind: 'request', era: 'legacy' })
    }
  })

  test('CL2 initialize without a claim is the legacy handshake, whatever version it asks for or its header names', () => {
    const handshake = { jsonrpc: '2.0', id: 1, method: 'initialize', params: { protocolVersion: '2026-07-28' } }
    expect(classify(handshake, undefined)).toMatchObject({ kind: 'request', era: 'legacy', method: 'initialize' })
  })

  test.each([
    { params: { _meta: null } },
    { params: { _meta: [] } },
    { params: { _meta: {} } },
    { _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' } },
  ])('CL1 %j is no claim', (parts) => {
    expect(classify({ ...request, ...parts }, VERSION)).toMatchObject({ kind: 'request', era: 'legacy' })
  })

  test('CL1 a modern claim is recognised and not taken for a legacy request', () => {
    const meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' }
    expect(classify({ ...request, params: { _meta: meta } }, '2026-07-28')).not.toMatchObject({ era: 'legacy' })
  })
})

const piece = fc.oneof(
  fc.constantFrom('2.0', '2026-07-28', 'initialize', 'ping', 1, 0, 1.5, null, true, ''),
  fc.jsonValue({ maxDepth: 2 }),
)
const meta = fc.dictionary(
  fc.constantFrom('io.modelcontextprotocol/protocolVersion', 'progressToken', '__proto__'),
  piece,
)
const params = fc.oneof(piece, fc.record({ _meta: fc.oneof(meta, piece), name: piece }, { requiredKeys: [] }))
const message = fc.record(
  { jsonrpc: fc.oneof(fc.constant('2.0'), piece), id: piece, method: piece, params, result: piece, error: piece },
  { requiredKeys: [] },
)
const anything = fc.oneof(message, fc.array(fc.oneof(message, piece), { maxLength: 4 }), fc.jsonValue())
const KINDS = ['request', 'notification', 'response', 'batch', 'rejection']

test('RPC1 whatever JSON arrives is classified or rejected, never thrown at', () => {
  fc.assert(
    fc.property(
      anything,
      fc.option(fc.constantFrom('2025-11-25', '2026-07-28', 'x'), { nil: undefined }),
      (json, version) => {
        expect(KINDS).toContain(classify(json, version).kind)
      },
    ),
    { numRuns: 1_000 },
  )
})

test('RPC2 whatever is classified as a request has an id to answer to and a method', () => {
  fc.assert(
    fc.property(message, (json) => {
      const found = classify(json, undefined)
      if (found.kind !== 'request') return
      expect(found.id).toBe((json as { id?: unknown }).id)
      expect(typeof found.method).toBe('string')
    }),
    { numRuns: 1_000 },
  )
})
