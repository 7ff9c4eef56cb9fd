/** The message object that interceptors get. */
import { hash } from 'node:crypto'
import type { Exchange } from '../../exchange/exchange.ts'
import type { Era, GatewayRequest, Json, McpMessage, Principal, RequestId, Tool } from '../../types.ts'
import { isObject, member } from '../../util/json.ts'

/** The part of a message that its interceptors share: all but its parameters. */
export interface ChainSubject {
  readonly exchange: Exchange
  readonly from: 'client' | 'server'
  readonly method: string
  readonly id: RequestId | undefined
  readonly during: string | undefined
  /** Finds a tool as the layers inside `place` list it. */
  readonly findTool: (name: string, place: number) => Promise<Tool | undefined>
}

/** The specification's defaults of annotations. (2025-11-25 server/tools, ToolAnnotations) */
const ANNOTATIONS = { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true }

/** A tool whose annotations are complete. */
export type AnnotatedTool = Tool & { readonly annotations: Required<NonNullable<Tool['annotations']>> }

/** Completes a tool's annotations with the defaults. A hint that is no boolean counts as missing. */
export function withAnnotations(tool: Tool): AnnotatedTool {
  const given = isObject(tool.annotations) ? tool.annotations : {}
  const hints = Object.entries(ANNOTATIONS).map(([hint, assumed]) => {
    const said = member(given, hint)
    return [hint, typeof said === 'boolean' ? said : assumed] as const
  })
  return { ...tool, annotations: { ...given, ...Object.fromEntries(hints) } } as AnnotatedTool
}

export class LayerMessage implements McpMessage {
  readonly params: Json
  readonly #subject: ChainSubject
  readonly #place: number
  #signal: AbortSignal | undefined

  constructor(subject: ChainSubject, params: Json, place: number) {
    this.#subject = subject
    this.params = params
    this.#place = place
  }

  get method(): string {
    return this.#subject.method
  }

  get from(): 'client' | 'server' {
    return this.#subject.from
  }

  get id(): RequestId | undefined {
    return this.#subject.id
  }

  get server(): string {
    return this.#subject.exchange.path.at(-1)!
  }

  get principal(): Principal | undefined {
    return this.#subject.exchange.origin.principal
  }

  get request(): GatewayRequest | undefined {
    return this.#subject.exchange.origin.request
  }

  get era(): Era {
    return this.#subject.exchange.origin.era
  }

  get session(): string | undefined {
    const { session } = this.#subject.exchange.origin
    return session && hash('sha256', session.id, 'base64url')
  }

  get during(): string | undefined {
    return this.#subject.during
  }

  get signal(): AbortSignal {
    if (this.#signal) return this.#signal
    const controller = new AbortController()
    this.#signal = controller.signal
    this.#subject.exchange.life.onStop((reason) => controller.abort(reason))
    return this.#signal
  }

  async tool(): Promise<Tool | undefined> {
    const name = member(this.params, 'name')
    const tool = typeof name === 'string' ? await this.findTool(name) : undefined
    return tool && withAnnotations(tool)
  }

  /** Finds a tool by any name: a call of a renamed tool does not have the server's name, by which `tools()` looks it up. */
  async findTool(name: string): Promise<Tool | undefined> {
    return this.#subject.findTool(name, this.#place)
  }
}
