/** Observes one attempt: a message sent to an upstream, until its response or failure. */
import { GatewayError } from '../errors.ts'
import type { Exchange } from '../exchange/exchange.ts'
import type { Attempt } from '../exchange/observed.ts'
import type { Reply } from '../exchange/reply.ts'
import type { AuditRecord } from '../types.ts'
import {
  endingByFault,
  endingByStop,
  hasPlainResult,
  type ObservedMessage,
  observedMessages,
  OK,
  settleWith,
  tellResult,
  wantsResults,
} from './endings.ts'
import { clientOf, idOfMessage, methodOf, serverOf, sessionDigest, messageTarget, versionOfMessage } from './facts.ts'
import { InboundObservation } from './inbound-observation.ts'
import type { ObservationParts } from './observation-parts.ts'
import type { ScannedMessage } from './message-scanner.ts'
import type { AttemptSpan, Ending, TelemetryObserver, TelemetryReporter } from './telemetry.ts'
import { withTraces } from './traced-message.ts'
import { type Watcher, watchReply } from './watched-body.ts'

/**
 * An attempt that audit or telemetry observes. Messages that the server sends by itself are recorded as they arrive.
 */
export class AttemptObservation implements Attempt, TelemetryReporter, Watcher {
  readonly sent: Exchange
  readonly #parts: ObservationParts
  readonly #exchange: Exchange
  readonly #items: readonly ObservedMessage[]
  readonly #startedAt = performance.now()
  /** Whether results must be read, so that the response alone does not end the observation. */
  readsResults = false
  #reply: Reply | undefined
  #isOver = false

  constructor(exchange: Exchange, parts: ObservationParts) {
    this.#exchange = exchange
    this.#parts = parts
    this.#items = observedMessages(exchange.message)
    this.sent = parts.telemetry ? this.#traced(parts.telemetry) : exchange
  }

  run<T>(work: () => T): T {
    const { span } = this.#items[0]!
    return span ? span.run(work) : work()
  }

  failed(error: unknown): void {
    const status = error instanceof GatewayError ? error.status : undefined
    this.#finish(this.#isUnoffered(status) ? UNOFFERED : endingByFault(error, this.#exchange.life.stopped))
  }

