// What each member of an aggregate gets, and what its client gets of them: to the letter, in both eras.
import { type GatewayError, type Interceptor, RpcError } from '../../../lib/index.ts'
import { aggregated, DEAD, member, modernMember, serveList, tool } from '../../support/aggregated.ts'
import { META, modernRequest, postModern } from '../../support/modern.ts'
import { initialize, initializeMessage, post, type Session } from '../../support/rpc.ts'
import { startUpstream, type Upstream } from '../../support/upstream.ts'
import { closeUsed, use } from '../../support/use.ts'

afterEach(closeUsed)

const call = (name: string, more: object = {}, id: number | string = 1) => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: { name, ...more },
})

async function open(
  members: Parameters<typeof aggregated>[0]['members'],
  more: Omit<Parameters<typeof aggregated>[0], 'members'> & Parameters<typeof initialize>[1] = {},
): Promise<{ session: Session; gateway: Awaited<ReturnType<typeof aggregated>> }> {
  const gateway = await aggregated({ members, ...more })
  return { gateway, session: await initialize(gateway.url('desk'), more) }
}

const bodyOf = ({ body }: { readonly body: Buffer } = { body: Buffer.alloc(0) }): string => body.toString()

describe('calls', () => {
  test('a call goes to its member alone, under the name that the member knows, and all else is the very text', async () => {
    const [one, two] = [await member(), await member()]
    const { session } = await open({ one, two })
    const text =
      '{"jsonrpc" : "2.0", "id":7,"method":"tools/call","params":{ "name":"two__echo","arguments":{"n":12345678901234567890}}}'
    await session.post(text)
    expect(one.requests('tools/call')).toEqual([])
    expect(bodyOf(two.requests('tools/call')[0])).toBe(text.replace('two__echo', 'echo'))
  })

  test.each([
    '{"jsonrpc":"2.0", "result":{"content":[{"type":"text","text":"x"}],"n":1.0},"id":1}',
    '{"jsonrpc":"2.0","id":1,"error":{"code":-32000 ,"message":"no","data":{"uri":"a:1"}}}',
  ])('a result without URIs, and an error, is what the member said, byte for byte: %s', async (text) => {
    const one = await member()
    one.on('tools/call', (exchange) => exchange.status(200, text, { 'content-type': 'application/json' }))
    const { session } = await open({ one })
    const direct = await post(one.url, call('echo'), { 'mcp-session-id': [...one.sessions][0] })
    const answer = await session.post(call('one__echo'))
    expect(answer.body).toBe(text)
    expect(answer.body).toBe(direct.body)
  })

  test('HD9 modern: the headers that repeat the name follow it', async () => {
    const two = await modernMember()
    const gateway = await aggregated({ members: { one: await modernMember(), two } })
    const answer = await postModern(gateway.url('desk'), modernRequest('tools/call', { name: 'two__echo' }), {
      'mcp-param-region': 'eu',
    })
    expect(answer.status).toBe(200)
    const { headers } = two.requests('tools/call')[0]!
    expect(headers).toMatchObject({ 'mcp-method': 'tools/call', 'mcp-name': 'echo', 'mcp-param-region': 'eu' })
  })

  test.each(['echo', 'three__echo', 'one_echo', '__echo', ''])(
    'a name that is no member’s is -32602: %j',
    async (name) => {
      const one = await member()
      const { session } = await open({ one })
      expect((await session.post(call(name))).message?.error).toMatchObject({ code: -32602 })
      expect(one.requests('tools/call')).toEqual([])
    },
  )

  test('a member that is down fails its own calls alone, as a JSON-RPC error that names it', async () => {
    const { session, gateway } = await open({ one: await member(), dead: DEAD })
    const answer = await session.post(call('dead__echo'))
    expect(answer.status).toBe(200)
    expect(answer.message?.error).toEqual({ code: 502, message: 'dead: The server cannot be reached' })
    expect(gateway.reported.entries.at(-1)).toMatchObject({
      error: { code: 'upstream_unreachable' },
      context: { server: 'desk/dead' },
    })
    expect((await session.post(call('one__echo'))).message?.result).toBeDefined()
  })

  test('a name that was cut is found in the member’s list, also by a node that has never listed it', async () => {
    const long = 'a'.repeat(128)
    const one = await member([long, 'short'])
    const { session } = await open({ one })
    const listed = (await session.request('tools/list')).message!.result as { tools: { name: string }[] }
    const [{ name }] = listed.tools as [{ name: string }]
    expect(name).toHaveLength(64)
    const other = await aggregated({ members: { one } })
    const there = await initialize(other.url('desk'))
    for (const each of [session, there]) {
      await each.post(call(name))
      expect(one.requests('tools/call').at(-1)?.message?.params?.['name']).toBe(long)
    }
  })

  test('`separator: false` leaves names as they are; one that two members have is nobody’s', async () => {
    const [one, two] = [await member(['a', 'both']), await member(['b', 'both'])]
    const { session } = await open({ one, two }, { options: { separator: false } })
    const { tools } = (await session.request('tools/list')).message!.result as { tools: { name: string }[] }
    expect(tools.map(({ name }) => name)).toEqual(['a', 'b'])
    await session.post(call('b'))
    expect(bodyOf(two.requests('tools/call')[0])).toContain('"name":"b"')
    expect((await session.post(call('both'))).message?.error).toMatchObject({ code: -32602 })
    expect(one.requests('tools/call')).toEqual([])
  })
})

