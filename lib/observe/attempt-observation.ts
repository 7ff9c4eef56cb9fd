/** One attempt at an upstream under observation: what is sent, until the answer is there. */
import type { Exchange } from '../exchange/exchange.ts'
import { patchObject } from '../exchange/json-patch.ts'
import type { BatchMessage, Message } from '../exchange/message.ts'
import type { Handle, Reply } from '../exchange/reply.ts'
import type { AuditRecord } from '../types.ts'
import { isObject, member } from '../util/json.ts'
import { endingByFault, endingByStop, ObservedMessage, OK, settleWith } from './endings.ts'
import { clientOf, idOfMessage, methodOf, serverOf, sessionDigest, messageTarget, versionOfMessage } from './facts.ts'
import { InboundObservation, type ObservationParts, safely } from './inbound-observation.ts'
import type { ScannedMessage } from './message-scanner.ts'
import type { AttemptSpan, Ending, TelemetryObserver, TraceFields } from './telemetry.ts'
import { watchReply } from './watched-body.ts'

/** An attempt, which an auditor or a tracer observes. What the server says of its own accord is told as it comes. */
export class AttemptObservation {
  readonly #parts: ObservationParts
  readonly #exchange: Exchange
  readonly #receivedAt = Date.now()
  readonly #startedAt = performance.now()
  readonly #items: readonly ObservedMessage[]
  /** Whether there is more to be read than that the response has come. */
  #readsResults = false
  #isOver = false

  constructor(exchange: Exchange, parts: ObservationParts) {
    this.#exchange = exchange
    this.#parts = parts
    const { message } = exchange
    this.#items = (message?.kind === 'batch' ? message.items : [message]).map((each) => new ObservedMessage(each))
  }

  async send(send: Handle): Promise<Reply> {
    const { telemetry } = this.#parts
    const sent = telemetry ? this.#traced(telemetry) : this.#exchange
    const { span } = this.#items[0]!
    try {
      const reply = await (span ? span.run(() => send(sent)) : send(sent))
      return this.#watch(reply)
    } catch (error) {
      this.#finish(endingByFault(error, this.#exchange.life.stopped))
      throw error
    }
  }

