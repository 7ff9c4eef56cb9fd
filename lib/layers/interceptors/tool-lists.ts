/** Caches servers' tool lists for interceptors, per server, principal and layer. */
import { GatewayError } from '../../errors.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import type { Handle } from '../../exchange/reply.ts'
import { UpstreamClient } from '../../exchange/upstream-client.ts'
import { META } from '../../protocol.ts'
import type { Tool } from '../../types.ts'
import { boundedSet } from '../../util/bounded-map.ts'
import { isObject, type JsonObject, member } from '../../util/json.ts'
import { freeze } from './frozen.ts'

/** How long a list is cached: a node that gets no `list_changed` would never learn of a change. */
const LIST_FRESH_MS = 60_000

/** How many lists are cached, and how long one may be. */
const MAX_LISTS = 500
const MAX_LIST_PAGES = 100
const MAX_LISTED_TOOLS = 5_000
const MAX_LIST_CHARS = 4 * 1024 * 1024

interface KnownList {
  readonly upstream: string
  readonly tools: Promise<ReadonlyMap<string, Tool>>
  readonly freshUntil: number
}

export class ToolLists {
  readonly #lists = new Map<string, KnownList>()

  /** Finds a tool. Concurrent calls share one request to the server; rejects when that fails. */
  async find(name: string, key: string, upstream: string, exchange: Exchange, list: Handle): Promise<Tool | undefined> {
    const known = this.#lists.get(key)
    if (known && known.freshUntil > performance.now()) return (await known.tools).get(name)
    const tools = listTools(exchange, list)
    const own = { upstream, tools, freshUntil: performance.now() + LIST_FRESH_MS }
    boundedSet(this.#lists, MAX_LISTS, key, own)
    tools.catch(() => this.#lists.get(key) === own && this.#lists.delete(key))
    return (await tools).get(name)
  }

  /** Discards the lists of an upstream, because they have changed. */
  forget(upstream: string): void {
    for (const [key, known] of this.#lists) if (known.upstream === upstream) this.#lists.delete(key)
  }
}

/** Fetches all pages as the client would; goes on when the client disconnects, since other requests may wait for them. */
async function listTools(exchange: Exchange, handle: Handle): Promise<ReadonlyMap<string, Tool>> {
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
    if (typeof cursor !== 'string') return tools
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
