/** What may be kept, under which key, for whom and for how long. Pure. (2026-07-28 caching; ST10-ST14) */
import { hash } from 'node:crypto'
import type { Exchange } from '../../exchange/exchange.ts'
import { META } from '../../protocol.ts'
import { isObject, member } from '../../util/json.ts'

/** The requests whose results say how long they are fresh. (ST10) */
const CACHEABLE: ReadonlySet<string> = new Set([
  'server/discover',
  'tools/list',
  'prompts/list',
  'resources/list',
  'resources/templates/list',
  'resources/read',
])

/** What a notification says has changed. (ST14) */
const CHANGES: ReadonlyMap<unknown, readonly string[]> = new Map([
  ['notifications/tools/list_changed', ['tools/list']],
  ['notifications/prompts/list_changed', ['prompts/list']],
  ['notifications/resources/list_changed', ['resources/list', 'resources/templates/list']],
  ['notifications/resources/updated', ['resources/read']],
])

/** What a result is about. */
export interface CacheTarget {
  readonly upstream: string
  readonly method: string
  readonly uri: unknown
}

/** A request whose result may be kept. */
export interface CacheKey extends CacheTarget {
  /** Equal for requests that a public result answers alike. */
  readonly key: string
}

/** `undefined` when the result may not be kept; a retry with input never may. (ST11) */
export function cacheKeyOf({ message, path }: Exchange, upstream: string): CacheKey | undefined {
  if (message?.kind !== 'request' || message.era !== 'modern' || !CACHEABLE.has(message.method)) return undefined
  const params = isObject(message.params) ? message.params : {}
  const { _meta, ...own } = params
  if ('inputResponses' in own || 'requestState' in own) return undefined
  const envelope = [member(_meta, META.protocolVersion), member(_meta, META.clientCapabilities)]
  const key = JSON.stringify([path, upstream, message.method, own, envelope])
  return { key, upstream, method: message.method, uri: own['uri'] }
}

/** The key of a private result: this principal, with this very token. Without a principal there is no such key. (ST12) */
export function privateKey({ key }: CacheKey, { origin: { principal, request } }: Exchange): string | undefined {
  if (!principal) return undefined
  const token = hash('sha256', request?.headers.authorization ?? '', 'base64')
  return key + JSON.stringify([principal.id, token])
}

/** How long a result stays fresh, and whether anybody may have it; `undefined` when it may not be kept. */
export function freshness(result: unknown): { readonly ttlMs: number; readonly isPublic: boolean } | undefined {
  const ttlMs = member(result, 'ttlMs')
  if (member(result, 'resultType') !== 'complete' || !Number.isSafeInteger(ttlMs)) return undefined
  return Number(ttlMs) > 0 ? { ttlMs: Number(ttlMs), isPublic: member(result, 'cacheScope') === 'public' } : undefined
}

/** Whether what a notification of this upstream says makes a kept result stale. */
export function isStale(target: CacheTarget, upstream: string, notification: unknown): boolean {
  if (target.upstream !== upstream || !CHANGES.get(member(notification, 'method'))?.includes(target.method))
    return false
  return target.method !== 'resources/read' || target.uri === member(member(notification, 'params'), 'uri')
}

/** Whether a notification says that anything has changed. */
export function isChange(notification: unknown): boolean {
  return CHANGES.has(member(notification, 'method'))
}

/** Whether an event may say that, by its bytes. */
export function mayBeChange(event: Buffer): boolean {
  return event.includes('list_changed') || event.includes('notifications/resources/updated')
}