describe('URIs', () => {
  const items = [{ uri: 'file:///a', name: 'a' }]

  test('are told from those of other members wherever they stand, and understood again', async () => {
    const one = await member()
    serveList(one, 'resources/list', items)
    serveList(one, 'resources/templates/list', [{ uriTemplate: 'file:///{path}', name: 't' }])
    one.on('resources/read', ({ message, result }) =>
      result({ contents: [{ uri: message?.params?.['uri'], text: 'x' }] }),
    )
    one.on('resources/subscribe', ({ result }) => result({}))
    one.on('completion/complete', ({ result }) => result({ completion: { values: ['x'] } }))
    one.on('tools/call', ({ result }) =>
      result({ content: [{ type: 'resource_link', uri: 'file:///a', name: 'a' }], n: 1 }),
    )
    const { session } = await open({ one, two: await member() })
    const resultOf = async (method: string, params: object = {}) =>
      (await session.request(method, params)).message?.result
    expect(await resultOf('resources/list')).toMatchObject({ resources: [{ uri: 'one+file:///a', name: 'a' }] })
    expect(await resultOf('resources/templates/list')).toMatchObject({
      resourceTemplates: [{ uriTemplate: 'one+file:///{path}' }],
    })
    expect(await resultOf('resources/read', { uri: 'one+file:///a' })).toEqual({
      contents: [{ uri: 'one+file:///a', text: 'x' }],
    })
    expect(await resultOf('resources/subscribe', { uri: 'one+file:///a' })).toEqual({})
    expect(one.requests('resources/subscribe')[0]?.message?.params).toEqual({ uri: 'file:///a' })
    const ref = { type: 'ref/resource', uri: 'one+file:///{path}' }
    await resultOf('completion/complete', { ref, argument: { name: 'path', value: 'x' } })
    expect(one.requests('completion/complete')[0]?.message?.params?.['ref']).toEqual({
      type: 'ref/resource',
      uri: 'file:///{path}',
    })
    expect(await resultOf('tools/call', { name: 'one__echo' })).toEqual({
      content: [{ type: 'resource_link', uri: 'one+file:///a', name: 'a' }],
      n: 1,
    })
    const unknown = await session.request('resources/read', { uri: 'file:///a' })
    expect(unknown.message?.error).toMatchObject({ code: -32002, data: { uri: 'file:///a' } })
  })

  test('the interface of a tool is `ui://member/...`, in both spellings', async () => {
    const one = await member()
    const _meta = { ui: { resourceUri: 'ui://chart' }, 'ui/resourceUri': 'ui://chart' }
    serveList(one, 'tools/list', [tool('chart', { _meta })])
    const { session } = await open({ one })
    expect((await session.request('tools/list')).message?.result).toEqual({
      tools: [
        tool('one__chart', {
          _meta: { ui: { resourceUri: 'ui://one/chart' }, 'ui/resourceUri': 'ui://one/chart' },
        }),
      ],
    })
  })

  test('bare ones are found by the lists and templates of the members, and are nobody’s if two have them', async () => {
    const [one, two] = [await member(), await member()]
    serveList(one, 'resources/list', [
      { uri: 'a:1', name: 'a' },
      { uri: 'both:1', name: 'b' },
    ])
    serveList(two, 'resources/list', [{ uri: 'both:1', name: 'b' }])
    serveList(two, 'resources/templates/list', [{ uriTemplate: 'row://{id}', name: 'r' }])
    for (const each of [one, two]) {
      each.on('resources/read', ({ message, result }) =>
        result({ contents: [{ uri: message?.params?.['uri'], text: '' }] }),
      )
    }
    const { session } = await open({ one, two }, { options: { separator: false } })
    const read = async (uri: string) => (await session.request('resources/read', { uri })).message
    expect((await read('a:1'))?.result).toEqual({ contents: [{ uri: 'a:1', text: '' }] })
    expect((await read('row://7'))?.result).toEqual({ contents: [{ uri: 'row://7', text: '' }] })
    expect((await read('both:1'))?.error).toMatchObject({ code: -32002 })
    expect([one, two].map((each) => each.requests('resources/read').length)).toEqual([1, 1])
  })
})

