/** Caches servers' tool lists for interceptors, per server, principal and layer. */
import { GatewayError } from '../../errors.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import type { Handle } from '../../exchange/reply.ts'
import { UpstreamClient } from '../../exchange/upstream-client.ts'
import { META } from '../../protocol.ts'
import type { Tool } from '../../types.ts'
import { isObject, type JsonObject, member } from '../../util/json.ts'
import { WeightedMap } from '../../util/weighted-map.ts'
import { freeze } from './frozen.ts'

/** How long a list is cached: a node that gets no `list_changed` would never learn of a change. */
const LIST_FRESH_MS = 60_000

/** How many lists are cached, and how many bytes of them. */
const MAX_LISTS = 500
const MAX_LISTS_BYTES = 64 * 1024 * 1024

/** How long one list may be. */
const MAX_LIST_PAGES = 100
const MAX_LISTED_TOOLS = 5_000
const MAX_LIST_CHARS = 4 * 1024 * 1024

/** The approximate memory of a list, and of each tool and each character of its JSON when parsed. */
const EMPTY_LIST_BYTES = 500
const TOOL_BYTES = 200
const CHAR_BYTES = 3

interface ListedTools {
  readonly byName: ReadonlyMap<string, Tool>
  readonly bytes: number
}

interface KnownList {
  readonly upstream: string
  readonly tools: Promise<ListedTools>
  readonly freshUntil: number
}

export class ToolLists {
  readonly #lists = new WeightedMap<KnownList>(MAX_LISTS, MAX_LISTS_BYTES)

  /** Finds a tool. Concurrent calls share one request to the server; rejects when that fails. */
  async find(name: string, key: string, upstream: string, exchange: Exchange, list: Handle): Promise<Tool | undefined> {
    const known = this.#lists.get(key)
    if (known && known.freshUntil > performance.now()) return (await known.tools).byName.get(name)
    const tools = listTools(exchange, list)
    const own = { upstream, tools, freshUntil: performance.now() + LIST_FRESH_MS }
    this.#lists.set(key, own, EMPTY_LIST_BYTES)
    tools.then(
      // Its size is known only now.
      ({ bytes }) => this.#lists.get(key) === own && this.#lists.set(key, own, EMPTY_LIST_BYTES + bytes),
      () => this.#lists.get(key) === own && this.#lists.delete(key),
    )
    return (await tools).byName.get(name)
  }

  /** Discards the lists of an upstream, because they have changed. */
  forget(upstream: string): void {
    this.#lists.deleteWhere((known) => known.upstream === upstream)
  }
}

/** Fetches all pages as the client would; goes on when the client disconnects, since other requests may wait for them. */
async function listTools(exchange: Exchange, handle: Handle): Promise<ListedTools> {
  const { message, state } = exchange
  const era = message?.era ?? 'legacy'
  const parent = exchange.fork({ path: exchange.path }, exchange.life.detach())
  const envelope = era === 'modern' && message && 'params' in message ? envelopeOf(message.params) : undefined
  const client = new UpstreamClient({ handle, parent, era, state, ...(envelope && { envelope }) })
  const tools = new Map<string, Tool>()
  let chars = 0
  let cursor: unknown
  for (let page = 0; page < MAX_LIST_PAGES; page += 1) {
    const result = await client.request('tools/list', typeof cursor === 'string' ? { cursor } : {})
    const found = member(result, 'tools')
    for (const tool of Array.isArray(found) ? (found as unknown[]) : []) {
      if (!isObject(tool) || typeof tool['name'] !== 'string') continue
      chars += JSON.stringify(tool).length
      freeze(tool)
      tools.set(tool['name'], tool as Tool)
    }
    cursor = member(result, 'nextCursor')
    if (typeof cursor !== 'string') return { byName: tools, bytes: TOOL_BYTES * tools.size + CHAR_BYTES * chars }
    if (tools.size > MAX_LISTED_TOOLS || chars > MAX_LIST_CHARS) break
  }
  throw new GatewayError('upstream_invalid', 'The server has more tools than can be looked through')
}

/** The client's description of itself, which a modern server wants in each request. */
function envelopeOf(params: JsonObject | undefined): JsonObject {
  const meta = member(params, '_meta')
  const keys = [META.protocolVersion, META.clientCapabilities, META.clientInfo]
  return Object.fromEntries(keys.flatMap((key) => (member(meta, key) === undefined ? [] : [[key, member(meta, key)]])))
}
