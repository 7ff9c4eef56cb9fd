/**
 * The contract and the glossary: every noun the library speaks in. Nothing here runs.
 *
 * - client: an agent's MCP client, who calls the gateway.
 * - server: an MCP server under the name the embedder gave it, the `{name}` of the URL.
 * - upstream: what answers behind that name: an HTTP endpoint, or a pipe.
 * - pipe: one duplex channel of JSON-RPC messages, say a child process or an SDK server in this process.
 * - principal: who is asking, as the `authenticate` hook answered.
 * - era: `legacy` (2025-03-26 to 2025-11-25, with sessions) or `modern` (2026-07-28, stateless).
 * - session: one legacy conversation; the gateway's id in front, the upstream's behind.
 * - exchange: one client message on its way; reply: what came back for it.
 * - event stream: a `text/event-stream` body; relay: handing it on, event by event.
 * - challenge: the `WWW-Authenticate` header of a 401 or 403.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'

/** A value, or the promise of one. Awaited only when it is a promise. */
export type Awaitable<T> = T | Promise<T>

/** A function whose parameters an embedder may annotate more narrowly, say with Express's own `Request`. */
export type Hook<Parameters extends unknown[], Result> = { bivariant(...parameters: Parameters): Result }['bivariant']

/** A request as any node:http host hands it over. `body` is what a parser of the host left. */
export interface GatewayRequest extends IncomingMessage {
  body?: unknown
  originalUrl?: string | undefined
}

/** Who is asking. More fields than these are kept and reach `servers` and `headers` untouched. */
export interface Principal {
  /** Stable and unique, say issuer and subject. Sessions are bound to it, never to token bytes. Not empty. */
  readonly id: string
  readonly scopes?: readonly string[] | undefined
  /**
   * When this proof of identity ends, in seconds since the epoch: requests are 401 from then on, and streams and
   * requests that go on are ended. Without it they go on as long as `servers` answers.
   */
  readonly expiresAt?: number | undefined
}

/**
 * Who is asking, as the MCP SDK's `requireBearerAuth` leaves it in `req.auth`. With `iss` and `sub` in `extra` these
 * are the id; without, the token is, so that a refreshed token begins a new session. A `clientId` is no identity: many
 * users share a client.
 */
export interface AuthInfo {
  readonly token: string
  readonly clientId: string
  readonly scopes: readonly string[]
  /** In seconds since the epoch. */
  readonly expiresAt?: number | undefined
  /** The resource the token is for: with a `publicUrl`, any other than this server is refused. */
  readonly resource?: URL | undefined
  readonly extra?: Readonly<Record<string, unknown>> | undefined
}

/** What every server has, whatever answers behind it. */
export interface ServerInfo {
  /**
   * The scopes that messages need, by method and by tool name. In a name `*` stands for anything; a message needs the
   * scopes of every entry that fits it. A principal that lacks one gets 403 `insufficient_scope`, and nothing is sent.
   */
  readonly scopes?: ScopeRules | undefined
  /** For people, in what `serverDirectory()` shows, these four; the title stands in the metadata for clients, too. */
  readonly title?: string | undefined
  readonly description?: string | undefined
  readonly tags?: readonly string[] | undefined
  /** For the server card. Without it the server itself is asked. */
  readonly version?: string | undefined
}

/** One server of the lookup: behind HTTP, or at the other end of a pipe. */
export type ServerConfig<P extends Principal = Principal> = HttpServer<P> | PipeServer<P>

