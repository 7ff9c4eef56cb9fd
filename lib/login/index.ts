/**
 * `express-mcp-gateway/login`: agents log in with the app's own login. Requires Node.js 22 and `oidc-provider`.
 *
 * @module express-mcp-gateway/login
 */
export { agentLogin, type AgentLogin } from './agent-login.ts'
export type { AgentPrincipal } from './authenticate.ts'
export type { AgentLoginOptions, AgentUser, KnownClient } from './agent-login-options.ts'
export { MemoryLoginStore, type MemoryLoginStoreOptions } from '../stores/memory-login-store.ts'
export { RedisLoginStore, type RedisLoginStoreOptions } from '../stores/redis-login-store.ts'
export type { AgentClient, ConnectedAgent } from './types.ts'
export type { LoginAddOptions, LoginSetOptions, LoginStore } from '../types.ts'
