/** What the public types have in common. */
import type { IncomingMessage } from 'node:http'

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
   * are ended. Defaults to never; then `recheckMs` alone ends streams that lost access.
   */
  readonly expiresAt?: number | undefined
}

/** The era of a message: `legacy` has sessions, `modern` has none. */
export type Era = 'legacy' | 'modern'

/** The id of a JSON-RPC request. */
export type RequestId = string | number
