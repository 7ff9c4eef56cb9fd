// tools(): hidden is unknown, whichever way one comes. (governance 29-37)
import express from 'express'
import { serverDirectory } from '../../../lib/directory/index.ts'
import { type Principal, tools } from '../../../lib/index.ts'
import { listen } from '../../support/listen.ts'
import { modernRequest, openModern, postModern } from '../../support/modern.ts'
import { post } from '../../support/rpc.ts'
import { cleanUp, layer, world, type World } from './setup.ts'

afterEach(cleanUp)

const tool = (name: string, more: object = {}) => ({ name, inputSchema: { type: 'object' }, ...more })

/** Answers `tools/list` in pages, as long as there are any. */
function pages({ upstream }: World, ...lists: object[][]): void {
  upstream.on('tools/list', (exchange) => {
    const at = Number(exchange.message?.params?.['cursor'] ?? 0)
    const more = at + 1 < lists.length ? { nextCursor: String(at + 1) } : {}
    const isModern = exchange.headers['mcp-protocol-version'] === '2026-07-28'
    const modern = isModern ? { resultType: 'complete', ttlMs: 60_000, cacheScope: 'public' } : {}
    exchange.result({ ...modern, tools: lists[at], ...more })
  })
  upstream.on('tools/call', (exchange) => exchange.result({ resultType: 'complete', content: [] }))
}

const namesIn = (result: unknown): string[] => (result as { tools: { name: string }[] }).tools.map(({ name }) => name)

test('29. each page is cut by itself: cursors stay, a page may be empty, and none is asked for that nobody wants', async () => {
  const here = await world({ intercept: tools({ allow: ['get_*'], deny: ['*_secret'] }) })
  pages(here, [tool('get_a'), tool('set_a'), tool('get_secret')], [tool('set_b')], [tool('get_b')])
  const session = await here.open()
  expect((await session.request('tools/list')).message?.result).toEqual({ tools: [tool('get_a')], nextCursor: '1' })
  expect((await session.request('tools/list', { cursor: '1' })).message?.result).toEqual({ tools: [], nextCursor: '2' })
  expect((await session.request('tools/list', { cursor: '2' })).message?.result).toEqual({ tools: [tool('get_b')] })
  expect(here.upstream.requests('tools/list')).toHaveLength(3)
})

test('30. what is hidden is unknown: the same answer as for a name that never was, in both eras and in batches', async () => {
  const here = await world({ intercept: tools({ allow: ['get_*'] }) })
  pages(here, [tool('get_a'), tool('hidden')])
  const session = await here.open({ version: '2025-03-26' })
  const legacy = [
    await session.request('tools/call', { name: 'hidden' }),
    await session.request('tools/call', { name: 'nothing' }),
  ]
  const modern = [
    await here.modern('tools/call', { name: 'hidden' }),
    await here.modern('tools/call', { name: 'nothing' }),
  ]
  for (const [hidden, never] of [legacy, modern] as const) {
    expect(hidden!.message?.error).toEqual({ code: -32602, message: 'Unknown tool: hidden' })
    expect(hidden!.body.replace('hidden', 'nothing').replace(/"id":\d/, '')).toBe(never!.body.replace(/"id":\d/, ''))
    expect([hidden!.status, Object.keys(hidden!.headers)]).toEqual([never!.status, Object.keys(never!.headers)])
  }
  const batch = [1, 2].map((id) => ({
    jsonrpc: '2.0',
    id,
    method: 'tools/call',
    params: { name: id === 1 ? 'hidden' : 'get_a' },
  }))
  const answered = await session.post(JSON.stringify(batch))
  expect(answered.messages).toMatchObject([{ error: { code: -32602 } }, { result: { content: [] } }])
  const headers = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': 'get_a' }
  expect((await post(here.url, modernRequest('tools/call', { name: 'hidden' }), headers)).status).toBe(400)
  expect(here.upstream.requests('tools/call')).toHaveLength(1)
})

test('30. also on the page of the directory and in the card of the server', async () => {
  const here = await world({ intercept: tools({ deny: ['hidden'] }) })
  pages(here, [tool('shown'), tool('hidden')])
  here.upstream.on('initialize', (exchange) =>
    exchange.result({
      protocolVersion: '2025-11-25',
      capabilities: { tools: {} },
      serverInfo: { name: 's', version: '1' },
    }),
  )
  here.upstream.on('server/discover', (exchange) => exchange.error(-32601, 'no', 400))
  const app = express()
  app.use('/mcp-servers', here.gateway.gateway, serverDirectory({ gateway: here.gateway.gateway }))
  const host = await listen(app)
  const text = await (await fetch(`${host.origin}/mcp-servers?server=one`)).text()
  await host.close()
  expect(text).toContain('shown')
  expect(text).not.toContain('hidden')
})

