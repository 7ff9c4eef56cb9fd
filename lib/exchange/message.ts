/** JSON-RPC messages, parsed once and kept together with their original text. */
import { LISTEN_METHOD } from '../protocol.ts'
import type { Era, RequestId } from '../types.ts'
import { type JsonObject, member } from '../util/json.ts'
import { itemTexts, rangeAt } from './json-text.ts'

/** The error of a response. (JSON-RPC 2.0, 5.1) */
export interface Fault {
  readonly code: number
  readonly message: string
  readonly data?: unknown
}

interface Wire {
  /** The protocol era whose rules the message follows. */
  readonly era: Era
  /** The text exactly as received: edits are spliced into it so that the rest stays byte for byte. */
  readonly text: string
}

export interface RequestMessage extends Wire {
  readonly kind: 'request'
  readonly id: RequestId
  readonly method: string
  readonly params: JsonObject | undefined
}

export interface NotificationMessage extends Wire {
  readonly kind: 'notification'
  readonly method: string
  readonly params: JsonObject | undefined
}

export interface ResponseMessage extends Wire {
  readonly kind: 'response'
  /** `null` when the sender could not read the id of the request. */
  readonly id: RequestId | null
  readonly result?: unknown
  readonly error?: Fault
}

export interface BatchMessage extends Wire {
  readonly kind: 'batch'
  readonly items: readonly Message[]
}

export type Message = RequestMessage | NotificationMessage | ResponseMessage | BatchMessage

const NO_IDS: readonly RequestId[] = []

/** The ids of the requests in a message, each of which expects a response. */
export function requestIdsOf(message: Message | undefined): readonly RequestId[] {
  if (message?.kind === 'request') return [message.id]
  if (message?.kind === 'batch') return message.items.flatMap(requestIdsOf)
  return []
}

/** The ids of the requests that a client's message cancels. (UT4) */
export function cancelledIdsOf(message: Message | undefined): readonly RequestId[] {
  if (message?.kind === 'batch') return message.items.flatMap(cancelledIdsOf)
  if (message?.kind !== 'notification' || message.method !== 'notifications/cancelled') return NO_IDS
  const id = message.params?.['requestId']
  return typeof id === 'string' || typeof id === 'number' ? [id] : NO_IDS
}

export function requestText(id: RequestId, method: string, params: JsonObject | undefined): string {
  return JSON.stringify({ jsonrpc: '2.0', id, method, params })
}

/** Builds a request that the gateway itself sends. */
export function requestOf(era: Era, id: RequestId, method: string, params?: JsonObject): RequestMessage {
  return { kind: 'request', era, id, method, params, text: requestText(id, method, params) }
}

/** Builds a notification that the gateway itself sends. */
export function notificationOf(era: Era, method: string, params?: JsonObject): NotificationMessage {
  return { kind: 'notification', era, method, params, text: JSON.stringify({ jsonrpc: '2.0', method, params }) }
}

/**
 * A request in which the string at this path, `params` first, is another; all else keeps its bytes, and what it was
 * parsed to. The same request, if the string is the same. Nothing is parsed again: JSON writes and reads a string alike.
 */
export function withString(message: RequestMessage, path: readonly string[], value: string): RequestMessage {
  const { era, id, method, text } = message
  const params = stringIn(message.params, path, 1, value)
  if (params === message.params) return message
  const range = rangeAt(text, path)
  if (!range) throw new TypeError('The parameters have no string at this path')
  const edited = text.slice(0, range[0]) + JSON.stringify(value) + text.slice(range[1])
  return { kind: 'request', era, id, method, params, text: edited }
}

function stringIn(
  object: JsonObject | undefined,
  path: readonly string[],
  depth: number,
  value: string,
): JsonObject | undefined {
  const key = path[depth]!
  const before = member(object, key)
  const after = depth === path.length - 1 ? value : stringIn(before as JsonObject | undefined, path, depth + 1, value)
  return after === before ? object : { ...object, [key]: after }
}

export function responseText(
  id: RequestId | null,
  outcome: { readonly result: unknown } | { readonly error: unknown },
): string {
  return JSON.stringify({ jsonrpc: '2.0', id, ...outcome })
}

/** Classifies parsed JSON of any shape; `undefined` when it is not a JSON-RPC message. */
export function messageOf(json: unknown, text: string, era: Era): Message | undefined {
  if (Array.isArray(json)) return batchOf(json, text, era)
  if (typeof json !== 'object' || json === null) return undefined
  const { id, method, params, result, error } = json as Partial<Record<string, unknown>>
  if (typeof method === 'string') {
    const known = { era, text, method, params: params as JsonObject | undefined }
    return id === undefined || id === null
      ? { kind: 'notification', ...known }
      : { kind: 'request', id: id as RequestId, ...known }
  }
  if (method !== undefined || !('result' in json || 'error' in json)) return undefined
  const outcome = 'error' in json ? { error: error as Fault } : { result }
  return { kind: 'response', era, text, id: (id ?? null) as RequestId | null, ...outcome }
}

/** `undefined` when the batch is empty or any item is not a message. */
function batchOf(json: readonly unknown[], text: string, era: Era): BatchMessage | undefined {
  const texts = itemTexts(text)
  const items = json.map((item, index) => (Array.isArray(item) ? undefined : messageOf(item, texts[index] ?? '', era)))
  return items.length > 0 && items.every((item) => item !== undefined) ? { kind: 'batch', era, items, text } : undefined
}

/** Whether it asks for the notifications of 2026-07-28, on a stream that lasts. */
export function isListenRequest(message: Message): boolean {
  return message.kind === 'request' && message.method === LISTEN_METHOD
}
