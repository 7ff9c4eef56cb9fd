/** What revisions with sessions and 2026-07-28 have in other words, or one of them alone, as data. */
import type { JsonObject } from '../../../util/json.ts'
import { isObject, member } from '../../../util/json.ts'

/** The revisions that are bridged, oldest first. An unknown one is answered by the last. (LC1) */
export const BRIDGED_VERSIONS: readonly string[] = ['2025-03-26', '2025-06-18', '2025-11-25']

/** The key of the extension for tasks, which does not cross. */
const TASKS = 'io.modelcontextprotocol/tasks'

/** Keys of `_meta` with this prefix belong to the protocol: a client with sessions has none that are meant. */
export const RESERVED_META = 'io.modelcontextprotocol/'

/** Codes of JSON-RPC errors that are told apart, or answered. */
export const RPC_ERROR = {
  methodNotFound: -32601,
  invalidParams: -32602,
  internalError: -32603,
  headerMismatch: -32020,
  unsupportedVersion: -32022,
} as const

/** Requests that may ask the client something before they are answered. (ST21) */
export const ASKING: ReadonlySet<string> = new Set(['tools/call', 'prompts/get', 'resources/read'])

/** Methods of 2026-07-28 that a client with sessions does not have, and those of tasks, which do not cross. */
export function isAbsent(method: string): boolean {
  return method === 'server/discover' || method.startsWith('subscriptions/') || method.startsWith('tasks/')
}

/** Members of a result that only 2026-07-28 has. */
export const MODERN_MEMBERS: readonly string[] = ['resultType', 'ttlMs', 'cacheScope', 'inputRequests', 'requestState']

/** What a server may offer that a session relies on, by its path in the capabilities. */
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

/** What a listener may be told of, where the server offers it. */
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

/** Notifications that belong to a request. */
export const OF_A_REQUEST: ReadonlySet<string> = new Set(['notifications/progress', 'notifications/message'])

/** RFC 5424, least urgent first. */
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

/** What a client is told that has set no level: servers with sessions choose for themselves then. */
export const DEFAULT_LOG_LEVEL = 'info'

/** What a server may ask a client. */
export interface QuestionKind {
  /** The first revision that has it. */
  readonly since: string
  /** Whether a client that declared these capabilities is to be asked this. (PU3, ST22) */
  isDeclared(capabilities: JsonObject, params: unknown): boolean
  /** What an error of the client is: an answer of its user, or the end of the call. */
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

/** What a client with sessions declared, as a server without them is told; a client that takes no events is not asked. */
export function modernCapabilities(declared: JsonObject, version: string, isAskable: boolean): JsonObject {
  const { tasks: _, extensions, elicitation, sampling, roots, ...rest } = declared
  const asked: JsonObject = {
    ...(isObject(elicitation) && version >= '2025-06-18' && { elicitation: since11(elicitation, version) }),
    ...(isObject(sampling) && { sampling: since11(sampling, version) }),
    ...(isObject(roots) && { roots: {} }),
  }
  return {
    ...rest,
    ...(isAskable && asked),
    ...withoutTasks(extensions),
  }
}

/** What a server without sessions offers, as a client with sessions is told. */
export function legacyCapabilities(offered: JsonObject, canSubscribe: boolean): JsonObject {
  const { tasks: _, extensions, resources, ...rest } = offered
  const known = isObject(resources) && !canSubscribe ? { ...resources, subscribe: undefined } : resources
  return { ...rest, ...(resources !== undefined && { resources: known }), ...withoutTasks(extensions) }
}

/** The names of what is offered. */
export function offersIn(capabilities: JsonObject): readonly string[] {
  return OFFERS.filter((offer) => {
    const found = offer.split('.').reduce<unknown>((at, key) => member(at, key), capabilities)
    return found === true || isObject(found)
  })
}

/** Whether a server that offers this has anything to say to a listener. */
export function isHeard(offers: readonly string[]): boolean {
  return offers.includes('resources.subscribe') || LIST_CHANGES.some(({ offer }) => offers.includes(offer))
}

/** Modes and tools of a question came with 2025-11-25. */
function since11(capability: JsonObject, version: string): JsonObject {
  return version >= '2025-11-25' ? capability : {}
}

function withoutTasks(extensions: unknown): JsonObject {
  if (!isObject(extensions)) return {}
  const { [TASKS]: _, ...rest } = extensions
  return Object.keys(rest).length > 0 ? { extensions: rest } : {}
}
