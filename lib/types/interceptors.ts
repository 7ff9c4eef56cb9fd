/** Interceptors, and the messages that they are given. */
import type { Awaitable, Era, GatewayRequest, Hook, Principal, RequestId } from './common.ts'

/** JSON of a message, deeply frozen. To change it, make a new object: what is not new stays byte for byte on the wire. */
export interface Json {
  readonly [key: string]: unknown
}

/**
 * The messages of each method. Open: declare your own methods by merging. A method that is not declared here takes and
 * gives `Json`.
 */
export interface McpMethods {
  initialize: { from: 'client'; params: Json; result: Json & { readonly instructions?: string } }
  'server/discover': { from: 'client'; params: Json; result: Json & { readonly instructions?: string } }
  'tools/list': { from: 'client'; params: Json & { readonly cursor?: string }; result: ToolList }
  'tools/call': {
    from: 'client'
    params: Json & { readonly name: string; readonly arguments?: Json }
    result: ToolResult
  }
  'resources/list': { from: 'client'; params: Json; result: Json }
  'resources/templates/list': { from: 'client'; params: Json; result: Json }
  'resources/read': { from: 'client'; params: Json & { readonly uri: string }; result: Json }
  'resources/subscribe': { from: 'client'; params: Json & { readonly uri: string }; result: Json }
  'resources/unsubscribe': { from: 'client'; params: Json & { readonly uri: string }; result: Json }
  'prompts/list': { from: 'client'; params: Json; result: Json }
  'prompts/get': { from: 'client'; params: Json & { readonly name: string }; result: Json }
  'completion/complete': { from: 'client'; params: Json; result: Json }
  'logging/setLevel': { from: 'client'; params: Json & { readonly level: string }; result: Json }
  'elicitation/create': {
    from: 'server'
    params: Json & { readonly message: string }
    result: Json & { readonly action: string }
  }
  'sampling/createMessage': { from: 'server'; params: Json & { readonly maxTokens: number }; result: Json }
  'roots/list': { from: 'server'; params: Json; result: Json & { readonly roots: readonly Json[] } }
  'notifications/message': { from: 'server'; params: Json & { readonly level: string }; result: void }
  'notifications/progress': { from: 'client' | 'server'; params: Json; result: void }
  'notifications/cancelled': { from: 'client' | 'server'; params: Json; result: void }
}

/** A tool, as its server describes it. */
export interface Tool extends Json {
  readonly name: string
  readonly description?: string
  readonly inputSchema: Json
  readonly outputSchema?: Json
  /** What the server says of the tool; nobody has checked it. */
  readonly annotations?: Json & {
    readonly readOnlyHint?: boolean
    readonly destructiveHint?: boolean
    readonly idempotentHint?: boolean
    readonly openWorldHint?: boolean
  }
}

/** The result of `tools/list`. */
export interface ToolList extends Json {
  readonly tools: readonly Tool[]
  readonly nextCursor?: string
}

/** The result of a call: content, a question back (`input_required`), or a task to ask for later. */
export interface ToolResult extends Json {
  readonly resultType?: string
  readonly content?: readonly (Json & { readonly type: string; readonly text?: string })[]
  readonly structuredContent?: unknown
  readonly isError?: boolean
}

/** The parameters, the result or the sender of a method's messages. */
export type MessagePart<M, Part extends 'params' | 'result' | 'from'> = M extends keyof McpMethods
  ? McpMethods[M][Part]
  : Part extends 'from'
    ? 'client' | 'server'
    : Json

/** A message on its way through the gateway, in the shape that its revision gives it. */
export interface McpMessage<M extends string = string, P extends Principal | undefined = Principal | undefined> {
  readonly method: M
  readonly params: MessagePart<M, 'params'>
  /** The side that sends it. */
  readonly from: 'client' | 'server'
  /** `undefined` for notifications, and for the questions in an `input_required` result. */
  readonly id: RequestId | undefined
  /** The server's name. */
  readonly server: string
  /** The principal of the client: the one that asks, or that the server speaks to. */
  readonly principal: P
  /** The client's HTTP request that it came with, or whose response it goes out on. */
  readonly request: GatewayRequest | undefined
  readonly era: Era
  /** A digest of the session's id, to tell sessions apart; `undefined` in the modern era. */
  readonly session: string | undefined
  /** The method of the client's request in whose response the server says this; `undefined` on a listening stream. */
  readonly during: string | undefined
  /** Aborted when the answer is no longer waited for. */
  readonly signal: AbortSignal
  /**
   * The tool that `tools/call` calls, as this interceptor's `tools/list` would show it, annotations with the
   * specification's defaults. Asks the server for its list, which is kept for up to 60 s; `undefined` for an unknown tool.
   */
  tool(): Promise<Tool | undefined>
}

/**
 * Sends a message on, with other `params` if they are given. A second call throws. For a client's request it resolves to
 * the result, and rejects with an `RpcError` when the server answers with an error. For all else it resolves to nothing:
 * a client's answer to a server is another request, perhaps at another node.
 */
export type NextInterceptor<M extends string = string> = (
  params?: MessagePart<M, 'params'>,
) => Promise<
  M extends keyof McpMethods ? ('client' extends McpMethods[M]['from'] ? McpMethods[M]['result'] : void) : Json
>

/**
 * Sees one message, before and after. Calling `next` lets it pass; without that it is answered here: by what is
 * returned, to the side that asked, and a notification is dropped. An error refuses it: a `GatewayError` or an
 * `RpcError` as it is, anything else as `internal`, with the error in `onError`.
 *
 * @throws {GatewayError} to refuse the message with an HTTP status.
 * @throws {RpcError} to refuse it with a JSON-RPC error.
 */
export type Intercept<M extends string = string, P extends Principal | undefined = Principal | undefined> = Hook<
  [message: McpMessage<M, P>, next: NextInterceptor<M>],
  M extends keyof McpMethods
    ? Awaitable<'client' extends McpMethods[M]['from'] ? McpMethods[M]['result'] : McpMethods[M]['result'] | void>
    : Awaitable<Json | void>
>

/**
 * One layer: a function for each method, or for a pattern with `*` at its end. Of one layer the most specific entry alone
 * sees a message. A method that no layer names is relayed unread.
 *
 * @example
 * ```js
 * const intercept = {
 *   'tools/call': async ({ principal, params }, next) => {
 *     const result = await next()
 *     console.log(`${principal?.id} called ${params.name}`)
 *     return result
 *   },
 * }
 * ```
 */
export type Interceptor<P extends Principal | undefined = Principal | undefined> = {
  readonly [M in keyof McpMethods]?: Intercept<M, P> | undefined
} & { readonly [pattern: `${string}*`]: Intercept<string, P> | undefined }
