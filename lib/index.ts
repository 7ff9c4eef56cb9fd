/** The public API. A request passes gateway.ts, inbound/, pipeline.ts, layers/, upstream/ and outbound/, in this order. */

// The middleware.
export { mcpGateway } from './gateway.ts'

// Servers that are no URL.
export {
  inProcess,
  type InProcessAuthInfo,
  type InProcessOptions,
  type ServerTransport,
} from './upstream/pipe/in-process.ts'

// The list of servers, for people and for machines.
export { serverDirectory, type DirectoryHandler, type ServerDirectory } from './directory/directory.ts'
export type { ListServers, ServerDirectoryOptions } from './directory/settings.ts'

// An HTTP server that reduces the cost of Express.
export { createServer, type ExpressApp, type ExpressServerOptions } from './host/create-server.ts'

// Authentication: hooks for `authenticate`, and a helper for hooks of your own.
export { bearerToken } from './inbound/access/bearer.ts'
export { jwtBearer, type JwtBearerOptions, type JwtClaims, type JwtPrincipal } from './auth/jwt-bearer.ts'

// Interceptors.
export {
  tools,
  type ToolContext,
  type ToolInterceptor,
  type ToolRule,
  type ToolRules,
} from './layers/interceptors/tools.ts'
export { RpcError } from './rpc-error.ts'

// Session stores.
export { MemorySessionStore, type MemorySessionStoreOptions } from './stores/memory-session-store.ts'
export { RedisSessionStore, type RedisSessionStoreOptions } from './stores/redis-session-store.ts'
export { SealedSessionStore, type SealedSessionStoreOptions } from './stores/sealed-session-store.ts'

// Event logs.
export { MemoryEventLog, type MemoryEventLogOptions } from './stores/memory-event-log.ts'
export { RedisEventLog, type RedisEventLogOptions } from './stores/redis-event-log.ts'

// Credentials for servers: functions for the option `headers`.
export { clientCredentials, type ClientCredentialsOptions } from './auth/client-credentials.ts'
export { tokenExchange, type TokenExchangeOptions } from './auth/token-exchange.ts'

// Errors.
export { type Challenge, GatewayError, type GatewayErrorCode, type GatewayErrorOptions } from './errors.ts'

// Types of the options and of what they take.
export type {
  AuthenticateContext,
  Authenticate,
  AuthInfo,
  Awaitable,
  BearerAuthenticate,
  ErrorContext,
  EventLog,
  EventStreamName,
  Gateway,
  GatewayOptions,
  GatewayRequest,
  HeadersContext,
  Intercept,
  Interceptor,
  Json,
  LoggedEvent,
  McpMessage,
  McpMethods,
  NextInterceptor,
  OpenPipe,
  Pipe,
  PipeContext,
  PipeServer,
  Principal,
  ProtectedResource,
  ClientState,
  ScopeRules,
  HttpServer,
  ServerConfig,
  ServerInfo,
  ServerLookup,
  SessionHost,
  SessionRecord,
  SessionStore,
  Tool,
  ToolList,
  ToolResult,
  UpstreamState,
} from './types.ts'
