/** Rights that a request exercises by a parameter: their interceptors see what other revisions have a method for. */
import type { RequestMessage } from '../../exchange/message.ts'
import { LISTEN_METHOD, META } from '../../protocol.ts'
import type { Json } from '../../types.ts'
import { isObject, type JsonObject, member } from '../../util/json.ts'
import type { InterceptorSet } from './interceptor-set.ts'

/** A right as the method that it has in other revisions, and the parameters there. */
export interface InnerRight {
  readonly method: string
  readonly params: Json
}

/** What becomes of a right: other parameters, or nothing. */
export type Granted = (right: InnerRight) => Promise<Json | undefined>

const SUBSCRIBE = 'resources/subscribe'
const SET_LEVEL = 'logging/setLevel'
const URIS = 'resourceSubscriptions'

/** The rights in a request that any interceptor sees. (docs/security.md has the table) */
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

/** The parameters with what is left of the rights in them; the same object where all is left. */
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

/** A lenient server may take what is no array for one. */
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
