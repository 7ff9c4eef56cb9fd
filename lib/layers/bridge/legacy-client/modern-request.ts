/** Translates a legacy client's request to 2026-07-28: adds `_meta` and headers, and leaves out what that has not. */
import type { Exchange } from '../../../exchange/exchange.ts'
import { patchObject } from '../../../exchange/json-patch.ts'
import { valueText } from '../../../exchange/json-text.ts'
import type { Lifetime } from '../../../exchange/lifetime.ts'
import type { RequestMessage } from '../../../exchange/message.ts'
import { encodeHeaderValue } from '../../../exchange/header-value.ts'
import { HEADER, META, MODERN_VERSIONS, NAMED_BY } from '../../../protocol.ts'
import { isObject, type JsonObject, member } from '../../../util/json.ts'
import { DEFAULT_LOG_LEVEL, modernCapabilities, OF_THE_TRACE, RESERVED_META } from '../tables.ts'
import { jsonValue } from '../../../util/json-value.ts'

/** The parameters that a retry adds, each as JSON text. (ST23) */
export interface Round {
  readonly inputResponses?: string | undefined
  readonly requestState?: string | undefined
}

/** The `_meta` members that each modern request must have: the revision, and the client's description. (CL7) */
export function clientEnvelopeOf({ state, origin }: Exchange): JsonObject {
  const { client, protocolVersion } = state!
  const { capabilities, clientInfo } = client!.handshake
  const declared = isObject(capabilities) ? capabilities : {}
  return {
    [META.protocolVersion]: MODERN_VERSIONS[0],
    [META.clientCapabilities]: modernCapabilities(declared, protocolVersion, origin.accepts.events),
    ...(clientInfo !== undefined && { [META.clientInfo]: clientInfo }),
  }
}

/** The log level of the session; `undefined` where the client takes no events or the server does not log. (UT6) */
function logLevelOf({ state, origin }: Exchange): unknown {
  if (!origin.accepts.events || !state!.bridge!.offers.includes('logging')) return undefined
  return state!.client!.logLevel?.['level'] ?? DEFAULT_LOG_LEVEL
}

/** Tasks are not bridged, and only the bridge itself may answer input requests. */
const LEFT_OUT = { task: undefined, inputResponses: undefined, requestState: undefined }

/** The parameter that `Mcp-Name` must repeat, where it is missing or no string. */
export function missingName({ method, params }: RequestMessage): string | undefined {
  const parameter = NAMED_BY.get(method)
  return parameter !== undefined && typeof member(params, parameter) !== 'string' ? parameter : undefined
}

/** The exchange for the modern server, in the given lifetime. The client's other parameters stay byte for byte. */
export function modernRequest(
  exchange: Exchange,
  id: string,
  { inputResponses, requestState }: Round,
  paramHeaders: Readonly<Record<string, string>>,
  life: Lifetime,
): Exchange {
  const { message, headers } = exchange
  const { method, params, text } = message as RequestMessage
  const logLevel = logLevelOf(exchange)
  const _meta = {
    ...unreserved(member(params, '_meta')),
    ...clientEnvelopeOf(exchange),
    ...(logLevel !== undefined && { [META.logLevel]: logLevel }),
  }
  const given = isObject(params) ? (valueText(text, ['params']) ?? '{}') : '{}'
  const said = patchObject(given, { ...LEFT_OUT, _meta }).trimEnd()
  const round = [
    ...(inputResponses === undefined ? [] : [`,"inputResponses":${inputResponses}`]),
    ...(requestState === undefined ? [] : [`,"requestState":${requestState}`]),
  ].join('')
  const own = `${said.slice(0, -1)}${round}}`
  const modern: RequestMessage = {
    kind: 'request',
    era: 'modern',
    id,
    method,
    params: { ...withoutLeftOut(params), ...(jsonValue(`{${round.slice(1)}}`) as JsonObject), _meta },
    text: `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"method":${JSON.stringify(method)},"params":${own}}`,
  }
  const crossing = Object.fromEntries(OF_THE_TRACE.flatMap((name) => (headers[name] ? [[name, headers[name]]] : [])))
  return exchange.fork(
    { message: modern, state: undefined, headers: { ...crossing, ...standardHeaders(modern), ...paramHeaders } },
    life,
  )
}

function withoutLeftOut(params: JsonObject | undefined): JsonObject {
  return Object.fromEntries(Object.entries(params ?? {}).filter(([key]) => !Object.hasOwn(LEFT_OUT, key)))
}

/** The headers that repeat the revision, the method and the name. (HD6, HD11) */
function standardHeaders({ method, params }: RequestMessage): Record<string, string> {
  const parameter = NAMED_BY.get(method)
  const name = parameter === undefined ? undefined : member(params, parameter)
  return {
    [HEADER.protocolVersion]: MODERN_VERSIONS[0]!,
    [HEADER.method]: encodeHeaderValue(method),
    ...(typeof name === 'string' && { [HEADER.name]: encodeHeaderValue(name) }),
  }
}

/** Without reserved keys: a legacy client could else set members of `_meta` that only the gateway may set. */
function unreserved(meta: unknown): JsonObject {
  if (!isObject(meta)) return {}
  return Object.fromEntries(Object.entries(meta).filter(([key]) => !key.startsWith(RESERVED_META)))
}
