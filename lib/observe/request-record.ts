/** The record of one message of a client, for audit, spans and the tracing channel. */
import type { InboundRequest } from '../inbound/inbound-request.ts'
import type { RequestContext } from './channels.ts'
import type { ObservedMessage } from './endings.ts'
import { clientOf, idOfMessage, messageTarget, methodOf, sessionDigest, traceIdOf, versionOfMessage } from './facts.ts'
import type { SessionWatch } from './session-watch.ts'
import type { Ending } from './telemetry.ts'

/** What is known of a request apart from its messages. */
export interface RecordedRequest {
  readonly inbound: InboundRequest
  readonly verb: 'POST' | 'GET' | 'DELETE' | undefined
  readonly address: string | undefined
  /** In milliseconds since the epoch. */
  readonly receivedAt: number
  readonly sessionId: string | undefined
  /** The revision of its session. */
  readonly negotiated: string | undefined
}

/**
 * The record of a message, without an ending while it is handled. It is one literal, because V8 makes a slow dictionary
 * of a spread with further members.
 */
export function requestRecord(
  { inbound, verb, address, receivedAt, sessionId, negotiated }: RecordedRequest,
  { message, by, span }: ObservedMessage,
  sessions: SessionWatch,
  ending?: Ending,
  durationMs?: number,
): RequestContext {
  const { server, principal, request, id } = inbound
  return {
    time: new Date(receivedAt).toISOString(),
    durationMs,
    server,
    principal,
    address,
    client: clientOf(message) ?? sessions.clientOf(sessionId),
    session: sessionDigest(sessionId),
    protocolVersion: versionOfMessage(message, negotiated, request),
    from: 'client',
    method: message ? methodOf(message) : verb === 'POST' ? undefined : verb,
    target: message && 'params' in message ? messageTarget(message.method, message.params) : undefined,
    id: message ? idOfMessage(message) : id,
    outcome: ending?.outcome,
    by,
    code: ending?.code,
    traceId: span?.traceId ?? traceIdOf(message, request),
  }
}
