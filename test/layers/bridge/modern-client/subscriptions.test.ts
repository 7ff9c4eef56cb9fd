import type { End } from '../../../../lib/exchange/body.ts'
import type { EventsReply } from '../../../../lib/exchange/reply.ts'
import type { MemoryClient } from '../../../support/memory-client.ts'
import type { Asked, MemoryStream } from '../../../support/memory-upstream.ts'
import { SUBSCRIPTION } from '../../../support/bridged.ts'
import {
  callOf,
  type LegacyServer,
  legacyServer,
  type LegacyServerOptions,
  request,
  sessionOf,
} from '../../../support/bridged-modern.ts'
import { closing, settled } from '../../../support/fixture.ts'

let server: LegacyServer
/** The listening streams of the server, in the order that they were opened in. */
let streams: MemoryStream[]

function start(options?: LegacyServerOptions): void {
  server = legacyServer(options)
  streams = []
  server.upstream.on('GET', (asked) => void streams.push(asked.events()))
}

beforeEach(() => start())
afterEach(() => server.close())

const TOOLS = 'notifications/tools/list_changed'
const UPDATED = 'notifications/resources/updated'

async function listen(filter: object, id: string | number = 'L'): Promise<MemoryClient> {
  const client = server.send(request('subscriptions/listen', { notifications: filter }, { id }))
  await client.events.next()
  return client
}

const said = ({ events }: MemoryClient): Record<string, unknown>[] => events.entries.map(({ data }) => JSON.parse(data))

const methods = (client: MemoryClient): unknown[] => said(client).map(({ method }) => method)

const subscriptions = (): string[] =>
  server.upstream.asked.entries.flatMap(({ kind, exchange }) => {
    if (!kind.startsWith('resources/')) return []
    const { params } = exchange.message as { params?: { uri?: string } }
    return [`${kind.slice('resources/'.length)} ${params?.uri}`]
  })

test('ST15 ST16 ST17 the first message says what is honoured, and each names the subscription', async () => {
  const client = await listen({
    toolsListChanged: true,
    promptsListChanged: true,
    resourceSubscriptions: ['a:1', 'a:1'],
  })
  expect(said(client)).toEqual([
    {
      jsonrpc: '2.0',
      method: 'notifications/subscriptions/acknowledged',
      params: {
        notifications: { toolsListChanged: true, resourceSubscriptions: ['a:1'] },
        _meta: { [SUBSCRIPTION]: 'L' },
      },
    },
  ])
  streams[0]!.say({ method: TOOLS })
  streams[0]!.say({ method: 'notifications/prompts/list_changed' })
  streams[0]!.say({ method: UPDATED, params: { uri: 'a:1' } })
  streams[0]!.say({ method: UPDATED, params: { uri: 'a:2' } })
  await settled()
  expect(said(client).slice(1)).toEqual([
    { jsonrpc: '2.0', method: TOOLS, params: { _meta: { [SUBSCRIPTION]: 'L' } } },
    { jsonrpc: '2.0', method: UPDATED, params: { uri: 'a:1', _meta: { [SUBSCRIPTION]: 'L' } } },
  ])
})

test('ST17 a resource that the server refuses is not honoured', async () => {
  server.upstream.on('resources/subscribe', (asked) => asked.error(-32602, 'No'))
  const client = await listen({ resourceSubscriptions: ['a:1'] })
  expect(said(client)[0]).toMatchObject({ params: { notifications: {} } })
})

test('PU6 a server without a listening stream honours nothing', async () => {
  server.upstream.on('GET', (asked) => asked.fail('upstream_refused', 405))
  const client = await listen({ toolsListChanged: true, resourceSubscriptions: ['a:1'] })
  expect(said(client)[0]).toMatchObject({ params: { notifications: {} } })
  expect(subscriptions()).toEqual([])
})

test('11 PU5 two listeners of one resource are one subscription, which ends with the last of them', async () => {
  const first = await listen({ resourceSubscriptions: ['a:1'] }, 1)
  const second = await listen({ resourceSubscriptions: ['a:1', 'a:2'] }, 2)
  expect(subscriptions()).toEqual(['subscribe a:1', 'subscribe a:2'])
  streams[0]!.say({ method: UPDATED, params: { uri: 'a:1' } })
  await settled()
  expect([methods(first).length, methods(second).length]).toEqual([2, 2])
  first.leave()
  await settled()
  expect(subscriptions()).toHaveLength(2)
  second.leave()
  await settled()
  expect(subscriptions().slice(2).toSorted()).toEqual(['unsubscribe a:1', 'unsubscribe a:2'])
  expect(server.bridge.load.sessions).toBe(1)
})

