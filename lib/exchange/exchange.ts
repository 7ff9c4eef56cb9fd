/** One client message on its way through the gateway: where it comes from, how long it goes on, and what it says. */
import { AsyncResource } from 'node:async_hooks'
import type { ServerResponse } from 'node:http'
import { LISTEN_METHOD } from '../protocol.ts'
import type { Era, GatewayRequest, Principal, RequestId, ServerConfig, SessionRecord, UpstreamState } from '../types.ts'
import type { JsonObject } from '../util/json.ts'
import { patchObject } from './json-patch.ts'
import type { Lifetime } from './lifetime.ts'
import { type Message, requestIdsOf } from './message.ts'
import { withParamHeaders, withTrueName } from './repeating-headers.ts'

export type { UpstreamState }

/** A session as a request found it. */
export interface ClientSession {
  readonly id: string
  /** As the request found it, or as `keep()` left it. */
  readonly record: SessionRecord
  /** Changes the state behind that is kept of it. Writers at this node take turns, each with the record as it is then. */
  keep(change: (state: UpstreamState) => UpstreamState): Promise<void>
}

/** The media types that a client takes. */
export interface Accepts {
  readonly json: boolean
  readonly events: boolean
}

interface OriginParts {
  /** The server's name. */
  readonly server: string
  readonly principal: Principal | undefined
  /** The client's request, for hooks; none when the gateway acts by itself. */
  readonly request: GatewayRequest | undefined
  /** The client's: it decides whether disconnecting cancels. (SE4, SE5) */
  readonly era: Era
  /** None before `initialize` has opened one, and in the modern era. */
  readonly session: ClientSession | undefined
  readonly accepts: Accepts
  /** Where the client is answered; none when the gateway acts by itself. */
  readonly response: ServerResponse | undefined
}

/** What the client's HTTP request fixes for good; none of it changes on the way in. */
export class Origin {
  readonly server: string
  readonly principal: Principal | undefined
  readonly request: GatewayRequest | undefined
  readonly era: Era
  readonly session: ClientSession | undefined
  readonly accepts: Accepts
  readonly #response: ServerResponse | undefined
  readonly #context = new AsyncResource('McpExchange')
  /** Some of the ids of its requests, so there are as many as a message has at most. */
  #cancelled: Set<RequestId> | undefined
  /** By id, `undefined` for a notification: as many as a message has at most. */
  #decisions: Map<RequestId | undefined, string> | undefined

  constructor({ server, principal, request, era, session, accepts, response }: OriginParts) {
    this.server = server
    this.principal = principal
    this.request = request
    this.era = era
    this.session = session
    this.accepts = accepts
    this.#response = response
  }

  /** Whether the client has disconnected. */
  get isGone(): boolean {
    return this.#response?.destroyed === true
  }

  /** Calls back when the client disconnects, at once when it has. Returns how to take the listener back. */
  onGone(listener: () => void): () => void {
    const response = this.#response
    if (this.isGone) listener()
    else response?.once('close', listener)
    return () => void response?.off('close', listener)
  }

  /** The client has cancelled this request: it waits for the response no more. (UT4) */
  cancel(id: RequestId): void {
    this.#cancelled ??= new Set()
    this.#cancelled.add(id)
  }

  /** Those of these requests that the client has not cancelled. */
  awaited(ids: readonly RequestId[]): readonly RequestId[] {
    const cancelled = this.#cancelled
    return cancelled ? ids.filter((id) => !cancelled.has(id)) : ids
  }

  /** An interceptor has refused or answered this message: `by` names what decided, for audit. */
  decide(by: string, id: RequestId | undefined): void {
    this.#decisions ??= new Map()
    this.#decisions.set(id, by)
  }

  /** What decided about this message, if an interceptor did. */
  decidedBy(id: RequestId | undefined): string | undefined {
    return this.#decisions?.get(id)
  }

  /** The same hook, called in the async context of this request: never in that of a pooled socket or a timer. */
  bind<A extends unknown[], R>(hook: (...args: A) => R): (...args: A) => R {
    return (...args) => this.#context.runInAsyncScope(hook, undefined, ...args)
  }
}

/** What an exchange is made of. */
export interface ExchangeParts {
  readonly origin: Origin
  readonly life: Lifetime
  readonly config: ServerConfig
  /** The server's name, and behind it the member's where the server is an aggregate. */
  readonly path: readonly string[]
  readonly verb: 'POST' | 'GET' | 'DELETE'
  /** None with GET and DELETE. */
  readonly message: Message | undefined
  /** The conversation behind: none before a handshake, and in the modern era. */
  readonly state: UpstreamState | undefined
  /** What crosses to the upstream, by lower-case name. */
  readonly headers: Readonly<Record<string, string>>
}

