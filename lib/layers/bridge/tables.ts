/** Differences between the revisions with sessions and 2026-07-28, as data. */
import type { JsonObject } from '../../util/json.ts'
import { isObject, member } from '../../util/json.ts'

/** The revisions that are bridged, oldest first. A handshake with any other one is answered with the last. (LC1) */
export const BRIDGED_VERSIONS: readonly string[] = ['2025-03-26', '2025-06-18', '2025-11-25']

/** The key of the tasks extension, which is not bridged. */
const TASKS = 'io.modelcontextprotocol/tasks'

/** The prefix of the `_meta` keys of 2026-07-28, which legacy clients must neither set nor receive. */
export const RESERVED_META = 'io.modelcontextprotocol/'

/** How long a question may wait for its answer, in milliseconds. */
export const QUESTION_MS: number = 15 * 60_000

/** How often a server may ask during one request before that fails. */
export const MAX_ASKING_ROUNDS = 10

/** Headers of the client that are forwarded, since they mean the same in both eras. */
export const OF_THE_TRACE: readonly string[] = ['traceparent', 'tracestate', 'baggage']

/** Codes of JSON-RPC errors that the bridge handles or sends. */
export const RPC_ERROR = {
  methodNotFound: -32601,
  invalidParams: -32602,
  internalError: -32603,
  headerMismatch: -32020,
  unsupportedVersion: -32022,
} as const

/** Whether legacy clients do not have this method: it is one of 2026-07-28, or of tasks, which are not bridged. */
export function isAbsent(method: string): boolean {
  return method === 'server/discover' || method.startsWith('subscriptions/') || method.startsWith('tasks/')
}

/** Members of results that only 2026-07-28 has. */
export const MODERN_MEMBERS: readonly string[] = ['resultType', 'ttlMs', 'cacheScope', 'inputRequests', 'requestState']

/** Server capabilities that a client relies on for the whole session, as paths. */
export const OFFERS: readonly string[] = [
  'completions',
  'logging',
  'prompts',
  'prompts.listChanged',
  'resources',
  'resources.listChanged',
  'resources.subscribe',
  'tools',
  'tools.listChanged',
]

/** The notifications about lists: the capability, the key in the filter of `subscriptions/listen`, and the method. */
export const LIST_CHANGES: readonly {
  readonly offer: string
  readonly filter: string
  readonly method: string
}[] = [
  { offer: 'tools.listChanged', filter: 'toolsListChanged', method: 'notifications/tools/list_changed' },
  { offer: 'prompts.listChanged', filter: 'promptsListChanged', method: 'notifications/prompts/list_changed' },
  { offer: 'resources.listChanged', filter: 'resourcesListChanged', method: 'notifications/resources/list_changed' },
]

export const RESOURCE_UPDATED = 'notifications/resources/updated'

/** Notifications that belong to a request, and are sent on its stream. */
export const OF_A_REQUEST: ReadonlySet<string> = new Set(['notifications/progress', 'notifications/message'])

/** The log levels of RFC 5424, least urgent first. */
export const LOG_LEVELS: ReadonlySet<unknown> = new Set([
  'debug',
  'info',
  'notice',
  'warning',
  'error',
  'critical',
  'alert',
  'emergency',
])

/** The level for clients that have set none: legacy servers may choose one, modern servers log nothing without one. */
export const DEFAULT_LOG_LEVEL = 'info'

/** A request that servers may send to clients. */
export interface QuestionKind {
  /** The first revision that has it. */
  readonly since: string
  /** Whether a client with these capabilities may be sent such a request. (PU3, ST22) */
  isDeclared(capabilities: JsonObject, params: unknown): boolean
  /** The result that stands for an error of the client; where it is `undefined`, an error ends the call. */
  readonly refusal: JsonObject | undefined
}

export const QUESTION_KINDS: ReadonlyMap<unknown, QuestionKind> = new Map<unknown, QuestionKind>([
  [
    'elicitation/create',
    {
      since: '2025-06-18',
      isDeclared({ elicitation }, params) {
        if (!isObject(elicitation)) return false
        if (member(params, 'mode') === 'url') return isObject(elicitation['url'])
        return isObject(elicitation['form']) || elicitation['url'] === undefined
      },
      refusal: { action: 'cancel' },
    },
  ],
  [
    'sampling/createMessage',
    {
      since: '2025-03-26',
      isDeclared({ sampling }, params) {
        const wantsTools = member(params, 'tools') !== undefined || member(params, 'toolChoice') !== undefined
        return isObject(sampling) && (!wantsTools || isObject(sampling['tools']))
      },
      refusal: undefined,
    },
  ],
  ['roots/list', { since: '2025-03-26', isDeclared: ({ roots }) => isObject(roots), refusal: undefined }],
])

