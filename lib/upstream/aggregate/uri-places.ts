/** Where URIs stand in results, questions and notifications: each is mapped, and all else stays the very same value. */
import { isObject, type JsonObject } from '../../util/json.ts'

type MapUri = (uri: string) => string

/** How deep results of tools may contain each other, in messages of sampling. */
const MAX_TOOL_RESULTS = 4

/** Up to how many bytes it is cheaper to decode them all than to search in them. */
const MAX_DECODED_BYTES = 1024

/** Whether JSON may contain one of the keys whose value is mapped. A key may be spelled with escapes. */
export function mayHaveUris(bytes: Buffer): boolean {
  const json = bytes.length > MAX_DECODED_BYTES ? bytes : bytes.toString('latin1')
  return json.includes('uri"') || json.includes('Uri"') || json.includes('\\u')
}

/** A result of `tools/call`, `prompts/get`, `resources/read`, or one that asks for input. */
export function mapResultUris(result: unknown, map: MapUri): unknown {
  if (!isObject(result)) return result
  return changed(result, {
    content: eachOf(result['content'], (block) => mapBlock(block, map, 0)),
    contents: eachOf(result['contents'], (resource) => mapResource(resource, map)),
    messages: mapMessagesUris(result['messages'], map),
    inputRequests: mapInputRequests(result['inputRequests'], map),
    _meta: mapMeta(result['_meta'], map),
  })
}

/** The parameters of a request of the server, such as `sampling/createMessage`. */
export function mapQuestionUris(params: unknown, map: MapUri): unknown {
  return isObject(params) ? changed(params, { messages: mapMessagesUris(params['messages'], map) }) : params
}

/** An object with a `uri` or a `uriTemplate`, and with `_meta`: an item of a list, or the contents of a resource. */
export function mapResource(value: unknown, map: MapUri): unknown {
  if (!isObject(value)) return value
  return changed(value, {
    uri: mapText(value['uri'], map),
    uriTemplate: mapText(value['uriTemplate'], map),
    _meta: mapMeta(value['_meta'], map),
  })
}

/** The `_meta` of a tool that has a user interface, in both spellings. (SEP-1865) */
export function mapMeta(meta: unknown, map: MapUri): unknown {
  if (!isObject(meta)) return meta
  const { ui } = meta
  return changed(meta, {
    ui: isObject(ui) ? changed(ui, { resourceUri: mapText(ui['resourceUri'], map) }) : ui,
    'ui/resourceUri': mapText(meta['ui/resourceUri'], map),
  })
}

function mapMessagesUris(messages: unknown, map: MapUri): unknown {
  return eachOf(messages, (message) => {
    if (!isObject(message)) return message
    const { content } = message
    const mapped = Array.isArray(content)
      ? eachOf(content, (block) => mapBlock(block, map, 0))
      : mapBlock(content, map, 0)
    return changed(message, { content: mapped })
  })
}

function mapInputRequests(requests: unknown, map: MapUri): unknown {
  if (!isObject(requests)) return requests
  const mapped = Object.entries(requests).map(([key, request]) => [
    key,
    isObject(request) ? changed(request, { params: mapQuestionUris(request['params'], map) }) : request,
  ])
  return changed(requests, Object.fromEntries(mapped) as JsonObject)
}

function mapBlock(block: unknown, map: MapUri, depth: number): unknown {
  if (!isObject(block)) return block
  const { type } = block
  if (type === 'resource_link') return mapResource(block, map)
  if (type === 'resource') return changed(block, { resource: mapResource(block['resource'], map) })
  if (type !== 'tool_result' || depth >= MAX_TOOL_RESULTS) return block
  return changed(block, { content: eachOf(block['content'], (inner) => mapBlock(inner, map, depth + 1)) })
}

function mapText(value: unknown, map: MapUri): unknown {
  return typeof value === 'string' ? map(value) : value
}

/** The same array if no item of it changes. */
function eachOf(value: unknown, fn: (item: unknown) => unknown): unknown {
  if (!Array.isArray(value)) return value
  const mapped = value.map(fn)
  return mapped.some((item, index) => item !== value[index]) ? mapped : value
}

/** The same object if no member of it changes; a member that is missing stays so. */
function changed(value: JsonObject, members: JsonObject): JsonObject {
  const news = Object.entries(members).filter(([key, member]) => Object.hasOwn(value, key) && member !== value[key])
  return news.length > 0 ? { ...value, ...Object.fromEntries(news) } : value
}
