/** Translates responses and notifications of a modern server for a legacy client: leaves out what that does not know. */
import { GatewayError } from '../../../errors.ts'
import { patchObject } from '../../../exchange/json-patch.ts'
import { itemTexts, valueText } from '../../../exchange/json-text.ts'
import { type Fault, type RequestMessage, type ResponseMessage, responseText } from '../../../exchange/message.ts'
import { paramHeadersOf } from '../../../exchange/param-annotations.ts'
import { isObject, type JsonObject, member, parseJson } from '../../../util/json.ts'
import { MODERN_MEMBERS, RESERVED_META, RPC_ERROR } from '../tables.ts'

/** Errors about headers and `_meta`, which the gateway has written: the client could not correct them. (ER5) */
const OF_THIS_HOP: ReadonlySet<unknown> = new Set([-32020, -32021, -32022])

/** The text of the response with a result. All that is not left out stays byte for byte. */
export function legacyResult({ id, method }: RequestMessage, { result, text }: ResponseMessage): string {
  if (!isObject(result)) throw new GatewayError('upstream_invalid', 'The server answered a result that is no object')
  const changes: Record<string, unknown> = Object.fromEntries(MODERN_MEMBERS.map((name) => [name, undefined]))
  const meta = result['_meta']
  if (isObject(meta)) changes['_meta'] = withoutReserved(meta)
  if (method === 'tools/call' && !isObject(result['structuredContent'])) changes['structuredContent'] = undefined
  const said = patchObject(valueText(text, ['result'])!, changes).trimEnd()
  const own = method === 'tools/list' ? withKnownTools(said, result['tools']) : said
  return `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${own}}`
}

/** The text of the response with the server's error. */
export function legacyError({ id }: RequestMessage, { error, text }: ResponseMessage): string {
  if (OF_THIS_HOP.has(error?.code)) return errorText(id, RPC_ERROR.internalError, String(error?.message), error?.data)
  return `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"error":${valueText(text, ['error'])}}`
}

/** The text of a response with an error of the gateway. */
export function errorText(id: RequestMessage['id'], code: number, message: string, data?: unknown): string {
  const error: Fault = { code, message, ...(data !== undefined && { data }) }
  return responseText(id, { error })
}

/** The text of a failure: for a tool call a result with `isError`, which the model gets to read. */
export function failureText({ id, method }: RequestMessage, message: string): string {
  if (method !== 'tools/call') return errorText(id, RPC_ERROR.internalError, message)
  return responseText(id, { result: { content: [{ type: 'text', text: message }], isError: true } })
}

/** The text of a notification of the server, without the reserved keys of `_meta`. */
export function legacyNotification(method: string, params: unknown): string {
  const { _meta, ...rest } = isObject(params) ? params : {}
  const meta = isObject(_meta) ? withoutReserved(_meta) : undefined
  const said = { ...rest, ...(meta && { _meta: meta }) }
  return JSON.stringify({ jsonrpc: '2.0', method, ...(Object.keys(said).length > 0 && { params: said }) })
}

/** Without reserved keys; `undefined` where no others are left. */
function withoutReserved(meta: JsonObject): JsonObject | undefined {
  const kept = Object.entries(meta).filter(([key]) => !key.startsWith(RESERVED_META))
  return kept.length > 0 ? Object.fromEntries(kept) : undefined
}

/** Leaves out tools with invalid `x-mcp-header` annotations, and output schemas whose type is not object. (ST27) */
function withKnownTools(said: string, tools: unknown): string {
  if (!Array.isArray(tools)) return said
  const texts = itemTexts(valueText(said, ['tools'])!)
  const kept = texts.flatMap((text, index) => {
    const tool: unknown = tools[index]
    if (paramHeadersOf(member(tool, 'inputSchema')) === undefined) return []
    const schema = member(tool, 'outputSchema')
    const isKnown = schema === undefined || member(schema, 'type') === 'object'
    return isKnown ? text : patchObject(text, { outputSchema: undefined })
  })
  if (kept.every((text, index) => text === texts[index]) && kept.length === texts.length) return said
  const others = patchObject(said, { tools: undefined }).trimEnd()
  const comma = Object.keys(parseJson(others) as JsonObject).length > 0 ? ',' : ''
  return `${others.slice(0, -1)}${comma}"tools":[${kept.join(',')}]}`
}