describe('what concerns all members', () => {
  test('a handshake opens the sessions of all, and DELETE ends them', async () => {
    const [one, two] = [await member(), await member()]
    const { session } = await open({ one, two, dead: DEAD })
    expect(session.opening.message?.result).toMatchObject({
      protocolVersion: '2025-11-25',
      serverInfo: { name: 'desk' },
      capabilities: { tools: { listChanged: true }, resources: { subscribe: true, listChanged: true } },
      _meta: { 'express-mcp-gateway/missing': { dead: 'The server cannot be reached' } },
    })
    expect([one, two].map(({ sessions }) => sessions.size)).toEqual([1, 1])
    expect((await session.end()).status).toBe(200)
    expect([one, two].map(({ sessions }) => sessions.size)).toEqual([0, 0])
    expect((await session.request('ping')).status).toBe(404)
  })

  test('LC3 `initialized` and `roots/list_changed` come to all, and `ping` is answered here', async () => {
    const [one, two] = [await member(), await member()]
    const { session } = await open({ one, two })
    await session.post({ jsonrpc: '2.0', method: 'notifications/roots/list_changed' })
    for (const each of [one, two]) {
      expect(
        each
          .requests()
          .map(({ kind }) => kind)
          .filter((kind) => kind !== 'GET'),
      ).toEqual(['initialize', 'notifications/initialized', 'notifications/roots/list_changed'])
    }
    expect((await session.request('ping')).message?.result).toEqual({})
  })

  test('UT7 the log level is set at all; a member that has no log does not matter', async () => {
    const [one, two] = [await member(), await member()]
    two.on('logging/setLevel', ({ error }) => error(-32601, 'Method not found'))
    const { session } = await open({ one, two })
    expect((await session.request('logging/setLevel', { level: 'debug' })).message?.result).toEqual({})
    one.on('logging/setLevel', ({ error }) => error(-32602, 'Unknown level'))
    const refused = await session.request('logging/setLevel', { level: 'loud' })
    expect(refused.message?.error).toMatchObject({ code: -32602 })
  })

  test('all down: the handshake fails', async () => {
    const gateway = await aggregated({ members: { a: DEAD, b: DEAD } })
    const answer = await post(gateway.url('desk'), initializeMessage())
    expect(answer.status).toBe(502)
  })

  test('ST7 `server/discover` says the same whoever is there, with the instructions of the members', async () => {
    const one = await modernMember()
    one.on('server/discover', ({ result }) =>
      result({ resultType: 'complete', supportedVersions: ['2026-07-28'], capabilities: {}, instructions: 'Ask.' }),
    )
    const gateway = await aggregated({ members: { one, dead: DEAD } })
    const answer = await postModern(gateway.url('desk'), modernRequest('server/discover'))
    expect(answer.message?.result).toMatchObject({
      resultType: 'complete',
      supportedVersions: ['2026-07-28'],
      instructions: '[one]\nAsk.',
      _meta: { 'express-mcp-gateway/missing': { dead: 'The server cannot be reached' } },
    })
  })

  test('CL10 where no member speaks 2026-07-28, a client of both eras is told to fall back to a handshake', async () => {
    const members = { one: { url: (await member()).url, protocol: 'legacy' as const } }
    const gateway = await aggregated({ members })
    const answer = await postModern(gateway.url('desk'), modernRequest('server/discover'))
    expect(answer.status).toBe(400)
    expect(answer.message?.error?.code).not.toBe(-32022)
  })

  test('ER2 removed methods are unknown to modern clients', async () => {
    const gateway = await aggregated({ members: { one: await modernMember() } })
    for (const method of ['ping', 'logging/setLevel', 'resources/subscribe', 'tasks/get', 'x/y']) {
      const answer = await postModern(gateway.url('desk'), modernRequest(method, { uri: 'a:1', taskId: 't' }))
      expect([answer.status, answer.message?.error?.code]).toEqual([404, -32601])
    }
  })
})

