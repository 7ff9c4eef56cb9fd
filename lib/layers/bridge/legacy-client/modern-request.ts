/** A request of a client with sessions, in the words of 2026-07-28: envelope, headers, and what is left out. */
import type { Exchange } from '../../../exchange/exchange.ts'
import { patchObject } from '../../../exchange/json-patch.ts'
import { valueText } from '../../../exchange/json-text.ts'
import type { Lifetime } from '../../../exchange/lifetime.ts'
import type { RequestMessage } from '../../../exchange/message.ts'
import { encodeHeaderValue } from '../../../exchange/header-value.ts'
import { HEADER, META, MODERN_VERSIONS, NAMED_BY } from '../../../protocol.ts'
import { isObject, type JsonObject, member } from '../../../util/json.ts'
import { DEFAULT_LOG_LEVEL, modernCapabilities, RESERVED_META } from './tables.ts'

/** What a request says when it is asked again, each as JSON text. (ST23) */
export interface Round {
  readonly inputResponses?: string | undefined
  readonly requestState?: string | undefined
}

/** Headers of a client that mean the same in both eras. */
const OF_THE_TRACE: readonly string[] = ['traceparent', 'tracestate', 'baggage']

/** What every request says of the client and the revision. (CL7) */
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

/** The level from which a client with sessions is told; `undefined` where it cannot be told, or nothing is logged. (UT6) */
function logLevelOf({ state, origin }: Exchange): unknown {
  if (!origin.accepts.events || !state!.bridge!.offers.includes('logging')) return undefined
  return state!.client!.logLevel?.['level'] ?? DEFAULT_LOG_LEVEL
}

/** Tasks do not cross, and answers to questions are the gateway's to give. */
const LEFT_OUT = { task: undefined, inputResponses: undefined, requestState: undefined }

/** Which parameter should name what is called, read or got, where it is no text. */
export function missingName({ method, params }: RequestMessage): string | undefined {
  const parameter = NAMED_BY.get(method)
  return parameter !== undefined && typeof member(params, parameter) !== 'string' ? parameter : undefined
}

/** The same request for a server without sessions, in this lifetime. What the client says stays byte for byte. */
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
    params: { ...withoutLeftOut(params), ...(JSON.parse(`{${round.slice(1)}}`) as JsonObject), _meta },
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

/** HD6, HD11. */
function standardHeaders({ method, params }: RequestMessage): Record<string, string> {
  const parameter = NAMED_BY.get(method)
  const name = parameter === undefined ? undefined : member(params, parameter)
  return {
    [HEADER.protocolVersion]: MODERN_VERSIONS[0]!,
    [HEADER.method]: encodeHeaderValue(method),
    ...(typeof name === 'string' && { [HEADER.name]: encodeHeaderValue(name) }),
  }
}

/** A client with sessions has nothing to say under the keys of the protocol: it would speak for the gateway. */
function unreserved(meta: unknown): JsonObject {
  if (!isObject(meta)) return {}
  return Object.fromEntries(Object.entries(meta).filter(([key]) => !key.startsWith(RESERVED_META)))
}
