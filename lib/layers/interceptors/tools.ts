/** `tools()`: the interceptor that hides tools from principals, and renames them. */
import { RpcError } from '../../rpc-error.ts'
import type {
  Awaitable,
  GatewayRequest,
  Hook,
  Interceptor,
  Principal,
  Tool,
  ToolList,
  ToolResult,
} from '../../types.ts'
import { isDictionary, isObject, kindOf } from '../../util/json.ts'
import { rejectUnknown } from '../../util/unknown-key.ts'
import { compilePattern } from '../../util/pattern.ts'
import { type LayerMessage, withAnnotations } from './layer-message.ts'
import { tellChanged } from './tools-changed.ts'
import { toolDigest } from './tool-digest.ts'

/** What a rule's function may decide by, besides the tool. */
export interface ToolContext<P extends Principal | undefined = Principal | undefined> {
  readonly principal: P
  /** The server's name. */
  readonly server: string
  readonly request: GatewayRequest | undefined
}

/** A tool's definition with the specification's defaults for missing annotations, and a digest of the whole definition. */
export type DescribedTool = Tool & {
  readonly annotations: Required<NonNullable<Tool['annotations']>>
  readonly digest: string
}

/**
 * Selects tools by the server's own names, in which `*` matches any characters, or by a function. The function gets the
 * definition, with the specification's defaults for missing annotations and a digest of the whole definition, which
 * changes with the description or the schema. It is called for each tool of a list and on each call.
 */
export type ToolRule<P extends Principal | undefined = Principal | undefined> =
  | readonly string[]
  | Hook<[tool: DescribedTool, context: ToolContext<P>], Awaitable<boolean>>

/** The rules of `tools()`. */
export interface ToolRules<P extends Principal | undefined = Principal | undefined> {
  /** The tools that clients see and may call. Defaults to all. */
  readonly allow?: ToolRule<P> | undefined
  /** The tools that are hidden, even if `allow` selects them. Defaults to none. */
  readonly deny?: ToolRule<P> | undefined
  /** Names for clients, by the server's own names. Defaults to none: tools keep their names. */
  readonly rename?: Readonly<Record<string, string>> | undefined
}

/** The interceptor that `tools()` returns. */
export type ToolInterceptor<P extends Principal | undefined = Principal | undefined> = Interceptor<P> & {
  /** Sends `notifications/tools/list_changed` to the clients that listen at this node. Call it after a rule has changed. */
  readonly changed: () => void
}

type NextOf<Result> = (params?: object) => Promise<Result>

const INVALID_PARAMS = -32602

/**
 * Makes an interceptor that hides tools: they are left out of lists, and a call of one is refused with -32602, like that
 * of a tool that does not exist. The tool is also refused when a rule throws.
 *
 * @example
 * ```js
 * const intercept = tools({
 *   deny: ['admin_*'],
 *   allow: ({ annotations }, { principal }) => principal.team === 'ops' || annotations.readOnlyHint,
 * })
 * ```
 *
 * @throws {TypeError} for a rule that is neither an array of names nor a function, and for names that two tools would share.
 * @see https://modelcontextprotocol.io/specification/2025-11-25/server/tools
 */
export function tools<P extends Principal | undefined = Principal>(rules: ToolRules<P>): ToolInterceptor<P> {
  rejectUnknown(rules, { allow: true, deny: true, rename: true }, 'tools().')
  const filter = new ToolFilter(rules)
  // Every message is a LayerMessage, which can find tools by any name.
  const interceptor: Interceptor = {
    'tools/list': (message, next) => filter.list(message as unknown as LayerMessage, next as NextOf<ToolList>),
    'tools/call': (message, next) => filter.call(message as unknown as LayerMessage, next as NextOf<ToolResult>),
  }
  const changed = { value: () => tellChanged(interceptor) }
  return Object.defineProperty(interceptor, 'changed', changed) as ToolInterceptor<P>
}

/** A rule by names needs no tool definition, and so no request to the server. */
interface CompiledRule {
  readonly byName: ((name: string) => boolean) | undefined
  readonly byTool: Exclude<ToolRule, readonly string[]> | undefined
}

class ToolFilter {
  readonly #allow: CompiledRule | undefined
  readonly #deny: CompiledRule | undefined
  /** Clients' names by the server's own names, and the reverse. */
  readonly #renamed: ReadonlyMap<string, string>
  readonly #original: ReadonlyMap<string, string>

