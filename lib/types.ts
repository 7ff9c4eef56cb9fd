/**
 * The types of the public API, and the glossary. Types alone: nothing here runs.
 *
 * - client: an MCP client that sends requests to the gateway.
 * - server: an MCP server, under the name that the embedder gave it: the `{name}` of the URL.
 * - upstream: what answers behind that name, inside the library: an HTTP endpoint, or a pipe.
 * - member: one of the servers of an aggregate, which stand under one name.
 * - pipe: one duplex channel of JSON-RPC messages, such as a child process or an SDK server in this process.
 * - principal: the authenticated user or machine that a request acts for, as the `authenticate` hook answered.
 * - era: `legacy` (2025-03-26 to 2025-11-25, with sessions) or `modern` (2026-07-28, stateless).
 * - session: one legacy conversation. The client has the gateway's session id, the gateway has the server's.
 * - exchange: the processing of one client message; reply: the response to it.
 * - event stream: a `text/event-stream` body; relay: forwarding it, event by event.
 * - challenge: the `WWW-Authenticate` header of a 401 or 403.
 */
export type { AggregateServer, MemberKind, Members, MembersContext, ShowContext } from './types/aggregates.ts'
export type { Awaitable, Era, GatewayRequest, Hook, Principal, RequestId } from './types/common.ts'
export type {
  BridgeOptions,
  HeadersContext,
  HttpServer,
  MemberServer,
  PipeServer,
  ScopeRules,
  ServerConfig,
  ServerInfo,
  SseServer,
} from './types/servers.ts'
export type { OpenPipe, Pipe, PipeContext } from './types/pipes.ts'
export type {
  AccessHost,
  AuthInfo,
  Authenticate,
  AuthenticateContext,
  BearerAuthenticate,
  ProtectedResource,
  ServerLookup,
} from './types/access.ts'
export type { LoginAddOptions, LoginSetOptions, LoginStore } from './types/login-store.ts'
export type { ErrorContext, Gateway, GatewayOptions } from './types/gateway.ts'
export type { AuditDecider, AuditRecord, Telemetry } from './types/observe.ts'
export type {
  BridgeState,
  ClientState,
  SessionHost,
  SessionRecord,
  SessionStore,
  UpstreamState,
} from './types/sessions.ts'
export type { EventLog, EventStreamName, LoggedEvent } from './types/event-logs.ts'
export type {
  Intercept,
  Interceptor,
  Json,
  McpMessage,
  McpMethods,
  MessagePart,
  NextInterceptor,
  Tool,
  ToolList,
  ToolResult,
} from './types/interceptors.ts'
