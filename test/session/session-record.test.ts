// Records that 0.1 kept: stores outlive an upgrade, so their sessions go on.
import { MemorySessionStore, type ServerConfig, type SessionRecord } from '../../lib/index.ts'
import { InFlight } from '../../lib/exchange/in-flight.ts'
import { ANY_UPSTREAM, recordOf } from '../../lib/session/session-record.ts'
import { Sessions } from '../../lib/session/sessions.ts'
import { type RunningGateway, startGateway } from '../support/gateway.ts'
import { RECORD } from '../support/pipeline-exchange.ts'
import { post, send } from '../support/rpc.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

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
  const HEADERS = { 'mcp-protocol-version': '2025-06-18' }
  const ping = { jsonrpc: '2.0', id: 1, method: 'ping' }
  let upstream: Upstream
  let gateway: RunningGateway
  let headers: Record<string, string>

  /** A gateway of now, with a store in which 0.1 has left a session. */
  async function goOn(kept: object, config: Partial<ServerConfig> = {}): Promise<void> {
    upstream = await startUpstream()
    upstream.sessions.add('up-1')
    upstream.on('resources/subscribe', (exchange) => exchange.result({}))
    const sessions = new MemorySessionStore()
    const id = sessions.create(old({ server: 'a', principal: '', protocolVersion: '2025-06-18', ...kept }))
    headers = { ...HEADERS, 'mcp-session-id': id }
    gateway = await startGateway({ servers: { a: { url: upstream.url, ...config } }, sessions })
  }

  afterEach(async () => {
    await gateway.close()
    await upstream.close()
  })

  test('SS10 SS12 goes on in the session of its server, and ends it there', async () => {
    await goOn({ upstream: 'up-1' })
    expect((await post(gateway.url('a'), ping, headers)).status).toBe(200)
    expect((await send('DELETE', gateway.url('a'), headers)).status).toBe(200)
    expect(upstream.requests().map(({ kind, headers: sent }) => [kind, sent['mcp-session-id']])).toEqual([
      ['ping', 'up-1'],
      ['DELETE', 'up-1'],
    ])
    expect(upstream.requests().map(({ headers: sent }) => sent['mcp-protocol-version'])).toEqual([
      '2025-06-18',
      '2025-06-18',
    ])
    expect((await post(gateway.url('a'), ping, headers)).status).toBe(404)
  })

  test('SS8 is recovered with what 0.1 had kept for that', async () => {
    await goOn({ upstream: 'up-1', recovery: RECOVERY }, { recover: true })
    upstream.sessions.clear()
    for (let time = 0; time < 2; time += 1) expect((await post(gateway.url('a'), ping, headers)).status).toBe(200)
    expect(upstream.requests().map(({ kind, message }) => [kind, message?.params])).toEqual([
      ['ping', undefined],
      ['initialize', RECOVERY.handshake],
      ['notifications/initialized', undefined],
      ['logging/setLevel', RECOVERY.logLevel],
      ['resources/subscribe', { uri: 'x://a' }],
      ['ping', undefined],
      ['ping', undefined],
    ])
    expect(gateway.reported.entries).toEqual([])
  })

  test('SS3 SS8 ends with that of its server where 0.1 had kept nothing for that', async () => {
    await goOn({ upstream: 'up-1' }, { recover: true })
    upstream.sessions.clear()
    for (let time = 0; time < 2; time += 1) expect((await post(gateway.url('a'), ping, headers)).status).toBe(404)
    expect(upstream.requests().map(({ kind }) => kind)).toEqual(['ping'])
  })
})
