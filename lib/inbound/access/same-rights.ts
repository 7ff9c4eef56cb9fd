/** Rights that have several names across the revisions of MCP: a scope rule, or an interceptor, for one applies to all. */
import { LISTEN_METHOD, META } from '../../protocol.ts'
import { isObject, member } from '../../util/json.ts'

interface Right {
  /** The methods that exercise the right, with any parameters. */
  readonly methods: readonly string[]
  /** The member of the filter of `subscriptions/listen` that exercises the right. */
  readonly filter?: string
  /** The key of `_meta` that exercises the right, in a request of any method. */
  readonly meta?: string
  /** The methods whose rules apply to the right. */
  readonly rules: readonly string[]
}

/** docs/security.md has the same table. */
const RIGHTS: readonly Right[] = [
  { methods: ['initialize', 'server/discover'], rules: ['initialize', 'server/discover'] },
  {
    methods: ['resources/subscribe'],
    filter: 'resourceSubscriptions',
    rules: ['resources/subscribe', LISTEN_METHOD],
  },
  // A notification about a task holds the whole task, its result included. (SEP-2663)
  { methods: ['tasks/get', 'tasks/result'], filter: 'taskIds', rules: ['tasks/get', 'tasks/result'] },
  { methods: ['logging/setLevel'], meta: META.logLevel, rules: ['logging/setLevel'] },
]

/** The methods whose rules apply to a message: its own, and those that name the same right. */
export function ruledBy(method: string, params: unknown): readonly string[] {
  const names = [method]
  for (const right of RIGHTS) {
    if (exercises(right, method, params)) names.push(...right.rules)
  }
  return names
}

/** The other methods that exercise the same right as a method, whatever its parameters. */
export function aliasesOf(method: string): readonly string[] {
  return RIGHTS.filter(({ methods }) => methods.includes(method))
    .flatMap(({ rules }) => rules)
    .filter((name) => name !== method)
}

function exercises({ methods, filter, meta }: Right, method: string, params: unknown): boolean {
  if (methods.includes(method)) return true
  if (filter !== undefined && method === LISTEN_METHOD) return namesAny(member(params, 'notifications'), filter)
  return meta !== undefined && member(member(params, '_meta'), meta) !== undefined
}

/** A malformed filter counts as one that names the key, since a lenient server may read it that way. */
function namesAny(filter: unknown, key: string): boolean {
  if (!isObject(filter)) return filter !== undefined
  const named = member(filter, key)
  return named !== undefined && !(Array.isArray(named) && named.length === 0)
}
