/** The parts of a gateway that other subpaths of the package use, such as the directory. */
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { GatewayError } from '../errors.ts'
import type { ErrorContext, Gateway, GatewayRequest, Principal, ServerConfig } from '../types.ts'
import type { Exchange } from './exchange.ts'
import type { Handle } from './reply.ts'
import type { RequestWatcher, SessionCount } from './request-watcher.ts'

/** A server, and the principal and request on whose behalf it is called. */
export interface Subject {
  readonly server: string
  readonly config: ServerConfig
  readonly principal: Principal | undefined
  readonly request: GatewayRequest
}

/** The way for the gateway's own clients to call a server. */
export interface Connection {
  /** Throws `closing` once the gateway closes. */
  readonly handle: Handle
  /** The exchange from which the client's own exchanges are forked; stopping its lifetime stops all of them. */
  readonly parent: Exchange
}

/** Receives the outcome of an exchange with an upstream; `exit` is the exit code or signal of a process that ended. */
export type OnOutcome = (upstreamId: string, hasAnswered: boolean, exit?: number | string) => void

/** Writes a whole response. `context` is passed to `onError` if the client disconnects before reading it. */
export type SendWhole = (
  response: ServerResponse,
  status: number,
  headers: OutgoingHttpHeaders,
  bytes?: Buffer,
  context?: Partial<ErrorContext>,
) => void

/** The checks are the very functions that a client's message passes, so that no page bypasses one. */
export interface GatewayInternals {
  readonly path: string
  /** The name of the only server, if `path` has no `:server` parameter. */
  readonly onlyServer: string | undefined
  readonly publicUrl: URL | undefined
  /** The servers by name; `undefined` when the option `servers` is a function. */
  readonly servers: ReadonlyMap<string, ServerConfig> | undefined
  /** Throws when the `Host` or `Origin` header is not allowed. */
  checkHostAndOrigin(request: GatewayRequest): void
  /** Calls the `authenticate` hook. Throws `unauthorized`; `undefined` when the gateway is public. */
  authenticate(request: GatewayRequest, server: string): Promise<Principal | undefined>
  /** Reads the server's current config from `servers`. Throws `not_found`. */
  lookUpServer(request: GatewayRequest, server: string, principal: Principal | undefined): Promise<ServerConfig>
  /** Whether clients of a server learn by OAuth metadata how to log in. (RFC 9728) */
  hasOAuth(server: string): boolean
  /** Converts a thrown value into the error to answer with; the cause goes to `onError` only. */
  faultOf(error: unknown, context: Partial<ErrorContext>): GatewayError
  connect(subject: Subject): Connection
  readonly send: SendWhole
  /** Makes `close()` wait for a promise, which must never reject. */
  track(work: Promise<void>): void
  /** The `Upstream.id` of a config. */
  upstreamId(server: string, config: ServerConfig): string
  /** Called by a directory that is mounted with the gateway: its page for browsers then links to the list. */
  announceList(): void
  /** Registers a listener for the outcome of every exchange with an upstream, of clients and of the gateway alike. */
  watch(onOutcome: OnOutcome): void
  /** Registers the only watcher of requests. From then on every request is observed. */
  watchRequests(watcher: RequestWatcher): void
  sessionCount(): SessionCount
  /** Registers a function that is called when the gateway begins to close. */
  onClose(end: () => void): void
}

const internals = new WeakMap<Gateway, GatewayInternals>()

export function expose(gateway: Gateway, own: GatewayInternals): Gateway {
  internals.set(gateway, own)
  return gateway
}

/** `undefined` when the value is not a gateway. */
export function internalsOf(gateway: unknown): GatewayInternals | undefined {
  return internals.get(gateway as Gateway)
}
