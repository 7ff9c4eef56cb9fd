/** The reply to an exchange: empty, one JSON document, or an event stream. `kind` is set once, when it is created. */
import type { GatewayError } from '../errors.ts'
import type { RequestId } from '../types.ts'
import type { Body } from './body.ts'
import type { Exchange, UpstreamState } from './exchange.ts'

/** Headers by lower-case name; a header with several values holds an array. */
export type ReplyHeaders = Readonly<Record<string, string | string[] | undefined>>

interface Head {
  readonly status: number
  readonly headers: ReplyHeaders
  /**
   * The upstream state that a handshake opened, for the session to store. Inner layers set it, outer layers add to it.
   */
  readonly opened?: UpstreamState | undefined
  /** The `Mcp-Session-Id` header of the client's response. */
  readonly sessionId?: string | undefined
}

/** A reply without a body: the message was accepted, or refused by status alone. */
export interface EmptyReply extends Head {
  readonly kind: 'empty'
}

export interface JsonReply extends Head {
  readonly kind: 'json'
  readonly body: Body
}

/** An event stream. `FramedBody` scans it once, at the entrance; outer layers read the results of that scan here. */
export interface EventsReply extends Head {
  readonly kind: 'events'
  readonly body: Body
  /** The requests whose response has not been emitted yet. */
  readonly pending: () => readonly RequestId[]
  /** The id of the last emitted event, after which the stream can be resumed; `undefined` if it cannot be. */
  readonly resumeAfter: () => string | undefined
  /** Whether it never ends by itself, like a listening stream. */
  readonly endless: boolean
  /** The state of the session that the stream belongs to, where a recovery has replaced that of the exchange. */
  readonly state?: UpstreamState | undefined
  /** Whether an event log stores the rest, so that a client whose access expires can resume later. */
  readonly kept: boolean
  /** Whether another connection of the client reads the stream by now. */
  readonly isReplaced?: () => boolean
}

export type Reply = EmptyReply | JsonReply | EventsReply

/** Answers an exchange: an upstream, or a layer together with the layers below it. Rejects with a GatewayError. */
export type Handle = (exchange: Exchange) => Promise<Reply>

/** The exchange in whose session a stream is resumed. */
export function streamExchange(exchange: Exchange, { state }: EventsReply): Exchange {
  return state ? exchange.with({ state }) : exchange
}

/** Discards a reply, and keeps its connection for reuse where the rest is short. */
export function drainReply(reply: Reply): void {
  if (reply.kind !== 'empty') reply.body.drain()
}

/** Cancels a reply that arrived after its exchange was stopped, and throws the reason. */
export function cancelReply(reply: Reply, stopped: GatewayError): never {
  if (reply.kind !== 'empty') reply.body.cancel()
  throw stopped
}

/** The bytes of a body that is already complete. A stream must also have a response to every request. */
export function wholeOf(reply: JsonReply | EventsReply): Buffer | undefined {
  const whole = reply.body.whole()
  if (!whole || reply.kind === 'json' || reply.pending().length === 0) return whole
  reply.body.unread(whole.length > 0 ? [whole] : [])
  return undefined
}
