// Every code, what it means on the wire, and what of an error a client gets to see.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { GatewayError, type GatewayErrorCode } from '../lib/index.ts'

/** Written out again on purpose: these are promises to clients and to whoever reads `error.code`. */
const WIRE: Readonly<Record<GatewayErrorCode, readonly [status: number, rpc: number]>> = {
  connection_required: [200, -32042],
  parse_error: [400, -32700],
  invalid_request: [400, -32600],
  header_mismatch: [400, -32020],
  invalid_envelope: [400, -32602],
  unsupported_version: [400, -32022],
  bad_request: [400, 400],
  events_gone: [400, 400],
  session_required: [400, 400],
  unauthorized: [401, 401],
  forbidden: [403, 403],
  insufficient_scope: [403, 403],
  host_not_allowed: [403, 403],
  origin_not_allowed: [403, 403],
  not_found: [404, 404],
  method_not_found: [404, -32601],
  session_not_found: [404, 404],
  method_not_allowed: [405, 405],
  not_acceptable: [406, 406],
  body_too_large: [413, 413],
  unsupported_media_type: [415, 415],
  rate_limited: [429, 429],
  too_many_requests: [503, 503],
  internal: [500, 500],
  upstream_unreachable: [502, 502],
  upstream_broken: [502, 502],
  upstream_invalid: [502, 502],
  upstream_refused: [502, 502],
  upstream_unauthorized: [502, 502],
  client_stalled: [408, 408],
  closing: [503, 503],
  unavailable: [503, 503],
  upstream_timeout: [504, 504],
  loop_detected: [508, 508],
}

const codes = Object.entries(WIRE) as [GatewayErrorCode, readonly [number, number]][]

test.each(codes)('ER9 %s is %j on the wire', (code, [status, rpc]) => {
  const error = new GatewayError(code, 'what is wrong')
  expect(error).toBeInstanceOf(Error)
  expect(error).toMatchObject({ name: 'GatewayError', code, status, message: 'what is wrong' })
  expect(JSON.parse(error.toJsonRpc('a'))).toEqual({
    jsonrpc: '2.0',
    id: 'a',
    error: { code: rpc, message: 'what is wrong' },
  })
})

test("ER9 the gateway's own codes stay out of the range that JSON-RPC and MCP reserve", () => {
  const inRange = codes.filter(([, [, rpc]]) => rpc >= -32_768 && rpc <= -32_000).map(([code]) => code)
  const specified = [
    'connection_required',
    'parse_error',
    'invalid_request',
    'header_mismatch',
    'invalid_envelope',
    'unsupported_version',
    'method_not_found',
  ]
  expect(inRange.toSorted()).toEqual(specified.toSorted())
})

test.each([0, '', '1', 1, -1])('RPC3 the id %j comes back as it is', (id) => {
  expect(JSON.parse(new GatewayError('internal', 'x').toJsonRpc(id))).toHaveProperty('id', id)
})

test('RPC1 without an id there is no id, not a null', () => {
  expect(JSON.parse(new GatewayError('parse_error', 'x').toJsonRpc())).not.toHaveProperty('id')
})

test('SC7 the cause is kept for the operator and never written', () => {
  const cause = new Error('secret')
  const error = new GatewayError('internal', 'x', { cause })
  expect(error.cause).toBe(cause)
  expect(error.toJsonRpc(1)).not.toMatch(/secret/)
  expect(new GatewayError('internal', 'x')).not.toHaveProperty('cause')
})

test('a code brings the headers its status asks for', () => {
  expect(new GatewayError('unauthorized', 'x').headers).toEqual({
    'www-authenticate': 'Bearer',
    'cache-control': 'no-store',
  })
  expect(new GatewayError('method_not_allowed', 'x').headers).toEqual({ allow: 'POST, GET, DELETE' })
  expect(new GatewayError('unavailable', 'x').headers).toEqual({ 'retry-after': '1' })
  expect(new GatewayError('internal', 'x').headers).toEqual({})
})

