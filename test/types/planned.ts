// Compile-only: the options and kinds of server that were agreed upon before they were built, so that work on them can go
// on side by side. What is built moves to lib/types.ts and leaves this file; mcpGateway() refuses the rest by name.
import type { Awaitable, HttpServer, PipeServer, Principal, ServerInfo, UpstreamState } from '../../lib/index.ts'

/** What joins each kind of server. */
export interface PlannedServerInfo {}

export interface SseServer extends ServerInfo, PlannedServerInfo {
  readonly type: 'sse'
  readonly url: string | URL
}

export interface AggregateServer<P extends Principal = Principal> extends ServerInfo, PlannedServerInfo {
  readonly members:
    | Readonly<Record<string, MemberServer<P>>>
    | ((context: { readonly principal: P | undefined }) => Awaitable<Readonly<Record<string, MemberServer<P>>>>)
}

export type MemberServer<P extends Principal = Principal> =
  | (HttpServer<P> & PlannedServerInfo)
  | (PipeServer<P> & PlannedServerInfo)
  | SseServer
export type PlannedServerConfig<P extends Principal = Principal> = MemberServer<P> | AggregateServer<P>

// Each planned kind of server can be told from the others by one member, and carries what every server has.
declare const server: PlannedServerConfig
if ('members' in server) void server.title
else if ('pipe' in server) void server.pipe.key
else void server.url

// The state of an aggregate's session is a tree of those of its members.
declare const state: UpstreamState
void state.members?.['crm']?.client?.handshake
