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

/** One sending of an exchange to a server. Its methods never throw because of what is observed. */
export interface Attempt {
  /** The exchange to send, maybe with trace context in it. */
  readonly sent: Exchange
  /** Calls the function that sends it, in the async context of the attempt. */
  run<T>(work: () => T): T
  /** Watches what comes of it. */
  watch(reply: Reply): Reply
  failed(error: unknown): void
}

export type BeginAttempt = (exchange: Exchange) => Attempt

/** Sends an exchange in an attempt. Where one promise less counts, its methods are called one by one. */
export function sendIn(attempt: Attempt, send: Handle): Promise<Reply> {
  return attempt
    .run(() => send(attempt.sent))
    .then(
      (reply) => attempt.watch(reply),
      (error: unknown) => {
        attempt.failed(error)
        throw error
      },
    )
}
