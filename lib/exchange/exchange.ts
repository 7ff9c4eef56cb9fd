/** One client message on its way through the gateway: its origin, its lifetime and its content. */
import { LISTEN_METHOD } from '../protocol.ts'
import type { RequestId, ServerConfig, UpstreamState } from '../types.ts'
import type { JsonObject } from '../util/json.ts'
import { patchObject } from './json-patch.ts'
import type { Lifetime } from './lifetime.ts'
import { type Message, requestIdsOf } from './message.ts'
import type { ClientSession, Origin } from './origin.ts'
import { withParamHeaders, withTrueName } from './repeating-headers.ts'
import { jsonValue } from '../util/json-value.ts'

export { type Accepts, type ClientSession, Origin } from './origin.ts'
export type { UpstreamState }

export interface ExchangeParts {
  readonly origin: Origin
  readonly life: Lifetime
  readonly config: ServerConfig
  /** The server's name, followed by the member's name if the server is an aggregate. */
  readonly path: readonly string[]
  readonly verb: 'POST' | 'GET' | 'DELETE'
  /** `undefined` for GET and DELETE. */
  readonly message: Message | undefined
  /** The session with the upstream: `undefined` before the handshake, and in the modern era. */
  readonly state: UpstreamState | undefined
  /** The headers that are forwarded to the upstream, by lower-case name. */
  readonly headers: Readonly<Record<string, string>>
  /** Whether the gateway sends it of its own accord, for no message of its client. Defaults to `false`. */
  readonly isOwn?: boolean
  /** Whether it is a GET for the rest of a request's stream, which no other session has. Defaults to `false`. */
  readonly continues?: boolean
  /** Whether it is to be authorized again, as after a layer has rewritten it. Defaults to `false`. */
  readonly isRewritten?: boolean
}

type Changes = Partial<
  Pick<ExchangeParts, 'verb' | 'message' | 'state' | 'headers' | 'config' | 'path' | 'isOwn' | 'continues'>
>

/** What is given for an exchange at a member. */
type MemberEntry = Required<Omit<ExchangeParts, 'origin' | 'path' | 'isRewritten'>>

/** The members that `rewrite()` replaces. */
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
  readonly isOwn: boolean
  readonly continues: boolean
  /** Whether a layer has rewritten the client's message, which must then be authorized again. */
  readonly isRewritten: boolean
  #body: Buffer | undefined

  /** `body` holds the original bytes of the message; without it, the getter encodes the text on first use. */
  constructor(parts: ExchangeParts, body?: Buffer) {
    this.origin = parts.origin
    this.life = parts.life
    this.config = parts.config
    this.path = parts.path
    this.verb = parts.verb
    this.message = parts.message
    this.state = parts.state
    this.headers = parts.headers
    this.isOwn = parts.isOwn === true
    this.continues = parts.continues === true
    this.isRewritten = parts.isRewritten === true
    this.#body = body
  }

  /** The bytes of the message: those the client sent, unless it was rewritten. */
  get body(): Buffer | undefined {
    if (this.#body === undefined && this.message) this.#body = Buffer.from(this.message.text)
    return this.#body
  }

  /** A copy with these parts changed, which shares this exchange's lifetime. */
  with(changes: Changes): Exchange {
    return this.#copy(changes, this.life)
  }

  /** A copy that sends this message with these headers. Each part by its name, as in `forMember()`. */
  withMessage(message: Message, headers: Readonly<Record<string, string>>): Exchange {
    const { origin, life, config, path, verb, state, isOwn, continues, isRewritten } = this
    return this.#made({ origin, life, config, path, verb, message, state, headers, isOwn, continues, isRewritten })
  }

  /** A copy with these parts changed and its own lifetime: by default a child, which stops when this one stops. */
  fork(changes: Changes, life: Lifetime = this.life.child()): Exchange {
    return this.#copy(changes, life)
  }

  /**
   * A copy for a member of an aggregate: under the member's name, in its part of the session, and to be authorized by its
   * rules, too.
   */
  forMember(server: string, session: ClientSession | undefined, entry: MemberEntry): Exchange {
    const { life, config, verb, message, state, headers, isOwn, continues } = entry
    const origin = this.origin.ofMember(server, session)
    const path = [...this.path, server]
    // Each part by its name: an object that is spread into another costs more than all the rest here.
    return this.#made({
      origin,
      life,
      config,
      path,
      verb,
      message,
      state,
      headers,
      isOwn,
      continues,
      isRewritten: true,
    })
  }

  /**
   * A copy with an edited message, in which unchanged members stay byte for byte. Headers that repeat the body follow it;
   * `paramHeaders` replaces the `Mcp-Param-*` headers that are forwarded. (HD9, HD12)
   */
  rewrite(edits: Edits, paramHeaders?: Readonly<Record<string, string>>): Exchange {
    const { message } = this
    if (!message || message.kind === 'batch' || message.kind === 'response') {
      throw new TypeError('Only a request or a notification can be rewritten')
    }
    const text = patchObject(message.text, { ...edits }, message as unknown as JsonObject)
    // What is judged below is what is sent, whatever JSON makes of what was given.
    const params = edits.params === undefined ? message.params : (jsonValue(text) as { params?: JsonObject }).params
    const rewritten = { ...message, ...edits, params, text } as typeof message
    const crossing = paramHeaders === undefined ? this.headers : withParamHeaders(this.headers, paramHeaders)
    const headers = withTrueName(crossing, rewritten)
    return new Exchange({ ...this.#parts(), message: rewritten, headers, isRewritten: true })
  }

  /** Whether it is a handshake, whose reply opens a session with the upstream. */
  get opens(): boolean {
    const { message, state } = this
    return !state && message?.kind === 'request' && message.era === 'legacy' && message.method === 'initialize'
  }

  /** Whether it opens a listening stream, which has no end until one side closes it. */
  get listens(): boolean {
    return this.verb === 'GET' || (this.message?.kind === 'request' && this.message.method === LISTEN_METHOD)
  }

  /** Whether the reply has content for the client; otherwise the message is only accepted or refused. (RPC10) */
  get isAnswered(): boolean {
    return this.verb === 'GET' || this.message?.kind === 'request' || this.requestIds.length > 0
  }

  get requestIds(): readonly RequestId[] {
    return requestIdsOf(this.message)
  }

  /**
   * Whether a disconnect cancels it: true for a listening stream and in the modern era, false for a legacy POST. (SE4,
   * SE5)
   */
  get endsWithClient(): boolean {
    return this.verb === 'GET' || this.origin.era === 'modern'
  }

  #copy(changes: Changes, life: Lifetime): Exchange {
    return this.#made({ ...this.#parts(), ...changes, life })
  }

  /** An exchange of these parts. It shares the body's bytes if it has the same message. */
  #made(parts: ExchangeParts): Exchange {
    return new Exchange(parts, parts.message === this.message ? this.#body : undefined)
  }

  #parts(): ExchangeParts {
    const { origin, life, config, path, verb, message, state, headers, isOwn, continues, isRewritten } = this
    return { origin, life, config, path, verb, message, state, headers, isOwn, continues, isRewritten }
  }
}
