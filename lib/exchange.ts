/** One client message on its way through the gateway, and the one way to stop it. */
import type { GatewayError } from './errors.ts'
import { LISTEN_METHOD } from './protocol.ts'
import type { Slotted } from './slots.ts'
import type { Era, GatewayRequest, Message, Principal, Reply, RequestId, ServerConfig, Session } from './types.ts'

/** Anything that answers an exchange: an upstream, or whatever is put before one. */
export type Handle = (exchange: Exchange) => Promise<Reply>

/** What an exchange is made of. */
export type ExchangeParts = Pick<
  Exchange,
  'server' | 'config' | 'principal' | 'request' | 'method' | 'session' | 'message' | 'headers' | 'body'
> &
  Partial<Pick<Exchange, 'isBackground'>>

/** Where the upstream of a session is; `request` when it is a client who acts. */
export type Behind = Pick<ExchangeParts, 'server' | 'config' | 'principal'> & Partial<Pick<ExchangeParts, 'request'>>

/**
 * The stage an exchange is at says how to stop it by setting `onStop`: first the upstream request, then the relay.
 * One function instead of an AbortController, which would cost more than the gateway's own work.
 */
export class Exchange implements Slotted {
  /** The server's name. */
  readonly server: string
  readonly config: ServerConfig
  readonly principal: Principal | undefined
  /** The client's request, for hooks; none when the gateway acts by itself. */
  readonly request: GatewayRequest | undefined
  readonly method: 'POST' | 'GET' | 'DELETE'
  /** None before `initialize` has opened one, and in the modern era. */
  readonly session: Session | undefined
  /** None with GET and DELETE, and with what the gateway says by itself. */
  readonly message: Message | undefined
  /** What crosses to the upstream, by lower-case name. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer | undefined
  /** Whether it goes on without its client, whose login does not end it. */
  readonly isBackground: boolean
  /** Whether its stream is read in the background, too: it can end here and be resumed. */
  isRecorded = false
  /** Whether it is a GET for the rest of a call's stream: it has an end, and a gateway that closes waits for that. */
  awaitsAnswer = false
  slot = -1
  #stopped: GatewayError | undefined
  #onStop: ((error: GatewayError) => void) | undefined

  constructor(parts: ExchangeParts) {
    this.server = parts.server
    this.config = parts.config
    this.principal = parts.principal
    this.request = parts.request
    this.method = parts.method
    this.session = parts.session
    this.message = parts.message
    this.headers = parts.headers
    this.body = parts.body
    this.isBackground = parts.isBackground ?? false
  }

  /** The same but for these parts. */
  with(changes: Partial<ExchangeParts>): Exchange {
    const { server, config, principal, request, method, session, message, headers, body } = this
    return new Exchange({ server, config, principal, request, method, session, message, headers, body, ...changes })
  }

  /** Where its upstream is, for the day the session ends by itself. */
  get behind(): Behind {
    const { server, config, principal } = this
    return { server, config, principal }
  }

  get era(): Era {
    return this.message?.era ?? 'legacy'
  }

  /** Whether it is a handshake: its reply opens a session. */
  get opens(): boolean {
    const { message, session } = this
    return !session && message?.kind === 'request' && message.era === 'legacy' && message.method === 'initialize'
  }

  /** Whether it opens a stream that lives until somebody ends it. */
  get listens(): boolean {
    return this.method === 'GET' || (this.message?.kind === 'request' && this.message.method === LISTEN_METHOD)
  }

  /** Whether its reply is for the client to read; otherwise it is accepted or refused. (RPC10) */
  get isAnswered(): boolean {
    return this.method === 'GET' || this.waiting.length > 0
  }

  /** The ids of the JSON-RPC requests that wait for an answer. */
  get waiting(): readonly RequestId[] {
    if (this.message?.kind === 'request') return [this.message.id]
    return this.message?.kind === 'batch' ? this.message.ids : []
  }

  /** Disconnecting is cancelling for who listens and in the modern era; for a legacy POST it is not. (SE4, SE5) */
  get endsWithClient(): boolean {
    return this.method === 'GET' || this.era === 'modern'
  }

  /** Why it was stopped, if it was. */
  get stopped(): GatewayError | undefined {
    return this.#stopped
  }

  /** Called once at most; at once when the exchange has been stopped already. */
  set onStop(stop: (error: GatewayError) => void) {
    this.#onStop = stop
    if (this.#stopped) stop(this.#stopped)
  }

  stop(error: GatewayError): void {
    if (this.#stopped) return
    this.#stopped = error
    this.#onStop?.(error)
  }
}
