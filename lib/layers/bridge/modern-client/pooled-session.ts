/** A session that the gateway has opened at a legacy server for modern clients of one principal. (UC1) */
import { GatewayError, isCode } from '../../../errors.ts'
import type { Exchange } from '../../../exchange/exchange.ts'
import type { Lifetime } from '../../../exchange/lifetime.ts'
import { type Fault, type Message, messageOf, responseText } from '../../../exchange/message.ts'
import { drainReply, type Handle } from '../../../exchange/reply.ts'
import { UpstreamClient } from '../../../exchange/upstream-client.ts'
import { LEGACY_VERSIONS, negotiatedVersionHeader } from '../../../protocol.ts'
import { RpcError } from '../../../rpc-error.ts'
import type { RequestId, UpstreamState } from '../../../types.ts'
import { isObject, type JsonObject, member } from '../../../util/json.ts'
import { isHeard, legacyClientCapabilities, LOG_LEVELS, offersIn } from '../tables.ts'
import type { Envelope } from './legacy-request.ts'
import type { Offered, SessionHooks } from './pool-parts.ts'
import type { ServerCall } from './server-call.ts'
import { NOT_ASKED } from './question.ts'
import { SessionStream } from './session-stream.ts'
import { jsonValue } from '../../../util/json-value.ts'

/** The revision that the gateway asks legacy servers for. */
const REVISION = LEGACY_VERSIONS.at(-1)!

const OWN_INFO = { name: 'express-mcp-gateway', version: '1' }

export class PooledSession {
  readonly state: UpstreamState
  readonly offered: Offered
  readonly stream: SessionStream
  /** The requests in progress. */
  readonly calls: Set<ServerCall> = new Set()
  /** The call that has the session to itself. */
  owner: ServerCall | undefined
  /** Whether a call has it to itself, or is about to. */
  isLent = false
  /** How many listeners have subscriptions here. */
  listeners = 0
  isOver = false
  /** Whether no call may have it any more. */
  isRetired = false
  /** Whether another node has opened it: it is not kept when its call is over. */
  isForeign = false
  readonly #life: Lifetime
  readonly #exchange: Exchange
  readonly #next: Handle
  readonly #client: UpstreamClient
  readonly #hooks: SessionHooks
  /** The most talkative level that was set; `undefined` before. */
  #level: unknown
  readonly #subscriptions = new Map<string, number>()

