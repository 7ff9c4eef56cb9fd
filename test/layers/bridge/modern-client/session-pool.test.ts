import type { Asked } from '../../../support/memory-upstream.ts'
import {
  ASKABLE,
  callOf,
  type LegacyServer,
  legacyServer,
  type LegacyServerOptions,
  request,
  sessionOf,
} from '../../../support/bridged-modern.ts'
import { settled } from '../../../support/fixture.ts'

let server: LegacyServer

afterEach(() => server.close())

function start(options?: LegacyServerOptions): void {
  server = legacyServer(options)
}

/** Has calls wait for the test. */
function holdCalls(): Asked[] {
  const held: Asked[] = []
  server.upstream.on('tools/call', (asked) => void held.push(asked))
  return held
}

const count = (kind: string): number => server.upstream.asked.entries.filter((asked) => asked.kind === kind).length

test('SS1 calls one after the other meet the same session', async () => {
  start()
  for (let turn = 0; turn < 3; turn += 1) await server.ask(callOf())
  const calls = server.upstream.asked.entries.filter(({ kind }) => kind === 'tools/call')
  expect(calls.map(sessionOf)).toEqual(['s1', 's1', 's1'])
  expect(count('initialize')).toBe(1)
})

test('PU2 calls at the same time have a session each if they may be asked something; the newest one is used again', async () => {
  start()
  const held = holdCalls()
  const clients = [server.send(callOf()), server.send(callOf())]
  await settled()
  expect(held.map(sessionOf).toSorted()).toEqual(['s1', 's2'])
  for (const asked of held) asked.json({ content: [] })
  await Promise.all(clients.map(({ over }) => over))
  server.upstream.on('tools/call')
  await server.ask(callOf())
  expect(sessionOf(server.upstream.asked.entries.at(-1)!)).toBe('s2')
})

test('calls of a client that cannot be asked share a session, as lists do', async () => {
  start()
  const held = holdCalls()
  const none = { capabilities: {} }
  const clients = [server.send(callOf('a', {}, none)), server.send(callOf('b', {}, none))]
  const lists = [server.ask(request('tools/list', {}, none)), server.ask(request('prompts/list', {}, none))]
  await Promise.all(lists)
  await settled()
  expect(held.map(sessionOf)).toEqual(['s1', 's1'])
  for (const asked of held) asked.json({ content: [] })
  await Promise.all(clients.map(({ over }) => over))
  expect(count('initialize')).toBe(1)
})

test('two requests with the same id are told apart', async () => {
  start()
  const held = holdCalls()
  const clients = ['a', 'b'].map((name) => server.send(callOf(name, {}, { id: 1, capabilities: {} })))
  await settled()
  for (const asked of held.toReversed()) asked.json({ content: [], name: asked.exchange.message })
  await Promise.all(clients.map(({ over }) => over))
  const names = clients.map(({ response }) => JSON.parse(response.text).result.name.params.name)
  expect(names).toEqual(['a', 'b'])
})

test('SC5 two principals never share a session, and neither do clients with other capabilities', async () => {
  start()
  await server.ask(request('tools/list'), { as: { id: 'ann' } })
  await server.ask(request('tools/list'), { as: { id: 'bob' } })
  await server.ask(request('tools/list', {}, { capabilities: {} }), { as: { id: 'bob' } })
  await server.ask(request('tools/list'), { as: { id: 'bob' } })
  const lists = server.upstream.asked.entries.filter(({ kind }) => kind === 'tools/list')
  expect(lists.map(sessionOf)).toEqual(['s1', 's2', 's3', 's2'])
})

test('the order of keys in capabilities makes no difference', async () => {
  start()
  await server.ask(request('tools/list', {}, { capabilities: { sampling: {}, elicitation: { url: {}, form: {} } } }))
  await server.ask(request('tools/list', {}, { capabilities: { elicitation: { form: {}, url: {} }, sampling: {} } }))
  expect(count('initialize')).toBe(1)
})

test('calls past the limit wait in order, and get the session that is free first', async () => {
  start({ config: { bridge: { sessions: 1 } } })
  const held = holdCalls()
  const clients = ['a', 'b', 'c'].map((name) => server.send(callOf(name)))
  for (let turn = 0; turn < 3; turn += 1) {
    while (held.length <= turn) await settled()
    expect(held).toHaveLength(turn + 1)
    held[turn]!.json({ content: [] })
    await clients[turn]!.over
  }
  const names = held.map(({ exchange }) => (exchange.message as { params?: { name?: string } }).params?.name)
  expect(names).toEqual(['a', 'b', 'c'])
  expect(count('initialize')).toBe(1)
})

