/** Translates responses of a legacy server for a modern client: adds what 2026-07-28 requires. (ST2, ST7, ST10) */
import { GatewayError } from '../../../errors.ts'
import { type Answer, jsonReply } from '../../../exchange/answer.ts'
import { patchObject } from '../../../exchange/json-patch.ts'
import { itemTexts, valueText } from '../../../exchange/json-text.ts'
import { type Fault, type RequestMessage, type ResponseMessage, responseText } from '../../../exchange/message.ts'
import { META } from '../../../protocol.ts'
import type { RequestId } from '../../../types.ts'
import { isObject, type JsonObject, member } from '../../../util/json.ts'
import { WITH_TTL, NOT_CACHED, RPC_ERROR } from '../tables.ts'
import type { ServerQuestion } from './question.ts'

/** The code for a resource that is not found, which 2026-07-28 has no longer. (ER6) */
const RESOURCE_NOT_FOUND = -32002

/** The answer with a result of the server. All that is not added or replaced stays byte for byte. */
export function modernResult(message: RequestMessage, response: ResponseMessage, serverInfo: unknown): Answer {
  const { result, text } = response
  if (!isObject(result)) throw new GatewayError('upstream_invalid', 'The server answered a result that is no object')
  const said = valueText(text, ['result'])!
  const own = message.method === 'tools/list' ? withoutExecution(said, result['tools']) : said
  const added = {
    resultType: 'complete',
    ...(WITH_TTL.has(message.method) && NOT_CACHED),
    ...(serverInfo !== undefined && { _meta: { ...objectIn(result, '_meta'), [META.serverInfo]: serverInfo } }),
  }
  return { text: `{"jsonrpc":"2.0","id":${JSON.stringify(message.id)},"result":${patchObject(own, added)}}` }
}

/** The answer with an error of the server, under the status that 2026-07-28 has for its code. (ER3) */
export function modernError({ id }: RequestMessage, { error, text }: ResponseMessage): Answer {
  const own = valueText(text, ['error'])!
  const code = error?.code === RESOURCE_NOT_FOUND ? RPC_ERROR.invalidParams : error?.code
  const said = code === error?.code ? own : patchObject(own, { code })
  return errorReply(`{"jsonrpc":"2.0","id":${JSON.stringify(id)},"error":${said}}`, code)
}

/** The answer with an error of the gateway. */
export function ownError(id: RequestId, error: Fault): Answer {
  return errorReply(responseText(id, { error }), error.code)
}

/** A failure: for a tool call a result with `isError`, which the model gets to read. */
export function failedAnswer({ id, method }: RequestMessage, message: string): Answer {
  if (method !== 'tools/call') return ownError(id, { code: RPC_ERROR.internalError, message })
  const result = { resultType: 'complete', content: [{ type: 'text', text: message }], isError: true }
  return { text: responseText(id, { result }) }
}

/** The text of a result that asks the client. (ST21, ST22) */
export function inputRequired(
  id: RequestId,
  questions: readonly ServerQuestion[],
  requestState: string,
  serverInfo: unknown,
): string {
  const requests = questions.map(({ key, method, params }) => {
    const own = params === undefined ? '' : `,"params":${params}`
    return `${JSON.stringify(key)}:{"method":${JSON.stringify(method)}${own}}`
  })
  const meta = serverInfo === undefined ? '' : `,"_meta":${JSON.stringify({ [META.serverInfo]: serverInfo })}`
  const asked = `"resultType":"input_required","inputRequests":{${requests.join(',')}}`
  return `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":{${asked},"requestState":${JSON.stringify(requestState)}${meta}}}`
}

function errorReply(text: string, code: unknown): Answer {
  return { reply: jsonReply(text, {}, code === RPC_ERROR.methodNotFound ? 404 : 200) }
}

/** Leaves out how tools run as tasks, which are not bridged. */
function withoutExecution(said: string, tools: unknown): string {
  if (!Array.isArray(tools) || !tools.some((tool) => member(tool, 'execution') !== undefined)) return said
  const kept = itemTexts(valueText(said, ['tools'])!).map((text) => patchObject(text, { execution: undefined }))
  const others = patchObject(said, { tools: undefined }).trimEnd()
  const comma = Object.keys(JSON.parse(others) as JsonObject).length > 0 ? ',' : ''
  return `${others.slice(0, -1)}${comma}"tools":[${kept.join(',')}]}`
}

function objectIn(value: unknown, key: string): JsonObject {
  const found = member(value, key)
  return isObject(found) ? found : {}
}
