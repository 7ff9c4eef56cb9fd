/** Decides what may be cached, for how long, and what invalidates it. Pure. (2026-07-28 caching; ST10-ST14) */
import { member } from '../../util/json.ts'

/** The methods whose results carry `ttlMs`. (ST10) */
const CACHEABLE: ReadonlySet<string> = new Set([
  'server/discover',
  'tools/list',
  'prompts/list',
  'resources/list',
  'resources/templates/list',
  'resources/read',
])

/** The methods whose results are invalidated by each change notification. (ST14) */
const INVALIDATED_BY: ReadonlyMap<unknown, readonly string[]> = new Map([
  ['notifications/tools/list_changed', ['tools/list']],
  ['notifications/prompts/list_changed', ['prompts/list']],
  ['notifications/resources/list_changed', ['resources/list', 'resources/templates/list']],
  ['notifications/resources/updated', ['resources/read']],
])

/** What a result describes: which upstream, method and resource. */
export interface CacheTarget {
  readonly upstream: string
  readonly method: string
  readonly uri: unknown
}

export function isCacheable(method: string): boolean {
  return CACHEABLE.has(method)
}

/** How long a result stays fresh, and whether it may be shared; `undefined` when it may not be cached. */
export function freshness(result: unknown): { readonly ttlMs: number; readonly isPublic: boolean } | undefined {
  const ttlMs = member(result, 'ttlMs')
  if (member(result, 'resultType') !== 'complete' || !Number.isSafeInteger(ttlMs)) return undefined
  return Number(ttlMs) > 0 ? { ttlMs: Number(ttlMs), isPublic: member(result, 'cacheScope') === 'public' } : undefined
}

/** Whether a notification of this upstream invalidates a cached result. */
export function isStale(target: CacheTarget, upstream: string, notification: unknown): boolean {
  if (target.upstream !== upstream || !INVALIDATED_BY.get(member(notification, 'method'))?.includes(target.method))
    return false
  return target.method !== 'resources/read' || target.uri === member(member(notification, 'params'), 'uri')
}

/** Whether a message is a change notification. */
export function isChange(notification: unknown): boolean {
  return INVALIDATED_BY.has(member(notification, 'method'))
}

/** A cheap test on the bytes of an event, so that only possible responses are parsed. */
export function mayBeResponse(event: Buffer): boolean {
  return event.includes('"result"')
}

/** A cheap test on the bytes of an event, so that only possible change notifications are parsed. */
export function mayBeChange(event: Buffer): boolean {
  return event.includes('list_changed') || event.includes('notifications/resources/updated')
}
