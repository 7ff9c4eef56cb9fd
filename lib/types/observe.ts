/** What is recorded of a message (`audit`), and the hook of tracing and metrics (`telemetry`). */
import type { Principal, RequestId } from './common.ts'

/**
 * Who said what to which server, and how it ended: one JSON-RPC message, or a GET or DELETE. It has no content, no token
 * and no session id, and is plain JSON but for `principal`, which is the object that `authenticate` answered.
 */
export interface AuditRecord<P extends Principal = Principal> {
  /** When the message came, in ISO 8601. */
  readonly time: string
  /** From then until the last byte of its response was handed on, in milliseconds. */
  readonly durationMs: number
  /** The server's name; behind an aggregate's the name of its member. */
  readonly server: string
  /** `undefined` with `authenticate: false`, and where the request was refused before it was authenticated. */
  readonly principal: P | undefined
  /** The client's IP address: `request.ip` where the host sets it, else that of the socket. */
  readonly address: string | undefined
  /** The name of the client program, as it calls itself, where this node has heard it. Nobody has checked it. */
  readonly client: { readonly name: string; readonly version: string } | undefined
  /** A digest of the session's id; `undefined` without a session. */
  readonly session: string | undefined
  readonly protocolVersion: string | undefined
  /** `gateway`: the gateway said it by itself, such as `notifications/cancelled` for a client that has left. */
  readonly from: 'client' | 'server' | 'gateway'
  /** `GET` and `DELETE` for these, `response` for the answer to a question; `undefined` where it was not read. */
  readonly method: string | undefined
  /** The name of the tool or prompt, the URI of the resource, the id of the task. */
  readonly target: string | undefined
  readonly id: RequestId | undefined
  /**
   * - `ok`: it has a result, or was accepted. - `tool_error`: a tool ran and says that it failed. - `error`: it has an
   * error of the server, or failed on the way. - `refused`: it was not let through. - `cancelled`: its client cancelled
   * it or left, its session or its access ended, or the gateway closed. - `pending`: its stream ended before its
   * response, which the client can have by resuming the stream.
   */
  readonly outcome: 'ok' | 'tool_error' | 'error' | 'refused' | 'cancelled' | 'pending'
  /** What decided that it was refused, or answered it in place of the server. */
  readonly by: AuditDecider | undefined
  /** The code of a `GatewayError`, or of the server's JSON-RPC error. */
  readonly code: string | number | undefined
  /** The trace that it belongs to, as W3C Trace Context names it. */
  readonly traceId: string | undefined
}

/**
 * What decides about a message: the rules of hosts and origins, the hooks `authenticate` and `servers`, the rules of the
 * protocol, the session, the limits, the rules of scopes, an interceptor, an
 * account that is not connected, or a gateway that closes.
 */
export type AuditDecider =
  | 'host'
  | 'authenticate'
  | 'servers'
  | 'message'
  | 'session'
  | 'limits'
  | 'scopes'
  | 'intercept'
  | 'connection'
  | 'closing'

/** What `openTelemetry()` of `express-mcp-gateway/opentelemetry` makes, for the option `telemetry`. Opaque. */
export interface Telemetry {
  /** The version of its interface with the gateway. */
  readonly telemetry: 1
}