type Changes = Partial<Pick<ExchangeParts, 'verb' | 'message' | 'state' | 'headers' | 'config' | 'path'>>

/** What of a message is said in other words. */
export interface Edits {
  readonly method?: string
  readonly id?: RequestId
  readonly params?: JsonObject
}

export class Exchange implements ExchangeParts {
  readonly origin: Origin
  readonly life: Lifetime
  readonly config: ServerConfig
  readonly path: readonly string[]
  readonly verb: 'POST' | 'GET' | 'DELETE'
  readonly message: Message | undefined
  readonly state: UpstreamState | undefined
  readonly headers: Readonly<Record<string, string>>
  /** Whether a layer changed what the client said: it is authorized once more then. */
  readonly isRewritten: boolean
  #body: Buffer | undefined

  /** `body` is the very bytes of the message; without, they are made of its text when somebody asks. */
  constructor(parts: ExchangeParts, body?: Buffer, isRewritten = false) {
    this.origin = parts.origin
    this.life = parts.life
    this.config = parts.config
    this.path = parts.path
    this.verb = parts.verb
    this.message = parts.message
    this.state = parts.state
    this.headers = parts.headers
    this.isRewritten = isRewritten
    this.#body = body
  }

  /** The bytes of the message: the client's own until it is rewritten. */
  get body(): Buffer | undefined {
    if (this.#body === undefined && this.message) this.#body = Buffer.from(this.message.text)
    return this.#body
  }

  /** The same but for these parts, in the same lifetime. */
  with(changes: Changes): Exchange {
    return this.#copy(changes, this.life)
  }

  /** The same but for these parts, in a lifetime of its own: by default one that is stopped along with this one. */
  fork(changes: Changes, life: Lifetime = this.life.child()): Exchange {
    return this.#copy(changes, life)
  }

  /**
   * The same message in other words: members that do not change stay byte for byte. Headers that repeat the body follow
   * it; `paramHeaders` are the `Mcp-Param-*` headers in place of those that crossed. (HD9, HD12)
   */
  rewrite(edits: Edits, paramHeaders?: Readonly<Record<string, string>>): Exchange {
    const { message } = this
    if (!message || message.kind === 'batch' || message.kind === 'response') {
      throw new TypeError('Only a request or a notification can be rewritten')
    }
    const text = patchObject(message.text, { ...edits }, message as unknown as JsonObject)
    // What is judged below is what is sent, whatever JSON makes of what was given.
    const params = edits.params === undefined ? message.params : (JSON.parse(text) as { params?: JsonObject }).params
    const rewritten = { ...message, ...edits, params, text } as typeof message
    const crossing = paramHeaders === undefined ? this.headers : withParamHeaders(this.headers, paramHeaders)
    const headers = withTrueName(crossing, rewritten)
    return new Exchange({ ...this.#parts(), message: rewritten, headers }, undefined, true)
  }

  /** Whether it is a handshake: its reply opens a session behind. */
  get opens(): boolean {
    const { message, state } = this
    return !state && message?.kind === 'request' && message.era === 'legacy' && message.method === 'initialize'
  }

  /** Whether it opens a stream that lives until somebody ends it. */
  get listens(): boolean {
    return this.verb === 'GET' || (this.message?.kind === 'request' && this.message.method === LISTEN_METHOD)
  }

  /** Whether its reply is for the client to read; otherwise it is accepted or refused. (RPC10) */
  get isAnswered(): boolean {
    return this.verb === 'GET' || this.message?.kind === 'request' || this.requestIds.length > 0
  }

  /** The ids of the JSON-RPC requests in it. */
  get requestIds(): readonly RequestId[] {
    return requestIdsOf(this.message)
  }

  /** Disconnecting is cancelling for a listener and in the modern era; for a legacy POST it is not. (SE4, SE5) */
  get endsWithClient(): boolean {
    return this.verb === 'GET' || this.origin.era === 'modern'
  }

  #copy(changes: Changes, life: Lifetime): Exchange {
    const isSame = !('message' in changes) || changes.message === this.message
    return new Exchange({ ...this.#parts(), ...changes, life }, isSame ? this.#body : undefined, this.isRewritten)
  }

  #parts(): ExchangeParts {
    const { origin, life, config, path, verb, message, state, headers } = this
    return { origin, life, config, path, verb, message, state, headers }
  }
}