/** A server behind Streamable HTTP, in the shape of an `mcpServers` JSON entry. */
export interface HttpServer<P extends Principal = Principal> extends ServerInfo {
  /** Streamable HTTP, under either of its names. Defaults to `http`. */
  readonly type?: 'http' | 'streamable-http' | undefined
  /** Absolute `http:` or `https:` URL of the upstream's MCP endpoint. */
  readonly url: string | URL
  /**
   * Headers sent to the upstream with every request, say its credentials. A function is asked on every request, and
   * once more when the upstream refuses what it answered (401): with another answer the request is sent again.
   * The client's own `Authorization` and `Cookie` never cross.
   */
  readonly headers?:
    | Readonly<Record<string, string>>
    | Hook<[HeadersContext<P>], Awaitable<Readonly<Record<string, string>>>>
    | undefined
  /**
   * The eras the upstream speaks: with `legacy` a modern client is sent back to the handshake, with `modern` a legacy
   * client is told which revisions there are. Defaults to `auto`: the upstream itself answers.
   */
  readonly protocol?: 'auto' | 'legacy' | 'modern' | undefined
  /**
   * Opens the upstream's session anew, behind the client's back, when the upstream has forgotten it (404): with the
   * client's own handshake, log level and resource subscriptions. What else the server kept for the client is lost,
   * so it is off by default; the client gets the 404 then. Needs a session store with `update()`.
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

/** Scopes by what they are needed for. */
export interface ScopeRules {
  /** By method, say `{ 'resources/*': ['docs:read'] }`. */
  readonly methods?: Readonly<Record<string, readonly string[]>> | undefined
  /** By the name of the tool that `tools/call` calls, say `{ 'delete_*': ['docs:write'] }`. */
  readonly tools?: Readonly<Record<string, readonly string[]>> | undefined
}

/** What a `headers` function is told. */
export interface HeadersContext<P extends Principal = Principal> {
  /** Who is asking; `undefined` with `authenticate: false`. */
  readonly principal: P | undefined
  /** `undefined` when the gateway acts by itself, as when it ends an expired session at the upstream. */
  readonly request: GatewayRequest | undefined
  /** The server's name. */
  readonly server: string
  /** The upstream's URL. */
  readonly url: string
  /** What the function answered for this request before, when the upstream has refused it with 401; else `undefined`. */
  readonly refused?: Readonly<Record<string, string>> | undefined
}

/** Finds a server by name, for this principal. `undefined`, or `null` as a database says it, answers 404. */
export type ServerLookup<P extends Principal = Principal> = Hook<
  [name: string, context: { readonly principal: P | undefined; readonly request: GatewayRequest }],
  Awaitable<ServerConfig<P> | null | undefined>
>

/** Says who is asking. `undefined` answers 401. */
export type Authenticate<P extends Principal = Principal> = Hook<
  [request: GatewayRequest, context: AuthenticateContext],
  Awaitable<P | AuthInfo | undefined>
>

/** What an `authenticate` hook is told beside the request. */
export interface AuthenticateContext {
  /** The server's name; empty where `serverDirectory()` asks for the whole list. */
  readonly server: string
  /**
   * The canonical URI of this server's endpoint, for the whole list that of the mount: the audience of its tokens (RFC
   * 8707). `undefined` without `publicUrl`.
   */
  readonly resource: string | undefined
}

/** An `authenticate` hook that says by itself what metadata and challenges must. */
export type BearerAuthenticate<P extends Principal = Principal> = Authenticate<P> & {
  readonly protectedResource: Pick<ProtectedResource, 'authorizationServers' | 'scopes'>
  /** Whether it cannot do without the context's `resource`. */
  readonly needsResource: boolean
}

/** What clients are told about the tokens that servers here take. (RFC 9728) */
export interface ProtectedResource {
  /** The issuers of these tokens. Required, unless `authenticate` is `jwtBearer()`. */
  readonly authorizationServers: readonly string[]
  /** The scopes that every request needs: who lacks one gets 403, and every challenge asks for them. */
  readonly scopes?: readonly string[] | undefined
  /** The scopes a client without a challenge had better ask for. Defaults to `scopes`. */
  readonly scopesSupported?: readonly string[] | undefined
  /** A page for developers. */
  readonly documentationUrl?: string | undefined
  /**
   * Whether there is a server of this name at all, for a client that is not known yet. Defaults to the names of the
   * `servers` record; where `servers` is a function, to any name, so that nobody learns which there are.
   */
  readonly has?: Hook<[name: string, request: GatewayRequest], Awaitable<boolean>> | undefined
}

/** What `onError` is told beside the error: as much as was known when it happened. */
export interface ErrorContext<P extends Principal = Principal> {
  readonly server: string | undefined
  readonly principal: P | undefined
  readonly request: GatewayRequest | undefined
}

/** What `mcpGateway()` takes. */
export interface GatewayOptions<P extends Principal = Principal> {
  /** The servers: a record by name, or a lookup that is asked on every request. Required. */
  readonly servers: Readonly<Record<string, ServerConfig<P>>> | ServerLookup<P>
  /** Says who is asking, on every request and before the body is read. Required; `false` lets everybody in. */
  readonly authenticate: Authenticate<P> | false
  /** Where sessions are kept. Defaults to a `MemorySessionStore`. */
  readonly sessions?: SessionStore | undefined
  /**
   * Keeps the events of session streams, so that clients whose connection broke can have what they missed, from
   * servers too that cannot send it again. Off by default: event ids of the upstream go to the client then.
   */
  readonly events?: EventLog | undefined
  /** Where servers answer below the mount. Without `:name` it serves one server. Defaults to `/:name/mcp`. */
  readonly path?: string | undefined
  /**
   * The URL under which clients reach the mount. Its host and origin are allowed, and the URIs of the servers, for
   * which tokens are issued, begin with it.
   */
  readonly publicUrl?: string | URL | undefined
  /**
   * What clients are told about tokens, in metadata and challenges. `jwtBearer()` says it by itself; it takes
   * `publicUrl` to be told.
   */
  readonly protectedResource?: Partial<ProtectedResource> | undefined
  /** Values of `Host` that are let in, as `name` or `name:port`. Loopback names always are on a loopback socket. */
  readonly allowedHosts?: readonly string[] | undefined
  /** Origins of browser pages that are let in beside the gateway's own, as `https://app.example.com`. */
  readonly allowedOrigins?: readonly string[] | undefined
  /**
   * Keeps what modern servers let be kept (`server/discover`, lists, `resources/read`), for whom and as long as they
   * say. Off by default; `true` keeps up to 16 MiB.
   */
  readonly cache?: boolean | { readonly maxBytes?: number | undefined } | undefined
  readonly limits?:
    | {
        /** The longest body a client may send, in bytes. Defaults to 4 MiB. */
        readonly bodyBytes?: number | undefined
        /**
         * How long a client may leave what is sent to it unread, in milliseconds: then its connection is cut. Defaults
         * to 60 000; looked at every 7 500.
         */
        readonly stallMs?: number | undefined
      }
    | undefined
  readonly timeouts?:
    | {
        /** How long connecting to an upstream may take, in milliseconds. Defaults to 10 000. */
        readonly connectMs?: number | undefined
        /**
         * How long an upstream may take until its answer to a POST begins, in milliseconds. Defaults to 300 000;
         * 0 waits for ever. A stream that has begun is never cut for being quiet.
         */
        readonly responseMs?: number | undefined
        /**
         * How often `servers` is asked again whether what goes on for long still may, and a session store that cannot
         * tell whether the session is still there, in milliseconds. Defaults to 60 000. Shorter than the store's own
         * expiry, or sessions expire under their open streams.
         */
        readonly recheckMs?: number | undefined
      }
    | undefined
  /** Told everything the gateway swallowed. Defaults to a line on `console.error`. */
  readonly onError?: Hook<[error: Error, context: ErrorContext<P>], void> | undefined
}

/** The middleware: Express, Connect and `http.createServer()` take it as it is. */
export interface Gateway {
  (request: GatewayRequest, response: ServerResponse, next?: (error?: unknown) => void): void
  /**
   * The metadata of the servers where RFC 9728 has it, for the root of the app: `app.use(gateway.wellKnown)`. Any
   * other path goes on. Challenges name the same documents below the mount, so clients that read these do without.
   */
  readonly wellKnown: (request: GatewayRequest, response: ServerResponse, next?: (error?: unknown) => void) => void
  /**
   * Ends service: new requests and streams get 503, streams that listen end, running requests finish or are cut after
   * `graceMs` milliseconds (5 000 by default), then sockets, the session store and the event log close. Calling again
   * gives the same promise.
   */
  close(options?: { readonly graceMs?: number | undefined }): Promise<void>
}

/** What is kept of a session. Plain JSON, so a field is there or it is not: none is `undefined`. */
export interface SessionRecord {
  /** The server's name: the session is of no use with another. */
  readonly server: string
  /**
   * The principal's id, empty without authentication: the session is of no use to another. In place of one longer than
   * 256 characters stands its digest.
   */
  readonly principal: string
  /** The protocol revision negotiated with the client. */
  readonly protocolVersion: string
  /** The conversation behind. A store keeps it whole, whatever is in it. */
  readonly upstream: UpstreamState
}

/** The conversation with what answers behind a server's name. Plain JSON, opaque to a store. */
export interface UpstreamState {
  /** Names what it was opened at: anything else gets none of it. */
  readonly upstream: string
  /** The revision negotiated there. */
  readonly protocolVersion: string
  /** Its own session id, where it gave one. */
  readonly id?: string
  /** What it takes to open it anew; with `recover` alone. */
  readonly client?: ClientState
  /** The conversations of an aggregate's members, by name. */
  readonly members?: Readonly<Record<string, UpstreamState>>
}

/** What a client told its server, which the server must be told again when it has forgotten the session. */
export interface ClientState {
  /** The parameters of `initialize`, as they were sent. */
  readonly handshake: Readonly<Record<string, unknown>>
  /** The parameters of the last `logging/setLevel`. */
  readonly logLevel?: Readonly<Record<string, unknown>>
  /** The parameters of each live `resources/subscribe`, by URI. */
  readonly subscriptions?: Readonly<Record<string, Readonly<Record<string, unknown>>>>
}

/**
 * Keeps sessions. Each method may answer at once or with a promise; what one throws or rejects with answers 503 and
 * goes to `onError`, and so does one that has not answered after 30 seconds. Give every gateway a store of its own, or a prefix. `express-mcp-gateway/testing` has the
 * contract as tests.
 */
export interface SessionStore {
  /**
   * Required. Keeps a record under a new id: visible ASCII, not to be guessed (128 random bits or more). What is
   * returned is the client's `Mcp-Session-Id`. Throws a RangeError for a record that it could never keep: that is 500.
   */
  create(record: SessionRecord): Awaitable<string>
  /** Required. The record of a live session, `undefined` for any other id. Counts as use: idle expiry starts anew. */
  get(id: string): Awaitable<SessionRecord | undefined>
  /** Optional. Replaces the record of a live session. */
  update?(id: string, record: SessionRecord): Awaitable<void>
  /** Required. Ends a session. An unknown id is not an error. */
  delete(id: string): Awaitable<void>
  /** Optional. Lets go of timers and connections. */
  close?(): Awaitable<void>
  /** Optional. Called once, by the gateway, so that a store which ends sessions by itself can ask and tell. */
  attach?(host: SessionHost): void
}

/** The gateway, as a store sees it. */
export interface SessionHost {
  /** The sessions with a stream or a request open here, as of now: these are in use. */
  inUse(): ReadonlySet<string>
  /** To be called after the store ended a session by itself, so that its upstream is told. */
  ended(id: string, record: SessionRecord): void
}

export type Era = 'legacy' | 'modern'

export type RequestId = string | number

/** Names an event stream: the session's digest, and which of the session's streams it is. Both are `[A-Za-z0-9_-]`. */
export interface EventStreamName {
  readonly session: string
  readonly stream: string
}

/** An event as a log keeps it. */
export interface LoggedEvent {
  /** Counts up by one within a stream; a safe integer above 0. */
  readonly position: number
  /** The gateway's to read. Unicode, up to some megabytes. */
  readonly text: string
}

/**
 * Keeps the events of streams for a while, so that a client whose connection broke can have what it missed. Each method
 * may answer at once or with a promise. It may forget the oldest events of a stream, never some in the middle: the
 * gateway sees the gap and says so. `express-mcp-gateway/testing` has the contract as tests.
 */
export interface EventLog {
  /**
   * Required. Adds events, in order, to the end of a stream. `false`, and nothing added, when it has an event at the
   * first one's position or behind it: somebody else writes this stream.
   */
  append(name: EventStreamName, events: readonly LoggedEvent[]): Awaitable<boolean>
  /**
   * Required. The events behind a position, oldest first, or as many of them as fit into one portion. When there is
   * none it waits up to `waitMs` milliseconds for the first, and with 0 not at all.
   */
  read(name: EventStreamName, after: number, waitMs: number): Awaitable<readonly LoggedEvent[]>
  /** Required. The newest event of a stream, `undefined` when there is none (any more). */
  last(name: EventStreamName): Awaitable<LoggedEvent | undefined>
  /** Required. Whether this writer may write the stream for `leaseMs` milliseconds: nobody else may meanwhile. */
  claim(name: EventStreamName, writer: string, leaseMs: number): Awaitable<boolean>
  /** Required. Ends a lease before its time; another writer's is left alone. */
  release(name: EventStreamName, writer: string): Awaitable<void>
  /** Optional. Drops what is kept of a session that has ended. */
  forget?(session: string): Awaitable<void>
  /** Optional. Answers all who wait, and lets go of timers and connections. */
  close?(): Awaitable<void>
}
