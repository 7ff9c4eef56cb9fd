/** Caches the `Mcp-Param-*` headers that tools require, from the tool lists of each principal. (HD13, ST27, ST28) */
import { GatewayError } from '../../../errors.ts'
import type { Exchange } from '../../../exchange/exchange.ts'
import type { Lifetime } from '../../../exchange/lifetime.ts'
import type { RequestMessage } from '../../../exchange/message.ts'
import type { Handle } from '../../../exchange/reply.ts'
import { paramHeadersBytes, paramHeadersOf } from '../../../exchange/param-annotations.ts'
import { type ParamHeader, paramHeaderValues } from '../../../exchange/param-headers.ts'
import { UpstreamClient } from '../../../exchange/upstream-client.ts'
import { RpcError } from '../../../rpc-error.ts'
import { member } from '../../../util/json.ts'
import { WeightedMap } from '../../../util/weighted-map.ts'
import { clientEnvelopeOf } from './modern-request.ts'

/** How long a list is cached, in milliseconds. */
const BELIEVED_MS = 5 * 60_000

/** How many lists are cached, and how many tools with headers, and pages, each may have; and the bytes of both. */
const MAX_KNOWN_LISTS = 1_000
const MAX_KNOWN_BYTES = 16 * 1024 * 1024
const MAX_ANNOTATED = 500
const MAX_ANNOTATED_BYTES = 256 * 1024
const MAX_TOOL_PAGES = 50

/** The approximate memory of a list besides its tools and its key. */
const KNOWN_LIST_BYTES = 400

/** The cached list of a principal. */
interface Known {
  readonly until: number
  /** The tools with headers, by name. Without `isComplete` other tools may have headers, too. */
  readonly annotated: WeightedMap<readonly ParamHeader[]>
  isComplete: boolean
}

export class KnownTools {
  /** By upstream and principal. */
  readonly #lists = new WeightedMap<Known>(MAX_KNOWN_LISTS, MAX_KNOWN_BYTES)

  /** Caches a page of a list that a client has requested. */
  learn(exchange: Exchange, upstreamId: string, result: unknown): void {
    const key = keyOfList(exchange, upstreamId)
    const isFirst = member((exchange.message as RequestMessage).params, 'cursor') === undefined
    const before = this.#lists.get(key)
    const known = isFirst || !before ? newList(false) : before
    addPage(known, result)
    known.isComplete = known.isComplete || (isFirst && member(result, 'nextCursor') === undefined)
    this.#keep(key, known)
  }

  /** The headers that a tool requires, as far as a list has said so. */
  annotatedOf(exchange: Exchange, upstreamId: string, name: unknown): readonly ParamHeader[] {
    const known = this.#lists.get(keyOfList(exchange, upstreamId))
    return (typeof name === 'string' && known?.annotated.get(name)) || []
  }

  /** The headers of a call. An unknown tool is looked up, since the server or a proxy before it may require them. */
  async headersOf(
    exchange: Exchange,
    upstreamId: string,
    next: Handle,
    life: Lifetime,
  ): Promise<Record<string, string>> {
    const { params } = exchange.message as RequestMessage
    const name = member(params, 'name') as string
    const key = keyOfList(exchange, upstreamId)
    const before = this.#lists.get(key)
    const isKnown =
      before && before.until > performance.now() && (before.isComplete || before.annotated.get(name) !== undefined)
    const known = isKnown ? before : await this.#fetch(exchange, key, next, life)
    return paramHeaderValues(known.annotated.get(name) ?? [], member(params, 'arguments'))
  }

  /** Discards a list, because the server has refused the headers made from it. */
  forget(exchange: Exchange, upstreamId: string): void {
    this.#lists.delete(keyOfList(exchange, upstreamId))
  }

  /** Fetches the list. When the server refuses, tools count as without headers: if it requires one, it refuses the call. */
  async #fetch(exchange: Exchange, key: string, next: Handle, life: Lifetime): Promise<Known> {
    const known = newList(true)
    const own = life.child()
    const parent = exchange.fork({ state: undefined, message: undefined }, own)
    const client = new UpstreamClient({
      handle: next,
      parent,
      era: 'modern',
      envelope: clientEnvelopeOf(exchange),
      state: undefined,
    })
    try {
      let cursor: unknown
      for (let page = 0; page < MAX_TOOL_PAGES; page += 1) {
        const result = await client.request('tools/list', cursor === undefined ? {} : { cursor })
        addPage(known, result)
        cursor = result['nextCursor']
        if (typeof cursor !== 'string') break
      }
    } catch (error) {
      if (life.stopped) throw life.stopped
      if (!(error instanceof RpcError) && !(error instanceof GatewayError)) throw error
    } finally {
      own.end()
    }
    this.#keep(key, known)
    return known
  }

  #keep(key: string, known: Known): void {
    this.#lists.set(key, known, KNOWN_LIST_BYTES + 2 * key.length + known.annotated.bytes)
  }
}

function newList(isComplete: boolean): Known {
  const annotated = new WeightedMap<readonly ParamHeader[]>(MAX_ANNOTATED, MAX_ANNOTATED_BYTES)
  return { until: performance.now() + BELIEVED_MS, annotated, isComplete }
}

function addPage({ annotated }: Known, result: unknown): void {
  const tools = member(result, 'tools')
  if (!Array.isArray(tools)) return
  for (const tool of tools as unknown[]) {
    const name = member(tool, 'name')
    const headers = paramHeadersOf(member(tool, 'inputSchema')) ?? []
    if (typeof name !== 'string' || headers.length === 0) continue
    annotated.set(name, headers, paramHeadersBytes(name, headers))
  }
}

function keyOfList({ origin: { principal } }: Exchange, upstreamId: string): string {
  return JSON.stringify([upstreamId, principal?.id ?? null])
}
