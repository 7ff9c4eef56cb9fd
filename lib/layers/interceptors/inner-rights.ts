/** Shows a parameter to the interceptors of the method that other revisions have for it: else it would evade them. */
import type { RequestMessage } from '../../exchange/message.ts'
import { LISTEN_METHOD, META } from '../../protocol.ts'
import type { Json } from '../../types.ts'
import { isObject, type JsonObject, member } from '../../util/json.ts'
import type { InterceptorSet } from './interceptor-set.ts'

/** A parameter as the equivalent request of other revisions. */
export interface InnerRight {
  readonly method: string
  readonly params: Json
}

/** Resolves with the parameters that the interceptors passed on, or with `undefined` when they refused. */
export type Granted = (right: InnerRight) => Promise<Json | undefined>

const SUBSCRIBE = 'resources/subscribe'
const SET_LEVEL = 'logging/setLevel'
const URIS = 'resourceSubscriptions'

/** The rights in a request for which there are interceptors. (The table is in docs/security.md.) */
export function innerRightsOf(
  { method, params }: { readonly method?: string; readonly params?: unknown },
  set: InterceptorSet,
): InnerRight[] {
  const rights: InnerRight[] = []
  if (method === LISTEN_METHOD && set.chainOf(SUBSCRIBE).length > 0) {
    for (const uri of urisOf(params)) rights.push({ method: SUBSCRIBE, params: { uri } })
  }
  const level = member(member(params, '_meta'), META.logLevel)
  if (level !== undefined && set.chainOf(SET_LEVEL).length > 0) rights.push({ method: SET_LEVEL, params: { level } })
  return rights
}

/** The parameters with the rights as granted; the same object where nothing was changed. */
export async function withInnerRights(
  message: Pick<RequestMessage, 'method'>,
  params: Json,
  set: InterceptorSet,
  granted: Granted,
): Promise<Json> {
  let said = params
  const uris: unknown[] = []
  for (const right of innerRightsOf({ method: message.method, params }, set)) {
    const left = await granted(right)
    if (right.method === SUBSCRIBE) {
      if (left) uris.push(left['uri'])
    } else if (left?.['level'] !== right.params['level']) said = withLevel(said, left?.['level'])
  }
  const asked = message.method === LISTEN_METHOD && set.chainOf(SUBSCRIBE).length > 0 ? urisOf(params) : []
  const isSame = uris.length === asked.length && uris.every((uri, index) => uri === asked[index])
  return isSame ? said : withUris(said, uris)
}

/** A value that is no array counts as one URI, since a lenient server may take it for one. */
function urisOf(params: unknown): readonly unknown[] {
  const uris = member(member(params, 'notifications'), URIS)
  if (uris === undefined) return []
  return Array.isArray(uris) ? (uris as readonly unknown[]) : [uris]
}

function withUris(params: Json, uris: readonly unknown[]): Json {
  const filter = member(params, 'notifications') as JsonObject
  return { ...params, notifications: { ...filter, [URIS]: uris } }
}

function withLevel(params: Json, level: unknown): Json {
  const meta = params['_meta']
  return { ...params, _meta: { ...(isObject(meta) ? meta : {}), [META.logLevel]: level } }
}
