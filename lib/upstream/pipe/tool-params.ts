/**
 * Compares `Mcp-Param-*` headers with the arguments on behalf of a server on a pipe, which receives no headers. (HD13)
 */
import { GatewayError } from '../../errors.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import { paramHeadersOf, paramHeadersBytes } from '../../exchange/param-annotations.ts'
import { type ParamHeader, paramHeaderFault } from '../../exchange/param-headers.ts'
import { member } from '../../util/json.ts'
import { WeightedMap } from '../../util/weighted-map.ts'

/** How many tools with such parameters are stored for a pipe, and how many bytes of them. */
const MAX_TOOLS = 1_000
const MAX_TOOLS_BYTES = 256 * 1024

export class ToolParams {
  readonly #known = new WeightedMap<readonly ParamHeader[]>(MAX_TOOLS, MAX_TOOLS_BYTES)

  /** Stores the header parameters of the tools in a `tools/list` result, and forgets those of tools without any. */
  learn(result: unknown): void {
    const tools = member(result, 'tools')
    if (!Array.isArray(tools)) return
    for (const tool of tools) {
      const name = member(tool, 'name')
      if (typeof name !== 'string') continue
      const params = paramHeadersOf(member(tool, 'inputSchema')) ?? []
      if (params.length > 0) this.#known.set(name, params, paramHeadersBytes(name, params))
      else this.#known.delete(name)
    }
  }

  /** Throws `header_mismatch`; the client then lists the tools again, which also updates what is stored here. (ST28) */
  check({ message, headers }: Exchange): void {
    if (this.#known.size === 0 || message?.kind !== 'request') return
    const { name, arguments: toolArguments } = message.params ?? {}
    const fault = paramHeaderFault(this.#known.get(name as string) ?? [], toolArguments, headers)
    if (fault !== undefined) throw new GatewayError('header_mismatch', fault)
  }
}
