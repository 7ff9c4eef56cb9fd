/** userConnections(): the gateway as the OAuth client of each user, at the services of servers. */
import { exposeBroker } from '../exchange/connections.ts'
import { TimelyLoginStore } from '../stores/timely-login-store.ts'
import type { HeadersContext, Principal } from '../types.ts'
import { checkOptions } from '../util/anchors.ts'
import { ConnectionAsker } from './asking.ts'
import { Connections } from './connections.ts'
import { Links } from './links.ts'
import { parseConnectionsOptions } from './options.ts'
import { connectionPages } from './page-endpoints.ts'
import { SealedRecords } from './records.ts'
import { serviceFetches } from './service-fetch.ts'
import { Services } from './services.ts'
import type { UserConnections, UserConnectionsOptions } from './types.ts'

/**
 * Creates a `headers` function with which each user's calls go to a server with the user's own token, and the pages where
 * users connect their accounts. The gateway is an OAuth client: it finds the server's authorization server (RFC 9728, RFC
 * 8414), asks the user there (authorization code with PKCE), keeps the tokens encrypted, and refreshes them.
 *
 * The function throws a GatewayError: `connection_required` with a link, where the user has no account there yet, or its
 * service has ended the connection; `unavailable` while the service does not answer; `upstream_unauthorized` where the
 * server cannot be connected, with the reason as its cause.
 *
 * @example
 * ```js
 * const connections = userConnections({ baseUrl: 'https://app.example.com/connections', user, loginUrl: '/login', secrets, store })
 * const servers = { crm: { url: 'https://crm.example.com/mcp', headers: connections } }
 * app.use('/connections', connections.pages)
 * ```
 *
 * @throws {TypeError} for an option that is unknown or cannot work; the message names the option and the cure.
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/authorization
 */
export function userConnections<P extends Principal = Principal>(options: UserConnectionsOptions): UserConnections<P> {
  const config = checkOptions(userConnections, () => parseConnectionsOptions(options))
  const { report, ttlMs, keys } = config
  const store = new TimelyLoginStore(config.store, 'userConnections')
  const records = new SealedRecords(store, keys)
  const services = new Services(config, serviceFetches(config.allowLoopback))
  const connections = new Connections({ store, records, services, ttlMs, report })
  const links = new Links(store, records)
  const asking = new ConnectionAsker({ config, connections, links, services })

  const headers = (context: HeadersContext): ReturnType<UserConnections> => asking.headers(context)
  exposeBroker(headers, asking)
  return Object.assign(headers, {
    pages: connectionPages({ config, connections, links, services, records, store }),
    list: async (user: string) => (await connections.list(user)).map(({ key: _key, ...connection }) => connection),
    async disconnect(user: string, server: string) {
      const found = await connections.list(user)
      for (const each of found) if (each.server === server) await connections.disconnect(user, each.key)
    },
    async close() {
      connections.close()
      await store.close()
    },
  })
}
