// The layer that takes batches apart, alone: what is sent, what comes back, and what a fault of one message does to all.
import type { ClientSession } from '../../lib/exchange/exchange.ts'
import { notificationOf } from '../../lib/exchange/message.ts'
import type { Reply } from '../../lib/exchange/reply.ts'
import {
  batchOf,
  type Fixture,
  fixture,
  legacyCall,
  modernCall,
  PROGRESS,
  responseOf,
  settled,
} from '../support/fixture.ts'

let gateway: Fixture
let session: ClientSession

beforeEach(async () => {
  gateway = fixture({ layers: ['split'] })
  session = await gateway.session()
})
afterEach(() => gateway.close())

const accepted: Promise<Reply> = Promise.resolve({ kind: 'empty', status: 202, headers: {} })
const [one, two] = [legacyCall('ping', { n: 1 }, 1), legacyCall('tools/call', { n: 2 }, 'two')]
const note = notificationOf('legacy', 'notifications/progress', {})

async function send(...items: Parameters<typeof batchOf>) {
  const client = gateway.send(batchOf(...items), { session })
  await client.over
  return client
}

describe('a batch with requests', () => {
  test('RPC5 is sent message by message, each in its very words and in the session', async () => {
    await send(one, note, two)
    const { entries } = gateway.upstream.asked
    expect(entries.map(({ words }) => words)).toEqual([
      'ping in s1',
      'notifications/progress in s1',
      'tools/call in s1',
    ])
    expect(entries.map(({ exchange }) => exchange.body?.toString())).toEqual([one.text, note.text, two.text])
  })

  test('RPC5 is answered by one JSON array, in the order of the batch, whoever answers first', async () => {
    let answerFirst = (): void => {}
    gateway.upstream.on('ping', (asked) => void (answerFirst = () => asked.json({ first: true })))
    gateway.upstream.on('tools/call', (asked) => {
      asked.json({ second: true })
      setImmediate(answerFirst)
    })
    expect((await send(one, two)).json).toEqual([
      { jsonrpc: '2.0', id: 1, result: { first: true } },
      { jsonrpc: '2.0', id: 'two', result: { second: true } },
    ])
  })

  test('SE1 is answered by a stream when a request says something before its response, which leaves at once', async () => {
    let finish = (): void => {}
    gateway.upstream.on('tools/call', (asked) => {
      const stream = asked.events()
      stream.say(PROGRESS)
      finish = () => stream.answer({})
    })
    const client = gateway.send(batchOf(one, two), { session })
    await client.events.next()
    expect(client.says).toEqual(['progress'])
    finish()
    await client.over
    expect(JSON.parse(client.events.entries.at(-1)!.data)).toMatchObject([{ id: 1 }, { id: 'two' }])
  })

  test('an error of the server is the answer to its request, and to no other', async () => {
    gateway.upstream.on('ping', (asked) => asked.error(-32_601, 'no ping', 404))
    expect((await send(one, two)).json).toMatchObject([
      { id: 1, error: { code: -32_601 } },
      { id: 'two', result: {} },
    ])
  })

  test('ER14 a request that fails or gets no answer is an error in its place', async () => {
    gateway.upstream.on('ping', (asked) => asked.fail('upstream_unreachable'))
    gateway.upstream.on('tools/call', (asked) => asked.empty())
    expect((await send(one, two)).json).toMatchObject([
      { id: 1, error: { code: 502, message: 'The upstream says upstream_unreachable' } },
      { id: 'two', error: { code: 502, message: 'The server did not answer this request' } },
    ])
  })

  test('ER14 a stream that is cut before its response is an error in its place', async () => {
    gateway.upstream.on('tools/call', (asked) => asked.events().cut())
    expect((await send(one, two)).json).toMatchObject([
      { id: 1, result: {} },
      { id: 'two', error: { code: 502 } },
    ])
  })

  test('what nobody hears of takes no answer away: a notification that fails', async () => {
    gateway.upstream.on('notifications/progress', (asked) => asked.fail('upstream_broken'))
    expect((await send(one, note)).json).toMatchObject([{ id: 1, result: {} }])
  })

  test('SS3 SS8 a forgotten session is a 404 for the whole batch, and ends', async () => {
    gateway.upstream.sessions.clear()
    expect((await send(one, two)).refused).toMatchObject({ code: 'session_not_found' })
    await expect(gateway.behind(session)).resolves.toBe('ended')
  })
})

describe('a batch that is stopped', () => {
  test('is refused with the reason before anything was said, and each request is let go of', async () => {
    gateway.upstream.on('ping', () => {}).on('tools/call', () => {})
    const client = gateway.send(batchOf(one, two), { session })
    await settled()
    gateway.stopAll()
    await client.over
    expect(client.refused).toMatchObject({ code: 'closing' })
    const reasons = await Promise.all(gateway.upstream.asked.entries.map(({ stopped }) => stopped))
    expect(reasons.map(({ code }) => code)).toEqual(['closing', 'closing'])
  })

  test('ER14 tells each request the reason when its stream has begun', async () => {
    gateway.upstream.on('ping', () => {}).on('tools/call', (asked) => asked.events().say(PROGRESS))
    const client = gateway.send(batchOf(one, two), { session })
    await client.events.next()
    gateway.expireTokens()
    await client.over
    expect(client.says).toEqual(['progress', 'error 401', 'error 401'])
    expect(client.events.entries.slice(1).map(({ data }) => JSON.parse(data).id)).toEqual([1, 'two'])
  })
})

describe('a batch without requests', () => {
  test('RPC10 is accepted when each of its messages is', async () => {
    const client = await send(note, responseOf(3))
    expect(client.says).toEqual(['status 202'])
    expect(gateway.upstream.told).toEqual(['notifications/progress in s1', 'response in s1'])
  })

  test('RPC10 is refused as the server refuses the first one, when all of it has been sent', async () => {
    gateway.upstream.on('notifications/progress', (asked) => asked.error(-32_000, 'no', 400))
    gateway.upstream.on('response', (asked) => asked.error(-32_001, 'no', 409))
    const client = await send(note, responseOf(3))
    expect([client.response.status, client.says]).toEqual([400, ['error -32000']])
    expect(gateway.upstream.told).toHaveLength(2)
  })
})

test('any other message goes on untouched', () => {
  for (const exchange of [
    gateway.exchange(one, { session }),
    gateway.exchange(undefined),
    gateway.exchange(modernCall()),
  ]) {
    const next = (sent: unknown): Promise<Reply> =>
      sent === exchange ? accepted : Promise.reject(new Error('another'))
    expect(gateway.layers.split.handle(exchange, next)).toBe(accepted)
  }
})