  /** The exchange with each span's trace context in its message, and the first one's in the headers. */
  #traced(telemetry: TelemetryObserver): Exchange {
    const exchange = this.#exchange
    const traces = this.#items.map((item) => this.#spanOf(item, telemetry)?.trace)
    const first = traces.find((trace) => trace !== undefined)
    if (!first) return exchange
    const message = withTraces(exchange.message!, traces)
    const headers: Record<string, string> = Object.assign({}, exchange.headers)
    headers['traceparent'] = first.traceparent
    if (first.tracestate !== undefined) headers['tracestate'] = first.tracestate
    else if (headers['tracestate'] !== undefined) delete headers['tracestate']
    return exchange.withMessage(message, headers)
  }

  #spanOf(item: ObservedMessage, telemetry: TelemetryObserver): AttemptSpan | undefined {
    const { message } = item
    if (message?.kind !== 'request' && message?.kind !== 'notification') return undefined
    const exchange = this.#exchange
    const { observed } = exchange.origin
    const parent = observed instanceof InboundObservation ? observed.spanFor(message) : undefined
    const server = serverOf(exchange)
    try {
      const span = telemetry.attempted({ message, exchange, server, parent, reporter: this })
      item.span = span
      return span
    } catch (error) {
      this.report(error)
      return undefined
    }
  }

  report(error: unknown): void {
    const { origin } = this.#exchange
    origin.bind(this.#parts.report)(error, origin)
  }

  /** The same reply, whose body is scanned while it is forwarded, unless it is known already. */
  watch(reply: Reply): Reply {
    if (reply.kind === 'empty') {
      this.#finish(this.#isUnoffered(reply.status) ? UNOFFERED : endingOfStatus(reply.status))
      return reply
    }
    this.readsResults = wantsResults(this.#items)
    if (!this.readsResults && hasPlainResult(this.#items, reply)) {
      const { observed } = this.#exchange.origin
      if (observed instanceof InboundObservation) observed.foundPlain(reply.body, this.#items[0]!.requestId)
      this.#finish(OK)
      return reply
    }
    this.#reply = reply
    return watchReply(reply, this)
  }

  onMessage(scanned: ScannedMessage): void {
    if (scanned.method !== undefined) return this.#tellServerMessage(scanned)
    settleWith(this.#items, scanned)
    if (this.readsResults) return
    for (const { ending, isRequest } of this.#items) if (isRequest && ending === undefined) return
    this.#finish(OK)
  }

  onResponse(id: unknown, result: unknown): void {
    this.#exchange.origin.bind(tellResult)(this.#items, id, result)
  }

  onEnd(): void {
    this.#finish(this.#endingOf(this.#reply!))
  }

  /** The ending of requests without a response. The stream of a listener ends normally. */
  #endingOf(reply: Reply): Ending {
    const { life, verb, listens } = this.#exchange
    if (this.#isUnoffered(reply.status)) return UNOFFERED
    if (reply.status >= 400) return endingOfStatus(reply.status)
    if (verb !== 'POST' || listens) return OK
    if (life.stopped) return endingByStop(life.stopped)
    return { outcome: 'error', code: 'upstream_broken', message: 'The answer did not come' }
  }

  /** Whether a server has no stream of its own, or ends no sessions: it may, and nothing has failed. (RT3, SS4) */
  #isUnoffered(status: number | undefined): boolean {
    const { isOwn, message } = this.#exchange
    return status === 405 && isOwn && message === undefined
  }

  /** An attempt may end in the async context of a pooled connection, and telemetry calls the app's span processors. */
  #finish(otherwise: Ending): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#exchange.origin.bind(() => this.#tellEnd(otherwise))()
  }

  #tellEnd(otherwise: Ending): void {
    const durationMs = performance.now() - this.#startedAt
    const { state, message } = this.#exchange
    const protocolVersion = versionOfMessage(message, state?.protocolVersion, undefined)
    const sessionId = state?.id
    for (const item of this.#items) {
      item.settle(item.isRequest || item.message === undefined || otherwise.outcome !== 'ok' ? otherwise : OK)
      item.endSpan({ ending: item.ending!, durationMs, protocolVersion, sessionId }, this)
      if (this.#exchange.isOwn) this.#tellOwn(item, durationMs)
    }
  }

  #tellOwn(item: ObservedMessage, durationMs: number): void {
    const { message } = item
    this.#tell({
      ...this.#recordOf('gateway', new Date(Date.now() - durationMs), durationMs, item.span?.traceId),
      client: clientOf(message),
      method: message ? methodOf(message) : this.#exchange.verb,
      target: message && 'params' in message ? messageTarget(message.method, message.params) : undefined,
      id: message ? idOfMessage(message) : undefined,
      outcome: item.ending!.outcome,
      code: item.ending!.code,
    })
  }

  #tellServerMessage({ method, id }: ScannedMessage): void {
    if (!this.#parts.audit) return
    const record = this.#recordOf('server', new Date(), 0, this.#items[0]!.span?.traceId)
    record.method = method
    record.id = id ?? undefined
    this.#tell(record)
  }

  #recordOf(
    from: AuditRecord['from'],
    time: Date,
    durationMs: number,
    traceId: string | undefined,
  ): { -readonly [key in keyof AuditRecord]: AuditRecord[key] } {
    const { origin, state, message } = this.#exchange
    const { principal, session } = origin
    return {
      time: time.toISOString(),
      durationMs,
      server: serverOf(this.#exchange),
      principal,
      address: undefined,
      client: undefined,
      session: sessionDigest(session?.id),
      protocolVersion: versionOfMessage(message, state?.protocolVersion, undefined),
      from,
      method: undefined,
      target: undefined,
      id: undefined,
      outcome: 'ok',
      by: undefined,
      code: undefined,
      traceId,
    }
  }

  /** Binds the record to the request's async context, because server messages arrive in that of a pooled connection. */
  #tell(record: AuditRecord): void {
    const { audit } = this.#parts
    const { origin } = this.#exchange
    if (audit) origin.bind(() => audit.tell(record, origin.request))()
  }
}

/** The ending of a GET or DELETE of the gateway's own that a server does not offer. */
const UNOFFERED: Ending = { outcome: 'ok', code: 405 }

function endingOfStatus(status: number): Ending {
  return status >= 400 ? { outcome: 'error', code: status } : OK
}
