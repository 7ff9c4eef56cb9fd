// Refreshes of connections under faults: tokens that were rotated are never lost, whatever the store does meanwhile.
import { SealingKeys } from '../../lib/util/sealing-keys.ts'
import { type RunningAuthorizationServer, startAuthorizationServer } from '../support/authorization-server.ts'
import {
  accountIn,
  connect,
  type ConnectionsApp,
  linkIn,
  SECRET,
  type ProtectedUpstream,
  startConnectionsApp,
  startProtectedUpstream,
} from '../support/connections-app.ts'
import { type MapLoginStore, mapLoginStore } from '../support/map-login-store.ts'
import { closeUsed, use } from '../support/use.ts'

const { jest } = import.meta

let issuer: RunningAuthorizationServer
let upstream: ProtectedUpstream
let store: MapLoginStore
let app: ConnectionsApp

const realNow = Date.now
const TTL_MS = 600_000
/** What the records are sealed for. */
const PURPOSE = 'express-mcp-gateway connections'

/** Lets tokens expire so many times. */
const expire = (times: number): void =>
  void jest.spyOn(Date, 'now').mockImplementation(() => realNow() + times * TTL_MS)

const refreshes = (): number => issuer.requests.entries.filter((each) => each === 'POST /token').length
const revocations = (): number => issuer.requests.entries.filter((each) => each === 'POST /token/revocation').length

/** `front` makes it another node of that app. */
const startApp = (front?: string): Promise<ConnectionsApp> =>
  use(
    startConnectionsApp({
      ...(front !== undefined && { front }),
      servers: (headers) => ({ crm: { url: upstream.url, headers } }),
      connections: { store },
    }),
  )

beforeAll(async () => {
  issuer = await startAuthorizationServer({ documents: true, ttlS: TTL_MS / 1_000 })
})
afterAll(() => issuer.close())
beforeEach(async () => {
  store = mapLoginStore()
  upstream = await use(startProtectedUpstream(issuer))
  app = await startApp()
  await connect(linkIn(await app.call('ada')), 'ada', 'ada-at-crm', issuer)
})
afterEach(async () => {
  jest.restoreAllMocks()
  await closeUsed()
})

/** Lets the store do this for each write over a connection. */
function onWrite(write: (key: string, whole: () => boolean | Promise<boolean>) => boolean | Promise<boolean>): void {
  const { set } = store
  store.set = async (key, value, options) => {
    const whole = async (): Promise<boolean> => set(key, value, options)
    return key.startsWith('connection:') ? write(key, whole) : whole()
  }
}

test('tokens that cannot be written are used by nobody, and kept until they can', async () => {
  let isAway = true
  let written = 0
  onWrite((_key, whole) => {
    if (isAway) throw new Error('away')
    written += 1
    return whole()
  })
  expire(1)
  const before = refreshes()
  expect(await app.call('ada')).toMatchObject({ status: 503 })
  expect(await app.call('ada')).toMatchObject({ status: 503 })
  expect(upstream.tokens.entries).toHaveLength(1)
  isAway = false
  expect(accountIn(await app.call('ada'))).toBe('ada-at-crm')
  expect([refreshes() - before, written]).toEqual([1, 1])
  // The lock under which they were got has ended with that.
  expect([...store.values].filter(([key, { ttlMs }]) => key.startsWith('lock:') && ttlMs > 1)).toEqual([])
  expire(2)
  const other = await startApp(app.origin)
  expect(accountIn(await other.call('ada'))).toBe('ada-at-crm')
})

test('they are written as soon as the store is back, whether or not anybody calls', async () => {
  let isAway = true
  const back = new Promise<void>((resolve) => {
    onWrite(async (_key, whole) => {
      if (isAway) throw new Error('away')
      const isWritten = await whole()
      resolve()
      return isWritten
    })
  })
  expire(1)
  const before = refreshes()
  expect(await app.call('ada')).toMatchObject({ status: 503 })
  isAway = false
  await back
  const other = await startApp(app.origin)
  expect(accountIn(await other.call('ada'))).toBe('ada-at-crm')
  expect(refreshes() - before).toBe(1)
})

test('a write whose answer was lost counts, and nothing is refreshed again', async () => {
  let isLost = true
  onWrite(async (_key, whole) => {
    const isWritten = await whole()
    if (!isLost) return isWritten
    isLost = false
    throw new Error('lost')
  })
  expire(1)
  const before = refreshes()
  expect(await app.call('ada')).toMatchObject({ status: 503 })
  expect(accountIn(await app.call('ada'))).toBe('ada-at-crm')
  expect(refreshes() - before).toBe(1)
})

test('a record that another node has only sealed anew meanwhile is written over all the same', async () => {
  let seals = 0
  onWrite(async (key, whole) => {
    seals += 1
    if (seals === 1) {
      const { value } = store.values.get(key)!
      const text = new SealingKeys('secrets', [SECRET], PURPOSE)
      store.values.set(key, { value: text.seal(text.open(value, key)!, key), ttlMs: TTL_MS })
    }
    return whole()
  })
  expire(1)
  const before = refreshes()
  expect(accountIn(await app.call('ada'))).toBe('ada-at-crm')
  expect([refreshes() - before, seals]).toEqual([1, 2])
  expire(2)
  expect(accountIn(await (await startApp(app.origin)).call('ada'))).toBe('ada-at-crm')
})

test('the lock is taken when all is known that the refresh needs', async () => {
  expire(1)
  const node = await startApp(app.origin)
  const document = 'GET /.well-known/oauth-authorization-server'
  const asked = (): number => issuer.requests.entries.filter((each) => each === document).length
  const before = asked()
  const release = issuer.hold(document)
  const call = node.call('ada')
  while (asked() === before) await issuer.requests.next()
  expect([...store.values.keys()].filter((key) => key.startsWith('lock:'))).toEqual([])
  release()
  expect(accountIn(await call)).toBe('ada-at-crm')
})

test('who disconnects during a refresh stays disconnected, and the new tokens are revoked', async () => {
  expire(1)
  const [before, revoked] = [refreshes(), revocations()]
  const releaseTokens = issuer.hold('POST /token')
  const call = app.call('ada')
  while (refreshes() === before) await issuer.requests.next()
  // The service hears of it only after it has given new tokens.
  const releaseRevocation = issuer.hold('POST /token/revocation')
  const disconnected = app.connections.disconnect('ada', 'crm')
  while (revocations() === revoked) await issuer.requests.next()
  releaseTokens()
  expect(linkIn(await call)).toBeDefined()
  while (revocations() < revoked + 2) await issuer.requests.next()
  releaseRevocation()
  await disconnected
  expect(await app.connections.list('ada')).toEqual([])
})