test('31. one cached list serves everybody, each cut for its principal; what leaves is private, with the same ttlMs', async () => {
  interface User extends Principal {
    readonly isOps: boolean
  }
  const here = await world({
    cache: true,
    authenticate: (request) => ({ id: String(request.headers['x-user']), isOps: request.headers['x-user'] === 'ops' }),
    intercept: tools<User>({ allow: ({ name }, { principal }) => principal.isOps || name === 'read' }),
  })
  pages(here, [tool('read'), tool('write')], [tool('drop')])
  for (const [user, first, second] of [
    ['ops', ['read', 'write'], ['drop']],
    ['ada', ['read'], []],
  ] as const) {
    for (const [params, names] of [
      [{}, first],
      [{ cursor: '1' }, second],
    ] as const) {
      const { result } = (await here.modern('tools/list', params, { 'x-user': user })).message!
      expect(namesIn(result)).toEqual(names)
      expect((result as { cacheScope: string }).cacheScope).toBe('private')
      expect((result as { ttlMs: number }).ttlMs).toBeGreaterThan(50_000)
    }
  }
  expect(here.upstream.requests('tools/list')).toHaveLength(2)
})

test('32. taking a tool away works on the next call, and `list_changed` drops what is known of the tools', async () => {
  const allowed = new Set(['a'])
  const intercept = tools({ allow: ({ name, annotations }) => allowed.has(name) && annotations.readOnlyHint })
  const here = await world({ intercept })
  pages(here, [tool('a', { annotations: { readOnlyHint: true } })])
  const session = await here.open()
  const call = async () => (await session.request('tools/call', { name: 'a' })).message?.error?.code
  expect([await call(), await call()]).toEqual([undefined, undefined])
  expect(here.upstream.requests('tools/list')).toHaveLength(1)
  allowed.clear()
  expect(await call()).toBe(-32602)
  allowed.add('a')
  pages(here, [tool('a')])
  here.upstream.on('GET', (exchange) => exchange.stream().send({ method: 'notifications/tools/list_changed' }))
  const stream = await session.listen()
  expect(await stream.nextMessage()).toMatchObject({ method: 'notifications/tools/list_changed' })
  expect(await call()).toBe(-32602)
  expect(here.upstream.requests('tools/list')).toHaveLength(2)
  stream.close()
})

test('33. who has not listed is asked for once, with all pages, for each principal; where that fails the rule refuses', async () => {
  const asked: string[] = []
  const rule = ({ name }: { name: string }) => (asked.push(name), true)
  const here = await world({
    intercept: tools({ allow: rule }),
    authenticate: (request) => ({ id: String(request.headers['x-user']) }),
  })
  pages(here, [tool('a')], [tool('b')])
  const call = (name: string, user: string) => here.modern('tools/call', { name }, { 'x-user': user })
  const answers = await Promise.all([call('a', 'ada'), call('b', 'ada'), call('nothing', 'ada'), call('b', 'bob')])
  expect(answers.map(({ message }) => message?.error?.code)).toEqual([undefined, undefined, -32602, undefined])
  expect(here.upstream.requests('tools/list')).toHaveLength(4)
  expect(asked.toSorted()).toEqual(['a', 'b', 'b'])

  for (const rules of [{ allow: () => true }, { deny: () => false }]) {
    const failing = await world({ intercept: tools(rules) })
    failing.upstream.on('tools/list', (exchange) => exchange.status(503))
    const answered = await failing.modern('tools/call', { name: 'a' })
    expect(answered.message?.error).toBeDefined()
    expect(failing.upstream.requests('tools/call')).toHaveLength(0)
  }
})

test('33. `message.tool()` is what the layer’s own list shows: with the names and the tools of the layers inside it', async () => {
  const found: unknown[] = []
  const outer = layer({
    'tools/call': async (message, next) => {
      found.push((await message.tool())?.annotations)
      return next()
    },
  })
  const here = await world({ intercept: [outer, tools({ rename: { a: 'b' }, deny: ['c'] })] })
  pages(here, [tool('a', { annotations: { readOnlyHint: true } }), tool('c')])
  const session = await here.open()
  for (const name of ['a', 'b', 'c']) await session.request('tools/call', { name })
  expect(found).toEqual([
    undefined,
    { readOnlyHint: true, destructiveHint: true, idempotentHint: false, openWorldHint: true },
    undefined,
  ])
})

