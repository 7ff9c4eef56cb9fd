/**
 * `express-mcp-gateway/connections`: users connect their own accounts at the services of servers.
 *
 * @module express-mcp-gateway/connections
 */
export { userConnections } from './user-connections.ts'
export type {
  ConnectionClient,
  ConnectionServer,
  UserConnection,
  UserConnections,
  UserConnectionsOptions,
} from './types.ts'
export { MemoryLoginStore, type MemoryLoginStoreOptions } from '../stores/memory-login-store.ts'
export { RedisLoginStore, type RedisLoginStoreOptions } from '../stores/redis-login-store.ts'
export type { LoginAddOptions, LoginSetOptions, LoginStore } from '../types.ts'