describe('each member is its own', () => {
  test('clients of both eras over members of mixed ones: a member of 2026-07-28 alone is bridged to a session', async () => {
    const modern = await modernMember(['new'])
    modern.on('initialize', ({ json }) =>
      json(
        { jsonrpc: '2.0', id: 'init', error: { code: -32022, message: 'no', data: { supported: ['2026-07-28'] } } },
        400,
      ),
    )
    modern.on('tools/call', ({ result }) =>
      result({ resultType: 'complete', content: [{ type: 'text', text: 'new' }] }),
    )
    const { session } = await open({ old: await member(['old']), modern: { url: modern.url, protocol: 'modern' } })
    const { tools } = (await session.request('tools/list')).message!.result as { tools: { name: string }[] }
    expect(tools.map(({ name }) => name)).toEqual(['old__old', 'modern__new'])
    expect((await session.post(call('modern__new'))).message?.result).toEqual({
      content: [{ type: 'text', text: 'new' }],
    })
  })

  test('scopes of the aggregate are for advertised names, those of a member for its own', async () => {
    const one = await member(['read', 'write'])
    const scopes = { tools: { write: ['write'] } }
    const authenticate = ({ headers }: { headers: NodeJS.Dict<string | string[]> }) => ({
      id: 'ada',
      scopes: String(headers['x-scopes'] ?? '').split(' '),
    })
    const gateway = await aggregated({
      members: { one: { url: one.url, scopes } },
      config: { scopes: { tools: { one__read: ['read'] } } },
      gateway: { authenticate },
    })
    const as = (scope: string) => initialize(gateway.url('desk'), { headers: { 'x-scopes': scope } })
    const statusOf = async (session: Session, name: string) => (await session.post(call(name))).status
    const reader = await as('read')
    expect([await statusOf(reader, 'one__read'), await statusOf(reader, 'one__write')]).toEqual([200, 403])
    const writer = await as('write')
    expect([await statusOf(writer, 'one__read'), await statusOf(writer, 'one__write')]).toEqual([403, 200])
  })

  test('interceptors of the aggregate see advertised names, those of a member its own', async () => {
    const seen: string[] = []
    const note = (where: string): Interceptor => ({
      'tools/call': ({ params }, next) => {
        seen.push(`${where} ${params.name}`)
        return next()
      },
    })
    const one = await member()
    const { session } = await open(
      { one: { url: one.url, intercept: note('member') } },
      { config: { intercept: note('aggregate') } },
    )
    await session.post(call('one__echo'))
    expect(seen).toEqual(['aggregate one__echo', 'member echo'])
  })

  test('a member’s interceptor may refuse, and nothing is sent', async () => {
    const one = await member()
    const intercept: Interceptor = {
      'tools/call': () => {
        throw new RpcError(-32099, 'Not today')
      },
    }
    const { session } = await open({ one: { url: one.url, intercept } })
    expect((await session.post(call('one__echo'))).message?.error).toMatchObject({ code: -32099 })
    expect(one.requests('tools/call')).toEqual([])
  })

  test('credentials are each member’s own', async () => {
    const [one, two] = [await member(), await member()]
    const servers: string[] = []
    const headers = ({ server }: { server: string }) => {
      servers.push(server)
      return { authorization: 'Bearer one' }
    }
    const { session } = await open({
      one: { url: one.url, headers },
      two: { url: two.url, headers: { 'x-key': 'two' } },
    })
    await session.request('tools/list')
    expect(one.requests('tools/list')[0]!.headers).toMatchObject({ authorization: 'Bearer one' })
    expect(two.requests('tools/list')[0]!.headers).toMatchObject({ 'x-key': 'two' })
    expect(two.requests('tools/list')[0]!.headers['authorization']).toBeUndefined()
    expect(new Set(servers)).toEqual(new Set(['desk/one']))
  })

  test('a member with other credentials than it wants is missing, the others are not', async () => {
    const closed = await use(startUpstream())
    closed.on('initialize', ({ status }) => status(401, '', { 'www-authenticate': 'Bearer' }))
    const { session } = await open({ one: await member(), closed })
    const answer = (await session.request('tools/list')).message?.result
    expect(answer).toMatchObject({
      tools: [{ name: 'one__echo' }],
      _meta: { 'express-mcp-gateway/missing': { closed: expect.stringContaining('401') } },
    })
  })
})