test('ST17 what a call brings about is heard, whichever session it has and whichever stream it is said in', async () => {
  const client = await listen({ toolsListChanged: true })
  const held: Asked[] = []
  server.upstream.on('tools/call', (asked) => void held.push(asked))
  const calls = [server.send(callOf('a')), server.send(callOf('b'))]
  while (held.length < 2 || streams.length < 2) await settled()
  expect(held.map(sessionOf).toSorted()).toEqual(['s1', 's2'])
  for (const asked of held) {
    const stream = asked.events()
    stream.say({ method: TOOLS })
    stream.answer({ content: [] })
  }
  await Promise.all(calls.map(({ over }) => over))
  streams[1]!.say({ method: TOOLS })
  await settled()
  expect(methods(client).slice(1)).toEqual([TOOLS, TOOLS, TOOLS])
})

test('SC5 another principal hears nothing of it', async () => {
  const client = await listen({ toolsListChanged: true })
  const other = server.send(request('subscriptions/listen', { notifications: { toolsListChanged: true } }), {
    as: { id: 'bob' },
  })
  await other.events.next()
  streams[0]!.say({ method: TOOLS })
  await settled()
  expect([methods(client).length, methods(other).length]).toEqual([2, 1])
})

test('SE3 SE7 a stream that ends is opened again, and what may have been missed is said once', async () => {
  const client = await listen({ toolsListChanged: true, resourceSubscriptions: ['a:1'] })
  streams[0]!.end()
  await server.upstream.asked.next(({ kind }) => kind === 'GET')
  while (methods(client).length < 3) await client.events.next()
  expect(methods(client).slice(1)).toEqual([TOOLS, UPDATED])
})

test('SE7 a stream with event ids is resumed after the last one, and nothing is said twice', async () => {
  const client = await listen({ toolsListChanged: true })
  streams[0]!.say({ method: TOOLS }, 'g1')
  streams[0]!.cut()
  await server.upstream.asked.next(({ words }) => words === 'GET after g1 in s1')
  await settled()
  streams[1]!.say({ method: TOOLS }, 'g2')
  await settled()
  expect(methods(client).slice(1)).toEqual([TOOLS, TOOLS])
})

test('SS8 a session that the server has forgotten is replaced, with its subscriptions', async () => {
  const client = await listen({ resourceSubscriptions: ['a:1'] })
  server.upstream.sessions.clear()
  streams[0]!.end()
  await server.upstream.asked.next(({ words }) => words === 'resources/subscribe in s2')
  while (methods(client).length < 2) await client.events.next()
  expect(methods(client).slice(1)).toEqual([UPDATED])
  streams.at(-1)!.say({ method: UPDATED, params: { uri: 'a:1' } })
  await settled()
  expect(methods(client).slice(1)).toEqual([UPDATED, UPDATED])
})

test('SC6 SE16 a client that does not read is cut off after 1 MiB: the others of its session do not wait for it', async () => {
  const filter = { resourceSubscriptions: ['a:1'] }
  const handle = server.pipeline.handleOf(server.config, 'client')
  const message = request('subscriptions/listen', { notifications: filter })
  const { body } = (await handle(server.exchange(message))) as EventsReply
  const ends: End[] = []
  body.pipe({ data: () => false, end: (end) => ends.push(end) })
  const reader = await listen(filter, 'reads')
  const say = async (times: number): Promise<void> => {
    const params = { uri: 'a:1', _meta: { text: 'x'.repeat(100_000) } }
    for (let time = 0; time < times; time += 1) streams[0]!.say({ method: UPDATED, params })
    await settled()
  }
  await say(10)
  body.resume()
  await say(10)
  expect(ends).toEqual([])
  await say(1)
  expect(ends).toEqual([{ how: 'broken', error: expect.objectContaining({ code: 'client_stalled' }) }])
  expect(said(reader)).toHaveLength(22)
  expect(server.bridge.load.sessions).toBe(1)
  reader.leave()
  await settled()
  expect(subscriptions()).toEqual(['subscribe a:1', 'unsubscribe a:1'])
})

test('ST18 a closing gateway ends a listener with a result', async () => {
  const client = await listen({ toolsListChanged: true })
  server.inFlight.stop(closing(), () => true)
  await client.over
  expect(said(client).at(-1)).toEqual({
    jsonrpc: '2.0',
    id: 'L',
    result: { resultType: 'complete', _meta: { [SUBSCRIPTION]: 'L' } },
  })
})

test('AU11 a listener ends when its principal expires', async () => {
  const client = await listen({ toolsListChanged: true })
  server.expireTokens()
  await client.over
  expect(said(client).at(-1)).toMatchObject({ id: 'L', error: { code: 401 } })
})
