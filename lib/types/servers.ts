/** The config of a server, and what its hooks are given. */
import type { Awaitable, GatewayRequest, Hook, Principal } from './common.ts'
import type { AggregateServer } from './aggregates.ts'
import type { Interceptor } from './interceptors.ts'
import type { OpenPipe } from './pipes.ts'

/** The configuration that every kind of server has. */
export interface ServerInfo {
  /**
   * The scopes that messages need, by method and by tool name. `*` in a name matches any characters; a message needs
   * the scopes of every matching entry. A principal that lacks one gets 403 `insufficient_scope`, and nothing is sent to
   * the server. Defaults to none.
   */
  readonly scopes?: ScopeRules | undefined
  /** Interceptors of this server's messages, inside those of the gateway; outermost first. Defaults to none. */
  readonly intercept?: Interceptor | readonly Interceptor[] | undefined
  /** The title in `serverDirectory()` and in the OAuth metadata. Defaults to the name. */
  readonly title?: string | undefined
  /** The description in `serverDirectory()`. Defaults to none. */
  readonly description?: string | undefined
  /** The tags to filter by in `serverDirectory()`. Defaults to none. */
  readonly tags?: readonly string[] | undefined
  /** The version in the server card of `serverDirectory()`. Defaults to the one that the server itself answers. */
  readonly version?: string | undefined
}

/**
 * The configuration of a server: behind HTTP, at the other end of a pipe, or several of these under one name. Further
 * kinds will extend this union.
 */
export type ServerConfig<P extends Principal | undefined = Principal | undefined> = MemberServer<P> | AggregateServer<P>

/** The configuration of a server that an aggregate may have as a member. */
export type MemberServer<P extends Principal | undefined = Principal | undefined> =
  | HttpServer<P>
  | SseServer<P>
  | PipeServer<P>

/** How clients of 2026-07-28 are served by a server that has sessions. */
export interface BridgeOptions {
  /**
   * The most sessions that the gateway opens there for one principal, at this node. A call whose client can be asked
   * something has one to itself until it is over, also while its question waits for an answer; with 1, such calls take
   * turns. Calls past that wait in order for `timeouts.responseMs`, then they are 503. Defaults to 8, on a pipe to 1;
   * with `authenticate: false` to 64, on a pipe to 1, for all clients together.
   */
  readonly sessions?: number | undefined
}

/**
 * A server that speaks Streamable HTTP, in the form of an entry of `mcpServers` JSON.
 *
 * @example
 * ```js
 * const crm = { url: 'https://crm.example.com/mcp', headers: { authorization: `Bearer ${process.env.CRM_TOKEN}` } }
 * ```
 *
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#streamable-http
 */
export interface HttpServer<P extends Principal | undefined = Principal | undefined> extends ServerInfo {
  /** The transport: both names mean Streamable HTTP. Defaults to `http`. */
  readonly type?: 'http' | 'streamable-http' | undefined
  /** The absolute `http:` or `https:` URL of the server's MCP endpoint. Required. */
  readonly url: string | URL
  /**
   * Headers to send to the server with every request, such as credentials. A function is called for every request, and
   * once more when the server answers 401; if it then answers other headers, the request is sent again. The client's
   * own `Authorization` and `Cookie` are never forwarded. Defaults to none.
   */
  readonly headers?:
    | Readonly<Record<string, string>>
    | Hook<[HeadersContext<P>], Awaitable<Readonly<Record<string, string>>>>
    | undefined
  /**
   * The eras that the server speaks. With `legacy`, modern messages are bridged if `bridge` says so, otherwise they get
   * an error that makes a client fall back to the handshake; with `modern`, a handshake is bridged, or, with `bridge: false`, gets an error with the supported
   * revisions. Defaults to `auto`: the server itself answers.
   */
  readonly protocol?: 'auto' | 'legacy' | 'modern' | undefined
  /**
   * Serves clients of the other era, too: the gateway translates. By default clients of revisions with sessions
   * (2025-03-26 to 2025-11-25) are served where the server supports 2026-07-28 only, and `false` refuses them. `true`
   * also serves clients of 2026-07-28 where the server has sessions only, and `{ sessions }` says how many each
   * principal may have there. docs/protocol.md has what gets lost.
   */
  readonly bridge?: boolean | BridgeOptions | undefined
  /**
   * Opens a new session at the server, unnoticed by the client, when the server has lost the session (404), and restores
   * the client's handshake, log level and resource subscriptions. Any other state that the server had in the session is
   * lost. Requires a session store with `update()`. Defaults to `false`: the client gets the 404.
   */
  readonly recover?: boolean | undefined
}

