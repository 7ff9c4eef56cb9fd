// What `recover` remembers of a session: bounded, agreed to by the upstream, and all of it. (SS8)
import { heldBytes, MiB, turns } from './support-bounds.ts'
import type { ServerConfig, SessionRecord, SessionStore } from '../../lib/index.ts'
import { startGateway, type RunningGateway } from '../support/gateway.ts'
import { initialize, initializeMessage, post, type Session } from '../support/rpc.ts'
import { startUpstream, type Exchange, type Upstream } from '../support/upstream.ts'

const agreed = (exchange: Exchange): void => exchange.result({})
const refused = (exchange: Exchange): void => exchange.error(-32_602, 'No such thing')

let upstream: Upstream
let gateway: RunningGateway
/** What a store is given to keep. */
let records: Map<string, SessionRecord>

beforeEach(async () => {
  upstream = await startUpstream()
  for (const kind of ['resources/subscribe', 'resources/unsubscribe', 'logging/setLevel']) upstream.on(kind, agreed)
  records = new Map()
})
afterEach(async () => {
  await gateway.close()
  await upstream.close()
})

const start = async (sessions?: SessionStore, config: Partial<ServerConfig> = {}): Promise<void> => {
  gateway = await startGateway({ servers: { a: { url: upstream.url, recover: true, ...config } }, sessions })
}

/** A store as one over a network is: it answers some turns later. */
function distantStore(): SessionStore {
  const later = async <T>(act: () => T): Promise<T> => {
    await turns(5)
    return act()
  }
  return {
    create: async (record) =>
      later(() => {
        const id = `session-${records.size}`
        records.set(id, record)
        return id
      }),
    get: async (id) => later(() => records.get(id)),
    update: async (id, record) => later(() => void records.set(id, record)),
    delete: async (id) => later(() => void records.delete(id)),
  }
}

/** What is noted may reach the store a moment after the client has its answer. */
const settled = (): Promise<void> => turns(50)

async function keptBytes(): Promise<number> {
  await settled()
  return JSON.stringify([...records.values()]).length
}

const subscribe = (session: Session, uri: string, more: object = {}): Promise<unknown> =>
  session.request('resources/subscribe', { uri, ...more })

/** What the upstream is told when it has forgotten the session, but the handshake. */
async function toldAgain(session: Session): Promise<unknown[]> {
  await settled()
  upstream.sessions.clear()
  const seen = upstream.requests().length
  expect((await session.request('ping')).status).toBe(200)
  return upstream
    .requests()
    .slice(seen)
    .filter(({ kind }) => /subscribe|setLevel/.test(kind))
    .map(({ message }) => message?.params)
}

