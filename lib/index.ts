/**
 * The public API. A request passes gateway.ts, inbound/, pipeline.ts, layers/, upstream/ and outbound/, in this order.
 *
 * @module express-mcp-gateway
 */

// The middleware.
export { mcpGateway } from './gateway.ts'

// Servers that are no URL, and several under one name.
export { aggregate, type AggregateOptions } from './upstream/aggregate/aggregate.ts'
export {
  inProcess,
  type InProcessAuthInfo,
  type InProcessOptions,
  type ServerTransport,
} from './upstream/pipe/in-process.ts'

// An HTTP server that reduces the cost of Express.
export { createExpressServer, type ExpressApp, type ExpressServerOptions } from './host/create-express-server.ts'

// Authentication: a helper for `authenticate` hooks of your own.
export { bearerToken } from './inbound/access/bearer.ts'

// Interceptors.
export {
  type DescribedTool,
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

// Redis: the clients that these take.
export type {
  RedisCallClient,
  RedisClient,
  RedisClusterClient,
  RedisSentinelClient,
  RedisSingleClient,
} from './stores/redis.ts'

// Event logs.
export { MemoryEventLog, type MemoryEventLogOptions } from './stores/memory-event-log.ts'
export { RedisEventLog, type RedisEventLogOptions } from './stores/redis-event-log.ts'

// Errors.
export { type Challenge, GatewayError, type GatewayErrorCode, type GatewayErrorOptions } from './errors.ts'

// Types of the options and of what they take.
export type {
  AccessHost,
  AggregateServer,
  AuditDecider,
  AuditRecord,
  Authenticate,
  AuthenticateContext,
  AuthInfo,
  Awaitable,
  BearerAuthenticate,
  BridgeOptions,
  BridgeState,
  ClientState,
  Era,
  ErrorContext,
  EventLog,
  EventStreamName,
  Gateway,
  GatewayOptions,
  GatewayRequest,
  HeadersContext,
  Hook,
  HttpServer,
  Intercept,
  Interceptor,
  Json,
  LoggedEvent,
  McpMessage,
  McpMethods,
  MemberKind,
  Members,
  MembersContext,
  MemberServer,
  MessagePart,
  NextInterceptor,
  OpenPipe,
  Pipe,
  PipeContext,
  PipeServer,
  Principal,
  ProtectedResource,
  RequestId,
  ScopeRules,
  ServerConfig,
  ServerInfo,
  ServerLookup,
  SessionHost,
  SessionRecord,
  SessionStore,
  ShowContext,
  SseServer,
  Telemetry,
  Tool,
  ToolList,
  ToolResult,
  UpstreamState,
} from './types.ts'
