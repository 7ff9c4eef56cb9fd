// Lists of all members as one: pages, what is missing, what may be cached.
import { aggregated, CACHED, DEAD, member, modernMember, serveList, tool } from '../../support/aggregated.ts'
import { modernRequest, postModern } from '../../support/modern.ts'
import { initialize, type Session } from '../../support/rpc.ts'
import { closeUsed } from '../../support/use.ts'

afterEach(closeUsed)

const MISSING = 'express-mcp-gateway/missing'

interface Listed {
  tools: { name: string }[]
  nextCursor?: string
  _meta?: Record<string, Record<string, string>>
  [key: string]: unknown
}

const namesIn = ({ tools }: Listed): string[] => tools.map(({ name }) => name)

async function list(session: Session, params: object = {}): Promise<Listed> {
  return (await session.request('tools/list', params)).message!.result as Listed
}

const toolsOf = (count: number) => Array.from({ length: count }, (_, index) => tool(`t${index}`))

test('every member’s pages are followed to the end, in the order of members and of each', async () => {
  const [one, two] = [await member(), await member()]
  serveList(one, 'tools/list', toolsOf(5), 1)
  serveList(two, 'tools/list', toolsOf(3), 2)
  const gateway = await aggregated({ members: { one, two } })
  const listed = await list(await initialize(gateway.url('desk')))
  expect(namesIn(listed)).toEqual(
    ['t0', 't1', 't2', 't3', 't4'].map((name) => `one__${name}`).concat(['two__t0', 'two__t1', 'two__t2']),
  )
  expect(listed.nextCursor).toBeUndefined()
})

test('items keep their very bytes but for the name', async () => {
  const one = await member()
  one.on('tools/list', ({ status, message }) =>
    status(
      200,
      `{"jsonrpc":"2.0","id":${JSON.stringify(message?.id)},"result":{"tools":[ {"inputSchema":{"type":"object","x":1.0e1}, "name" : "a", "é":"\\u00e9"} ]}}`,
      { 'content-type': 'application/json' },
    ),
  )
  const gateway = await aggregated({ members: { one } })
  const session = await initialize(gateway.url('desk'))
  expect((await session.request('tools/list')).body).toContain(
    '[{"inputSchema":{"type":"object","x":1.0e1}, "name" : "one__a", "é":"\\u00e9"}]',
  )
})

test('what is too much for one answer goes on by a cursor, that any node understands', async () => {
  const [one, two] = [await member(), await member()]
  serveList(one, 'tools/list', toolsOf(70), 1)
  serveList(two, 'tools/list', toolsOf(66), 1)
  const members = { one, two }
  const [here, there] = [await aggregated({ members }), await aggregated({ members })]
  const sessions = [await initialize(there.url('desk')), await initialize(here.url('desk'))]
  let part = await list(sessions[1]!)
  const names = namesIn(part)
  // 64 pages of each; fewer where that takes long, since an answer has a time limit, too.
  expect(names.length).toBeLessThanOrEqual(128)
  for (let turn = 0; part.nextCursor !== undefined; turn += 1) {
    part = await list(sessions[turn % 2]!, { cursor: part.nextCursor })
    names.push(...namesIn(part))
  }
  expect(names).toHaveLength(136)
  expect(new Set(names).size).toBe(136)
})

test('a page of more than enough items is the last for one answer', async () => {
  const one = await member()
  serveList(one, 'tools/list', toolsOf(1_500), 1_200)
  const gateway = await aggregated({ members: { one } })
  const session = await initialize(gateway.url('desk'))
  const first = await list(session)
  expect(first.tools).toHaveLength(1_200)
  expect((await list(session, { cursor: first.nextCursor })).tools).toHaveLength(300)
})

test('a cursor that repeats ends the list of its member', async () => {
  const one = await member()
  one.on('tools/list', ({ result }) => result({ tools: [tool('a')], nextCursor: 'again' }))
  const gateway = await aggregated({ members: { one, two: await member() } })
  const listed = await list(await initialize(gateway.url('desk')))
  expect(namesIn(listed)).toEqual(['one__a', 'one__a', 'two__echo'])
  expect(listed.nextCursor).toBeUndefined()
})

