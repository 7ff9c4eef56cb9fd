/**
 * The types of the public API, and the glossary. Types alone: nothing here runs.
 *
 * - client: an MCP client that sends requests to the gateway.
 * - server: an MCP server, under the name that the embedder gave it: the `{name}` of the URL.
 * - upstream: what answers behind that name, inside the library: an HTTP endpoint, or a pipe.
 * - pipe: one duplex channel of JSON-RPC messages, such as a child process or an SDK server in this process.
 * - principal: the authenticated user or machine that a request acts for, as the `authenticate` hook answered.
 * - era: `legacy` (2025-03-26 to 2025-11-25, with sessions) or `modern` (2026-07-28, stateless).
 * - session: one legacy conversation. The client has the gateway's session id, the gateway has the server's.
 * - exchange: the processing of one client message; reply: the response to it.
 * - event stream: a `text/event-stream` body; relay: forwarding it, event by event.
 * - challenge: the `WWW-Authenticate` header of a 401 or 403.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'

/** A value, or a promise of one. */
export type Awaitable<T> = T | Promise<T>

/** A function whose parameters an embedder may annotate with narrower types, such as Express's own `Request`. */
export type Hook<Parameters extends unknown[], Result> = { bivariant(...parameters: Parameters): Result }['bivariant']

/** A request, as Express, Connect and `http.createServer()` pass it on. */
export interface GatewayRequest extends IncomingMessage {
  /** The parsed body, where a body parser of the host ran before the gateway. */
  body?: unknown
  /** The URL before the host stripped the mount from it. */
  originalUrl?: string | undefined
}

/** The authenticated user or machine. Further members are passed on unchanged, to `servers` and `headers`. */
export interface Principal {
  /** A stable and unique id, such as issuer and subject. Not empty. Sessions are bound to it. */
  readonly id: string
  /** The granted scopes. Defaults to none. */
  readonly scopes?: readonly string[] | undefined
  /**
   * When the authentication expires, in seconds since the epoch: later requests get 401, and open streams and requests
   * are ended. Defaults to never; then `timeouts.recheckMs` alone ends streams that lost access.
   */
  readonly expiresAt?: number | undefined
}

/**
 * The authentication that the MCP SDK's `requireBearerAuth` stores in `req.auth`. The principal's id is made of `iss`
 * and `sub` in `extra`. Without these it is a digest of the token, so that a refreshed token needs a new session; the
 * `clientId` identifies a program that many users share.
 */
export interface AuthInfo {
  /** The access token. */
  readonly token: string
  /** The OAuth client that the token was issued to. */
  readonly clientId: string
  /** The granted scopes. */
  readonly scopes: readonly string[]
  /** When the token expires, in seconds since the epoch. Defaults to never. */
  readonly expiresAt?: number | undefined
  /** The resource that the token is for. With a `publicUrl`, a token for another server is refused with 401. */
  readonly resource?: URL | undefined
  /** Further claims; `iss` and `sub` are used. */
  readonly extra?: Readonly<Record<string, unknown>> | undefined
}

/** The configuration that every kind of server has. */
export interface ServerInfo {
  /**
   * The scopes that messages need, by method and by tool name. `*` in a name matches any characters; a message needs
   * the scopes of every matching entry. A principal that lacks one gets 403 `insufficient_scope`, and nothing is sent to
   * the server. Defaults to none.
   */
  readonly scopes?: ScopeRules | undefined
  /**
   * `false` refuses clients of revisions with sessions (2025-03-26 to 2025-11-25) where the server speaks 2026-07-28
   * alone. Defaults to serving them: the gateway keeps their sessions, and translates.
   */
  readonly bridge?: false | undefined
  /** The title in `serverDirectory()` and in the OAuth metadata. Defaults to the name. */
  readonly title?: string | undefined
  /** The description in `serverDirectory()`. Defaults to none. */
  readonly description?: string | undefined
  /** The tags to filter by in `serverDirectory()`. Defaults to none. */
  readonly tags?: readonly string[] | undefined
  /** The version in the server card of `serverDirectory()`. Defaults to the one that the server itself answers. */
  readonly version?: string | undefined
}

