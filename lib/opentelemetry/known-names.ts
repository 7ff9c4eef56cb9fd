/** Stores the names of tools and prompts from lists, so that a client cannot create time series with invented names. */
import { boundedSet } from '../util/bounded-map.ts'
import { member } from '../util/json.ts'

/** How many names of a kind are stored per server, and for how many servers. */
const MAX_NAMES_KEPT = 1_000
const MAX_NAMED_SERVERS = 1_000

type NamedKind = 'tools' | 'prompts'

/** The list methods, and the member of their results that holds the items. */
const NAME_LISTS: ReadonlyMap<string, NamedKind> = new Map([
  ['tools/list', 'tools'],
  ['prompts/list', 'prompts'],
])

export function isList(method: string): boolean {
  return method.endsWith('/list') && NAME_LISTS.has(method)
}

export class KnownNames {
  /** By server. A key of both would be a new text for each call. */
  readonly #names: Readonly<Record<NamedKind, Map<string, Set<string>>>> = { tools: new Map(), prompts: new Map() }

  /** Stores the names in a list's result. */
  learn(server: string, method: string, result: unknown): void {
    const kind = NAME_LISTS.get(method)!
    const items = member(result, kind)
    if (!Array.isArray(items)) return
    const known = this.#names[kind]
    const names = known.get(server) ?? new Set()
    boundedSet(known, MAX_NAMED_SERVERS, server, names)
    for (const item of items as unknown[]) {
      const name = member(item, 'name')
      if (typeof name === 'string' && names.size < MAX_NAMES_KEPT) names.add(name)
    }
  }

  has(server: string, kind: NamedKind, name: string): boolean {
    return this.#names[kind].get(server)?.has(name) === true
  }
}
