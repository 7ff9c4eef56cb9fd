// What layers do not change stays byte for byte, and what they do not see is not even read. (governance 1-6)
import { jest } from '@jest/globals'
import { RpcError } from '../../../lib/index.ts'
import { modernRequest, postModern } from '../../support/modern.ts'
import { cleanUp, layer, world } from './setup.ts'

afterEach(cleanUp)

/** A result that JSON.parse and JSON.stringify would make another of. */
const ODD = String.raw`{ "n" : 9007199254740993, "one": 1.0, "big": 1e400, "e": "\u00e9", "content": [ {"type":"text","text":"\u0061"} ] }`
const answerOf = (id: unknown, result: string) => `{"jsonrpc":"2.0", "id": ${JSON.stringify(id)} ,"result":${result}}`
const json = { 'content-type': 'application/json' }
const pass = (_: unknown, next: () => unknown) => next()
const passing = (method: string) => layer({ [method]: pass })

test('1. a method that no layer names is relayed byte for byte, and its reply never parsed', async () => {
  const { upstream, open } = await world({ intercept: passing('tools/list') })
  upstream.on('tools/call', (exchange) => exchange.status(200, answerOf(exchange.message?.id, ODD), json))
  const session = await open()
  const parse = jest.spyOn(JSON, 'parse')
  const body = `{"jsonrpc":"2.0","id":7, "method":"tools/call","params":{"name":"x","arguments":{"n":12345678901234567890}}}`
  const answer = await session.post(body)
  const parsed = parse.mock.calls.map(([text]) => text)
  parse.mockRestore()
  expect(answer.body).toBe(answerOf(7, ODD))
  expect(upstream.requests('tools/call')[0]!.body.toString()).toBe(body)
  // The test's own client parses the answer; the gateway parses the request alone.
  expect(parsed.filter((text) => text === answer.body)).toHaveLength(1)
})

test('2. a layer that returns what next() gave leaves the very bytes, in both directions and both eras', async () => {
  for (const intercept of [
    passing('tools/call'),
    [passing('*'), layer({ 'tools/*': ({ params }, next) => next(params) })],
  ]) {
    const { upstream, open, modern } = await world({
      intercept,
      server: { intercept: passing('*') },
    })
    upstream.on('tools/call', (exchange) => exchange.status(200, answerOf(exchange.message?.id, ODD), json))
    const body = `{"jsonrpc":"2.0","id":7, "method":"tools/call","params":{"name":"x", "arguments":{"n":12345678901234567890}}}`
    const session = await open()
    const answer = await session.post(body)
    expect(answer.body).toBe(answerOf(7, ODD))
    expect(answer.headers['content-length']).toBe(String(Buffer.byteLength(answerOf(7, ODD))))
    expect(upstream.requests('tools/call')[0]!.body.toString()).toBe(body)
    expect((await modern('tools/call', { name: 'x' })).body).toBe(answerOf(1, ODD))
  }
})

test('2. also of an event stream, and of an error with a status of its own', async () => {
  const { upstream, open, url } = await world({ intercept: passing('*') })
  const events = `: hello\n\nevent: message\ndata: ${answerOf(7, ODD)}\n\n`
  upstream.on('tools/call', (exchange) => exchange.status(200, events, { 'content-type': 'text/event-stream' }))
  const session = await open()
  expect((await session.post('{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"x"}}')).body).toBe(events)
  const refusal = '{"jsonrpc":"2.0","id":1, "error":{"code":-32601,"message":"no", "data": 1.0}}'
  upstream.on('prompts/get', (exchange) => exchange.status(404, refusal, json))
  const refused = await postModern(url, modernRequest('prompts/get', { name: 'x' }))
  expect([refused.status, refused.body]).toEqual([404, refusal])
})

test('3. a changed member leaves every other as it was', async () => {
  const intercept = layer({
    'tools/call': async ({ params }, next) => {
      const result = await next({ ...params, arguments: { ...params.arguments, added: true } })
      return { ...result, content: [...result.content, { type: 'text', text: 'more' }] }
    },
  })
  const { upstream, open } = await world({ intercept })
  upstream.on('tools/call', (exchange) => exchange.status(200, answerOf(exchange.message?.id, ODD), json))
  const session = await open()
  const answer = await session.post(
    String.raw`{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"arguments":{"n":9007199254740993, "e":"\u00e9"},"name":"x"}}`,
  )
  expect(upstream.requests('tools/call')[0]!.body.toString()).toBe(
    String.raw`{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"arguments":{"n":9007199254740993,"e":"\u00e9","added":true},"name":"x"}}`,
  )
  expect(answer.body).toBe(
    answerOf(
      7,
      ODD.replace(
        String.raw`[ {"type":"text","text":"\u0061"} ]`,
        String.raw`[{"type":"text","text":"\u0061"},{"type":"text","text":"more"}]`,
      ),
    ),
  )
})