/** The configuration of a server: behind HTTP, or at the other end of a pipe. Further kinds will extend this union. */
export type ServerConfig<P extends Principal = Principal> = HttpServer<P> | PipeServer<P>

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
export interface HttpServer<P extends Principal = Principal> extends ServerInfo {
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
   * The eras that the server speaks. With `legacy`, modern messages get an error that makes a client fall back to the
   * handshake; with `modern`, a handshake is bridged, or gets an error with the supported revisions where `bridge` is
   * `false`. Defaults to `auto`: the server itself answers.
   */
  readonly protocol?: 'auto' | 'legacy' | 'modern' | undefined
  /**
   * Opens a new session at the server, unnoticed by the client, when the server has lost the session (404), and restores
   * the client's handshake, log level and resource subscriptions. Any other state that the server had in the session is
   * lost. Requires a session store with `update()`. Defaults to `false`: the client gets the 404.
   */
  readonly recover?: boolean | undefined
}

/**
 * One duplex channel of JSON-RPC messages: a child process, an SDK server in this process, a socket. The gateway sets the
 * three listeners before it sends anything.
 */
export interface Pipe {
  /**
   * Sends one message without line ends, which the pipe takes in any case; `false` says that it is full, until
   * `onDrain`. `from` is who sends it, for servers that judge each message.
   */
  send(message: string, from?: PipeContext): boolean
  onMessage?: ((message: string) => void) | undefined
  onDrain?: (() => void) | undefined
  /** To be called once, when nothing can be sent or comes any more; `cause` says why, for `onError`. */
  onClose?: ((cause?: Error) => void) | undefined
  /** No message is to come before `resume()`. */
  pause(): void
  resume(): void
  /** Ends the pipe, and resolves when nothing of it is left; what lasts longer than `graceMs` is cut. */
  close(graceMs: number): Awaitable<void>
}

/** For whom a pipe is opened, and who sends a message. */
export interface PipeContext<P extends Principal = Principal> {
  /** `undefined` with `authenticate: false`. */
  readonly principal: P | undefined
  /** The server's name. */
  readonly server: string
  /** `legacy`: the pipe of one session. `modern`: one that requests share. */
  readonly era: Era
}

/** Opens a pipe. It is a function, so that no JSON can hold one: a row of a database never starts a process. */
export type OpenPipe<P extends Principal = Principal> = Hook<[context: PipeContext<P>], Awaitable<Pipe>> & {
  /** Names what is opened. Defaults to the server's name in a record; a lookup function must give one. */
  readonly key?: string | undefined
  /**
   * Whose modern requests share a pipe: those with the same answer. Asked on every modern request, with the context that
   * opens the pipe if there is none yet. Defaults to the principal's id.
   */
  readonly sharedBy?: Hook<[context: PipeContext<P>], Awaitable<string>> | undefined
}

/**
 * A server at the other end of a pipe: `inProcess()` and `stdio()` make them. A client of a legacy revision has a pipe of
 * its own for its session, which is at this node alone: it needs sticky sessions. Modern requests share pipes.
 */