/** A legacy client's capabilities for a modern server; without an event stream the client cannot be sent requests. */
export function modernCapabilities(declared: JsonObject, version: string, takesEvents: boolean): JsonObject {
  const { tasks: _, extensions, elicitation, sampling, roots, ...rest } = declared
  const asked: JsonObject = {
    ...(isObject(elicitation) && version >= '2025-06-18' && { elicitation: since11(elicitation, version) }),
    ...(isObject(sampling) && { sampling: since11(sampling, version) }),
    ...(isObject(roots) && { roots: {} }),
  }
  return {
    ...rest,
    ...(takesEvents && asked),
    ...withoutTasks(extensions),
  }
}

/** A modern server's capabilities for a legacy client. */
export function legacyCapabilities(offered: JsonObject, canSubscribe: boolean): JsonObject {
  const { tasks: _, extensions, resources, ...rest } = offered
  const known = isObject(resources) && !canSubscribe ? { ...resources, subscribe: undefined } : resources
  return { ...rest, ...(resources !== undefined && { resources: known }), ...withoutTasks(extensions) }
}

/** The paths of `OFFERS` that a server has declared. */
export function offersIn(capabilities: JsonObject): readonly string[] {
  return OFFERS.filter((offer) => {
    const found = offer.split('.').reduce<unknown>((at, key) => member(at, key), capabilities)
    return found === true || isObject(found)
  })
}

/** Whether a server with these capabilities can send anything on a listening stream. */
export function isHeard(offers: readonly string[]): boolean {
  return offers.includes('resources.subscribe') || LIST_CHANGES.some(({ offer }) => offers.includes(offer))
}

/** The sub-capabilities of elicitation and sampling (modes, tools) exist since 2025-11-25. */
function since11(capability: JsonObject, version: string): JsonObject {
  return version >= '2025-11-25' ? capability : {}
}

function withoutTasks(extensions: unknown): JsonObject {
  if (!isObject(extensions)) return {}
  const { [TASKS]: _, ...rest } = extensions
  return Object.keys(rest).length > 0 ? { extensions: rest } : {}
}

/** Requests of legacy revisions that 2026-07-28 has not, beside those about tasks. (CL2, ST3) */
const REMOVED: ReadonlySet<string> = new Set([
  'initialize',
  'ping',
  'logging/setLevel',
  'resources/subscribe',
  'resources/unsubscribe',
])

/** Whether modern clients do not have this method: it is one of sessions, or of tasks, which are not bridged. */
export function isRemoved(method: string): boolean {
  return REMOVED.has(method) || method.startsWith('tasks/')
}

/** Requests whose results say how long they may be cached. (ST10) */
export const WITH_TTL: ReadonlySet<string> = new Set([
  'tools/list',
  'prompts/list',
  'resources/list',
  'resources/templates/list',
  'resources/read',
])

/** Legacy servers say nothing of caching, and a list may depend on the session. (ST10, ST13) */
export const NOT_CACHED = { ttlMs: 0, cacheScope: 'private' } as const

/** A modern client's capabilities for a legacy server: those on which the server may send a request. */
export function legacyClientCapabilities(declared: JsonObject): JsonObject {
  const { elicitation, sampling, roots, experimental } = declared
  return {
    ...(isObject(elicitation) && { elicitation }),
    ...(isObject(sampling) && { sampling }),
    ...(isObject(roots) && { roots: {} }),
    ...(isObject(experimental) && { experimental }),
  }
}

/** Whether a server may send requests to a client with these capabilities. */
export function isAskable({ elicitation, sampling, roots }: JsonObject): boolean {
  return isObject(elicitation) || isObject(sampling) || isObject(roots)
}

/** A legacy server's capabilities for a modern client; `hears` says whether the server has a listening stream. */
export function modernServerCapabilities(offered: JsonObject, hears: boolean): JsonObject {
  const { tasks: _, ...rest } = offered
  if (hears) return rest
  return Object.fromEntries(Object.entries(rest).map(([name, value]) => [name, withoutNews(value)]))
}

function withoutNews(capability: unknown): unknown {
  if (!isObject(capability)) return capability
  const { listChanged: _, subscribe: __, ...rest } = capability
  return rest
}

/** Whether a log message is urgent enough for a client that has asked for this level. (UT6) */
export function isLogged(level: unknown, wanted: unknown): boolean {
  const levels = [...LOG_LEVELS]
  return levels.includes(wanted) && levels.indexOf(level) >= levels.indexOf(wanted)
}
