/** The options of a gateway, and the gateway itself. */
import type { ServerResponse } from 'node:http'
import type { Authenticate, ProtectedResource, ServerLookup } from './access.ts'
import type { Awaitable, GatewayRequest, Hook, Principal } from './common.ts'
import type { EventLog } from './event-logs.ts'
import type { Interceptor } from './interceptors.ts'
import type { AuditRecord, Telemetry } from './observe.ts'
import type { ServerConfig } from './servers.ts'
import type { SessionStore } from './sessions.ts'

/** The second argument of `onError`: what was known of the request when the error occurred. */
export interface ErrorContext<P extends Principal = Principal> {
  /** The server's name. */
  readonly server: string | undefined
  readonly principal: P | undefined
  readonly request: GatewayRequest | undefined
}

/**
 * The options of `mcpGateway()`. `P` is what `authenticate` answers, and so the `principal` of the other hooks; without it,
 * `principal` may be `undefined`, as it is with `authenticate: false`. `A` is the type of `authenticate`.
 */
export interface GatewayOptions<
  P extends Principal | undefined = Principal | undefined,
  A extends Authenticate<NonNullable<P>> | false = Authenticate<NonNullable<P>> | false,
> {
  /** The servers: a record by name, or a lookup function that is called for every request. Required. */
  readonly servers: Readonly<Record<string, ServerConfig<P>>> | ServerLookup<P>
  /**
   * Authenticates every request, before its body is read. Required; `false` serves every request without
   * authentication.
   */
  readonly authenticate: A
  /** Keeps the sessions. Defaults to a new `MemorySessionStore`. */
  readonly sessions?: SessionStore | undefined
  /**
   * Keeps the events of session streams, so that a client whose connection broke can fetch the events that it missed,
   * even from servers without resumption. Defaults to none: then the client gets the event ids of the server.
   */
  readonly events?: EventLog | undefined
  /**
   * Secrets of 32 bytes or characters at least, the same on every node, for what the gateway itself seals: with them a
   * question of a bridged server can be answered at any node, if the server gives event ids, and so can what is left of
   * a server's questions when interceptors have answered some. The first seals, all of them open: to rotate, put a new
   * one in front, and drop the old one an hour later. Each purpose has keys
   * of its own, so the secrets of a `SealedSessionStore` will do. Defaults to none: a key of this process alone.
   */
  readonly keys?: readonly (string | Uint8Array)[] | undefined
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
   * Interceptors of all messages, outermost first: the first sees what the client sees. Those of a server's config are
   * inside. Defaults to none. docs/governance.md says what they can rely on.
   */
  readonly intercept?: Interceptor<P> | readonly Interceptor<P>[] | undefined
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
  /** The timeouts of servers and of clients. */
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
         * How long a client may leave a response unread until its connection is closed, in milliseconds. Defaults to
         * 60 000; checked every 7 500.
         */
        readonly stallMs?: number | undefined
      }
    | undefined
  /**
   * The interval at which `servers` is called again for open streams and long requests, to end those that have lost
   * access, in milliseconds. A session store without `attach` is called as well, which counts as use: the interval must
   * be shorter than the store's idle expiry. Defaults to 60 000.
   */
  readonly recheckMs?: number | undefined
  /**
   * Called with a record of each message once it is over, also of one that was refused before it was read. It holds
   * nothing up, and changes nothing: what it throws, and what it has not written after 30 seconds, goes to `onError`.
   * While 10 000 records are being written, further ones are lost, which `onError` is told. Defaults to none.
   *
   * @example
   * ```js
   * const audit = ({ principal, ...record }) => log.info({ ...record, user: principal?.id })
   * ```
   */
  readonly audit?: Hook<[record: AuditRecord<NonNullable<P>>], Awaitable<void>> | undefined
  /** Spans and metrics: `openTelemetry()` of `express-mcp-gateway/opentelemetry`. Defaults to none. */
  readonly telemetry?: Telemetry | undefined
  /** Called with every error that the client is not told of, or cannot fix. Defaults to printing it by `console.error`. */
  readonly onError?: Hook<[error: Error, context: ErrorContext<NonNullable<P>>], void> | undefined
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