  constructor({ allow, deny, rename = {} }: ToolRules) {
    this.#allow = ruleOf('allow', allow)
    this.#deny = ruleOf('deny', deny)
    if (!isDictionary(rename)) throw new TypeError(`"tools().rename" must map names to names, not ${kindOf(rename)}`)
    const pairs = Object.entries(rename)
    for (const [from, to] of pairs) {
      if (typeof to === 'string' && to !== '') continue
      throw new TypeError(`"tools().rename" at ${JSON.stringify(from)} must be a name, not ${kindOf(to)}`)
    }
    this.#renamed = new Map(pairs)
    this.#original = new Map(pairs.map(([from, to]) => [to, from]))
    if (this.#original.size === this.#renamed.size) return
    throw new TypeError('"tools().rename" gives two tools the same name')
  }

  /** Filters a page. An empty page keeps its cursor, since the next one may have tools. */
  async list(message: LayerMessage, next: NextOf<ToolList>): Promise<ToolList> {
    const result = await next()
    const listed = result.tools as readonly unknown[] | undefined
    if (!Array.isArray(listed)) return result
    const seen = await Promise.all(
      listed.map(async (tool: unknown) =>
        (await this.#shows(tool, message)) ? this.#forClient(tool as Tool) : undefined,
      ),
    )
    const shown = seen.filter((tool) => tool !== undefined)
    const isSame = shown.length === listed.length && shown.every((tool, index) => tool === listed[index])
    const isShared = result['cacheScope'] === 'public'
    if (isSame && !isShared) return result
    return { ...result, ...(!isSame && { tools: shown }), ...(isShared && { cacheScope: 'private' }) }
  }

  async call(message: LayerMessage, next: NextOf<ToolResult>): Promise<ToolResult> {
    const { params, method } = message
    // `tasks/result` has no tool name; the call that created the task has been checked.
    if (method !== 'tools/call') return next()
    const { name } = params
    // A server written in C may read a name up to a NUL.
    if (typeof name !== 'string' || name.includes('\0')) throw unknown(String(name))
    const original = this.#original.get(name) ?? name
    const isGone = this.#renamed.has(name) && !this.#original.has(name)
    if (isGone || !(await this.#lets(original, message))) throw unknown(name)
    return original === name ? next() : next({ ...params, name: original })
  }

  #forClient(tool: Tool): Tool {
    const name = this.#renamed.get(tool.name)
    return name === undefined ? tool : { ...tool, name }
  }

  async #shows(tool: unknown, message: LayerMessage): Promise<boolean> {
    if (!isObject(tool) || typeof tool['name'] !== 'string') return false
    const { name } = tool as Tool
    const isShown = await this.#judge(name, () => Promise.resolve(tool as Tool), message)
    // Nobody could call this tool: its name is the new name of another one.
    if (isShown && this.#original.has(name) && !this.#renamed.has(name)) {
      throw new TypeError(`"tools().rename" makes two tools ${JSON.stringify(name)}`)
    }
    return isShown
  }

  async #lets(name: string, message: LayerMessage): Promise<boolean> {
    return this.#judge(name, () => message.findTool(name), message)
  }

  /** Whether the rules allow a tool. One that the server does not list is refused, if a function has to decide. */
  async #judge(name: string, find: () => Promise<Tool | undefined>, message: LayerMessage): Promise<boolean> {
    if (this.#deny?.byName?.(name) === true || this.#allow?.byName?.(name) === false) return false
    const rules = [this.#deny?.byTool, this.#allow?.byTool] as const
    if (!rules[0] && !rules[1]) return true
    const tool = await find()
    if (!tool) return false
    const { principal, server, request } = message
    const described = Object.freeze({ ...withAnnotations(tool), digest: toolDigest(tool) })
    const context = { principal, server, request }
    if (rules[0] && (await rules[0](described, context))) return false
    return !rules[1] || (await rules[1](described, context))
  }
}

function ruleOf(option: string, rule: ToolRule | undefined): CompiledRule | undefined {
  if (rule === undefined) return undefined
  if (typeof rule === 'function') return { byName: undefined, byTool: rule }
  if (!Array.isArray(rule) || !rule.every((name) => typeof name === 'string')) {
    throw new TypeError(`"tools().${option}" must be an array of names, or a function (tool, { principal, server })`)
  }
  const patterns = (rule as readonly string[]).map(compilePattern)
  return { byName: (name) => patterns.some((matches) => matches(name)), byTool: undefined }
}

/** The specification's own message for a tool that does not exist. (server/tools, Error Handling) */
function unknown(name: string): RpcError {
  return new RpcError(INVALID_PARAMS, `Unknown tool: ${name}`)
}
