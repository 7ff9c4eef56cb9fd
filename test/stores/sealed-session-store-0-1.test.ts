// Ids that 0.1 sealed: their sessions go on after an upgrade, for the day that they live.
import { SealedSessionStore, type SessionRecord } from '../../lib/index.ts'
import { ANY_UPSTREAM, recordOf } from '../../lib/session/session-record.ts'
import { startGateway } from '../support/gateway.ts'
import { post, send } from '../support/rpc.ts'
import { startUpstream } from '../support/upstream.ts'

const { jest } = import.meta
const HOUR = 60 * 60_000
const KEY = 'old secret of 32 characters at least'

/** When 0.1.0 sealed these, with that key, for 24 hours. */
const SEALED_AT = Date.UTC(2026, 10, 21)
const OWNER = { server: 'weather', principal: 'https://login.example.com user-1', protocolVersion: '2025-11-25' }
const WITH_SESSION =
  'cqcdrB4Rm_86Q6Z-RDI80V-dNYHqePR55wW2JKZ8B7xs9byGydVXYLdj2zHbl0RItYGd-NSLAW4u6PybJwLVRDHD4KJp0HpSX5a-S4z2dwXA_wnG6mdN-_Q9Lj0ohAP_FCSWzQx0DqpKg2kD228Q3buNaw6pPQ'
const WITHOUT_SESSION =
  'cqcdrG1MvogrokpPoC4gLJN0sM_1Zq3IbJIfr62RpDz8Hvkk3jGi6euuyrTtpGdSuCKLLg5QCPHdHfMKzvLmn63RQkt7BnYPSeCscU87WO9BB7pKcPdPHBugKaNvrdUiLSTi5bBi1cLRPq0LmH4'
/** Of the server "a", without a principal, in the revision 2025-06-18. */
const OF_NOBODY =
  'cqcdrIxmcqqthYPP1ZG4KV__pGP0zj_-yELLMKvNMNcI3uTDBHQLdJqm6Wbp3fuAmKz05dREf92aVC2rX87ndh2lcpBre4rf8hCcxhyp2MQ'

const open = (key = KEY): SealedSessionStore => new SealedSessionStore({ keys: [key] })

let clock: ReturnType<typeof jest.spyOn>

beforeEach(() => {
  clock = jest.spyOn(Date, 'now').mockReturnValue(SEALED_AT)
})
afterEach(() => {
  clock.mockRestore()
})

test.each<[string, string, object, object]>([
  ['with a session of its server', WITH_SESSION, { ...OWNER, upstream: 'upstream-1' }, { id: 'upstream-1' }],
  ['without one', WITHOUT_SESSION, OWNER, {}],
])('an id %s is opened, and says what a record of 0.1 says', (_, id, kept, known) => {
  const record = open().get(id)
  expect(record).toStrictEqual(kept)
  const upstream = { upstream: ANY_UPSTREAM, protocolVersion: '2025-11-25', ...known }
  expect(recordOf(record as SessionRecord)).toStrictEqual({ ...OWNER, upstream })
})

test('SS3 an id ends when 0.1 has said, and with another key it is none', () => {
  clock.mockReturnValue(SEALED_AT + 24 * HOUR - 1)
  expect(open().get(WITH_SESSION)).toBeDefined()
  expect(open('new secret of 32 characters at least').get(WITH_SESSION)).toBeUndefined()
  clock.mockReturnValue(SEALED_AT + 24 * HOUR)
  expect(open().get(WITH_SESSION)).toBeUndefined()
})

test('SS4 SS12 an id is deleted as any other', () => {
  const store = open()
  store.delete(WITH_SESSION)
  expect(store.get(WITH_SESSION)).toBeUndefined()
  expect(store.get(WITHOUT_SESSION)).toBeDefined()
})

test('SC5 SS10 a client goes on in its session at the server, and ends it there', async () => {
  const upstream = await startUpstream()
  upstream.sessions.add('upstream-1')
  const gateway = await startGateway({
    servers: { a: { url: upstream.url }, b: { url: upstream.url } },
    sessions: open(),
  })
  const headers = { 'mcp-session-id': OF_NOBODY, 'mcp-protocol-version': '2025-06-18' }
  const ping = { jsonrpc: '2.0', id: 1, method: 'ping' }
  try {
    expect((await post(gateway.url('b'), ping, headers)).status).toBe(404)
    expect((await post(gateway.url('a'), ping, headers)).status).toBe(200)
    expect((await send('DELETE', gateway.url('a'), headers)).status).toBe(200)
    expect((await post(gateway.url('a'), ping, headers)).status).toBe(404)
    expect(upstream.requests().map(({ kind, headers: sent }) => [kind, sent['mcp-session-id']])).toEqual([
      ['ping', 'upstream-1'],
      ['DELETE', 'upstream-1'],
    ])
  } finally {
    await gateway.close()
    await upstream.close()
  }
})
