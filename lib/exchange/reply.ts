/** What came back for an exchange: nothing, one JSON document, or an event stream. Its maker says which, once. */
import type { GatewayError } from '../errors.ts'
import type { RequestId } from '../types.ts'
import type { Body } from './body.ts'
import type { Exchange, UpstreamState } from './exchange.ts'

/** By lower-case name; several values of one name are an array. */
export type ReplyHeaders = Readonly<Record<string, string | string[] | undefined>>

interface Head {
  readonly status: number
  readonly headers: ReplyHeaders
  /** Of a handshake: the state behind that a session keeps. Layers compose it from the inside out. */
  readonly opened?: UpstreamState | undefined
  /** The `Mcp-Session-Id` that the client gets. */
  readonly sessionId?: string | undefined
}

/** Accepted, or refused without a word: there is nothing to read. */
export interface EmptyReply extends Head {
  readonly kind: 'empty'
}

export interface JsonReply extends Head {
  readonly kind: 'json'
  readonly body: Body
}

/** Whole events, in stretches; what has been scanned where the stream entered is not scanned again. */
export interface EventsReply extends Head {
  readonly kind: 'events'
  readonly body: Body
  /** The requests without a response among what was handed out so far. */
  readonly pending: () => readonly RequestId[]
  /** The id of the last event handed out, behind which the reader can have the rest; `undefined` where it cannot. */
  readonly resumeAfter: () => string | undefined
  /** Whether it has no end of its own, as a listener's stream. */
  readonly endless: boolean
  /** Whether an event log keeps the rest for a reader whose access ends. */
  readonly kept: boolean
}

export type Reply = EmptyReply | JsonReply | EventsReply

/** Whatever answers an exchange: an upstream, or a layer with the layers below it. Rejects with a GatewayError. */
export type Handle = (exchange: Exchange) => Promise<Reply>

/** Lets go of a reply that nobody wants, keeping its connection where that is cheap. */
export function drainReply(reply: Reply): void {
  if (reply.kind !== 'empty') reply.body.drain()
}

/** Why the rest of a reply is not wanted: an exchange that was stopped meanwhile. */
export function cancelReply(reply: Reply, stopped: GatewayError): never {
  if (reply.kind !== 'empty') reply.body.cancel()
  throw stopped
}
