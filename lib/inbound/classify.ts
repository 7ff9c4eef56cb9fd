/** Classifies a message: kind, era, id, method. Pure: plain values in, a union out; never throws. (requirements 2, 4) */
import type { GatewayErrorCode } from '../errors.ts'
import { itemTexts } from '../exchange/json-text.ts'
import type { Fault, Message } from '../exchange/message.ts'
import { MAX_BATCH, META, MODERN_VERSIONS } from '../protocol.ts'
import type { Era, RequestId } from '../types.ts'
import { isObject, type JsonObject, member } from '../util/json.ts'
import type { StandardHeaders } from './inbound-request.ts'
import { firstViolation, type ModernMessage } from './ladder.ts'

/** A refused message, with its id if that could be read: the error response carries it. */
export interface Rejection {
  readonly kind: 'rejection'
  /** Decides the error code: to a client of both eras a modern error code is evidence of a modern server. */
  readonly era: Era
  readonly code: GatewayErrorCode
  readonly reason: string
  readonly id?: RequestId
  /** The JSON-RPC error's `data`. */
  readonly data?: unknown
}

/** `json` is the parsed body, `text` the same body as it was sent, `headers` are those that repeat members of it. */
export function classify(json: unknown, headers: StandardHeaders, text: string): Message | Rejection {
  if (Array.isArray(json)) return classifyBatch(json, headers, text)
  const message = classifyShape(json, text)
  if (message.kind === 'rejection') return message
  const { method, params } = json as JsonObject
  const found = member(params, '_meta')
  const meta = isObject(found) ? found : {}
  const hasVersion = Object.hasOwn(meta, META.protocolVersion)
  if (!hasVersion && !isModern(headers)) return message
  if (message.kind === 'response' || message.kind === 'batch') {
    return reject('invalid_request', 'Revision 2026-07-28 has neither responses nor batches of a client')
  }
  const known = message.kind === 'request' ? { id: message.id } : {}
  if (!hasVersion && method === 'initialize') {
    const reason = 'MCP-Protocol-Version names a revision without a handshake'
    return { ...reject('header_mismatch', reason, known), era: 'modern' }
  }
  return classifyModern({ kind: message.kind, method: message.method, params, meta, headers }, message, known)
}

/** Whether the header names a modern revision: a body without `_meta` then lacks its envelope. (CL1, CL3, CL4) */
function isModern({ protocolVersion }: StandardHeaders): boolean {
  return protocolVersion !== undefined && MODERN_VERSIONS.includes(protocolVersion)
}

function classifyModern(
  modern: ModernMessage,
  message: Message,
  known: { readonly id?: RequestId },
): Message | Rejection {
  const violation = firstViolation(modern)
  if (!violation) return { ...message, era: 'modern' }
  const { rung, reason } = violation
  const rejection: Rejection = { ...reject(rung.code, reason, known), era: 'modern' }
  if (rung.code !== 'unsupported_version') return rejection
  return { ...rejection, data: { supported: MODERN_VERSIONS, requested: modern.meta[META.protocolVersion] } }
}

/** One JSON-RPC 2.0 message: a request, a notification or a response. (RPC1, RPC2) */
function classifyShape(json: unknown, text: string): Message | Rejection {
  if (!isObject(json)) return reject('invalid_request', 'A message must be a JSON object')
  const { jsonrpc, id, method, params } = json
  const known = isId(id) ? { id } : {}
  if (jsonrpc !== '2.0') return reject('invalid_request', '"jsonrpc" must be "2.0"', known)
  if ('id' in json && !isId(id)) return reject('invalid_request', '"id" must be a string or an integer')
  if ('method' in json) {
    if (typeof method !== 'string') return reject('invalid_request', '"method" must be a string', known)
    if (params !== undefined && !isObject(params)) {
      return reject('invalid_request', '"params" must be an object', known)
    }
    return isId(id)
      ? { kind: 'request', era: 'legacy', id, method, params, text }
      : { kind: 'notification', era: 'legacy', method, params, text }
  }
  const outcomes = Number('result' in json) + Number('error' in json)
  if (outcomes === 1 && (isId(id) || 'error' in json)) {
    const outcome = 'error' in json ? { error: json['error'] as Fault } : { result: json['result'] }
    return { kind: 'response', era: 'legacy', id: isId(id) ? id : null, text, ...outcome }
  }
  return reject('invalid_request', 'A message must have a "method", or one of "result" and "error"', known)
}

/** A JSON-RPC batch of legacy messages. `initialize` may not be part of one. (RPC5, RPC6) */
function classifyBatch(items: readonly unknown[], headers: StandardHeaders, text: string): Message | Rejection {
  if (items.length === 0) return reject('invalid_request', 'A batch may not be empty')
  if (items.length > MAX_BATCH) return reject('invalid_request', `A batch may not hold more than ${MAX_BATCH} messages`)
  const texts = itemTexts(text)
  const messages: Message[] = []
  for (const [index, item] of items.entries()) {
    const own = texts[index]!
    const message = Array.isArray(item) ? classifyShape(item, own) : classify(item, headers, own)
    if (message.kind === 'rejection') return reject('invalid_request', message.reason)
    if (message.era === 'modern') return reject('invalid_request', 'Revision 2026-07-28 has no batches')
    if (message.kind === 'request' && message.method === 'initialize') {
      return reject('invalid_request', '"initialize" may not be part of a batch')
    }
    messages.push(message)
  }
  return { kind: 'batch', era: 'legacy', items: messages, text }
}

/** An integer that is not safe would come back as another one: several of them are the same double. */
function isId(value: unknown): value is RequestId {
  return typeof value === 'string' || Number.isSafeInteger(value)
}

function reject(code: GatewayErrorCode, reason: string, known: { readonly id?: RequestId } = {}): Rejection {
  return { kind: 'rejection', era: 'legacy', code, reason, ...known }
}
