// userConnections() at a whole gateway: a user is asked, connects, and calls with an account of their own.
import { type RunningAuthorizationServer, startAuthorizationServer } from '../support/authorization-server.ts'
import {
  accountIn,
  connect,
  type ConnectionsApp,
  linkIn,
  type ProtectedUpstream,
  startConnectionsApp,
  startProtectedUpstream,
} from '../support/connections-app.ts'
import { closeUsed, use } from '../support/use.ts'

let issuer: RunningAuthorizationServer
let upstream: ProtectedUpstream
let app: ConnectionsApp

beforeEach(async () => {
  issuer = await use(startAuthorizationServer({ documents: true }))
  upstream = await use(startProtectedUpstream(issuer))
  app = await use(startConnectionsApp({ servers: (headers) => ({ crm: { url: upstream.url, headers } }) }))
})
afterEach(closeUsed)

test('two users connect an account each, and each call goes with the account of the one who calls', async () => {
  const asked = await app.call('ada')
  expect(asked).toMatchObject({ status: 200, message: { error: { code: -32_042 } } })
  const done = await connect(linkIn(asked), 'ada', 'ada-at-crm', issuer)
  expect(done).toMatchObject({ status: 200 })
  expect(done.text).toContain('Your account is connected')
  expect(accountIn(await app.call('ada'))).toBe('ada-at-crm')
  await connect(linkIn(await app.call('bob')), 'bob', 'bob-at-crm', issuer)
  expect([accountIn(await app.call('ada')), accountIn(await app.call('bob'))]).toEqual(['ada-at-crm', 'bob-at-crm'])
  expect(app.reported).toEqual([])
})
