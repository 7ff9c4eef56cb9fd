// Records that 0.1 kept: stores outlive an upgrade, so their sessions go on.
import { MemorySessionStore, type SessionRecord, type SessionStore } from '../../lib/index.ts'
import { InFlight } from '../../lib/exchange/in-flight.ts'
import { ANY_UPSTREAM, recordOf } from '../../lib/session/session-record.ts'
import { Sessions } from '../../lib/session/sessions.ts'
import { startGateway } from '../support/gateway.ts'
import { exchangeOf, RECORD } from '../support/pipeline-exchange.ts'
import { initialize, rpc, type Session } from '../support/rpc.ts'
import { startUpstream } from '../support/upstream.ts'

const OWNER = { server: 'weather', principal: 'ann', protocolVersion: '2025-06-18' }
const RECOVERY = {
  handshake: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'old', version: '1' } },
  logLevel: { level: 'debug' },
  subscriptions: { 'x://a': { uri: 'x://a' } },
}

/** What 0.1 kept; its type is gone. */
const old = (record: object): SessionRecord => record as SessionRecord

describe('a record of 0.1', () => {
  test.each([
    ['of a server without sessions', {}, {}],
    ['of a server with sessions', { upstream: 'up-1' }, { id: 'up-1' }],
    ['with "recover"', { upstream: 'up-1', recovery: RECOVERY }, { id: 'up-1', client: RECOVERY }],
    ['of a server without sessions, with "recover"', { recovery: RECOVERY }, { client: RECOVERY }],
  ])('%s is read as one of now, which is good for any upstream', (_, kept, known) => {
    expect(recordOf(old({ ...OWNER, ...kept }))).toStrictEqual({
      ...OWNER,
      upstream: { upstream: ANY_UPSTREAM, protocolVersion: '2025-06-18', ...known },
    })
  })

  test('is read the same when it went through JSON, as in Redis', () => {
    const kept = old(JSON.parse(JSON.stringify({ ...OWNER, upstream: undefined, recovery: undefined })) as object)
    expect(recordOf(kept)).toStrictEqual({
      ...OWNER,
      upstream: { upstream: ANY_UPSTREAM, protocolVersion: '2025-06-18' },
    })
  })

  test('is found as one of now, and kept as one when it changes', async () => {
    const store = new MemorySessionStore()
    const sessions = new Sessions(store, new InFlight(), () => {})
    const id = store.create(old({ ...OWNER, upstream: 'up-1', recovery: RECOVERY }))
    const session = await sessions.find(id, 'weather', 'ann')
    const upstream = { upstream: ANY_UPSTREAM, protocolVersion: '2025-06-18', id: 'up-1', client: RECOVERY }
    expect(session.record).toStrictEqual({ ...OWNER, upstream })
    await session.keep((state) => ({ ...state, id: 'up-2' }))
    expect(store.get(id)).toStrictEqual({ ...OWNER, upstream: { ...upstream, id: 'up-2' } })
    await sessions.close()
  })

  test('SS11 that a store ends by itself is told of as one of now', async () => {
    const ended: SessionRecord[] = []
    const store = new MemorySessionStore()
    const sessions = new Sessions(store, new InFlight(), (_, record) => void ended.push(record))
    store.create(old({ ...OWNER, upstream: 'up-1' }))
    await sessions.close()
    const upstream = { upstream: ANY_UPSTREAM, protocolVersion: '2025-06-18', id: 'up-1' }
    expect(ended).toStrictEqual([{ ...OWNER, upstream }])
  })
})

test('a record of now is given as it is', () => {
  expect(recordOf(RECORD)).toBe(RECORD)
})

describe('a session that a client opened with 0.1', () => {
  /** A gateway of now with a store in which 0.1 has left a session. */
  async function goOn(kept: object, config: object = {}) {
    const upstream = await startUpstream()
    upstream.sessions.add('up-1')
    upstream.on('resources/subscribe', (exchange) => exchange.result({}))
    const store: SessionStore = new MemorySessionStore()
    const id = await store.create(old({ server: 'a', principal: '', protocolVersion: '2025-06-18', ...kept }))
    const gateway = await startGateway({ servers: { a: { url: upstream.url, ...config } }, sessions: store })
    return { upstream, gateway, id, store }
  }
})
