/** Translates a modern client's request for a legacy server: without the envelope, under an id of the gateway. */
import type { Exchange } from '../../../exchange/exchange.ts'
import { patchObject } from '../../../exchange/json-patch.ts'
import { valueText } from '../../../exchange/json-text.ts'
import type { Lifetime } from '../../../exchange/lifetime.ts'
import type { RequestMessage } from '../../../exchange/message.ts'
import { META, negotiatedVersionHeader } from '../../../protocol.ts'
import type { UpstreamState } from '../../../types.ts'
import { isObject, type JsonObject, member } from '../../../util/json.ts'
import { OF_THE_TRACE, RESERVED_META } from '../tables.ts'
import { jsonValue } from '../../../util/json-value.ts'

/** What only 2026-07-28 has, and what is not bridged. */
const OF_THE_ENVELOPE = { inputResponses: undefined, requestState: undefined, task: undefined }

/** What a modern client has declared with its request. (CL7) */
export interface Envelope {
  readonly capabilities: JsonObject
  readonly clientInfo: JsonObject | undefined
  /** The level from which on it wants log messages of this request; `undefined` for none. (UT6) */
  readonly logLevel: unknown
  /** Its progress token, as JSON text. */
  readonly progressToken: string | undefined
}

/** The envelope of a request, which has been checked where it came in. */
export function readEnvelope({ params, text }: RequestMessage): Envelope {
  const meta = member(params, '_meta')
  const [capabilities, clientInfo] = [member(meta, META.clientCapabilities), member(meta, META.clientInfo)]
  return {
    capabilities: isObject(capabilities) ? capabilities : {},
    clientInfo: isObject(clientInfo) ? clientInfo : undefined,
    logLevel: member(meta, META.logLevel),
    progressToken:
      member(meta, 'progressToken') === undefined ? undefined : valueText(text, ['params', '_meta', 'progressToken']),
  }
}

/**
 * The exchange for the legacy server, in the given lifetime. The progress token becomes the id, which is unique in the
 * session: two clients may have chosen the same one. All other parameters stay byte for byte.
 */
export function legacyRequest(exchange: Exchange, id: string, state: UpstreamState, life: Lifetime): Exchange {
  const { method, params, text } = exchange.message as RequestMessage
  const own = isObject(params) ? withoutEnvelope(valueText(text, ['params']) ?? '{}', params, id) : undefined
  const said = own === undefined ? '' : `,"params":${own}`
  const message: RequestMessage = {
    kind: 'request',
    era: 'legacy',
    id,
    method,
    params: own === undefined ? undefined : (jsonValue(own) as JsonObject),
    text: `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"method":${JSON.stringify(method)}${said}}`,
  }
  return exchange.fork({ message, state, headers: legacyHeaders(exchange, state) }, life)
}

/** The headers of a message in a session: its revision, and the client's trace. */
export function legacyHeaders({ headers }: Exchange, { protocolVersion }: UpstreamState): Record<string, string> {
  const traced = OF_THE_TRACE.flatMap((name) => (headers[name] === undefined ? [] : [[name, headers[name]]]))
  return { ...Object.fromEntries(traced), ...negotiatedVersionHeader(protocolVersion) }
}

function withoutEnvelope(text: string, params: JsonObject, id: string): string {
  const meta = params['_meta']
  const kept = Object.entries(isObject(meta) ? meta : {}).flatMap(([key, value]) => {
    if (key.startsWith(RESERVED_META)) return []
    return [[key, key === 'progressToken' ? id : value]]
  })
  return patchObject(text, { ...OF_THE_ENVELOPE, _meta: kept.length > 0 ? Object.fromEntries(kept) : undefined })
}
