/** What interceptors are shown: deeply frozen, and only if every reader of the text reads the same in it. */
import { GatewayError } from '../../errors.ts'
import { outlineOf } from '../../exchange/json-text.ts'
import type { NotificationMessage, RequestMessage, ResponseMessage } from '../../exchange/message.ts'
import { Level, MESSAGE_LEVEL } from '../../inbound/deciding-keys.ts'
import type { Json } from '../../types.ts'
import { isObject } from '../../util/json.ts'

/** What a message says that has no parameters. */
export const NO_PARAMS: Json = Object.freeze({})

/** How responses begin. */
const USUAL = '{"jsonrpc":"2.0",'

/** How deep a message may be nested that is shown. */
const MAX_SHOWN_DEPTH = 500

/** The members of results that clients go by. */
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

/** Freezes a value and all in it; how many members its objects have. Throws a RangeError for what is nested too deeply. */
export function freeze(value: unknown, depth: number = 0): number {
  if (typeof value !== 'object' || value === null) return 0
  if (depth > MAX_SHOWN_DEPTH) throw new RangeError('It is nested too deeply')
  let members = 0
  if (Array.isArray(value)) for (const item of value) members += freeze(item, depth + 1)
  else {
    const json = value as Readonly<Record<string, unknown>>
    // No array of keys is made, as Object.keys() would.
    for (const key in json) if (Object.hasOwn(json, key)) members += 1 + freeze(json[key], depth + 1)
  }
  Object.freeze(value)
  return members
}

/**
 * Whether parsers that take the first of two like keys, or ignore the case of keys, read in a message what `parts`, its
 * parsed members by key, say. Freezes them.
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

/** The same for a response, which has either a result or an error, and for the keys of its result. */
export function isSoundResponse({ text, result, error }: ResponseMessage): boolean {
  // The usual form: with as many members as were parsed there is nothing else in it.
  const isUsual = error === undefined && text.startsWith(USUAL) && outlineOf(text).members === 3 + freeze(result)
  if (!isUsual && !isUnambiguous(text, error === undefined ? { result } : { error })) return false
  if (error !== undefined) return isObject(error)
  return isObject(result) && !Object.keys(result).some((key) => RESULT_LEVEL.isConfusable(key))
}

/** Throws `invalid_request` for a message in which another parser would read something else. */
export function requireUnambiguous({ kind, text, params }: RequestMessage | NotificationMessage): void {
  if (params !== undefined && Object.isFrozen(params)) return
  // What the outermost object may hold has been checked by whoever took the message in.
  const known = kind === 'request' ? 3 : 2
  if (params !== undefined && outlineOf(text).members === known + 1 + freeze(params)) return
  if (isUnambiguous(text, { params })) return
  throw new GatewayError('invalid_request', 'A key stands twice in the message')
}
