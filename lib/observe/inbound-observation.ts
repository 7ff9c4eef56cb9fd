/** Observes one HTTP request of a client, from its arrival until it is completely handled. */
import type { GatewayError } from '../errors.ts'
import type { Body, End } from '../exchange/body.ts'
import type { ClientSession, Exchange } from '../exchange/exchange.ts'
import type { Message } from '../exchange/message.ts'
import type { Observed } from '../exchange/observed.ts'
import type { EventsReply, JsonReply, Reply } from '../exchange/reply.ts'
import type { InboundRequest } from '../inbound/inbound-request.ts'
import { isResumable } from '../outbound/resumable.ts'
import type { AuditDecider, AuditRecord, RequestId } from '../types.ts'
import { endRequest, hasRequestSubscribers, type RequestContext, traceRequest } from './channels.ts'
import {
  asRefused,
  CANCELLED,
  deciderOf,
  endingBy,
  endingByStop,
  hasPlainResult,
  ObservedMessage,
  observedMessages,
  OK,
  PENDING,
  settleWith,
  tellResult,
  wantsResults,
} from './endings.ts'
import { addressOf, versionOfMessage } from './facts.ts'
import type { ScannedMessage } from './message-scanner.ts'
import { type RecordedRequest, requestRecord } from './request-record.ts'
import type { ObservationParts } from './observation-parts.ts'
import type { Ending, ObservedSpan, TelemetryObserver, TelemetryReporter } from './telemetry.ts'
import { type Watcher, watchReply } from './watched-body.ts'

type Verb = 'POST' | 'GET' | 'DELETE'

export class InboundObservation implements Observed, TelemetryReporter, Watcher {
  readonly #parts: ObservationParts
  readonly #inbound: InboundRequest
  readonly #receivedAt = Date.now()
  readonly #startedAt = performance.now()
  readonly #address: string | undefined
  #contexts: Map<ObservedMessage, RequestContext> | undefined
  #verb: Verb | undefined
  #items: readonly ObservedMessage[] = []
  #exchange: Exchange | undefined
  #session: ClientSession | undefined
  /** The reply, once there is one, and how its body ended. */
  #reply: Reply | undefined
  #end: End | undefined
  #isOver = false
  /** The body that an attempt has found to be a plain result, and of which request. */
  #plainBody: Body | undefined
  #plainId: RequestId | undefined

  constructor(inbound: InboundRequest, parts: ObservationParts) {
    this.#inbound = inbound
    this.#parts = parts
    this.#address = addressOf(inbound.request)
    parts.watcher?.began(inbound.request.method)
  }

