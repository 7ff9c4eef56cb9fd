/** Stores the names of tools and prompts from lists, so that a client cannot create time series with invented names. */
import { boundedSet } from '../util/bounded-map.ts'
import { member } from '../util/json.ts'

/** How many names are stored per server, and for how many servers. */
const MAX_NAMES_KEPT = 1_000
const MAX_NAMED_SERVERS = 1_000

/** The list methods, and the member of their results that holds the items. */
const NAME_LISTS: ReadonlyMap<string, string> = new Map([
  ['tools/list', 'tools'],
  ['prompts/list', 'prompts'],
])

export function isList(method: string): boolean {
  return NAME_LISTS.has(method)
}

export class KnownNames {
  readonly #names = new Map<string, Set<string>>()

  /** Stores the names in a list's result. */
  learn(server: string, method: string, result: unknown): void {
    const kind = NAME_LISTS.get(method)!
    const items = member(result, kind)
    if (!Array.isArray(items)) return
    const key = keyOfNames(server, kind)
    const names = this.#names.get(key) ?? new Set()
    boundedSet(this.#names, MAX_NAMED_SERVERS, key, names)
    for (const item of items as unknown[]) {
      const name = member(item, 'name')
      if (typeof name === 'string' && names.size < MAX_NAMES_KEPT) names.add(name)
    }
  }

  has(server: string, kind: 'tools' | 'prompts', name: string): boolean {
    return this.#names.get(keyOfNames(server, kind))?.has(name) === true
  }
}

function keyOfNames(server: string, kind: string): string {
  return `${kind} ${server}`
}