test('the empty cursor of a member is a cursor', async () => {
  const one = await member()
  one.on('tools/list', ({ message, result }) => {
    const isFirst = message?.params?.['cursor'] === undefined
    result({ tools: [tool(isFirst ? 'a' : 'b')], ...(isFirst && { nextCursor: '' }) })
  })
  const gateway = await aggregated({ members: { one } })
  expect(namesIn(await list(await initialize(gateway.url('desk'))))).toEqual(['one__a', 'one__b'])
})

const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

test.each(['', 'x', encoded([['gone', 'x']]), encoded([['one', 1]])])(
  'a cursor that was never given, or is of a member that is gone, is -32602: %j',
  async (cursor) => {
    const one = await member()
    const gateway = await aggregated({ members: { one } })
    const session = await initialize(gateway.url('desk'))
    const { message } = await session.request('tools/list', { cursor })
    expect(message?.error).toMatchObject({ code: -32602 })
    expect(one.requests('tools/list')).toEqual([])
  },
)

test.each([null, {}, 'x', [null, 7, {}, { name: 7 }]])('`tools: %j` is an empty list', async (tools) => {
  const one = await member()
  one.on('tools/list', ({ result }) => result({ tools }))
  const gateway = await aggregated({ members: { one } })
  expect(await list(await initialize(gateway.url('desk')))).toEqual({ tools: [] })
})

test('a member without the method has an empty list, and is not missing', async () => {
  const [one, two] = [await member(), await member()]
  one.on('tools/list', ({ error }) => error(-32601, 'Method not found'))
  const gateway = await aggregated({ members: { one, two } })
  expect(await list(await initialize(gateway.url('desk')))).toEqual({ tools: [tool('two__echo')] })
})

test('a list that comes as an event stream, after its progress, is read', async () => {
  const one = await member()
  one.on('tools/list', async (exchange) => {
    const stream = exchange.stream()
    await stream.send({ method: 'notifications/progress', params: { progressToken: 't', progress: 1 } })
    stream.finish({ tools: [tool('a')] })
  })
  const gateway = await aggregated({ members: { one } })
  const session = await initialize(gateway.url('desk'))
  expect(namesIn(await list(session, { _meta: { progressToken: 't' } }))).toEqual(['one__a'])
})

test('a member that is dead, hangs or refuses is missing, told to `onError` once, and named in `_meta`', async () => {
  const [hanging, refusing] = [await member(), await member()]
  hanging.on('tools/list', () => {})
  refusing.on('tools/list', ({ error }) => error(-32000, 'Come back later'))
  const members = { one: await member(), dead: DEAD, hanging, refusing }
  const gateway = await aggregated({ members })
  const session = await initialize(gateway.url('desk'))
  for (let time = 0; time < 3; time += 1) {
    const listed = await list(session)
    expect(namesIn(listed)).toEqual(['one__echo'])
    expect(listed._meta?.[MISSING]).toEqual({
      dead: 'The server cannot be reached',
      hanging: 'The server did not answer in time',
      refusing: 'The server says: Come back later',
    })
  }
  expect(gateway.reported.entries.map(({ error, context }) => [error.message, context.server])).toEqual([
    ['A member of the aggregate is missing', 'desk/dead'],
    ['A member of the aggregate is missing', 'desk/refusing'],
    ['A member of the aggregate is missing', 'desk/hanging'],
  ])
  // A request that was given up is cancelled at its server. (LC8)
  expect(hanging.requests('notifications/cancelled').length).toBeGreaterThan(0)
})

test('a member that breaks after some pages keeps these, and goes on by the cursor', async () => {
  const one = await member()
  serveList(one, 'tools/list', toolsOf(3), 1)
  const gateway = await aggregated({ members: { one, two: await member() } })
  const session = await initialize(gateway.url('desk'))
  one.once('tools/list', ({ result }) => result({ tools: [tool('t0')], nextCursor: '1' }))
  one.once('tools/list', ({ error }) => error(-32000, 'Oops'))
  const first = await list(session)
  expect(namesIn(first)).toEqual(['one__t0', 'two__echo'])
  expect(first._meta?.[MISSING]).toEqual({ one: 'The server says: Oops' })
  expect(namesIn(await list(session, { cursor: first.nextCursor }))).toEqual(['one__t1', 'one__t2'])
})