test('an error asks for a token if its code does or if it is told to, unless its headers have said so', () => {
  const headers = { 'www-authenticate': 'Basic realm="app"' }
  expect(new GatewayError('unauthorized', 'x').challenge).toEqual({})
  expect(new GatewayError('insufficient_scope', 'x').challenge).toEqual({ error: 'insufficient_scope' })
  expect(new GatewayError('insufficient_scope', 'x', { challenge: { scopes: ['a'] } }).challenge).toEqual({
    error: 'insufficient_scope',
    scopes: ['a'],
  })
  expect(new GatewayError('bad_request', 'x', { challenge: { error: 'invalid_request' } }).challenge).toEqual({
    error: 'invalid_request',
  })
  expect(new GatewayError('forbidden', 'x').challenge).toBeUndefined()
  expect(new GatewayError('unauthorized', 'x', { headers }).challenge).toBeUndefined()
})

test('headers given replace those of the code by name and leave the others', () => {
  const headers = { 'www-authenticate': 'Bearer scope="tools"' }
  expect(new GatewayError('unauthorized', 'x', { headers }).headers).toEqual({
    ...headers,
    'cache-control': 'no-store',
  })
})

test('ER8 another status is said in the JSON-RPC code as well', () => {
  const error = new GatewayError('upstream_refused', 'x', { status: 429 })
  expect(error.status).toBe(429)
  expect(JSON.parse(error.toJsonRpc(1))).toMatchObject({ error: { code: 429 } })
})

test('data is written where there is any', () => {
  const written = (data: unknown): unknown => JSON.parse(new GatewayError('internal', 'x', { data }).toJsonRpc(1))
  expect(written({ supported: ['2026-07-28'] })).toMatchObject({ error: { data: { supported: ['2026-07-28'] } } })
  expect(written(undefined)).toEqual({ jsonrpc: '2.0', id: 1, error: { code: 500, message: 'x' } })
})

const circle: Record<string, unknown> = {}
circle['self'] = circle

test.each<[words: string, options: unknown]>([
  ['"status"', { status: 200 }],
  ['"status"', { status: 399.5 }],
  ['"status"', { status: '404' }],
  ['"headers"', { headers: new Headers({ 'x-key': '1' }) }],
  ['"headers"', { headers: [['x-key', '1']] }],
  ['"headers"', { headers: null }],
  ['"headers".*"x-key"', { headers: { 'x-key': 'a\nb' } }],
  ['"headers".*"x-key"', { headers: { 'x-key': undefined } }],
  ['"headers".*content-length', { headers: { 'Content-Length': '1' } }],
  ['"headers".*transfer-encoding', { headers: { 'transfer-encoding': 'chunked' } }],
  ['"headers".*trailer', { headers: { Trailer: 'x-sum' } }],
  ['"data"', { data: circle }],
  ['"data"', { data: 1n }],
  ['"data"', { data: () => {} }],
  ['"challenge.scopes".*array', { challenge: { scopes: 'docs:read' } }],
  ['"challenge.error"', { challenge: { error: 7 } }],
])('SC6 what cannot be sent is refused where it is made: %s', (words, options) => {
  const make = (): unknown => new GatewayError('forbidden', 'No', options as never)
  expect(make).toThrow(TypeError)
  expect(make).toThrow(new RegExp(`GatewayError: ${words}`))
})

test('a code that there is not is refused by name', () => {
  expect(() => new GatewayError('nope' as never, 'No')).toThrow('GatewayError: "nope" is not a code')
})

test('data is said as it was when the error was made', () => {
  const data: Record<string, unknown> = { supported: ['2026-07-28'] }
  const error = new GatewayError('internal', 'x', { data })
  data['self'] = data
  expect(JSON.parse(error.toJsonRpc(1))).toMatchObject({ error: { data: { supported: ['2026-07-28'] } } })
})

test('a challenge in headers is told by its name in any case', () => {
  const error = new GatewayError('unauthorized', 'x', { headers: { 'WWW-Authenticate': 'Basic' } })
  expect(error.challenge).toBeUndefined()
  expect(error.headers).toEqual({ 'www-authenticate': 'Basic', 'cache-control': 'no-store' })
})

test('no message says "upstream", which clients and people know as a server', () => {
  const lib = join(import.meta.dirname, '..', 'lib')
  const files = readdirSync(lib, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
  const messages = files.flatMap((file) => {
    const made = readFileSync(join(lib, file), 'utf8').matchAll(/new GatewayError\(\s*\w*'?\w+'?,\s*(['`])(.*?)\1/gs)
    return [...made].map(([, , message = '']) => `${file}: ${message}`)
  })
  expect(messages.length).toBeGreaterThan(50)
  expect(messages.filter((message) => /: .*upstream/is.test(message))).toEqual([])
})
