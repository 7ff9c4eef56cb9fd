/** A response of a server without sessions, in the words of a client with sessions: what it does not know is left out. */
import { GatewayError } from '../../../errors.ts'
import { patchObject } from '../../../exchange/json-patch.ts'
import { itemTexts, valueText } from '../../../exchange/json-text.ts'
import { type Fault, type RequestMessage, type ResponseMessage, responseText } from '../../../exchange/message.ts'
import { isObject, type JsonObject, member, parseJson } from '../../../util/json.ts'
import { annotationsOf } from './tool-annotations.ts'
import { MODERN_MEMBERS, RESERVED_META, RPC_ERROR } from './tables.ts'

/** Errors that speak of the gateway's own words, which are not the client's to mend. (ER5) */
const OF_THIS_HOP: ReadonlySet<unknown> = new Set([-32020, -32021, -32022])

/** The text of a result, for the client's request. What stays, stays byte for byte. */
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

/** The text of an error, for the client's request. */
export function legacyError({ id }: RequestMessage, { error, text }: ResponseMessage): string {
  if (OF_THIS_HOP.has(error?.code)) return errorText(id, RPC_ERROR.internalError, String(error?.message), error?.data)
  return `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"error":${valueText(text, ['error'])}}`
}

/** An error of our own, in the reply to a request. */
export function errorText(id: RequestMessage['id'], code: number, message: string, data?: unknown): string {
  const error: Fault = { code, message, ...(data !== undefined && { data }) }
  return responseText(id, { error })
}

/** That a call failed, where its client expects to read it. */
export function failureText({ id, method }: RequestMessage, message: string): string {
  if (method !== 'tools/call') return errorText(id, RPC_ERROR.internalError, message)
  return responseText(id, { result: { content: [{ type: 'text', text: message }], isError: true } })
}

/** A notification of the server, without what belongs to the protocol; `undefined` if nothing has to be left out. */
export function legacyNotification(method: string, params: unknown): string {
  const { _meta, ...rest } = isObject(params) ? params : {}
  const meta = isObject(_meta) ? withoutReserved(_meta) : undefined
  const said = { ...rest, ...(meta && { _meta: meta }) }
  return JSON.stringify({ jsonrpc: '2.0', method, ...(Object.keys(said).length > 0 && { params: said }) })
}

/** `undefined` where nothing is left. */
function withoutReserved(meta: JsonObject): JsonObject | undefined {
  const kept = Object.entries(meta).filter(([key]) => !key.startsWith(RESERVED_META))
  return kept.length > 0 ? Object.fromEntries(kept) : undefined
}

/** Without tools whose annotations break the rules, and without output schemas of what is no object. (ST27) */
function withKnownTools(said: string, tools: unknown): string {
  if (!Array.isArray(tools)) return said
  const texts = itemTexts(valueText(said, ['tools'])!)
  const kept = texts.flatMap((text, index) => {
    const tool: unknown = tools[index]
    if (annotationsOf(tool) === undefined) return []
    const schema = member(tool, 'outputSchema')
    const isKnown = schema === undefined || member(schema, 'type') === 'object'
    return isKnown ? text : patchObject(text, { outputSchema: undefined })
  })
  if (kept.every((text, index) => text === texts[index]) && kept.length === texts.length) return said
  const others = patchObject(said, { tools: undefined }).trimEnd()
  const comma = Object.keys(parseJson(others) as JsonObject).length > 0 ? ',' : ''
  return `${others.slice(0, -1)}${comma}"tools":[${kept.join(',')}]}`
}
