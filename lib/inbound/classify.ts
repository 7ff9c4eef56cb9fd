/** What was sent: kind, era, id, method. Pure: plain values in, a union out; never throws. (requirements 2 and 4) */
import type { GatewayErrorCode } from '../errors.ts'
import { MAX_BATCH, META_PROTOCOL_VERSION, MODERN_VERSIONS } from '../protocol.ts'
import type { Message, RequestId } from '../types.ts'

/** A message that is refused, and the id to say so under, if it could be read. */
export interface Rejection {
  readonly kind: 'rejection'
  readonly code: GatewayErrorCode
  readonly reason: string
  readonly id?: RequestId
}

type JsonObject = Readonly<Record<string, unknown>>

/** `json` is the parsed body, `protocolVersion` the header of that name. */
export function classify(json: unknown, protocolVersion: string | undefined): Message | Rejection {
  if (Array.isArray(json)) return classifyBatch(json, protocolVersion)
  const message = classifyOne(json)
  if (message.kind === 'rejection' || !claimsModern(json as JsonObject, protocolVersion)) return message
  const id = message.kind === 'request' ? { id: message.id } : {}
  return reject('bad_request', `This gateway does not serve revision ${MODERN_VERSIONS.join(', ')} yet`, id)
}

/** One JSON-RPC 2.0 message: a request, a notification or a response. */
function classifyOne(json: unknown): Message | Rejection {
  if (!isObject(json)) return reject('invalid_request', 'A message must be a JSON object')
  const { jsonrpc, id, method, params } = json
  const known = isId(id) ? { id } : {}
  if (jsonrpc !== '2.0') return reject('invalid_request', '"jsonrpc" must be "2.0"', known)
  if ('id' in json && !isId(id)) return reject('invalid_request', '"id" must be a string or an integer')
  if ('method' in json) {
    if (typeof method !== 'string') return reject('invalid_request', '"method" must be a string', known)
    if (params !== undefined && (typeof params !== 'object' || params === null)) {
      return reject('invalid_request', '"params" must be an object', known)
    }
    return isId(id) ? { kind: 'request', era: 'legacy', id, method } : { kind: 'notification', era: 'legacy', method }
  }
  const outcomes = Number('result' in json) + Number('error' in json)
  if (outcomes === 1 && (isId(id) || 'error' in json)) return { kind: 'response', era: 'legacy' }
  return reject('invalid_request', 'A message must have a "method", or one of "result" and "error"', known)
}

/** Requests and notifications, or responses; `initialize` stands alone. (RPC5, RPC6) */
function classifyBatch(items: readonly unknown[], protocolVersion: string | undefined): Message | Rejection {
  if (items.length === 0) return reject('invalid_request', 'A batch may not be empty')
  if (items.length > MAX_BATCH) return reject('invalid_request', `A batch may not hold more than ${MAX_BATCH} messages`)
  const ids: RequestId[] = []
  for (const item of items) {
    const message = classify(item, protocolVersion)
    if (message.kind === 'rejection') return message
    if (message.kind !== 'request') continue
    if (message.method === 'initialize') return reject('invalid_request', '"initialize" may not be part of a batch')
    ids.push(message.id)
  }
  return { kind: 'batch', era: 'legacy', ids }
}

/** The body decides the era, the header only where the body says nothing; a handshake is always legacy. (CL1, CL2) */
function claimsModern(json: JsonObject, protocolVersion: string | undefined): boolean {
  const params = isObject(json['params']) ? json['params'] : {}
  const meta = isObject(params['_meta']) ? params['_meta'] : {}
  if (META_PROTOCOL_VERSION in meta) return true
  return json['method'] !== 'initialize' && protocolVersion !== undefined && MODERN_VERSIONS.includes(protocolVersion)
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isId(value: unknown): value is RequestId {
  return typeof value === 'string' || Number.isInteger(value)
}

function reject(code: GatewayErrorCode, reason: string, known: { readonly id?: RequestId } = {}): Rejection {
  return { kind: 'rejection', code, reason, ...known }
}