test('lists do not wait for a session that a call has to itself', async () => {
  start({ config: { bridge: { sessions: 1 } } })
  holdCalls()
  server.send(callOf())
  await server.upstream.asked.next(({ kind }) => kind === 'tools/call')
  expect(await server.ask(request('tools/list'))).toMatchObject({ status: 200 })
  expect(count('initialize')).toBe(1)
})

test('a client that leaves while it waits makes room for the next one', async () => {
  start({ config: { bridge: { sessions: 1 } } })
  const held = holdCalls()
  const [first, second, third] = ['a', 'b', 'c'].map((name) => server.send(callOf(name)))
  await server.upstream.asked.next(({ kind }) => kind === 'tools/call')
  second!.leave()
  await second!.over
  held[0]!.json({ content: [] })
  await first!.over
  while (held.length < 2) await settled()
  held[1]!.json({ content: [] })
  await third!.over
  expect(third!.says).toEqual(['result'])
  expect(held).toHaveLength(2)
})

test('a session of other capabilities that nobody uses gives way', async () => {
  start({ config: { bridge: { sessions: 1 } } })
  await server.ask(callOf())
  await server.ask(callOf('echo', {}, { capabilities: { ...ASKABLE, experimental: {} } }))
  await server.upstreamSessions.done()
  expect(server.upstream.told.filter((words) => /^initialize|DELETE/.test(words))).toEqual([
    'initialize',
    'DELETE in s1',
    'initialize',
  ])
  expect(server.bridge.load.sessions).toBe(1)
})

test('SC5 without a principal a call that may be asked something leaves no session behind', async () => {
  start({ isPublic: true })
  await server.ask(callOf())
  await server.ask(callOf())
  await server.ask(request('tools/list', {}, { capabilities: {} }))
  await server.ask(request('tools/list', {}, { capabilities: {} }))
  await server.upstreamSessions.done()
  expect(count('initialize')).toBe(3)
  expect([...server.upstream.sessions]).toEqual(['s3'])
})

test.each([false, true])(
  '15 u3 SS8 a session that the server has forgotten is replaced, and the request is sent once more (recover: %s)',
  async (recovers) => {
    start({ recovers })
    await server.ask(callOf())
    server.upstream.sessions.clear()
    expect(await server.ask(callOf())).toMatchObject({ status: 200, code: undefined })
    const calls = server.upstream.asked.entries.filter(({ kind }) => kind === 'tools/call')
    expect(calls.map(sessionOf)).toEqual(['s1', 's1', 's2'])
  },
)

test('SS8 a server that forgets every session is 502, after the second attempt', async () => {
  start()
  server.upstream.on('tools/call', (asked) => asked.fail('session_not_found'))
  expect(await server.ask(callOf())).toMatchObject({ status: 502 })
  expect(count('tools/call')).toBe(2)
})

test('a handshake that fails takes no place, and the next request tries again', async () => {
  start({ config: { bridge: { sessions: 1 } } })
  server.upstream.once('initialize', (asked) => asked.fail('upstream_unreachable'))
  expect(await server.ask(callOf())).toMatchObject({ status: 502 })
  expect(server.bridge.load.sessions).toBe(0)
  expect(await server.ask(callOf())).toMatchObject({ status: 200 })
})

test('a server without session ids serves any number of calls at a time', async () => {
  start({ config: { bridge: { sessions: 1 } } })
  server.upstream.open = () => undefined as unknown as string
  const held = holdCalls()
  const clients = [server.send(callOf()), server.send(callOf())]
  while (held.length < 2) await settled()
  for (const asked of held) asked.json({ content: [] })
  await Promise.all(clients.map(({ over }) => over))
  expect(count('GET')).toBe(0)
})

test('SS12 a closing gateway ends its sessions at the server', async () => {
  start()
  await server.ask(callOf())
  await server.bridge.close()
  await server.upstreamSessions.done()
  expect(server.upstream.told.at(-1)).toBe('DELETE in s1')
  expect(server.bridge.load).toEqual({ sessions: 0, questions: 0, bytes: 0 })
  expect(await server.ask(callOf())).toMatchObject({ status: 503 })
})
