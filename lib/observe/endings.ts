/** How observed messages ended: by a response that was scanned, or by what replaced it. */
import { codeOfBrokenOff } from '../exchange/broken-off.ts'
import { GatewayError } from '../errors.ts'
import type { Message } from '../exchange/message.ts'
import type { AuditDecider, RequestId } from '../types.ts'
import type { ScannedMessage } from './message-scanner.ts'
import type { Ending, ObservedSpan } from './telemetry.ts'

export const OK: Ending = { outcome: 'ok', code: undefined }
export const CANCELLED: Ending = { outcome: 'cancelled', code: undefined }
export const PENDING: Ending = { outcome: 'pending', code: undefined }
const TOOL_ERROR: Ending = { outcome: 'tool_error', code: undefined }

/** One observed message, or a GET or DELETE, until it has ended. */
export class ObservedMessage {
  readonly message: Message | undefined
  span: ObservedSpan | undefined
  by: AuditDecider | undefined
  /** How and when it ended; `undefined` until its response was scanned or it failed. */
  ending: Ending | undefined
  endedAt: number | undefined

  constructor(message: Message | undefined) {
    this.message = message
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
    this.endedAt = performance.now()
  }
}

/** The observed message, or each message of a batch. */
export function observedMessages(message: Message | undefined): readonly ObservedMessage[] {
  if (message?.kind !== 'batch') return [new ObservedMessage(message)]
  return message.items.map((each) => new ObservedMessage(each))
}

/** A reader that passes results to the spans that need them; `undefined` if none does. */
export function resultReaderOf(
  items: readonly ObservedMessage[],
): ((id: unknown, result: unknown) => void) | undefined {
  let isWanted = false
  for (const { span } of items) isWanted ||= span?.wantsResult === true
  if (!isWanted) return undefined
  return (id, result) => {
    for (const { requestId, span } of items) if (requestId === id && span?.wantsResult === true) span.onResult(result)
  }
}

/** A response was seen. One without an id is for the only request that waits for one. */
export function settleWith(items: readonly ObservedMessage[], scanned: ScannedMessage): void {
  const waiting = items.filter(({ isRequest, ending }) => isRequest && !ending)
  const { id } = scanned
  const item = id === null || id === undefined ? onlyOf(waiting) : waiting.find(({ requestId }) => requestId === id)
  item?.settle(endingOf(scanned))
}

function onlyOf<T>(items: readonly T[]): T | undefined {
  return items.length === 1 ? items[0] : undefined
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
