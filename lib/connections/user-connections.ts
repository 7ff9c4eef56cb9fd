/** userConnections(): the gateway as the OAuth client of each user, at the services of servers. */
import type { Principal } from '../types.ts'
import type { UserConnections, UserConnectionsOptions } from './types.ts'

export function userConnections<P extends Principal = Principal>(_options: UserConnectionsOptions): UserConnections<P> {
  throw new Error('Under construction')
}