  /** Starts spans and traces for the messages of the request, and runs `work` in their contexts. */
  received<T>(verb: Verb, message: Message | undefined, work: () => T): T {
    this.#verb = verb
    this.#items = observedMessages(message)
    const { telemetry } = this.#parts
    if (telemetry) for (const item of this.#items) item.span = this.#spanOf(item, telemetry)
    const { span } = this.#items[0]!
    if (hasRequestSubscribers()) return this.#traced(span ? () => span.run(work) : work)
    return span ? span.run(work) : work()
  }

  /** Called when the session is known but the request is not sent to the server. */
  inSession(session: ClientSession): void {
    this.#session = session
  }

  sent(exchange: Exchange): void {
    this.#exchange = exchange
    this.#session = exchange.origin.session
  }

  /** The span of the message with this id, else the first: the parent of an attempt's span. */
  spanFor(message: Message | undefined): ObservedSpan | undefined {
    const id = message && 'id' in message ? message.id : undefined
    const own = id === undefined ? undefined : this.#items.find((item) => item.requestId === id)
    return (own ?? this.#items[0])?.span
  }

  /** Called when an attempt has found the body of its reply to be a plain result of this request. */
  foundPlain(body: Body, id: RequestId | undefined): void {
    this.#plainBody = body
    this.#plainId = id
  }

  decided(by: AuditDecider, id?: RequestId): void {
    for (const item of this.#items) if (id === undefined || item.requestId === id) item.by = by
  }

  watch(reply: Reply): Reply {
    this.#reply = reply
    if (reply.kind === 'empty') return reply
    if (!this.#isPlain(reply)) return watchReply(reply, this)
    this.#items[0]!.settle(OK)
    return reply
  }

  /** Whether the client gets a plain result for its one request. An exchange that was stopped gets no answer. */
  #isPlain(reply: JsonReply | EventsReply): boolean {
    if (this.#exchange?.life.stopped || this.readsResults) return false
    const isKnown = reply.body === this.#plainBody && this.#items.length === 1
    return isKnown ? this.#items[0]!.requestId === this.#plainId : hasPlainResult(this.#items, reply)
  }

  get readsResults(): boolean {
    return wantsResults(this.#items)
  }

  onMessage(message: ScannedMessage): void {
    if (message.method === undefined) settleWith(this.#items, message)
  }

  onResponse(id: unknown, result: unknown): void {
    this.#exchange!.origin.bind(tellResult)(this.#items, id, result)
  }

  onEnd(end: End | undefined): void {
    this.#end = end
  }

  /** Called when the request is completely handled. */
  over(): void {
    this.#finish((item) => this.#endingOf(item), undefined)
  }

  /** Called when the request is answered with an error. */
  failed(error: GatewayError, stage: AuditDecider | undefined): void {
    const by = deciderOf(error, stage)
    const stopped = this.#exchange?.life.stopped
    const ending = this.#isGone ? CANCELLED : stopped === error ? endingByStop(error) : endingBy(error, by)
    // V8 formats `stack` on first access; until then the error keeps its functions alive, and with them the message's
    // body.
    void error.stack
    if (this.#items.length === 0) this.#items = [new ObservedMessage(undefined)]
    for (const item of this.#items) if (ending.outcome === 'refused') item.by ??= by
    this.#finish((item) => (item.by === undefined ? ending : asRefused(ending)), error)
  }

  get #isGone(): boolean {
    const { response } = this.#inbound
    return response.destroyed && !response.writableEnded
  }

  #finish(endingOf: (item: ObservedMessage) => Ending, error: GatewayError | undefined): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#parts.watcher?.over(this.#inbound.request.method)
    for (const item of this.#items) {
      if (!item.ending) item.settle(endingOf(item))
      this.#tell(item, error)
    }
  }

  /** The ending of a message whose response was not scanned. */
  #endingOf({ message, isRequest }: ObservedMessage): Ending {
    const stopped = this.#exchange?.life.stopped
    const reply = this.#reply
    if (!isRequest) return reply && reply.status >= 400 ? { outcome: 'error', code: reply.status } : OK
    if (this.#exchange?.listens === true && reply?.kind === 'events') return OK
    const isAwaited = this.#exchange?.origin.awaited([(message as { id: RequestId }).id]).length !== 0
    if (!isAwaited) return CANCELLED
    if (reply?.kind === 'events' && this.#isResumable(reply, stopped)) return PENDING
    if (stopped) return this.#isGone ? CANCELLED : endingByStop(stopped)
    if (this.#isGone) return CANCELLED
    if (reply && reply.status >= 400) return { outcome: 'error', code: reply.status }
    return { outcome: 'error', code: 'upstream_broken', message: 'The server ended its stream without an answer' }
  }

  /** A client that has left can come back after the last id; one that is there was told an error, unless it can. */
  #isResumable(reply: EventsReply, stopped: GatewayError | undefined): boolean {
    return this.#isGone ? reply.resumeAfter() !== undefined : isResumable(reply, this.#end, stopped)
  }

  #tell(item: ObservedMessage, error: GatewayError | undefined): void {
    const { audit, watcher } = this.#parts
    const context = this.#contexts?.get(item)
    const ending = item.by !== undefined ? asRefused(item.ending!) : item.ending!
    const durationMs = this.#durationOf(item)
    const { span } = item
    const recorded = this.#recorded
    if (span) {
      const protocolVersion = versionOfMessage(item.message, recorded.negotiated, this.#inbound.request)
      item.endSpan({ ending, durationMs, protocolVersion, sessionId: recorded.sessionId }, this)
    }
    if (!audit && !watcher && !context) return
    const record = requestRecord(recorded, item, this.#parts.sessions, ending, durationMs) as AuditRecord
    audit?.tell(record, this.#inbound.request)
    watcher?.recorded(record)
    if (context) endRequest(Object.assign(context, record, error && { error }))
  }

  /** The duration; in a batch, that until the message's own response. */
  #durationOf({ endedAt }: ObservedMessage): number {
    return (endedAt ?? performance.now()) - this.#startedAt
  }

  get #recorded(): RecordedRequest {
    const session = this.#session
    return {
      inbound: this.#inbound,
      verb: this.#verb,
      address: this.#address,
      receivedAt: this.#receivedAt,
      sessionId: session?.id ?? this.#reply?.sessionId,
      negotiated: session?.record.protocolVersion ?? this.#reply?.opened?.protocolVersion,
    }
  }

  report(error: unknown): void {
    this.#parts.report(error, this.#inbound)
  }

  #spanOf({ message }: ObservedMessage, telemetry: TelemetryObserver): ObservedSpan | undefined {
    if (message?.kind !== 'request' && message?.kind !== 'notification') return undefined
    const { server, request } = this.#inbound
    const address = this.#address
    const receivedAt = this.#receivedAt
    try {
      return telemetry.received({ message, server, request, address, receivedAt, reporter: this })
    } catch (error) {
      this.report(error)
      return undefined
    }
  }

  #traced<T>(work: () => T): T {
    const contexts = this.#items.map(
      (item) => [item, requestRecord(this.#recorded, item, this.#parts.sessions)] as const,
    )
    this.#contexts = new Map(contexts)
    return contexts.reduce(
      (run, [, context]) =>
        () =>
          traceRequest(context, run),
      work,
    )()
  }
}