describe('04: what is kept to recover a session', () => {
  const long = 'x'.repeat(MiB)

  test.each<[what: string, times: number, say: (session: Session, number: number) => Promise<unknown>]>([
    ['subscriptions of long URIs', 8, (session, number) => subscribe(session, `x://${number}/${long}`)],
    ['subscriptions with much beside the URI', 8, (session, number) => subscribe(session, `x://${number}`, { long })],
    ['a log level', 1, (session) => session.request('logging/setLevel', { level: 'info', long: long.repeat(3) })],
  ])('is bounded in bytes for %s (SC6)', async (_, times, say) => {
    await start(distantStore())
    const session = await initialize(gateway.url('a'))
    for (let number = 0; number < times; number += 1) await say(session, number)
    expect(await keptBytes()).toBeLessThan(2 * MiB)
  })

  test('is bounded in bytes for a handshake (SC6)', async () => {
    await start(distantStore())
    const message = initializeMessage('2025-11-25', { experimental: { long: long.repeat(3) } })
    await post(gateway.url('a'), message)
    expect(await keptBytes()).toBeLessThan(2 * MiB)
  })

  test('is bounded in memory: 32 subscriptions of 1 MiB hold no 32 MiB (SC6)', async () => {
    upstream.on('resources/subscribe', (exchange) => {
      exchange.result({})
      // The scripted upstream keeps every request: not these.
      Object.assign(exchange, { body: Buffer.alloc(0), message: undefined })
    })
    await start()
    const session = await initialize(gateway.url('a'))
    await subscribe(session, 'x://first')
    const before = await heldBytes()
    for (let number = 0; number < 32; number += 1) await subscribe(session, `x://${number}`, { long })
    expect((await heldBytes(before + 8 * MiB)) - before).toBeLessThan(8 * MiB)
  })

  test('is bounded in number: one call does not make the upstream be asked for each that there was (SC6)', async () => {
    await start()
    const session = await initialize(gateway.url('a'))
    for (let number = 0; number < 560; number += 20) {
      await Promise.all(Array.from({ length: 20 }, async (_, index) => subscribe(session, `x://${number + index}`)))
    }
    expect((await toldAgain(session)).length).toBeLessThanOrEqual(500)
  })

  test.each<[what: string, refuse: (exchange: Exchange) => void]>([
    ['with an error', refused],
    ['with a status', (exchange) => exchange.status(500, 'No')],
    [
      'with an error as an event',
      (exchange) => {
        const error = { code: -32_602, message: 'No such thing' }
        exchange
          .stream()
          .send({ id: exchange.message!.id!, error })
          .catch(() => {})
        exchange.stream().end()
      },
    ],
    ['by breaking off', (exchange) => exchange.cut()],
  ])('is nothing that the upstream has refused %s', async (_, refuse) => {
    await start()
    const session = await initialize(gateway.url('a'))
    await subscribe(session, 'x://taken')
    await session.request('logging/setLevel', { level: 'error' })
    upstream.once('resources/subscribe', refuse)
    await subscribe(session, 'x://refused')
    upstream.once('logging/setLevel', refuse)
    await session.request('logging/setLevel', { level: 'none' })
    upstream.once('resources/unsubscribe', refuse)
    await session.request('resources/unsubscribe', { uri: 'x://taken' })
    expect(await toldAgain(session)).toEqual([{ level: 'error' }, { uri: 'x://taken' }])
  })

  test('is nothing that the upstream has not answered yet', async () => {
    await start(distantStore())
    const session = await initialize(gateway.url('a'))
    upstream.once('resources/subscribe', () => {})
    const answering = subscribe(session, 'x://pending')
    const asked = await upstream.nextRequest('resources/subscribe')
    const kept = JSON.stringify([...records.values()])
    asked.result({})
    await answering
    expect(kept).not.toContain('x://pending')
  })

  test('is each of two subscriptions that come at once', async () => {
    await start(distantStore())
    const session = await initialize(gateway.url('a'))
    await Promise.all([subscribe(session, 'x://a'), subscribe(session, 'x://b')])
    expect((await toldAgain(session)).map((params) => (params as { uri: string }).uri).toSorted()).toEqual([
      'x://a',
      'x://b',
    ])
  })

  test('is a log level and a subscription that come at once', async () => {
    await start(distantStore())
    const session = await initialize(gateway.url('a'))
    await Promise.all([session.request('logging/setLevel', { level: 'error' }), subscribe(session, 'x://a')])
    expect(await toldAgain(session)).toEqual([{ level: 'error' }, { uri: 'x://a' }])
  })

  test('is a subscription in a batch (RPC5)', async () => {
    await start()
    const session = await initialize(gateway.url('a'), { version: '2025-03-26' })
    upstream.once('batch', (exchange) => {
      const batch = JSON.parse(exchange.body.toString()) as Array<{ id: number }>
      exchange.json(batch.map(({ id }) => ({ jsonrpc: '2.0', id, result: {} })))
    })
    const params = { uri: 'x://a' }
    await session.post([{ jsonrpc: '2.0', id: 1, method: 'resources/subscribe', params }])
    expect(await toldAgain(session)).toEqual([params])
  })

  test('is what a client told last, when the upstream agreed', async () => {
    await start(distantStore())
    const session = await initialize(gateway.url('a'))
    await subscribe(session, 'x://a')
    await subscribe(session, 'x://b')
    await session.request('resources/unsubscribe', { uri: 'x://a' })
    await session.request('logging/setLevel', { level: 'error' })
    expect(await toldAgain(session)).toEqual([{ level: 'error' }, { uri: 'x://b' }])
  })
})
