// A gateway with userConnections() in front of a protected server, whose authorization server is real.
import { type RunningAuthorizationServer, startAuthorizationServer } from '../support/authorization-server.ts'
import {
  type ConnectionsApp,
  type ConnectionsAppOptions,
  type ProtectedUpstream,
  startConnectionsApp,
  startProtectedUpstream,
} from '../support/connections-app.ts'
import { type MapLoginStore, mapLoginStore } from '../support/map-login-store.ts'
import { closeUsed, use } from '../support/use.ts'

export let issuer: RunningAuthorizationServer
export let upstream: ProtectedUpstream
export let app: ConnectionsApp
export let store: MapLoginStore

/** Has every test begin with an app in which nobody has connected. */
export function setUpConnections(): void {
  beforeAll(async () => {
    issuer = await startAuthorizationServer({ documents: true })
  })
  afterAll(() => issuer.close())
  beforeEach(async () => {
    store = mapLoginStore()
    upstream = await use(startProtectedUpstream(issuer))
    await restart()
  })
  afterEach(closeUsed)
}

/** Starts another app over the same store. */
export function start(
  connections: ConnectionsAppOptions['connections'] = {},
  more: object = {},
): Promise<ConnectionsApp> {
  const servers: ConnectionsAppOptions['servers'] = (headers) => ({ crm: { url: upstream.url, headers, ...more } })
  return use(startConnectionsApp({ servers, connections: { store, ...connections } }))
}

/** The same, in place of the one there is. */
export async function restart(connections?: ConnectionsAppOptions['connections']): Promise<void> {
  app = await start(connections)
}
