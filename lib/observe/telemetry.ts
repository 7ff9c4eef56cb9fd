/** The interface between the gateway and `openTelemetry()`: observers of received messages, attempts and sessions. */
import type { Exchange } from '../exchange/exchange.ts'
import type { NotificationMessage, RequestMessage } from '../exchange/message.ts'
import type { AuditRecord, GatewayRequest, Telemetry } from '../types.ts'

/** How an observed message has ended. */
export interface Ending {
  readonly outcome: AuditRecord['outcome']
  readonly code: string | number | undefined
  /** The code of the JSON-RPC error, where there is one. */
  readonly rpcCode?: number | undefined
  /** The message of the error. */
  readonly message?: string | undefined
}

/** Takes what an embedder's function has thrown. */
export interface TelemetryReporter {
  report(error: unknown): void
}

/** A message that was received from a client. */
export interface ReceivedMessage {
  readonly message: RequestMessage | NotificationMessage
  readonly server: string
  readonly request: GatewayRequest
  readonly address: string | undefined
  readonly reporter: TelemetryReporter
  /** In milliseconds since the epoch. */
  readonly receivedAt: number
}

/** A message that is sent to an upstream. */
export interface AttemptedMessage {
  readonly message: RequestMessage | NotificationMessage
  readonly exchange: Exchange
  /** The name of the server; that of the member if the server is an aggregate. */
  readonly server: string
  /** The span of the client's message that it is sent for. */
  readonly parent: ObservedSpan | undefined
  readonly reporter: TelemetryReporter
}

/** The facts of a message that are known when it is over. */
export interface SpanFacts {
  readonly ending: Ending
  readonly durationMs: number
  readonly protocolVersion: string | undefined
  /** The id of the session, of which only a digest may be recorded. */
  readonly sessionId: string | undefined
}

/** The span of an observed message. */
export interface ObservedSpan {
  readonly traceId: string | undefined
  /** Whether `onResult()` must be called with the result. */
  readonly wantsResult: boolean
  /** Calls a function in the async context of this message. */
  run<T>(work: () => T): T
  onResult(result: unknown): void
  /** Called once. */
  end(facts: SpanFacts): void
}

/** The trace context that is sent to a server. (W3C Trace Context) */
export interface TraceFields {
  readonly traceparent: string
  /** `undefined` if there is none; the client's is then removed. */
  readonly tracestate: string | undefined
}

export interface AttemptSpan extends ObservedSpan {
  /** `undefined` if the client's trace context is forwarded unchanged. */
  readonly trace: TraceFields | undefined
}

/** A session that was opened at this node and has ended. */
export interface EndedSession {
  readonly server: string
  readonly protocolVersion: string
  readonly durationMs: number
  /** The server's own session, if it has one, with the server's URL if it has one. */
  readonly upstream: { readonly url: string | URL | undefined } | undefined
}

/** Its methods never throw because of a message's content. */
export interface TelemetryObserver extends Telemetry {
  received(received: ReceivedMessage): ObservedSpan
  attempted(attempted: AttemptedMessage): AttemptSpan
  sessionEnded(session: EndedSession): void
}

/** Whether a value was returned by `openTelemetry()`. */
export function isTelemetry(value: unknown): value is TelemetryObserver {
  if (typeof value !== 'object' || value === null) return false
  const { telemetry, received, attempted, sessionEnded } = value as Partial<TelemetryObserver>
  return telemetry === 1 && [received, attempted, sessionEnded].every((each) => typeof each === 'function')
}