test('34. a hint that is not there counts as the specification says, also when the last page alone was listed since', async () => {
  const intercept = tools({ deny: ({ annotations }) => annotations.destructiveHint })
  const here = await world({ intercept })
  pages(
    here,
    [tool('silent'), tool('odd', { annotations: { destructiveHint: 'no' } })],
    [tool('safe', { annotations: { destructiveHint: false } })],
  )
  const session = await here.open()
  expect(namesIn((await session.request('tools/list', { cursor: '1' })).message?.result)).toEqual(['safe'])
  const codes = []
  for (const name of ['silent', 'odd', 'safe'])
    codes.push((await session.request('tools/call', { name })).message?.error?.code)
  expect(codes).toEqual([-32602, -32602, undefined])
})

describe('35. a tool with another name', () => {
  test('is listed and called by it, while the server sees its own, in the body and in `Mcp-Name`', async () => {
    const here = await world({ intercept: tools({ rename: { a: 'größer' } }) })
    pages(here, [tool('a'), tool('other')])
    const session = await here.open()
    expect(namesIn((await session.request('tools/list')).message?.result)).toEqual(['größer', 'other'])
    expect((await session.request('tools/call', { name: 'größer' })).message?.error).toBeUndefined()
    expect((await session.request('tools/call', { name: 'a' })).message?.error).toEqual({
      code: -32602,
      message: 'Unknown tool: a',
    })
    const named = `=?base64?${Buffer.from('größer').toString('base64')}?=`
    const modern = await postModern(here.url, modernRequest('tools/call', { name: 'größer' }), { 'mcp-name': named })
    expect(modern.message?.error).toBeUndefined()
    const [, second] = here.upstream.requests('tools/call')
    expect([second!.headers['mcp-name'], second!.message?.params?.['name']]).toEqual(['a', 'a'])
    expect(here.upstream.requests('tools/call')).toHaveLength(2)
  })

  test('whose own name no header holds as it is stands there as Base64', async () => {
    const here = await world({ intercept: tools({ rename: { größer: 'a' } }) })
    pages(here, [tool('größer')])
    await here.modern('tools/call', { name: 'a' })
    expect(here.upstream.requests('tools/call')[0]!.headers['mcp-name']).toBe('=?base64?Z3LDtsOfZXI=?=')
  })

  test('that another one has is a fault: at construction, or of the list that brings it about', async () => {
    expect(() => tools({ rename: { a: 'c', b: 'c' } })).toThrow('gives two tools the same name')
    const here = await world({ intercept: tools({ rename: { a: 'b' } }) })
    pages(here, [tool('a'), tool('b')])
    expect((await (await here.open()).request('tools/list')).status).toBe(500)
    expect(String((here.gateway.reported.entries[0]!.error.cause as Error).cause)).toContain('makes two tools "b"')
  })
})

describe('36. changed arguments that headers repeat', () => {
  const mirrored = tool('x', {
    inputSchema: {
      type: 'object',
      properties: { region: { type: 'string', 'x-mcp-header': 'Region' }, n: { type: 'integer', 'x-mcp-header': 'N' } },
    },
  })
  const intercept = layer({
    'tools/call': ({ params }, next) => next({ ...params, arguments: { region: 'Zürich', n: null } }),
  })
  const headers = { 'mcp-param-region': 'eu', 'mcp-param-n': '1' }

  test('take the headers along, as the schema of the tool says', async () => {
    const here = await world({ intercept })
    pages(here, [tool('other')], [mirrored])
    const answered = await here.modern('tools/call', { name: 'x', arguments: { region: 'eu', n: 1 } }, headers)
    expect(answered.message?.error).toBeUndefined()
    const sent = here.upstream.requests('tools/call')[0]!
    expect([sent.headers['mcp-param-region'], sent.headers['mcp-param-n']]).toEqual([
      '=?base64?WsO8cmljaA==?=',
      undefined,
    ])
  })

  test('fail where the schema is not known; arguments that stay take nothing', async () => {
    const here = await world({ intercept })
    pages(here, [tool('other')])
    expect((await here.modern('tools/call', { name: 'x', arguments: { region: 'eu' } }, headers)).status).toBe(500)
    expect(here.upstream.requests('tools/call')).toHaveLength(0)
    const other = await world({
      intercept: layer({ 'tools/call': ({ params }, next) => next({ ...params, more: 1 }) }),
    })
    other.upstream.on('tools/call', (exchange) => exchange.result({ resultType: 'complete', content: [] }))
    await other.modern('tools/call', { name: 'x', arguments: { region: 'eu' } }, headers)
    expect(other.upstream.requests('tools/call')[0]!.headers['mcp-param-region']).toBe('eu')
    expect(other.upstream.requests('tools/list')).toHaveLength(0)
  })
})