  /** The exchange with the trace context of each span in its message, and that of the first in its headers. */
  #traced(telemetry: TelemetryObserver): Exchange {
    const exchange = this.#exchange
    const spans = this.#items.map((item) => this.#spanOf(item, telemetry))
    const traces = spans.map((span) => span?.trace)
    const first = traces.find((trace) => trace !== undefined)
    if (!first) return exchange
    const message = withTraces(exchange.message!, traces)
    const { tracestate: _, ...headers } = exchange.headers
    const { traceparent, tracestate } = first
    return exchange.with({ message, headers: { ...headers, traceparent, ...(tracestate && { tracestate }) } })
  }

  #spanOf(item: ObservedMessage, telemetry: TelemetryObserver): AttemptSpan | undefined {
    const { message } = item
    if (message?.kind !== 'request' && message?.kind !== 'notification') return undefined
    const exchange = this.#exchange
    const { observed } = exchange.origin
    const parent = observed instanceof InboundObservation ? observed.spanFor(message) : undefined
    const server = serverOf(exchange)
    const about = { message, exchange, server, parent, report: this.#report }
    const span = safely(() => telemetry.attempted(about), this.#report)
    item.span = span
    return span
  }

  readonly #report = (error: unknown): void => this.#parts.report(error, this.#exchange.origin)

  #watch(reply: Reply): Reply {
    if (reply.kind === 'empty') {
      this.#finish(endingOfStatus(reply.status))
      return reply
    }
    const { isOwn } = this.#exchange
    const isWatched = isOwn || this.#parts.telemetry !== undefined || reply.kind === 'events'
    if (!isWatched) return reply
    const wanting = this.#items.filter(({ span }) => span?.wantsResult === true)
    this.#readsResults = wanting.length > 0
    const onResponse = (id: unknown, result: unknown): void => {
      for (const { message, span } of wanting)
        if (message?.kind === 'request' && message.id === id) span!.onResult(result)
    }
    return watchReply(reply, {
      onMessage: (scanned) => this.#onMessage(scanned),
      onEnd: () => this.#finish(this.#endingOf(reply)),
      onResponse: this.#readsResults ? onResponse : undefined,
    })
  }

  #onMessage(scanned: ScannedMessage): void {
    if (scanned.method !== undefined) return this.#tellServerMessage(scanned)
    settleWith(this.#items, scanned)
    if (this.#readsResults) return
    if (this.#items.every(({ ending, isRequest }) => !isRequest || ending !== undefined)) this.#finish(OK)
  }

  /** Of what the answer did not come for. A listener's stream ends well. */
  #endingOf(reply: Reply): Ending {
    const { life, verb, listens } = this.#exchange
    if (reply.status >= 400) return endingOfStatus(reply.status)
    if (verb !== 'POST' || listens) return OK
    if (life.stopped) return endingByStop(life.stopped)
    return { outcome: 'error', code: 'upstream_broken', message: 'The answer did not come' }
  }

  #finish(otherwise: Ending): void {
    if (this.#isOver) return
    this.#isOver = true
    const durationMs = performance.now() - this.#startedAt
    const { state, message } = this.#exchange
    const protocolVersion = versionOfMessage(message, state?.protocolVersion, undefined)
    const session = sessionDigest(state?.id)
    for (const item of this.#items) {
      item.settle(item.isRequest || item.message === undefined || otherwise.outcome !== 'ok' ? otherwise : OK)
      const { span, ending } = item
      if (span) safely(() => span.end({ ending: ending!, durationMs, protocolVersion, session }), this.#report)
      if (this.#exchange.isOwn) this.#tellOwn(item, durationMs)
    }
  }

  #tellOwn({ message, ending, span }: ObservedMessage, durationMs: number): void {
    const { outcome, code } = ending!
    this.#tell({
      ...this.#common(),
      durationMs,
      client: clientOf(message),
      from: 'gateway',
      method: message ? methodOf(message) : this.#exchange.verb,
      target: message && 'params' in message ? messageTarget(message.method, message.params) : undefined,
      id: message ? idOfMessage(message) : undefined,
      outcome,
      by: undefined,
      code,
      traceId: span?.traceId,
    })
  }

  #tellServerMessage({ method, id }: ScannedMessage): void {
    this.#tell({
      ...this.#common(),
      time: new Date().toISOString(),
      durationMs: 0,
      client: undefined,
      from: 'server',
      method,
      target: undefined,
      id: id ?? undefined,
      outcome: 'ok',
      by: undefined,
      code: undefined,
      traceId: this.#items[0]!.span?.traceId,
    })
  }

  #common(): Pick<AuditRecord, 'time' | 'server' | 'principal' | 'address' | 'session' | 'protocolVersion'> {
    const { origin, state, message } = this.#exchange
    const { principal, session } = origin
    return {
      time: new Date(this.#receivedAt).toISOString(),
      server: serverOf(this.#exchange),
      principal,
      address: undefined,
      session: sessionDigest(session?.id),
      protocolVersion: versionOfMessage(message, state?.protocolVersion, undefined),
    }
  }

  /** It is told in the async context of the request, since servers speak in that of a pooled connection. */
  #tell(record: AuditRecord): void {
    const { audit } = this.#parts
    const { origin } = this.#exchange
    if (audit) origin.bind(() => audit.tell(record, origin.request))()
  }
}

function endingOfStatus(status: number): Ending {
  return status >= 400 ? { outcome: 'error', code: status } : OK
}

/** The same message with these trace contexts in `_meta`; all else stays byte for byte. */
function withTraces(message: Message, traces: readonly (TraceFields | undefined)[]): Message {
  if (message.kind !== 'batch') return withTrace(message, traces[0])
  const items = message.items.map((item, index) => withTrace(item, traces[index]))
  const batch: BatchMessage = { ...message, items, text: `[${items.map(({ text }) => text).join(',')}]` }
  return batch
}

function withTrace<M extends Message>(message: M, trace: TraceFields | undefined): M {
  if (!trace || !('params' in message)) return message
  const before = member(message.params, '_meta')
  const meta = { ...(isObject(before) && before), traceparent: trace.traceparent, tracestate: trace.tracestate }
  const params = { ...message.params, _meta: meta }
  return { ...message, params, text: patchObject(message.text, { params }) }
}
