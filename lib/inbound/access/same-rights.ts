/** One right under the names that the revisions of MCP have for it: a rule for one of them holds for all. */
import { LISTEN_METHOD, META } from '../../protocol.ts'
import { isObject, member } from '../../util/json.ts'

interface Right {
  /** The methods that exercise it, whatever their parameters say. */
  readonly methods: readonly string[]
  /** The member of a listener's filter that does. */
  readonly filter?: string
  /** The key of `_meta` that does, in a request of any method. */
  readonly meta?: string
  /** The methods whose rules hold for it. */
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
  // What is notified of a task is the whole of it, its result included. (SEP-2663)
  { methods: ['tasks/get', 'tasks/result'], filter: 'taskIds', rules: ['tasks/get', 'tasks/result'] },
  { methods: ['logging/setLevel'], meta: META.logLevel, rules: ['logging/setLevel'] },
]

/** The methods whose rules hold for a message: its own, and those that are the same right under another name. */
export function ruledBy(method: string, params: unknown): readonly string[] {
  const names = [method]
  for (const right of RIGHTS) {
    if (exercises(right, method, params)) names.push(...right.rules)
  }
  return names
}

function exercises({ methods, filter, meta }: Right, method: string, params: unknown): boolean {
  if (methods.includes(method)) return true
  if (filter !== undefined && method === LISTEN_METHOD) return namesAny(member(params, 'notifications'), filter)
  return meta !== undefined && member(member(params, '_meta'), meta) !== undefined
}

/** A filter of another shape counts: a server that takes it all the same may take it for anything. */
function namesAny(filter: unknown, key: string): boolean {
  if (!isObject(filter)) return filter !== undefined
  const named = member(filter, key)
  return named !== undefined && !(Array.isArray(named) && named.length === 0)
}