/**
 * A server of HTTP+SSE, the transport of 2024-11-05 that Streamable HTTP has replaced: for servers that have nothing
 * else. A session is an event stream, which is at this node alone: its clients need sticky sessions.
 *
 * @see https://modelcontextprotocol.io/specification/2024-11-05/basic/transports#http-with-sse
 */
export interface SseServer<P extends Principal | undefined = Principal | undefined> extends ServerInfo {
  readonly type: 'sse'
  /** The absolute `http:` or `https:` URL of the event stream. The endpoint for messages must be of the same origin. */
  readonly url: string | URL
  /**
   * As with `HttpServer`, for the stream and for each message; `request` is always `undefined`, since a stream outlives
   * it. A session keeps the `headers` that it was opened with; a function is asked each time.
   */
  readonly headers?: HttpServer<P>['headers']
  /** Opens a new stream behind the client's back when that of its session has broken, as with `HttpServer`. */
  readonly recover?: boolean | undefined
  /** Serves clients of 2026-07-28, too, as with `HttpServer`. Defaults to `false`. */
  readonly bridge?: boolean | BridgeOptions | undefined
}

/**
 * A server at the other end of a pipe: `inProcess()` and `stdio()` make them. A client of a legacy revision has a pipe of
 * its own for its session, which is at this node alone: it needs sticky sessions. Modern requests share pipes.
 */
export interface PipeServer<P extends Principal | undefined = Principal | undefined> extends ServerInfo {
  readonly pipe: OpenPipe<P>
  /**
   * The eras the server speaks, as with `HttpServer`. With `auto` the gateway itself finds out for a modern request: it
   * opens a pipe and asks `server/discover`. Any answer that is not modern, none within 10 s, and the end of the pipe
   * mean a legacy server, and the client is sent back to the handshake.
   *
   * @see https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/stdio#backward-compatibility
   */
  readonly protocol?: 'auto' | 'legacy' | 'modern' | undefined
  /**
   * Serves clients of the other era, too: the gateway translates. By default clients of revisions with sessions
   * (2025-03-26 to 2025-11-25) are served where the server supports 2026-07-28 only, and `false` refuses them. `true`
   * also serves clients of 2026-07-28 where the server has sessions only, and `{ sessions }` says how many each
   * principal may have there. docs/protocol.md has what gets lost.
   */
  readonly bridge?: boolean | BridgeOptions | undefined
  /** Opens a new pipe behind the client's back when that of its session has ended here, as with `HttpServer`. */
  readonly recover?: boolean | undefined
  /**
   * How many pipes there are of it at most. Past that new sessions are 503, also for a principal who has as many already
   * as are left. Defaults to 1 000.
   */
  readonly maxPipes?: number | undefined
  /**
   * How long a pipe lives without use, in milliseconds, whatever the session store says. A message, a request under way
   * and an open stream are use. Defaults to 30 minutes.
   */
  readonly idleMs?: number | undefined
  /** How long a pipe may take to end, in milliseconds. Defaults to 2 000. */
  readonly graceMs?: number | undefined
}

/**
 * The scopes that messages need. `*` in a name matches any characters.
 *
 * @example
 * ```js
 * const scopes = { methods: { 'resources/*': ['docs:read'] }, tools: { 'delete_*': ['docs:write'] } }
 * ```
 */
export interface ScopeRules {
  /** Scopes by method. Defaults to none. */
  readonly methods?: Readonly<Record<string, readonly string[]>> | undefined
  /** Scopes by the name of the tool that `tools/call` calls. Defaults to none. */
  readonly tools?: Readonly<Record<string, readonly string[]>> | undefined
}

/** The argument of a `headers` function. */
export interface HeadersContext<P extends Principal | undefined = Principal | undefined> {
  /** The authenticated principal; `undefined` with `authenticate: false`. */
  readonly principal: P
  /** The client's request; `undefined` when the gateway acts by itself, such as to end an expired session. */
  readonly request: GatewayRequest | undefined
  /** The server's name. */
  readonly server: string
  /** The server's URL. */
  readonly url: string
  /** The headers that the function answered before for this request, if the server refused them with 401. */
  readonly refused?: Readonly<Record<string, string>> | undefined
  /** The `WWW-Authenticate` header of that answer. */
  readonly challenge?: string | undefined
}