describe('`show` and `members`', () => {
  const authenticate = ({ headers }: { headers: NodeJS.Dict<string | string[]> }) => ({ id: String(headers['x-user']) })

  test('`show` hides members and kinds, in lists and in calls alike', async () => {
    const [one, two] = [await member(), await member()]
    serveList(two, 'resources/list', [{ uri: 'a:1', name: 'a' }])
    const show = ({
      principal,
      member: name,
      kind,
    }: {
      principal: { id: string } | undefined
      member: string
      kind: string
    }) => principal?.id === 'ada' || (name === 'one' && kind !== 'resources')
    const gateway = await aggregated({ members: { one, two }, options: { show }, gateway: { authenticate } })
    const as = (user: string) => initialize(gateway.url('desk'), { headers: { 'x-user': user } })
    const [ada, bob] = [await as('ada'), await as('bob')]
    const toolsOf = async (session: Session) =>
      ((await session.request('tools/list')).message!.result as { tools: { name: string }[] }).tools.map(
        ({ name }) => name,
      )
    expect(await toolsOf(ada)).toEqual(['one__echo', 'two__echo'])
    expect(await toolsOf(bob)).toEqual(['one__echo'])
    expect(two.sessions.size).toBe(1)
    expect((await bob.post(call('two__echo'))).message?.error).toMatchObject({ code: -32602 })
    expect((await bob.request('resources/read', { uri: 'two+a:1' })).message?.error).toMatchObject({ code: -32002 })
    expect((await bob.request('resources/list')).message?.result).toEqual({ resources: [] })
    expect((await ada.request('resources/list')).message?.result).toMatchObject({ resources: [{ uri: 'two+a:1' }] })
  })

  test('`members` may be a function of the principal, asked for every message', async () => {
    const [one, two] = [await member(), await member()]
    const teams: Record<string, Upstream[]> = { ada: [one], bob: [two] }
    const members = ({ principal }: { principal: { id: string } | undefined }) =>
      Promise.resolve(Object.fromEntries(teams[principal!.id]!.map(({ url }, index) => [`m${index}`, { url }])))
    const gateway = await aggregated({ members: {}, config: { members }, gateway: { authenticate } })
    const ada = await initialize(gateway.url('desk'), { headers: { 'x-user': 'ada' } })
    await ada.post(call('m0__echo'))
    expect(one.requests('tools/call')).toHaveLength(1)
    teams['ada'] = [one, two]
    await ada.post(call('m1__echo'))
    expect(two.requests('tools/call')).toHaveLength(1)
    teams['ada'] = []
    expect((await ada.post(call('m0__echo'))).message?.error).toMatchObject({ code: -32602 })
  })

  test.each([
    ['show', { show: () => 'yes' }],
    ['members', { members: () => [] }],
    ['members', { members: () => ({ not_a_name: DEAD }) }],
  ])('SC7 what a wrong answer of %s says is for the operator alone', async (what, config) => {
    const gateway = await aggregated({ members: { one: await member() }, config })
    const answer = await post(gateway.url('desk'), initializeMessage())
    expect(answer.status).toBe(500)
    expect(answer.body).not.toContain(what)
    expect(gateway.reported.entries.at(-1)?.error.cause ?? gateway.reported.entries.at(-1)?.error).toBeInstanceOf(
      TypeError,
    )
  })

  test('the gateway as a member of itself is found out', async () => {
    let url = 'http://127.0.0.1:9/mcp'
    const members = () => ({ self: { url } })
    const gateway = await aggregated({ members: {}, config: { members } })
    url = gateway.url('desk')
    const answer = await post(url, initializeMessage())
    expect(answer.status).toBe(502)
    expect(gateway.reported.entries.map(({ error }) => (error as GatewayError).code)).toContain('loop_detected')
  })
})

