/** Freezes messages for interceptors, and refuses those that another JSON parser could read differently. */
import { GatewayError } from '../../errors.ts'
import { outlineOf } from '../../exchange/json-text.ts'
import type { NotificationMessage, RequestMessage, ResponseMessage } from '../../exchange/message.ts'
import { Level, MESSAGE_LEVEL } from '../../inbound/deciding-keys.ts'
import type { Json } from '../../types.ts'
import { isObject } from '../../util/json.ts'

/** The parameters of a message that has none. */
export const NO_PARAMS: Json = Object.freeze({})

/** How most servers begin a response: such a text is checked the cheap way. */
const USUAL = '{"jsonrpc":"2.0",'

/** The nesting limit of messages for interceptors: freezing them is recursive. */
const MAX_SHOWN_DEPTH = 500

/** The members of results that clients interpret. */
const RESULT_LEVEL = new Level([
  'resultType',
  'tools',
  'prompts',
  'resources',
  'resourceTemplates',
  'nextCursor',
  'content',
  'structuredContent',
  'isError',
  'messages',
  'contents',
  'completion',
  'inputRequests',
  'requestState',
  'task',
  'protocolVersion',
  'supportedVersions',
  'capabilities',
  'serverInfo',
  'instructions',
  'ttlMs',
  'cacheScope',
  '_meta',
])

const ERROR_LEVEL = new Level(['code', 'message', 'data'])

/** Freezes a value deeply; returns the number of object members in it. Throws a RangeError when nested too deeply. */
export function freeze(value: unknown, depth: number = 0): number {
  if (typeof value !== 'object' || value === null) return 0
  if (depth > MAX_SHOWN_DEPTH) throw new RangeError('It is nested too deeply')
  let members = 0
  if (Array.isArray(value)) for (const item of value) members += freeze(item, depth + 1)
  else {
    const json = value as Readonly<Record<string, unknown>>
    // Object.keys() would allocate an array for each object.
    for (const key in json) if (Object.hasOwn(json, key)) members += 1 + freeze(json[key], depth + 1)
  }
  Object.freeze(value)
  return members
}

/**
 * Whether every parser sees a message of the same kind in an object with these keys, and the same id: none of them stands
 * twice or in another case, and none is of another kind of message.
 */
export function hasPlainKeys(keys: readonly string[]): boolean {
  const isOdd = (key: string, index: number): boolean => MESSAGE_LEVEL.isConfusable(key) || keys.indexOf(key) !== index
  return !keys.some(isOdd) && !(keys.includes('method') && (keys.includes('result') || keys.includes('error')))
}

/**
 * Whether every parser reads the same in a message: also one that takes the first of two equal keys, or ignores the case
 * of keys. `parts` are the parsed members by key; this function freezes them.
 */
export function isUnambiguous(text: string, parts: Readonly<Record<string, unknown>>): boolean {
  const { keys, members } = outlineOf(text, true)
  let expected = keys.length
  for (const [index, key] of keys.entries()) {
    if (MESSAGE_LEVEL.isConfusable(key) || keys.indexOf(key) !== index) return false
    if (Object.hasOwn(parts, key)) expected += freeze(parts[key])
    else if (key !== 'jsonrpc' && key !== 'id' && key !== 'method') return false
  }
  return members === expected
}

/** The same for a response: it must have either a result or an error, and the keys of the result are checked, too. */
export function isSoundResponse({ text, result, error }: ResponseMessage): boolean {
  // Equal numbers of members in text and parsed value rule out duplicate keys and further members.
  const isUsual = error === undefined && text.startsWith(USUAL) && outlineOf(text).members === 3 + freeze(result)
  if (!isUsual && !isUnambiguous(text, error === undefined ? { result } : { error })) return false
  if (error !== undefined) return isObject(error)
  return isObject(result) && !Object.keys(result).some((key) => RESULT_LEVEL.isConfusable(key))
}

/** The same for the error of a response, which this function freezes. */
export function isSoundError(text: string, error: unknown): boolean {
  return (
    isObject(error) &&
    isUnambiguous(text, { error }) &&
    !Object.keys(error).some((key) => ERROR_LEVEL.isConfusable(key))
  )
}

/** Throws `invalid_request` for a message that another parser could read differently. */
export function requireUnambiguous({ kind, text, params }: RequestMessage | NotificationMessage): void {
  if (params !== undefined && Object.isFrozen(params)) return
  // lib/inbound has checked the keys of the outermost object: only their number is needed.
  const known = kind === 'request' ? 3 : 2
  if (params !== undefined && outlineOf(text).members === known + 1 + freeze(params)) return
  if (isUnambiguous(text, { params })) return
  throw new GatewayError('invalid_request', 'A key stands twice in the message')
}