test('4. what layers get is frozen: changing it in place fails the call, and nothing half-changed leaves', async () => {
  const intercept = layer({
    'tools/list': async (_, next) => {
      const result = await next()
      result.tools.push({})
      return result
    },
  })
  const { upstream, open, gateway } = await world({ intercept })
  upstream.on('tools/list', (exchange) => exchange.result({ tools: [{ name: 'a' }] }))
  const answer = await (await open()).request('tools/list')
  expect([answer.status, answer.message?.error?.message]).toEqual([500, 'Internal error'])
  expect(answer.body).not.toContain('"a"')
  const { error } = gateway.reported.entries[0]!
  expect(String((error.cause as Error).cause)).toMatch(/TypeError.*not extensible/)
  const frozen = layer({
    'tools/call': ({ params }, next) => {
      params.arguments.deep.x = 1
      return next()
    },
  })
  const other = await world({ intercept: frozen })
  const refused = await (await other.open()).request('tools/call', { name: 'x', arguments: { deep: {} } })
  expect(refused.status).toBe(500)
  expect(other.upstream.requests('tools/call')).toHaveLength(0)
})

test('5. a key that stands twice in a reply, or in another case, reaches no client past a layer', async () => {
  const { upstream, open } = await world({ intercept: passing('tools/call') })
  const session = await open()
  for (const result of [
    '{"content":[{"type":"text","text":"evil"}],"content":[]}',
    '{"content":[{"type":"text","text":"evil","text":"good"}]}',
    '{"content":[],"Content":["evil"]}',
  ]) {
    upstream.on('tools/call', (exchange) => exchange.status(200, answerOf(exchange.message?.id, result), json))
    const answer = await session.request('tools/call', { name: 'x' })
    expect([answer.status, answer.body.includes('evil')]).toEqual([502, false])
  }
  for (const body of [
    '"result":{"content":[]},"Result":{"evil":1}',
    '"result":{"evil":1},"result":{}',
    '"error":null,"result":{"evil":1}',
    '"result":{},"error":{"code":1,"message":"evil"}',
  ]) {
    upstream.on('tools/call', (exchange) =>
      exchange.status(200, `{"jsonrpc":"2.0","id":${JSON.stringify(exchange.message?.id)},${body}}`, json),
    )
    const answer = await session.request('tools/call', { name: 'x' })
    expect([answer.status, answer.body.includes('evil')]).toEqual([502, false])
  }
  const twice = await session.post(
    '{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"x","arguments":{"path":"/etc","path":"/ok"}}}',
  )
  expect(twice.status).toBe(400)
})

test('6. an answer that is none is "internal", told with the method of the layer', async () => {
  for (const [method, hook] of [
    ['tools/call', () => undefined],
    ['tools/list', () => ({})],
    ['tools/call', () => 'text'],
  ] as const) {
    const { open, gateway, upstream } = await world({ intercept: layer({ [method]: hook }) })
    const answer = await (await open()).request(method, { name: 'x' })
    expect([answer.status, answer.message?.error?.message]).toEqual([500, 'Internal error'])
    expect(String(gateway.reported.entries[0]!.error.cause)).toContain(`"${method}"`)
    expect(upstream.requests(method)).toHaveLength(0)
  }
})

test('an answer of a layer’s own, and an error of its own, are those of the request; a modern one is complete', async () => {
  const intercept = layer({
    'tools/call': ({ params }) => {
      if (params.name === 'no') throw new RpcError(-32001, 'Withheld', { why: 1 })
      return { content: [] }
    },
  })
  const { open, modern, upstream } = await world({ intercept })
  const session = await open()
  expect((await session.request('tools/call', { name: 'x' })).message).toEqual({
    jsonrpc: '2.0',
    id: 1,
    result: { content: [] },
  })
  const refused = await session.request('tools/call', { name: 'no' })
  expect([refused.status, refused.message]).toEqual([
    200,
    { jsonrpc: '2.0', id: 2, error: { code: -32001, message: 'Withheld', data: { why: 1 } } },
  ])
  expect((await modern('tools/call', { name: 'x' })).message?.result).toEqual({ resultType: 'complete', content: [] })
  expect(upstream.requests('tools/call')).toHaveLength(0)
})