test('SS2 a message without a session is refused', async () => {
  const gateway = await aggregated({ members: { one: await member() } })
  const answer = await post(gateway.url('desk'), { jsonrpc: '2.0', id: 1, method: 'tools/list' })
  expect(answer.status).toBe(400)
})

test('RPC5 a batch is taken apart', async () => {
  const [one, two] = [await member(), await member()]
  const { session } = await open({ one, two }, { version: '2025-03-26' })
  const answer = await session.post([call('one__echo', {}, 1), call('two__echo', {}, 2)])
  expect(answer.messages.map(({ id }) => id)).toEqual([1, 2])
  expect([one, two].map((each) => each.requests('tools/call').length)).toEqual([1, 1])
})

test('modern META crosses to each member', async () => {
  const one = await modernMember()
  const gateway = await aggregated({ members: { one } })
  await postModern(gateway.url('desk'), modernRequest('tools/list'))
  expect(one.requests('tools/list')[0]?.message?.params?.['_meta']).toMatchObject({
    [META.protocolVersion]: '2026-07-28',
  })
})

test('a name that nobody has is looked for once by all who ask for it, and again after a second', async () => {
  const one = await member(['a'])
  const { session } = await open({ one }, { options: { separator: false } })
  const ask = async () => (await session.post(call('none'))).message!.error
  const errors = await Promise.all([ask(), ask(), ask()])
  expect(errors).toEqual([1, 2, 3].map(() => expect.objectContaining({ code: -32602 }) as object))
  expect(one.requests('tools/list')).toHaveLength(1)
  const now = performance.now()
  const clock = import.meta.jest.spyOn(performance, 'now').mockImplementation(() => now + 1_100)
  try {
    serveList(one, 'tools/list', [tool('none')])
    expect((await session.post(call('none'))).message!.result).toBeDefined()
  } finally {
    clock.mockRestore()
  }
})

test('HD12 headers for a tool’s parameters are not said again where its name is looked for', async () => {
  const one = await modernMember(['a'])
  const { gateway } = { gateway: await aggregated({ members: { one }, options: { separator: false } }) }
  await postModern(gateway.url('desk'), modernRequest('tools/call', { name: 'a' }), { 'mcp-param-region': 'eu' })
  expect(one.requests('tools/list')[0]!.headers).toMatchObject({ 'mcp-method': 'tools/list' })
  expect(one.requests('tools/list')[0]!.headers).not.toHaveProperty('mcp-param-region')
  expect(one.requests('tools/list')[0]!.headers).not.toHaveProperty('mcp-name')
})

test('ST7 a member that refuses `server/discover` is missing in it, with the reason', async () => {
  const [one, two] = [await modernMember(), await modernMember()]
  two.on('server/discover', ({ error }) => error(-32603, 'Out of order'))
  const gateway = await aggregated({ members: { one, two } })
  const { message } = await postModern(gateway.url('desk'), modernRequest('server/discover'))
  expect(message!.result).toMatchObject({
    _meta: { 'express-mcp-gateway/missing': { two: 'The server says: Out of order' } },
  })
})
