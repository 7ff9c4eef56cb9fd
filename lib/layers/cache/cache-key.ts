/**
 * The keys under which results are cached, shared and private. Its only side effect is calling `headers`. (ST11, ST12)
 */
import { hash } from 'node:crypto'
import type { Exchange } from '../../exchange/exchange.ts'
import { memberTexts } from '../../exchange/json-text.ts'
import type { RequestMessage } from '../../exchange/message.ts'
import { credentialsOf } from '../../upstream/http/credentials.ts'
import type { Awaitable } from '../../types.ts'
import { andThen } from '../../util/awaitable.ts'
import { fingerprint } from '../../util/fingerprint.ts'
import { isObject } from '../../util/json.ts'
import { type CacheTarget, isCacheable } from './policy.ts'

/** The shared key of a request whose result may be cached. */
export interface CacheKey extends CacheTarget {
  /** Equal for all requests that one public result can answer. */
  readonly key: string
}

/**
 * Members of `_meta` and headers that identify a request or a trace and cannot change the result, so the key leaves
 * them out. `baggage` stays in the key: it carries application properties on which the result may depend.
 */
const META_ASIDE: ReadonlySet<string> = new Set(['progressToken', 'traceparent', 'tracestate'])
const HEADERS_ASIDE: ReadonlySet<string> = new Set(['traceparent', 'tracestate'])

/** `undefined` when the result may not be cached; that of a request with input responses never may. (ST11) */
export function cacheKeyOf({ message, path, headers }: Exchange, upstream: string): CacheKey | undefined {
  if (message?.kind !== 'request' || message.era !== 'modern' || !isCacheable(message.method)) return undefined
  const params = isObject(message.params) ? message.params : {}
  if ('inputResponses' in params || 'requestState' in params) return undefined
  const crossing: string[] = []
  for (const name in headers) if (!HEADERS_ASIDE.has(name)) crossing.push(name, headers[name]!)
  const key = JSON.stringify([path, upstream, crossing]) + keyTextOf(message)
  return { key, upstream, method: message.method, uri: params['uri'] }
}

/**
 * The text of the request without its id. The original text is used because parsing may change it: large numbers lose
 * digits, and of a duplicate key the server may read the other value.
 */
function keyTextOf({ text }: RequestMessage): string {
  let keyText = ''
  for (const { key, text: memberText, value } of memberTexts(text)) {
    if (key === 'id') continue
    if (key !== 'params' || !value.startsWith('{')) keyText += `${memberText},`
    else {
      keyText += '{'
      for (const param of memberTexts(value)) {
        if (param.key !== '_meta' || !param.value.startsWith('{')) keyText += `${param.text},`
        else keyText += `{${metaOf(param.value)}},`
      }
      keyText += '},'
    }
  }
  return keyText
}

function metaOf(meta: string): string {
  let keyText = ''
  for (const { key, text } of memberTexts(meta)) if (!META_ASIDE.has(key)) keyText += `${text},`
  return keyText
}

/**
 * The key of a private result, made of the principal with all its members, its token, and the credentials that are sent
 * to the server for it. `undefined` without a principal, or if one of its members cannot be compared. (ST12)
 */
export function privateKey({ key }: CacheKey, exchange: Exchange): Awaitable<string | undefined> {
  const { principal, request } = exchange.origin
  if (!principal) return undefined
  return andThen(credentialsOf(exchange), (credentials) => {
    const whose = fingerprint([principal, request?.headers.authorization, credentials])
    return whose === undefined ? undefined : hash('sha256', key, 'base64') + whose
  })
}
