/** The lists of MCP, as data: what their items are called, and how an item of a member's is shown to clients. */
import type { MemberKind } from '../../types.ts'
import { isObject, type JsonObject, member as memberOf } from '../../util/json.ts'
import { advertisedName } from './names.ts'
import { mapMeta, mapResource } from './uri-places.ts'
import { advertisedUri } from './uris.ts'

export interface ListKind {
  readonly method: string
  readonly kind: MemberKind
  /** The key of the list in the result. */
  readonly key: string
  /** The member of an item that identifies it, and that clients call it by. */
  readonly name: string
}

export const TOOLS: ListKind = { method: 'tools/list', kind: 'tools', key: 'tools', name: 'name' }
export const PROMPTS: ListKind = { method: 'prompts/list', kind: 'prompts', key: 'prompts', name: 'name' }
export const RESOURCES: ListKind = { method: 'resources/list', kind: 'resources', key: 'resources', name: 'uri' }
export const TEMPLATES: ListKind = {
  method: 'resources/templates/list',
  kind: 'resources',
  key: 'resourceTemplates',
  name: 'uriTemplate',
}

export const LIST_KINDS: ReadonlyMap<string, ListKind> = new Map(
  [TOOLS, PROMPTS, RESOURCES, TEMPLATES].map((list) => [list.method, list]),
)

/** The notifications about lists, by what has changed, with their keys in the filter of `subscriptions/listen`. */
export const LIST_CHANGED: Readonly<Record<MemberKind, { readonly method: string; readonly filter: string }>> = {
  tools: { method: 'notifications/tools/list_changed', filter: 'toolsListChanged' },
  prompts: { method: 'notifications/prompts/list_changed', filter: 'promptsListChanged' },
  resources: { method: 'notifications/resources/list_changed', filter: 'resourcesListChanged' },
}

/** What has changed, by the method of the notification. */
export function kindChanged(method: string): MemberKind | undefined {
  const found = Object.entries(LIST_CHANGED).find(([, changed]) => changed.method === method)
  return found?.[0] as MemberKind | undefined
}

/** What identifies an item; `undefined` for one that nobody could call. */
export function nameIn(item: unknown, { name }: ListKind): string | undefined {
  const own = memberOf(item, name)
  return typeof own === 'string' ? own : undefined
}

/** An item as clients see it, with all that is unchanged the very same. */
export function advertisedItem(item: JsonObject, list: ListKind, member: string, separator: string): JsonObject {
  const map = (uri: string): string => advertisedUri(member, uri)
  if (list.kind === 'resources') return mapResource(item, map) as JsonObject
  const name = advertisedName(member, separator, item['name'] as string)
  const meta = mapMeta(item['_meta'], map)
  return { ...item, name, ...(isObject(meta) && { _meta: meta }) }
}
