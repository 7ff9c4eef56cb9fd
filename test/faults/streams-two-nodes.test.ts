// Faults of streams of two nodes: who gets what comes on them, and who may write them.
import { jest } from '@jest/globals'
import { fakeTime, inFakedTime, pass } from '../support/fake-time.ts'
import { initialize, openStream, type OpenStream, type Session } from '../support/rpc.ts'
import { settles, soon } from '../support/soon.ts'
import { startUpstream, type Exchange, type RpcMessage, type Upstream } from '../support/upstream.ts'
import { call, nextWithId, type Pair, rest, startPair } from './support-streams.ts'

let upstream: Upstream
let pair: Pair
const clients: OpenStream[] = []

beforeEach(async () => {
  fakeTime()
  upstream = await startUpstream()
  upstream.on('tools/call', (exchange) => void exchange.stream())
  pair = await startPair({ servers: { a: { url: upstream.url } } })
})

afterEach(async () => {
  for (const client of clients.splice(0)) client.close()
  await inFakedTime(pair.close())
  await upstream.close()
  jest.useRealTimers()
})

/** Closed when the test is over. */
async function keep(opening: Promise<OpenStream>): Promise<OpenStream> {
  const client = await opening
  clients.push(client)
  return client
}

const log = (text: string): RpcMessage => ({ method: 'notifications/message', params: { level: 'info', data: text } })
const answer: RpcMessage = { jsonrpc: '2.0', id: 'call-1', result: { content: [] } }
const texts = (messages: readonly RpcMessage[]): string[] => messages.map(({ params }) => String(params?.['data']))

function resumeAt(node: number, session: Session, id?: string): Promise<OpenStream> {
  const headers = { ...session.headers, ...(id !== undefined && { 'last-event-id': id }) }
  return keep(openStream(pair.gateways[node]!.url('a'), { headers }))
}

/** What a client comes back with that has seen all of this. */
function lastId(client: OpenStream): string {
  return Array.from(
    client
      .bytes()
      .toString()
      .matchAll(/^id: (.*)$/gm),
    ([, id]) => id!,
  ).at(-1)!
}

/** A session whose client listens at both nodes, first at the first one. */
async function listenTwice() {
  const session = await initialize(pair.gateways[0]!.url('a'))
  const first = await keep(session.listen())
  await upstream.nextRequest('GET')
  const second = await resumeAt(1, session)
  await pass(1_000)
  return { first, second }
}

test('R11: of a session that listens at two nodes each message goes to one stream alone (SE10)', async () => {
  const { first, second } = await listenTwice()
  const sent = ['one', 'two', 'three']
  const live = upstream.requests('GET').at(-1)!
  for (const text of sent) await live.stream().send(log(text))
  await pass(1_000)
  for (const { gateway: each } of pair.gateways) void each.close({ graceMs: 0 })
  const got = await soon(Promise.all([rest(first), rest(second)]), 'both streams end with their gateways')
  expect(got.flatMap(texts).toSorted()).toEqual(sent.toSorted())
})

test('R11: a session that listens at another node is taken over there, and the old stream ends (SE10)', async () => {
  const { first, second } = await listenTwice()
  await pass(20_000)
  expect(await settles(first.over)).toBe(true)
  const live = upstream.requests('GET').at(-1)!
  await live.stream().send(log('for the new one'))
  expect(await soon(second.nextMessage(), 'the new stream is served')).toMatchObject(log('for the new one'))
})

test('R11: a call whose client comes back at another node is answered on one stream alone (SE7, SE10)', async () => {
  const session = await initialize(pair.gateways[0]!.url('a'))
  const first = await keep(session.stream(call))
  const { stream } = await upstream.nextRequest('tools/call')
  await stream().send(log('before'))
  const { id } = await nextWithId(first)
  const second = await resumeAt(1, session, id)
  await pass(1_000)
  stream().finish({ content: [] })
  await pass(1_000)
  const got = await soon(Promise.all([rest(first), rest(second)]), 'both streams end with the answer')
  expect(got.flat()).toEqual([answer])
})

/** A node stands still with an append under way, long enough for the other one to take its stream over. */
describe('of which one stood still with an append under way', () => {
  async function standStill(first: OpenStream, asked: Exchange, session: Session): Promise<[OpenStream, Exchange]> {
    await asked.stream().send(log('one'), { id: 'u-1' })
    const { id } = await nextWithId(first)
    pair.views[0]!.isStill = true
    await asked.stream().send(log('two'), { id: 'u-2' })
    first.close()
    await pass(16_000)
    const second = await resumeAt(1, session, id)
    await pass(6_000)
    const again = await soon(upstream.nextRequest('GET'), 'the upstream is asked for the rest')
    expect(again.headers['last-event-id']).toBe('u-2')
    expect(await second.nextMessage()).toMatchObject(log('two'))
    pair.views[0]!.isStill = false
    return [second, again]
  }

  test.each([
    ['before', 0],
    ['after', 6_000],
  ])(
    'R6: it writes nothing behind the events of the node that took its call over, woken up %s a renewal (SE7)',
    async (_, afterMs) => {
      const session = await initialize(pair.gateways[0]!.url('a'))
      const first = await keep(session.stream(call))
      const asked = await upstream.nextRequest('tools/call')
      const [second, again] = await standStill(first, asked, session)
      await pass(afterMs)
      await asked.stream().send(answer)
      asked.stream().end()
      await pass(1_000)
      await again.stream().send(answer, { id: 'u-3' })
      again.stream().end()
      await pass(1_000)
      const got = await soon(rest(second), 'the stream ends')
      const more = await resumeAt(1, session, lastId(second))
      await pass(1_000)
      expect([...got, ...(await soon(rest(more), 'and what comes behind it'))]).toEqual([answer])
    },
  )

  test.each([
    ['before', 0],
    ['after', 6_000],
  ])(
    'R6: it takes the stream on which a session listens from nobody, woken up %s a renewal (SE10)',
    async (_, afterMs) => {
      const session = await initialize(pair.gateways[0]!.url('a'))
      const first = await keep(session.listen())
      const asked = await upstream.nextRequest('GET')
      const [second, again] = await standStill(first, asked, session)
      await pass(afterMs)
      for (const text of ['two', 'three', 'four']) await asked.stream().send(log(text))
      await pass(100)
      asked.stream().end()
      await pass(1_000)
      await again.stream().send(log('three'), { id: 'u-3' })
      expect(await soon(second.nextMessage(), 'the stream goes on')).toMatchObject(log('three'))
    },
  )
})
