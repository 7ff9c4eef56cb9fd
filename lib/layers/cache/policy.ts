/** What may be kept, for how long, and what makes it stale. Pure. (2026-07-28 caching; ST10-ST14) */
import { member } from '../../util/json.ts'

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

/** Whether the result of a method may be kept. */
export function isCacheable(method: string): boolean {
  return CACHEABLE.has(method)
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

/** Whether an event may be a response, by its bytes. */
export function mayBeResponse(event: Buffer): boolean {
  return event.includes('"result"')
}

/** Whether an event may say that, by its bytes. */
export function mayBeChange(event: Buffer): boolean {
  return event.includes('list_changed') || event.includes('notifications/resources/updated')
}