export interface PipeServer<P extends Principal = Principal> extends ServerInfo {
  readonly pipe: OpenPipe<P>
  /** The eras the server speaks, as with `HttpServer`. */
  readonly protocol?: 'auto' | 'legacy' | 'modern' | undefined
  /** Opens a new pipe behind the client's back when that of its session has ended here, as with `HttpServer`. */
  readonly recover?: boolean | undefined
  /** How many pipes there are of it at most. Past that new sessions are 503. Defaults to 1 000. */
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
export interface HeadersContext<P extends Principal = Principal> {
  /** The authenticated principal; `undefined` with `authenticate: false`. */
  readonly principal: P | undefined
  /** The client's request; `undefined` when the gateway acts by itself, such as to end an expired session. */
  readonly request: GatewayRequest | undefined
  /** The server's name. */
  readonly server: string
  /** The server's URL. */
  readonly url: string
  /** The headers that the function answered before for this request, if the server refused them with 401. */
  readonly refused?: Readonly<Record<string, string>> | undefined
}

/**
 * Finds a server by name, for this principal. `undefined` and `null` mean that there is none: the client gets 404.
 *
 * @example
 * ```js
 * const servers = async (name, { principal }) => database.servers.find({ name, owner: principal.id })
 * ```
 *
 * @throws {GatewayError} to answer the request with another error.
 */
export type ServerLookup<P extends Principal = Principal> = Hook<
  [name: string, context: { readonly principal: P | undefined; readonly request: GatewayRequest }],
  Awaitable<ServerConfig<P> | null | undefined>
>

/**
 * Authenticates a request. `undefined` means that there is no principal: the client gets 401.
 *
 * @example
 * ```js
 * const authenticate = async (request) => {
 *   const user = await findUserBySession(request.headers.cookie)
 *   return user && { id: user.id }
 * }
 * ```
 *
 * @throws {GatewayError} to answer the request with another error.
 */
export type Authenticate<P extends Principal = Principal> = Hook<
  [request: GatewayRequest, context: AuthenticateContext],
  Awaitable<P | AuthInfo | undefined>
>

/** The second argument of an `authenticate` hook. */
export interface AuthenticateContext {
  /** The server's name; empty for the list of `serverDirectory()`. */
  readonly server: string
  /**
   * The canonical URI of the server's endpoint, or of the mount for the list: the audience that tokens must have.
   * `undefined` without `publicUrl`.
   *
   * @see https://www.rfc-editor.org/rfc/rfc8707#section-2
   */
  readonly resource: string | undefined
}

/** An `authenticate` hook, such as `jwtBearer()`, that supplies the `protectedResource` option by itself. */
export type BearerAuthenticate<P extends Principal = Principal> = Authenticate<P> & {
  /** The issuers, and the scopes that every request needs. */
  readonly protectedResource: Pick<ProtectedResource, 'authorizationServers' | 'scopes'>
  /** Whether the hook requires the `resource` of its context, and so the option `publicUrl`. */
  readonly needsResource: boolean
}

/**
 * The metadata by which clients find out which tokens the servers accept.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9728#section-2
 */
export interface ProtectedResource {
  /** The URLs of the issuers of these tokens. Required, unless `authenticate` is `jwtBearer()`. */
  readonly authorizationServers: readonly string[]
  /** The scopes that every request needs: a principal that lacks one gets 403. Defaults to none. */
  readonly scopes?: readonly string[] | undefined
  /** The scopes that a client should request when it has not got a challenge. Defaults to `scopes`. */
  readonly scopesSupported?: readonly string[] | undefined
  /** The URL of a page for developers of clients. Defaults to none. */
  readonly documentationUrl?: string | undefined
  /**
   * Whether a server of this name has metadata, which is served without authentication. Defaults to the names of the
   * `servers` record; where `servers` is a function, every name has metadata, which does not reveal which servers exist.
   */
  readonly has?: Hook<[name: string, request: GatewayRequest], Awaitable<boolean>> | undefined
}

/** The second argument of `onError`: what was known of the request when the error occurred. */
export interface ErrorContext<P extends Principal = Principal> {
  /** The server's name. */
  readonly server: string | undefined
  readonly principal: P | undefined
  readonly request: GatewayRequest | undefined
}

/** The options of `mcpGateway()`. */
export interface GatewayOptions<P extends Principal = Principal> {
  /** The servers: a record by name, or a lookup function that is called for every request. Required. */
  readonly servers: Readonly<Record<string, ServerConfig<P>>> | ServerLookup<P>
  /**
   * Authenticates every request, before its body is read. Required; `false` serves every request without
   * authentication.
   */
  readonly authenticate: Authenticate<P> | false
  /** Keeps the sessions. Defaults to a new `MemorySessionStore`. */
  readonly sessions?: SessionStore | undefined
  /**
   * Keeps the events of session streams, so that a client whose connection broke can fetch the events that it missed,
   * even from servers without resumption. Defaults to none: then the client gets the event ids of the server.
   */
  readonly events?: EventLog | undefined
  /** The path of an endpoint below the mount. One without `:name` serves one server. Defaults to `/:name/mcp`. */
  readonly path?: string | undefined
  /**
   * The URL under which clients reach the mount, `http:` or `https:`. Its host and origin are allowed, and the URIs of
   * the servers, which are the audiences of tokens, begin with it. Defaults to none.
   */
  readonly publicUrl?: string | URL | undefined
  /**
   * The metadata and challenges by which clients find out which tokens the servers accept. Requires `publicUrl`.
   * Defaults to what `authenticate` supplies, which `jwtBearer()` does.
   */
  readonly protectedResource?: Partial<ProtectedResource> | undefined
  /**
   * The allowed values of `Host`, as `name` or `name:port`. Loopback names are always allowed on a loopback socket.
   * Defaults to the host of `publicUrl`, checked on loopback sockets alone.
   */
  readonly allowedHosts?: readonly string[] | undefined
  /** The allowed origins of browser pages, as `https://app.example.com`, beside the gateway's own. Defaults to none. */
  readonly allowedOrigins?: readonly string[] | undefined
  /**
   * Caches the results that modern servers declare as cacheable (`server/discover`, lists, `resources/read`), in the
   * scope and for the time that they declare. `true` caches up to 16 MiB. Defaults to `false`.
   */
  readonly cache?: boolean | { readonly maxBytes?: number | undefined } | undefined
  /** The limits of clients. */
  readonly limits?:
    | {
        /** The largest body of a request, in bytes. Defaults to 4 MiB. */
        readonly bodyBytes?: number | undefined
        /**
         * How long a client may leave a response unread until its connection is closed, in milliseconds. Defaults to
         * 60 000; checked every 7 500.
         */
        readonly stallMs?: number | undefined
        /**
         * The most bytes of request bodies of one principal at a time, at this node: a body counts as it arrives, and
         * three times from when it has been read until the request is over. More are answered by 503. Defaults to
         * 64 MiB.
         */
        readonly principalBytes?: number | undefined
        /**
         * The most pending requests of one principal at a time, at this node; listening streams do not count. More are
         * answered by 503. Defaults to 1 000.
         */
        readonly principalCalls?: number | undefined
      }
    | undefined
  /** The timeouts of servers, and the interval of access checks. */
  readonly timeouts?:
    | {
        /** How long connecting to a server may take, in milliseconds. Defaults to 10 000. */
        readonly connectMs?: number | undefined
        /**
         * How long a server may take to begin its response to a POST, in milliseconds; 0 waits without a limit. Defaults
         * to 300 000. A stream that has begun may be idle for any time.
         */
        readonly responseMs?: number | undefined
        /**
         * The interval at which `servers` is called again for open streams and long requests, to end those that have
         * lost access, in milliseconds. A session store without `attach` is called as well, which counts as use: the
         * interval must be shorter than the store's idle expiry. Defaults to 60 000.
         */
        readonly recheckMs?: number | undefined
      }
    | undefined
  /** Called with every error that the client is not told of, or cannot fix. Defaults to printing it by `console.error`. */
  readonly onError?: Hook<[error: Error, context: ErrorContext<P>], void> | undefined
}

/** The middleware, for Express, Connect or `http.createServer()`. */
export interface Gateway {
  /** Serves a request. One whose path is not the gateway's goes to `next()`, and gets 404 where there is none. */
  (request: GatewayRequest, response: ServerResponse, next?: (error?: unknown) => void): void
  /**
   * Serves the metadata of the servers at `/.well-known/oauth-protected-resource`, from the root of the app. It is for
   * clients that ignore challenges: these name the URL of the same document below the mount.
   *
   * @example
   * ```js
   * app.use(gateway.wellKnown)
   * ```
   *
   * @see https://www.rfc-editor.org/rfc/rfc9728#section-3.1
   */
  readonly wellKnown: (request: GatewayRequest, response: ServerResponse, next?: (error?: unknown) => void) => void
  /**
   * Shuts the gateway down: new requests get 503, listening streams end, running requests have `graceMs` milliseconds to
   * finish (default 5 000), then sockets, the session store and the event log are closed. Further calls return the same
   * promise.
   */
  close(options?: { readonly graceMs?: number | undefined }): Promise<void>
}

/** A session, as a store keeps it. Plain JSON: an optional member is absent, never `undefined`. */
export interface SessionRecord {
  /** The name of the server. The session is not valid for another one. */
  readonly server: string
  /**
   * The id of the principal, empty without authentication; the digest of an id that is longer than 256 characters. The
   * session is not valid for another principal.
   */
  readonly principal: string
  /** The protocol revision negotiated with the client. */
  readonly protocolVersion: string
  /** The state of the conversation with the server. A store has to keep all of it, including unknown members. */
  readonly upstream: UpstreamState
}

/** The state of the conversation between the gateway and a server. Plain JSON, opaque to a store. */
export interface UpstreamState {
  /** The id of the upstream where the conversation was opened. The state is never sent to another one. */
  readonly upstream: string
  /** The protocol revision negotiated with the server. */
  readonly protocolVersion: string
  /** The server's own session id, if it has one. */
  readonly id?: string
  /** What `recover` needs to open the session again, and a bridge to speak for the client; else absent. */
  readonly client?: ClientState
  /** What a bridge between a client with sessions and a server without them needs; absent where both have them. */
  readonly bridge?: BridgeState
  /** The states of the members of an aggregate, by name. */
  readonly members?: Readonly<Record<string, UpstreamState>>
}

/** The state of a bridge, beside the `client` state. */
export interface BridgeState {
  /** What the server offered when the session was opened: the session ends when it no longer offers all of it. */
  readonly offers: readonly string[]
}

/** The state that a client set up in its session, to be restored when the server has lost the session. */
export interface ClientState {
  /** The parameters of `initialize`, unchanged. */
  readonly handshake: Readonly<Record<string, unknown>>
  /** The parameters of the last `logging/setLevel`. */
  readonly logLevel?: Readonly<Record<string, unknown>>
  /** The parameters of each active `resources/subscribe`, by URI. */
  readonly subscriptions?: Readonly<Record<string, Readonly<Record<string, unknown>>>>
}

/**
 * Keeps sessions. Each method may return a value or a promise. When a method throws, rejects or does not answer within
 * 30 seconds, the client gets 503 and `onError` is called. Each gateway needs a store of its own, or a prefix of its
 * own. `sessionStoreContract()` of `express-mcp-gateway/testing` tests a store.
 *
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management
 */
export interface SessionStore {
  /**
   * Required. Keeps a record and returns a new id, which becomes the client's `Mcp-Session-Id`: visible ASCII, with at
   * least 128 random bits.
   *
   * @throws {RangeError} for a record that the store can never keep. The client gets 500 rather than 503.
   */
  create(record: SessionRecord): Awaitable<string>
  /** Required. Returns the record of a live session, `undefined` for any other id. It restarts the idle expiry. */
  get(id: string): Awaitable<SessionRecord | undefined>
  /** Optional. Replaces the record of a live session, and does nothing for any other id. */
  update?(id: string, record: SessionRecord): Awaitable<void>
  /** Required. Deletes a session. An unknown id is not an error. */
  delete(id: string): Awaitable<void>
  /** Optional. Releases timers and connections. Called when the gateway is closed. */
  close?(): Awaitable<void>
  /** Optional. Called once by the gateway. For stores that end sessions by themselves. */
  attach?(host: SessionHost): void
}

/** The interface of the gateway for a store that ends sessions by itself. */
export interface SessionHost {
  /** The ids of the sessions with an open stream or request at this node: these should not expire. */
  inUse(): ReadonlySet<string>
  /** Must be called after the store ended a session by itself: the gateway then ends the session at its server. */
  ended(id: string, record: SessionRecord): void
}

/** The era of a message: `legacy` has sessions, `modern` has none. */
export type Era = 'legacy' | 'modern'

/** The id of a JSON-RPC request. */
export type RequestId = string | number

/** The name of an event stream: the digest of a session id, and a name within the session. Both are `[A-Za-z0-9_-]`. */
export interface EventStreamName {
  readonly session: string
  readonly stream: string
}

/** An event, as a log keeps it. */
export interface LoggedEvent {
  /** A safe integer above 0, which increases by one within a stream. */
  readonly position: number
  /** The content, opaque to a log: Unicode text of up to some megabytes. */
  readonly text: string
}

/**
 * Keeps the events of streams for some time, so that a client whose connection broke can fetch the events that it
 * missed. Each method may return a value or a promise. A log may drop the oldest events of a stream, but none in the
 * middle: the gateway detects the gap and reports it to the client. `eventLogContract()` of
 * `express-mcp-gateway/testing` tests a log.
 *
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#resumability-and-redelivery
 */
export interface EventLog {
  /**
   * Required. Appends events to a stream, in order. Returns `false`, and appends none, when the stream has an event at
   * the position of the first one or behind it: then another writer has written to the stream, or has recorded in it
   * who reads it. Positions may have a gap where the log keeps no event before it.
   */
  append(name: EventStreamName, events: readonly LoggedEvent[]): Awaitable<boolean>
  /**
   * Required. Returns the events behind a position, oldest first; a log may limit their number per call. When there are
   * none, it waits up to `waitMs` milliseconds for the first one (0 does not wait), and then returns none.
   */
  read(name: EventStreamName, after: number, waitMs: number): Awaitable<readonly LoggedEvent[]>
  /** Required. Returns the newest event of a stream, `undefined` when the log has none. */
  last(name: EventStreamName): Awaitable<LoggedEvent | undefined>
  /**
   * Required. Gives a writer the exclusive lease of a stream for `leaseMs` milliseconds, or renews it. Returns `false`
   * while another writer has the lease.
   */
  claim(name: EventStreamName, writer: string, leaseMs: number): Awaitable<boolean>
  /** Required. Ends a writer's lease. The lease of another writer is not affected. */
  release(name: EventStreamName, writer: string): Awaitable<void>
  /** Optional. Deletes the events of a session that has ended. */
  forget?(session: string): Awaitable<void>
  /** Optional. Ends all waiting reads, and releases timers and connections. */
  close?(): Awaitable<void>
}
