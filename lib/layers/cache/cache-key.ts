/** Which requests are the same question, and for whom a private result is. Pure, but for asking `headers`. (ST11, ST12) */
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

/** A request whose result may be kept. */
export interface CacheKey extends CacheTarget {
  /** Equal for requests that a public result answers alike. */
  readonly key: string
}

/**
 * Members of `_meta`, and headers, that name a request and a trace without being part of the question. `baggage` is:
 * it carries properties of the application, by which a server may choose what it answers.
 */
const META_ASIDE: ReadonlySet<string> = new Set(['progressToken', 'traceparent', 'tracestate'])
const HEADERS_ASIDE: ReadonlySet<string> = new Set(['traceparent', 'tracestate'])

/** `undefined` when the result may not be kept; a retry with input never may. (ST11) */
export function cacheKeyOf({ message, path, headers }: Exchange, upstream: string): CacheKey | undefined {
  if (message?.kind !== 'request' || message.era !== 'modern' || !isCacheable(message.method)) return undefined
  const params = isObject(message.params) ? message.params : {}
  if ('inputResponses' in params || 'requestState' in params) return undefined
  const crossing: string[] = []
  for (const name in headers) if (!HEADERS_ASIDE.has(name)) crossing.push(name, headers[name]!)
  const key = JSON.stringify([path, upstream, crossing]) + questionOf(message)
  return { key, upstream, method: message.method, uri: params['uri'] }
}

/**
 * All that the request says, in its own text: a parsed number may be another one than was sent, and of a key that stands
 * twice the server may read the other value.
 */
function questionOf({ text }: RequestMessage): string {
  let question = ''
  for (const { key, text: said, value } of memberTexts(text)) {
    if (key === 'id') continue
    if (key !== 'params' || !value.startsWith('{')) question += `${said},`
    else {
      question += '{'
      for (const param of memberTexts(value)) {
        if (param.key !== '_meta' || !param.value.startsWith('{')) question += `${param.text},`
        else question += `{${metaOf(param.value)}},`
      }
      question += '},'
    }
  }
  return question
}

function metaOf(meta: string): string {
  let question = ''
  for (const { key, text } of memberTexts(meta)) if (!META_ASIDE.has(key)) question += `${text},`
  return question
}

/**
 * The key of a private result: this principal with all that is known of it, with this very token and with the
 * credentials that the server is sent for it. None without a principal, or with one that cannot be compared. (ST12)
 */
export function privateKey({ key }: CacheKey, exchange: Exchange): Awaitable<string | undefined> {
  const { principal, request } = exchange.origin
  if (!principal) return undefined
  return andThen(credentialsOf(exchange), (credentials) => {
    const whose = fingerprint([principal, request?.headers.authorization, credentials])
    return whose === undefined ? undefined : hash('sha256', key, 'base64') + whose
  })
}
