/** The session store, and the records that it keeps. */
import type { Awaitable } from './common.ts'

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
  /** Present if neither side declared a capability that lets the server send messages outside of a response stream. */
  readonly silent?: true
  /** What `recover` needs to open the session again, or a bridge to speak for the client; absent without both. */
  readonly client?: ClientState
  /** Present if the client has a session and the server supports none: a bridge translates. */
  readonly bridge?: BridgeState
  /** The states of the members of an aggregate, by name. */
  readonly members?: Readonly<Record<string, UpstreamState>>
}

/** What a bridge knows of a session, beside its client. */
export interface BridgeState {
  /** The capabilities that the client was told of. The session ends when the server no longer has all of them. */
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
