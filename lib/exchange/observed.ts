/** The two points at which messages are observed: where a client's comes in, and each attempt at an upstream. */
import type { AuditDecider, RequestId } from '../types.ts'
import type { Exchange } from './exchange.ts'
import type { Handle, Reply } from './reply.ts'

/** What watches a client's HTTP request. It changes nothing of what happens, and never throws. */
export interface Observed {
  /**
   * Something of the gateway's own answers a request in place of its server: it was refused, or its result is not the
   * server's. Without an id that concerns all requests of the message.
   */
  decided(by: AuditDecider, id?: RequestId): void
  /** The reply as the client gets it. */
  watch(reply: Reply): Reply
}

/** Sends an exchange, maybe with trace context in it, and watches what comes of it. */
export type Attempt = (exchange: Exchange, send: Handle) => Promise<Reply>