test('37. the digest is of all that the server says of a tool, however it is written', async () => {
  const digests: string[] = []
  const intercept = tools({ allow: ({ digest }) => (digests.push(digest), true) })
  const here = await world({ intercept })
  const listed = [
    '{"name":"a","description":"d","inputSchema":{"type":"object","x":1}}',
    '{ "inputSchema" : {"x":1, "type":"object"}, "description":"\\u0064", "name":"a" }',
    '{"name":"a","description":"e","inputSchema":{"type":"object","x":1}}',
    '{"name":"a","description":"d","inputSchema":{"type":"object","x":2}}',
    '{"name":"a","description":"d","inputSchema":{"type":"object","x":1},"annotations":{}}',
    '{"name":"a","description":"d","inputSchema":{"type":"object","x":1},"title":"t"}',
    '{"name":"a","description":"d","inputSchema":{"type":"object","x":1},"_meta":{"a":1}}',
    '{"name":"b","description":"d","inputSchema":{"type":"object","x":1}}',
  ]
  here.upstream.on('tools/list', (exchange) =>
    exchange.status(200, `{"jsonrpc":"2.0","id":${exchange.message!.id},"result":{"tools":[${listed.join(',')}]}}`, {
      'content-type': 'application/json',
    }),
  )
  const session = await here.open()
  await session.request('tools/list')
  expect(digests[1]).toBe(digests[0])
  expect(new Set(digests).size).toBe(listed.length - 1)
  const ofList = digests.at(-1)
  await session.request('tools/call', { name: 'b' })
  expect(digests.at(-1)).toBe(ofList)
})

test('clients that listen are told when a rule has changed', async () => {
  const policy = tools({ allow: ['a'] })
  const here = await world({ intercept: policy })
  here.upstream.on('GET', (exchange) => void exchange.stream())
  here.upstream.on('subscriptions/listen', (exchange) => void exchange.stream())
  const legacy = await (await here.open()).listen()
  const listening = modernRequest('subscriptions/listen', { notifications: { toolsListChanged: true } }, 'sub')
  const modern = await openModern(here.url, listening)
  const deaf = await openModern(here.url, modernRequest('subscriptions/listen', { notifications: {} }))
  policy.changed()
  expect(await legacy.nextMessage()).toEqual({ jsonrpc: '2.0', method: 'notifications/tools/list_changed' })
  expect(await modern.nextMessage()).toMatchObject({
    method: 'notifications/tools/list_changed',
    params: { _meta: { 'io.modelcontextprotocol/subscriptionId': 'sub' } },
  })
  expect(deaf.bytes().toString()).toBe('')
  for (const stream of [legacy, modern, deaf]) stream.close()
})

test('a server’s own rules hold for it alone, and who decided is known', async () => {
  const here = await world({ server: { intercept: tools({ allow: ['a'] }) } })
  pages(here, [tool('a'), tool('b')])
  const session = await here.open()
  expect(namesIn((await session.request('tools/list')).message?.result)).toEqual(['a'])
  expect((await session.request('tools/call', { name: 'b' })).message?.error?.code).toBe(-32602)
})

test.each([
  [{ allow: 'a' }, '"tools().allow" must be an array of names'],
  [{ deny: [1] }, '"tools().deny" must be an array of names'],
  [{ rename: ['a'] }, '"tools().rename" must map names to names'],
  [{ rename: { a: 1 } }, '"tools().rename" at "a" must be a name'],
  [{ allowed: [] }, '"tools().allowed" is not an option; did you mean "allow"?'],
])('%j is a TypeError that says the cure', (rules, message) => {
  expect(() => tools(rules as never)).toThrow(message)
})

test.each([
  [null, '"intercept" must be an object'],
  [[() => {}], '"intercept[0]" must be an object'],
  [{ 'tools/call': true }, '"intercept" at "tools/call" must be a function (message, next), not a boolean'],
  [{ 'tools/*/x': () => {} }, 'a pattern with "*" at its end'],
])('%p as "intercept" is a TypeError that says the cure', async (intercept, message) => {
  await expect(world({ intercept: intercept as never })).rejects.toThrow(message)
  await expect(world({ server: { intercept: intercept as never } })).rejects.toThrow(
    message.replace('"intercept"', 'Server "one": "intercept"').slice(0, 12),
  )
})
