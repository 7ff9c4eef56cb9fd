/** What the gateway and `openTelemetry()` say to each other: one observer with two ends, and one for sessions. */
import type { Exchange } from '../exchange/exchange.ts'
import type { NotificationMessage, RequestMessage } from '../exchange/message.ts'
import type { AuditRecord, GatewayRequest, Telemetry } from '../types.ts'

/** How something that is observed has ended. */
export interface Ending {
  readonly outcome: AuditRecord['outcome']
  readonly code: string | number | undefined
  /** The code of the JSON-RPC error, where there is one. */
  readonly rpcCode?: number | undefined
  /** The message of the error. */
  readonly message?: string | undefined
}

/** Told what an embedder's function has thrown. */
export type TelemetryReport = (error: unknown) => void

/** A client's message, as it comes in. */
export interface ReceivedMessage {
  readonly message: RequestMessage | NotificationMessage
  readonly server: string
  readonly request: GatewayRequest
  readonly address: string | undefined
  readonly report: TelemetryReport
  /** In milliseconds since the epoch. */
  readonly receivedAt: number
}

/** A message on its way to an upstream. */
export interface AttemptedMessage {
  readonly message: RequestMessage | NotificationMessage
  readonly exchange: Exchange
  /** The name of the server; behind an aggregate that of its member. */
  readonly server: string
  /** The client's message that it is sent for. */
  readonly parent: ObservedSpan | undefined
  readonly report: TelemetryReport
}

/** What was found out about a message by the time it is over. */
export interface SpanFacts {
  readonly ending: Ending
  readonly durationMs: number
  readonly protocolVersion: string | undefined
  /** A digest of the session's id. */
  readonly session: string | undefined
}

/** A message under observation. */
export interface ObservedSpan {
  readonly traceId: string | undefined
  /** Whether the result is to be read, with `onResult()`. */
  readonly wantsResult: boolean
  /** Calls a function in the async context of this message. */
  run<T>(work: () => T): T
  onResult(result: unknown): void
  /** Called once. */
  end(facts: SpanFacts): void
}

/** The trace context that a server gets, in the formats of W3C. */
export interface TraceFields {
  readonly traceparent: string
  /** `undefined` where there is none: then one that the client gave goes. */
  readonly tracestate: string | undefined
}

export interface AttemptSpan extends ObservedSpan {
  /** `undefined` where what the client gave stays. */
  readonly trace: TraceFields | undefined
}

/** A session that was opened and has ended at this node. */
export interface EndedSession {
  readonly server: string
  readonly protocolVersion: string
  readonly durationMs: number
  /** Where the server has a session of its own: its URL, if it has one. */
  readonly upstream: { readonly url: string | URL | undefined } | undefined
}

/** Its methods never throw for what is in a message. */
export interface TelemetryObserver extends Telemetry {
  received(received: ReceivedMessage): ObservedSpan
  attempted(attempted: AttemptedMessage): AttemptSpan
  sessionEnded(session: EndedSession): void
}

/** Whether a value is what `openTelemetry()` makes. */
export function isTelemetry(value: unknown): value is TelemetryObserver {
  if (typeof value !== 'object' || value === null) return false
  const { telemetry, received, attempted, sessionEnded } = value as Partial<TelemetryObserver>
  return telemetry === 1 && [received, attempted, sessionEnded].every((each) => typeof each === 'function')
}
