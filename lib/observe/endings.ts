/** How observed messages ended: by a response that was scanned, or by what replaced it. */
import { codeOfBrokenOff } from '../exchange/broken-off.ts'
import { GatewayError } from '../errors.ts'
import type { Message } from '../exchange/message.ts'
import type { EventsReply, JsonReply } from '../exchange/reply.ts'
import type { AuditDecider, RequestId } from '../types.ts'
import type { ScannedMessage } from './message-scanner.ts'
import { isPlainResult } from './plain-result.ts'
import type { Ending, ObservedSpan, SpanFacts, TelemetryReporter } from './telemetry.ts'

export const OK: Ending = { outcome: 'ok', code: undefined }
export const CANCELLED: Ending = { outcome: 'cancelled', code: undefined }
export const PENDING: Ending = { outcome: 'pending', code: undefined }
const TOOL_ERROR: Ending = { outcome: 'tool_error', code: undefined }

/** One observed message, or a GET or DELETE, until it has ended. */
export class ObservedMessage {
  readonly message: Message | undefined
  span: ObservedSpan | undefined
  by: AuditDecider | undefined
  /** How it ended; `undefined` until its response was scanned or it failed. */
  ending: Ending | undefined
  /** When it ended, if it is one of a batch: others end when the response does. */
  endedAt: number | undefined
  readonly #isTimed: boolean

  constructor(message: Message | undefined, isTimed = false) {
    this.message = message
    this.#isTimed = isTimed
  }

  get isRequest(): boolean {
    return this.message?.kind === 'request'
  }

  get requestId(): RequestId | undefined {
    return this.message?.kind === 'request' ? this.message.id : undefined
  }

  settle(ending: Ending): void {
    if (this.ending) return
    this.ending = ending
    if (this.#isTimed) this.endedAt = performance.now()
  }

  /** Ends its span, if it has one. What that throws is reported, and never affects the message. */
  endSpan(facts: SpanFacts, reporter: TelemetryReporter): void {
    try {
      this.span?.end(facts)
    } catch (error) {
      reporter.report(error)
    }
  }
}

/** The observed message, or each message of a batch. */
export function observedMessages(message: Message | undefined): readonly ObservedMessage[] {
  if (message?.kind !== 'batch') return [new ObservedMessage(message)]
  return message.items.map((each) => new ObservedMessage(each, true))
}

/** Whether any span needs the result of its message. */
export function wantsResults(items: readonly ObservedMessage[]): boolean {
  for (const { span } of items) if (span?.wantsResult === true) return true
  return false
}

/** Passes a result to the spans that need it. */
export function tellResult(items: readonly ObservedMessage[], id: unknown, result: unknown): void {
  for (const { requestId, span } of items) if (requestId === id && span?.wantsResult === true) span.onResult(result)
}

/** Whether a reply is complete, and known to be a result of the one request without a scan. */
export function hasPlainResult(items: readonly ObservedMessage[], { kind, body }: JsonReply | EventsReply): boolean {
  const id = items.length === 1 ? items[0]!.requestId : undefined
  const document = id !== undefined && kind === 'json' ? body.peek?.() : undefined
  return document !== undefined && isPlainResult(document, id!)
}

/** A response was seen. One without an id is for the only request that waits for one. */
export function settleWith(items: readonly ObservedMessage[], scanned: ScannedMessage): void {
  const { id } = scanned
  let waiting = 0
  let last: ObservedMessage | undefined
  for (const item of items) {
    if (!item.isRequest || item.ending) continue
    if (item.requestId === id) return item.settle(endingOf(scanned))
    waiting += 1
    last = item
  }
  if (waiting === 1 && (id === null || id === undefined)) last!.settle(endingOf(scanned))
}

function endingOf({ error, isToolError }: ScannedMessage): Ending {
  if (error) {
    const { code, message } = error
    return { outcome: 'error', code: codeOfBrokenOff(code, message) ?? code, rpcCode: code, message }
  }
  return isToolError ? TOOL_ERROR : OK
}

/** The codes that identify the deciding part by themselves, wherever they are thrown. */
const DECIDERS: { readonly [code in GatewayError['code']]?: AuditDecider } = {
  host_not_allowed: 'host',
  origin_not_allowed: 'host',
  insufficient_scope: 'scopes',
  loop_detected: 'message',
  too_many_requests: 'limits',
  closing: 'closing',
}

export function deciderOf(error: GatewayError, stage: AuditDecider | undefined): AuditDecider | undefined {
  return DECIDERS[error.code] ?? stage
}

/** The ending of a message that the gateway answers with an error. A hook that fails is an error, not a refusal. */
export function endingBy(error: GatewayError, by: AuditDecider | undefined): Ending {
  const hasFailed = by === undefined || (error.status >= 500 && DECIDERS[error.code] === undefined)
  const outcome = hasFailed ? 'error' : 'refused'
  return { outcome, code: error.code, rpcCode: rpcCodeOf(error), message: error.message }
}

/** The ending of a message that was stopped before its response arrived. */
export function endingByStop(reason: GatewayError): Ending {
  return { outcome: 'cancelled', code: reason.code, message: reason.message }
}

function rpcCodeOf(error: GatewayError): number {
  return (JSON.parse(error.toJsonRpc()) as { readonly error: { readonly code: number } }).error.code
}

/** The ending of an attempt that threw. */
export function endingByFault(error: unknown, stopped: GatewayError | undefined): Ending {
  if (stopped) return endingByStop(stopped)
  if (error instanceof GatewayError) return { outcome: 'error', code: error.code, message: error.message }
  return { outcome: 'error', code: 'internal' }
}

/** Turns an error into a refusal, when a part of the gateway answered in place of the server. */
export function asRefused(ending: Ending): Ending {
  return ending.outcome === 'error' || ending.outcome === 'tool_error' ? { ...ending, outcome: 'refused' } : ending
}
