/** Checks and compiles interceptors: finds the functions that see a method. */
import { aliasesOf } from '../../inbound/access/same-rights.ts'
import type { Intercept, Interceptor } from '../../types.ts'
import { isDictionary, kindOf } from '../../util/json.ts'

/** One function of a layer, as it applies to a method. */
export interface ChainEntry {
  readonly hook: Intercept
  /** The method or pattern that it stands under. */
  readonly key: string
  /** The index of its layer, outermost first. */
  readonly place: number
}

/** A layer, prepared for lookups by method. */
interface CompiledLayer {
  readonly exact: ReadonlyMap<string, Intercept>
  /** By the text before the `*`, longest first, since the most specific one applies. */
  readonly patterns: readonly (readonly [prefix: string, hook: Intercept])[]
}

/** The methods of servers' requests that clients answer. */
export const QUESTIONS: readonly string[] = ['elicitation/create', 'sampling/createMessage', 'roots/list']

/** Prefixes of the methods of clients and of servers: keys with them concern one direction only. */
const CLIENT_PREFIXES: readonly string[] = [
  'initialize',
  'server/',
  'tools/',
  'resources/',
  'prompts/',
  'completion/',
  'logging/',
  'tasks/',
  'subscriptions/',
]
const SERVER_PREFIXES: readonly string[] = ['notifications/', 'elicitation/', 'sampling/', 'roots/']

/** Limits the cache of chains by method, since clients can send any method. */
const MAX_METHODS = 1_000

const NO_ENTRIES: readonly ChainEntry[] = []

export class InterceptorSet {
  /** Whether any function may see the result of a client's request. */
  readonly seesResults: boolean
  /** Whether any function may see a notification or request of a server. */
  readonly namesServerMessages: boolean
  /** Whether any function sees one of `QUESTIONS`. */
  readonly namesQuestions: boolean
  readonly interceptors: readonly Interceptor[]
  readonly #layers: readonly CompiledLayer[]
  readonly #chains = new Map<string, readonly ChainEntry[]>()

  constructor(interceptors: readonly Interceptor[]) {
    this.interceptors = interceptors
    this.#layers = interceptors.map(compileLayer)
    const keys = interceptors.flatMap((each) => Object.keys(each))
    this.seesResults = keys.some((key) => !startsWithAny(key, SERVER_PREFIXES))
    this.namesServerMessages = keys.some((key) => !startsWithAny(key, CLIENT_PREFIXES))
    this.namesQuestions = QUESTIONS.some((method) => this.chainOf(method).length > 0)
  }

  /** The functions that see a method, outermost first: of each layer the one with the most specific key. */
  chainOf(method: string): readonly ChainEntry[] {
    const known = this.#chains.get(method)
    if (known) return known
    const found = this.#layers.flatMap((layer, place) => entryFor(layer, place, method) ?? [])
    const chain = found.length === 0 ? NO_ENTRIES : found
    if (this.#chains.size < MAX_METHODS) this.#chains.set(method, chain)
    return chain
  }

  /** Whether a layer names `tools/call` but not `tasks/get`: results of calls that run as tasks would evade it. */
  get missesTasks(): boolean {
    return this.#layers.some(
      (layer) => isSpecific(entryOf(layer, 0, ['tools/call'])) && !isSpecific(entryFor(layer, 0, 'tasks/get')),
    )
  }
}

/** Compiled sets by the option's value, since `servers` may return the config anew for each request. */
const sets = new WeakMap<object, InterceptorSet>()

/** The compiled interceptors of an option, the same for the same object; `undefined` where there are none. */
export function interceptorsOf(given: Interceptor | readonly Interceptor[] | undefined): InterceptorSet | undefined {
  if (given === undefined || (Array.isArray(given) && given.length === 0)) return undefined
  const known = sets.get(given)
  if (known) return known
  const set = new InterceptorSet(Array.isArray(given) ? (given as readonly Interceptor[]) : [given as Interceptor])
  sets.set(given, set)
  return set
}

/** Checks and compiles the gateway's own option. Throws a TypeError that names the fault and the cure. */
export function parseInterceptors(given: unknown): InterceptorSet | undefined {
  checkInterceptors('"intercept"', given)
  return interceptorsOf(given as Interceptor | readonly Interceptor[] | undefined)
}

/** Throws a TypeError that names the fault and the cure. `option` is the option's name for the message. */
export function checkInterceptors(option: string, given: unknown): void {
  if (given === undefined) return
  for (const [index, layer] of (Array.isArray(given) ? (given as unknown[]) : [given]).entries()) {
    const name = Array.isArray(given) ? option.replace(/"$/, `[${index}]"`) : option
    if (!isDictionary(layer)) {
      throw new TypeError(
        `${name} must be an object such as { 'tools/call': (message, next) => next() }, not ${kindOf(layer)}`,
      )
    }
    const entries = Object.entries(layer).filter(([, hook]) => hook !== undefined)
    for (const [key, hook] of entries) checkEntry(name, key, hook)
  }
}

function checkEntry(option: string, key: string, hook: unknown): void {
  const where = `${option} at ${JSON.stringify(key)}`
  if (typeof hook !== 'function') {
    throw new TypeError(`${where} must be a function (message, next), not ${kindOf(hook)}`)
  }
  const star = key.indexOf('*')
  if (key === '' || (star !== -1 && star !== key.length - 1)) {
    throw new TypeError(`${where}: a name is a method such as "tools/call", or a pattern with "*" at its end`)
  }
}

function compileLayer(layer: Interceptor): CompiledLayer {
  const given = Object.entries(layer as Readonly<Record<string, Intercept | undefined>>)
  const hooks = given.filter((entry): entry is [string, Intercept] => entry[1] !== undefined)
  const isPattern = ([key]: readonly [string, unknown]): boolean => key.endsWith('*')
  return {
    exact: new Map(hooks.filter((entry) => !isPattern(entry))),
    patterns: hooks
      .filter(isPattern)
      .map(([key, hook]) => [key.slice(0, -1), hook] as const)
      .toSorted(([one], [other]) => other.length - one.length),
  }
}

function isSpecific(entry: ChainEntry | undefined): boolean {
  return entry !== undefined && entry.key !== '*'
}

/** `tasks/result` returns the result of a `tools/call`, so a function for that one sees it, too. */
function entryFor(layer: CompiledLayer, place: number, method: string): ChainEntry | undefined {
  const own = entryOf(layer, place, [method, ...aliasesOf(method)])
  if (method !== 'tasks/result' || isSpecific(own)) return own
  return entryOf(layer, place, ['tools/call']) ?? own
}

/** Exact keys precede patterns, longer patterns shorter ones, and the method's own name its aliases. */
function entryOf(
  { exact, patterns }: CompiledLayer,
  place: number,
  methods: readonly string[],
): ChainEntry | undefined {
  for (const key of methods) {
    const hook = exact.get(key)
    if (hook) return { hook, key, place }
  }
  for (const [prefix, hook] of patterns) {
    if (methods.some((method) => method.startsWith(prefix))) return { hook, key: `${prefix}*`, place }
  }
  return undefined
}

/** Whether every method that a key matches has one of these prefixes. */
function startsWithAny(key: string, prefixes: readonly string[]): boolean {
  const name = key.endsWith('*') ? key.slice(0, -1) : key
  return prefixes.some((prefix) => name.startsWith(prefix))
}
