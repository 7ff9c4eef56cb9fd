/** The gateway's own MCP client, which sends its requests through the pipeline like any other. */
import { GatewayError } from '../errors.ts'
import { rpcErrorOf } from '../rpc-error.ts'
import { HEADER, LISTEN_METHOD, META, MODERN_VERSIONS, negotiatedVersionHeader } from '../protocol.ts'
import type { Awaitable, Era, RequestId, UpstreamState } from '../types.ts'
import { isObject, type JsonObject, member } from '../util/json.ts'
import type { Out } from './answer.ts'
import type { Exchange } from './exchange.ts'
import type { Lifetime } from './lifetime.ts'
import { mapMessages } from './map-messages.ts'
import { type Fault, type Message, notificationOf, requestOf, type ResponseMessage, responseText } from './message.ts'
import { readResponse } from './read-response.ts'
import { drainReply, type EventsReply, type Handle, type Reply } from './reply.ts'

/** How long a refusal to be listened to may take, once it has begun. */
const REFUSAL_MS = 10_000

interface ClientParts {
  readonly handle: Handle
  /** The exchange whose server, principal, request and config the client uses. */
  readonly parent: Exchange
  readonly era: Era
  /** The `_meta` of every modern request. */
  readonly envelope?: JsonObject
  readonly state: UpstreamState | undefined
}

export class UpstreamClient {
  readonly #parts: ClientParts
  readonly #life: Lifetime
  #state: UpstreamState | undefined
  #ids = 0

  /** Opens a session with the upstream by `initialize` with these parameters. Throws an RpcError or a GatewayError. */
  static async open(handle: Handle, parent: Exchange, handshake: JsonObject): Promise<[UpstreamClient, JsonObject]> {
    const client = new UpstreamClient({ handle, parent, era: 'legacy', state: undefined })
    try {
      const result = await client.request('initialize', handshake)
      if (!client.#state) throw new GatewayError('upstream_invalid', 'The server agreed to no revision')
      await client.notify('notifications/initialized')
      return [client, result]
    } catch (error) {
      void client.close()
      throw error
    }
  }

  /** Creates a client of the modern era, which has no sessions and sends its identity with every request. */
  static modern(handle: Handle, parent: Exchange, client: JsonObject): UpstreamClient {
    const envelope = {
      [META.protocolVersion]: MODERN_VERSIONS[0],
      [META.clientCapabilities]: {},
      [META.clientInfo]: client,
    }
    return new UpstreamClient({ handle, parent, era: 'modern', envelope, state: undefined })
  }

  constructor(parts: ClientParts) {
    this.#parts = parts
    this.#state = parts.state
    this.#life = parts.parent.life.child()
  }

  /** The session with the upstream; `undefined` in the modern era. */
  get state(): UpstreamState | undefined {
    return this.#state
  }

  /** Sends a request and returns its result. Throws the server's RpcError, or a GatewayError when no response came. */
  async request(method: string, params?: JsonObject, out?: Out): Promise<JsonObject> {
    const { era, envelope } = this.#parts
    const sent = envelope ? { ...params, _meta: { ...(member(params, '_meta') as JsonObject), ...envelope } } : params
    const id = `gateway-${(this.#ids += 1)}`
    const life = this.#life.child()
    try {
      const reply = await this.#send(requestOf(era, id, method, sent), life)
      if (reply.opened) this.#state = reply.opened
      const response = await readResponse(reply, out, { id })
      if (life.stopped) throw life.stopped
      return resultIn(response)
    } finally {
      life.end()
    }
  }

  async notify(method: string, params?: JsonObject): Promise<void> {
    drainReply(await this.#send(notificationOf(this.#parts.era, method, params)))
  }

  /** Responds to a request of the server. */
  async respond(id: RequestId, answer: { readonly result: unknown } | { readonly error: Fault }): Promise<void> {
    const text = responseText(id, answer)
    drainReply(await this.#send({ kind: 'response', era: this.#parts.era, id, ...answer, text }))
  }

  /**
   * Receives the server's own messages until closed. `filter` is for modern servers; legacy ones take none. `onEnd` is
   * called when the server ends the stream. Throws the server's RpcError, or a GatewayError.
   */
  async listen(
    filter: JsonObject,
    fn: (message: Message) => Awaitable<void>,
    onEnd: () => void = () => {},
  ): Promise<{ close(): void }> {
    const life = this.#life.child()
    const reply = await this.#listener(filter, life).catch((error: unknown) => {
      life.end()
      throw error
    })
    const observed = mapMessages(reply, { methods: () => true, responses: true }, async (message) => {
      await fn(message)
      return 'drop' as const
    }) as EventsReply
    const ended = (): void => {
      life.end()
      onEnd()
    }
    observed.body.pipe({ data: () => true, end: ended })
    return {
      close() {
        life.stop(new GatewayError('bad_request', 'Nobody listens any more'))
        life.end()
      },
    }
  }

  async #listener(filter: JsonObject, life: Lifetime): Promise<EventsReply> {
    const { era, envelope } = this.#parts
    const reply = await (era === 'modern'
      ? this.#send(requestOf(era, `gateway-${(this.#ids += 1)}`, LISTEN_METHOD, { ...filter, _meta: envelope }), life)
      : this.#exchange({ verb: 'GET', message: undefined }, life))
    if (reply.kind === 'events') return reply
    const refusal = await readResponse(reply, undefined, { timeoutMs: REFUSAL_MS })
    if (refusal?.error !== undefined) throw rpcErrorOf(refusal.error)
    throw new GatewayError('upstream_invalid', 'The server answered a listener without a stream')
  }

  /** Stops all requests in progress and ends the session with the upstream, if one was opened. Never rejects. */
  async close(): Promise<void> {
    const state = this.#state
    this.#state = undefined
    // The reason `closing` sends no `notifications/cancelled`: ending the session ends its requests.
    this.#life.stop(new GatewayError('closing', 'The client of our own has closed'))
    if (state?.id !== undefined) {
      const life = this.#life.detach()
      const exchange = this.#parts.parent.fork(
        { verb: 'DELETE', message: undefined, state, headers: versionOf(state), isOwn: true },
        life,
      )
      await this.#parts.handle(exchange).then(drainReply, () => {})
    }
  }

  #send(message: Message, life?: Lifetime): Promise<Reply> {
    return this.#exchange({ verb: 'POST', message }, life)
  }

  #exchange(
    { verb, message }: { readonly verb: 'POST' | 'GET'; readonly message: Message | undefined },
    life: Lifetime = this.#life,
  ): Promise<Reply> {
    const { handle, parent, era } = this.#parts
    const method = message && 'method' in message ? message.method : undefined
    const modern = {
      [HEADER.protocolVersion]: MODERN_VERSIONS[0]!,
      ...(method !== undefined && { [HEADER.method]: method }),
    }
    const headers = era === 'modern' ? modern : versionOf(this.#state)
    return handle(parent.fork({ verb, message, state: this.#state, headers, isOwn: true }, life))
  }
}

function versionOf(state: UpstreamState | undefined): Record<string, string> {
  return state ? negotiatedVersionHeader(state.protocolVersion) : {}
}

function resultIn(response: ResponseMessage | undefined): JsonObject {
  if (response?.error !== undefined) throw rpcErrorOf(response.error)
  if (isObject(response?.result)) return response.result
  throw new GatewayError('upstream_invalid', 'The server answered nothing that could be read')
}