  /** Opens a session for a client with this envelope. Throws a GatewayError. */
  static async open(
    exchange: Exchange,
    next: Handle,
    { capabilities, clientInfo }: Pick<Envelope, 'capabilities' | 'clientInfo'>,
    hooks: SessionHooks,
  ): Promise<PooledSession> {
    const life = exchange.life.detach()
    const { responseMs } = hooks
    const late = (): void => life.stop(new GatewayError('upstream_timeout', 'The server did not answer in time'))
    const timer = responseMs > 0 ? setTimeout(late, responseMs).unref() : undefined
    const own = exchange.fork({ message: undefined, state: undefined, headers: {}, isOwn: true }, life)
    const handshake = {
      protocolVersion: REVISION,
      capabilities: legacyClientCapabilities(capabilities),
      clientInfo: clientInfo ?? OWN_INFO,
    }
    try {
      const [client, result] = await UpstreamClient.open(next, own, handshake)
      if (!LEGACY_VERSIONS.includes(client.state!.protocolVersion)) {
        void client.close()
        throw new GatewayError('upstream_invalid', 'The server agreed to an unknown revision')
      }
      const offered = {
        capabilities: isObject(result['capabilities']) ? result['capabilities'] : {},
        serverInfo: result['serverInfo'],
        instructions: result['instructions'],
      }
      const session = new PooledSession(client.state!, offered, own, next, hooks)
      if (session.#isWorthHearing(handshake.capabilities)) await session.listen()
      return session
    } catch (error) {
      if (!(error instanceof RpcError)) throw error
      throw new GatewayError('upstream_invalid', 'The server refused the handshake', { cause: error })
    } finally {
      clearTimeout(timer)
    }
  }

  /** A session that exists at the server: it was opened before, at this node or another one. */
  constructor(state: UpstreamState, offered: Offered, exchange: Exchange, next: Handle, hooks: SessionHooks) {
    const { life } = exchange
    this.state = state
    this.offered = offered
    this.#life = life
    this.#exchange = exchange.with({
      message: undefined,
      state,
      headers: negotiatedVersionHeader(state.protocolVersion),
    })
    this.#next = next
    this.#hooks = hooks
    this.#client = new UpstreamClient({ handle: next, parent: this.#exchange, era: 'legacy', state })
    this.stream = new SessionStream(this.#exchange, next, {
      onMessage: (message) => this.#receive(message),
      onGap: () => hooks.onGap(this),
      onLost: () => this.lose(),
      isNeeded: () => !this.isOver && (this.listeners > 0 || this.calls.size > 0),
    })
  }

  get isOpen(): boolean {
    return !this.isOver && !this.isRetired
  }

  /** Whether another call may have it: a server without sessions cannot send requests, and so serves any number. */
  get isFree(): boolean {
    return this.isOpen && (!this.isLent || this.state.id === undefined)
  }

  /** Whether nobody uses it. */
  get isIdle(): boolean {
    return (!this.isLent || this.isRetired) && this.calls.size === 0 && this.listeners === 0
  }

  /** Whether the server sends notifications outside of calls. */
  get hears(): boolean {
    return isHeard(offersIn(this.offered.capabilities)) && this.state.id !== undefined && !this.stream.isRefused
  }

  /** Opens the listening stream unless it is open. A server without session ids could not tell whose stream it is. */
  async listen(after?: string): Promise<void> {
    if (this.state.id !== undefined) await this.stream.open(after)
  }

  /** Sets the level of log messages at the server, if that is not talkative enough. (UT6) */
  async setLevel(level: unknown): Promise<void> {
    const levels = [...LOG_LEVELS]
    if (level === undefined || !levels.includes(level) || !isObject(this.offered.capabilities['logging'])) return
    if (this.#level !== undefined && levels.indexOf(this.#level) <= levels.indexOf(level)) return
    this.#level = level
    await this.request('logging/setLevel', { level }).catch((error: unknown) => {
      if (!(error instanceof RpcError)) throw error
    })
  }

  request(method: string, params: JsonObject): Promise<JsonObject> {
    return this.#client.request(method, params)
  }

  /** Subscribes to a resource for one more listener. Throws the server's RpcError. */
  async subscribe(uri: string): Promise<void> {
    const count = this.#subscriptions.get(uri) ?? 0
    this.#subscriptions.set(uri, count + 1)
    if (count > 0) return
    await this.request('resources/subscribe', { uri }).catch((error: unknown) => {
      this.#subscriptions.delete(uri)
      throw error
    })
  }

  async unsubscribe(uri: string): Promise<void> {
    const count = (this.#subscriptions.get(uri) ?? 0) - 1
    if (count > 0) return void this.#subscriptions.set(uri, count)
    if (!this.#subscriptions.delete(uri) || this.isOver) return
    await this.request('resources/unsubscribe', { uri }).catch(() => {})
  }

  /** Sends a client's result, as JSON text, for a request of the server. Rejects if the server does not accept it. */
  answer(id: RequestId, result: string, life: Lifetime): Promise<void> {
    return this.#send(`{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${result}}`, life)
  }

  /** Responds to a request of the server in place of a client. Never rejects. */
  async respond(id: RequestId, outcome: { readonly result: object } | { readonly error: Fault }): Promise<void> {
    await this.#send(responseText(id, outcome), this.#life).catch((error: unknown) => this.#hooks.onError(error))
  }

  /** Sends a notification. Never rejects. */
  notify(method: string, params: JsonObject): Promise<void> {
    return this.#client.notify(method, params).catch(() => {})
  }

  /** Takes a notification that is none of a call's own. */
  tell(method: string, params: unknown): void {
    this.#hooks.onNews(this, method, params)
  }

  /** Handles that the server no longer knows the session. */
  lose(): void {
    if (this.isOver) return
    this.end()
    this.#hooks.onLost(this)
  }

  /** Ends it at this node. The server is told by whoever owns it. */
  end(): void {
    this.isOver = true
    this.stream.close()
    this.#life.stop(new GatewayError('closing', 'The session is not needed any more'))
  }

  async #send(text: string, life: Lifetime): Promise<void> {
    const message = messageOf(jsonValue(text), text, 'legacy')!
    try {
      drainReply(await this.#next(this.#exchange.fork({ message }, life)))
    } catch (error) {
      if (isCode(error, 'session_not_found')) this.lose()
      throw error
    }
  }

  /** A request on the session's own stream belongs to the call that has the session to itself. */
  #receive(message: Message): Promise<void> | undefined {
    if (message.kind === 'response') {
      for (const call of this.calls) if (call.id === message.id) return call.receive(message)
      return undefined
    }
    if (message.kind === 'batch') return undefined
    const call = this.#callOf(message)
    if (call) return call.receive(message)
    if (message.kind === 'notification') {
      this.tell(message.method, message.params)
      return undefined
    }
    if (message.method === 'ping') return this.respond(message.id, { result: {} })
    return this.respond(message.id, { error: NOT_ASKED.notNow })
  }

  #callOf(message: Message): ServerCall | undefined {
    if (message.kind === 'request') return this.owner
    if (message.kind !== 'notification') return undefined
    const { method, params } = message
    const token = member(params, 'progressToken')
    if (method === 'notifications/progress') return [...this.calls].find(({ id }) => id === token)
    if (method === 'notifications/cancelled') return this.owner
    if (method !== 'notifications/message') return undefined
    const logging = [...this.calls].filter(({ isLogging }) => isLogging)
    return this.owner ?? (logging.length === 1 ? logging[0] : undefined)
  }

  #isWorthHearing(capabilities: JsonObject): boolean {
    if (this.state.id === undefined || this.state.silent) return false
    return Object.keys(capabilities).length > 0 || this.hears || isObject(this.offered.capabilities['logging'])
  }
}