test('all down: an error, and not an empty list', async () => {
  const one = await member()
  const gateway = await aggregated({ members: { one, dead: DEAD } })
  const session = await initialize(gateway.url('desk'))
  one.on('tools/list', ({ error }) => error(-32000, 'No'))
  expect((await session.request('tools/list')).status).toBe(502)
})

test('RPC3 UT4 a client that cancels a list ends the members’ part of it', async () => {
  const one = await member()
  one.on('tools/list', () => {})
  const gateway = await aggregated({ members: { one } })
  const session = await initialize(gateway.url('desk'))
  const listing = session.post({ jsonrpc: '2.0', id: 'mine', method: 'tools/list' })
  const asked = await one.nextRequest('tools/list')
  await session.post({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 'mine' } })
  const cancelled = await one.nextRequest('notifications/cancelled')
  expect(cancelled.message?.params?.['requestId']).toBe(asked.message?.id)
  await listing
})

describe('ST10 what may be kept', () => {
  const modernList = async (url: string): Promise<Listed> =>
    (await postModern(url, modernRequest('tools/list'))).message!.result as Listed

  test('for the shortest time of all, and by the fewest', async () => {
    const [one, two] = [await modernMember(), await modernMember()]
    two.on('tools/list', ({ result }) => result({ ...CACHED, tools: [], ttlMs: 1_000, cacheScope: 'private' }))
    const gateway = await aggregated({ members: { one, two } })
    expect(await modernList(gateway.url('desk'))).toMatchObject({
      resultType: 'complete',
      ttlMs: 1_000,
      cacheScope: 'private',
      tools: [{ name: 'one__echo' }],
    })
  })

  test('public where all members say so, and where all principals have the same', async () => {
    const members = { one: await modernMember(), two: await modernMember() }
    const [same, different] = [
      await aggregated({ members }),
      await aggregated({ members, options: { show: () => true } }),
    ]
    expect(await modernList(same.url('desk'))).toMatchObject({ ttlMs: 60_000, cacheScope: 'public' })
    expect(await modernList(different.url('desk'))).toMatchObject({ ttlMs: 60_000, cacheScope: 'private' })
  })

  test('not at all while a member is missing', async () => {
    const gateway = await aggregated({ members: { one: await modernMember(), dead: DEAD } })
    expect(await modernList(gateway.url('desk'))).toMatchObject({ ttlMs: 0, tools: [{ name: 'one__echo' }] })
  })

  test('a legacy member without a bridge is missing for modern clients, which is said', async () => {
    const old = { url: (await member()).url, protocol: 'legacy' as const, bridge: false as const }
    const gateway = await aggregated({ members: { one: await modernMember(), old } })
    const listed = await modernList(gateway.url('desk'))
    expect(namesIn(listed)).toEqual(['one__echo'])
    expect(listed._meta?.[MISSING]).toEqual({ old: 'This server speaks revisions with a handshake' })
  })
})

test.each([
  '{"name":"a","inputSchema":{},"name":"two__echo"}',
  '{"name":"a","inputSchema":{"properties":{"name":{}}}}',
  '{"name":"a","n\\u0061me":"two__echo"}',
])('no item keeps a name of its own beside the one it is given: %s', async (item) => {
  const one = await member()
  one.on('tools/list', ({ status, message }) =>
    status(200, `{"jsonrpc":"2.0","id":${JSON.stringify(message?.id)},"result":{"tools":[${item}]}}`, {
      'content-type': 'application/json',
    }),
  )
  const gateway = await aggregated({ members: { one } })
  const { body } = await (await initialize(gateway.url('desk'))).request('tools/list')
  for (const name of body.matchAll(/"n(?:a|\\u0061)me":"([^"]*)"/g)) expect(name[1]).toMatch(/^one__/)
})
