/** Reopens the upstream session when the server no longer knows it, unnoticed by the client. (SS8) */
import { GatewayError, isCode, isElsewhere, requestLost } from '../errors.ts'
import type { ClientSession, Exchange } from '../exchange/exchange.ts'
import type { Layer } from '../exchange/layer.ts'
import { unlessStopped } from '../exchange/lifetime.ts'
import { mapMessages } from '../exchange/map-messages.ts'
import type { BatchMessage, Message } from '../exchange/message.ts'
import { peekInTime } from '../exchange/read-response.ts'
import type { Handle, Reply } from '../exchange/reply.ts'
import { UpstreamClient } from '../exchange/upstream-client.ts'
import { RpcError } from '../rpc-error.ts'
import { HEADER } from '../protocol.ts'
import { isTooMuch } from '../session/session-record.ts'
import type { ClientState, RequestId, ServerConfig, UpstreamState } from '../types.ts'
import { recoversSessions } from '../upstream/server-kind.ts'
import { type JsonObject, member } from '../util/json.ts'

export class RecoverSession implements Layer {
  readonly name = 'recoverSession'
  readonly #responseMs: number
  /** Recoveries in progress, by session id. Requests that arrive during a recovery wait for the same promise. */
  readonly #recoveries = new Map<string, Promise<UpstreamState>>()

  /** `responseMs` limits the wait for a response, and also a whole recovery. 0 means no limit. */
  constructor(responseMs = 0) {
    this.#responseMs = responseMs
  }

  applies(config: ServerConfig): boolean {
    return recoversSessions(config)
  }

  handle(exchange: Exchange, next: Handle): Promise<Reply> {
    return exchange.origin.session ? this.#sendAndRecover(exchange, next) : next(exchange)
  }

  /** The retry shares the exchange's lifetime but has the new state, so that the layers below use the new session. */
  async #sendAndRecover(exchange: Exchange, next: Handle): Promise<Reply> {
    try {
      return await this.#record(exchange, await next(exchange))
    } catch (error) {
      if (!isCode(error, 'session_not_found') || isElsewhere(error) || exchange.life.stopped) throw error
      if (exchange.continues) throw requestLost(error)
      const state = await unlessStopped(exchange.life, this.#recover(exchange, next)).catch((cause: unknown) => {
        throw exchange.life.stopped ?? new GatewayError('session_not_found', 'Session not found', { cause })
      })
      // An event id of the old session means nothing in the new one.
      const { [HEADER.lastEventId]: _, ...headers } = exchange.headers
      const reply = await next(exchange.with({ state, headers }))
      return this.#record(exchange, reply.kind === 'events' ? { ...reply, state } : reply)
    }
  }

  /** Stores the client state that a recovery must replay, once the server has accepted the request. */
  async #record(exchange: Exchange, reply: Reply): Promise<Reply> {
    const { message, origin } = exchange
    const session = origin.session!
    if (message?.kind === 'batch') return recordBatch(message, session, reply)
    const change = changeOf(message)
    if (!change) return reply
    const response = await peekInTime(reply, exchange.requestIds[0], this.#responseMs)
    if (response && response.error === undefined) await session.keep(change)
    return reply
  }

  /** Runs in a detached lifetime, so that stopping the first request does not fail the others that wait. */
  async #recover(exchange: Exchange, next: Handle): Promise<UpstreamState> {
    const session = exchange.origin.session!
    const running = this.#recoveries.get(session.id)
    if (running) return running
    const life = exchange.life.detach()
    const recovery = this.#open(exchange.fork({}, life), next)
    this.#recoveries.set(session.id, recovery)
    const late = (): void => life.stop(new GatewayError('upstream_timeout', 'The session was not opened anew in time'))
    const timer = this.#responseMs > 0 ? setTimeout(late, this.#responseMs).unref() : undefined
    try {
      return await recovery
    } finally {
      clearTimeout(timer)
      this.#recoveries.delete(session.id)
    }
  }

  async #open(exchange: Exchange, next: Handle): Promise<UpstreamState> {
    const session = exchange.origin.session!
    const kept = await latestState(exchange)
    if (!kept?.client) throw gone()
    // Another node or another request has recovered the session already.
    if (kept.id !== exchange.state?.id) return kept
    const { client: saved } = kept
    const [client] = await UpstreamClient.open(next, exchange, saved.handshake)
    try {
      const opened = client.state
      if (opened?.protocolVersion !== kept.protocolVersion) throw gone()
      if (saved.logLevel) await replay(client, 'logging/setLevel', saved.logLevel)
      for (const params of Object.values(saved.subscriptions ?? {})) await replay(client, 'resources/subscribe', params)
      const state: UpstreamState = { ...opened, client: saved }
      await session.keep((now) => ({ ...state, client: now.client ?? saved }))
      return state
    } catch (error) {
      await client.close()
      throw error
    }
  }
}

/** An error response is ignored: the server may refuse now what it accepted before, such as a deleted resource. */
async function replay(client: UpstreamClient, method: string, params: JsonObject): Promise<void> {
  await client.request(method, params).catch((error: unknown) => {
    if (!(error instanceof RpcError)) throw error
  })
}

/** The state as the store has it now, which may be newer than the one that the request read. */
async function latestState({ origin, state }: Exchange): Promise<UpstreamState | undefined> {
  let latest = state
  await origin.session?.keep((now) => (latest = now))
  return latest
}

function withClient(state: UpstreamState, change: (client: ClientState) => ClientState): UpstreamState {
  if (!state.client) return state
  const client = change(state.client)
  return isTooMuch(client) ? state : { ...state, client }
}

/** The change that a request makes to the upstream state, once the server has accepted it. */
function changeOf(message: Message | undefined): ((state: UpstreamState) => UpstreamState) | undefined {
  const change = message?.kind === 'request' ? CLIENT_CHANGES.get(message.method) : undefined
  if (!change || message?.kind !== 'request') return undefined
  return (state) => withClient(state, (client) => change(client, message.params ?? {}))
}

/** Responses are matched by id, since those of a batch arrive in any order, one by one or as a batch. */
function recordBatch({ items }: BatchMessage, session: ClientSession, reply: Reply): Reply {
  const changes = new Map<RequestId | null, (state: UpstreamState) => UpstreamState>()
  for (const item of items) {
    const change = changeOf(item)
    if (change && item.kind === 'request') changes.set(item.id, change)
  }
  if (changes.size === 0) return reply
  return mapMessages(reply, { responses: true }, async (received) => {
    for (const message of received.kind === 'batch' ? received.items : [received]) {
      if (message.kind !== 'response' || message.error !== undefined) continue
      const change = changes.get(message.id)
      if (change) await session.keep(change)
    }
    return undefined
  })
}

type Change = (client: ClientState, params: JsonObject) => ClientState

/** The changes to the client state, by the method of the request. */
const CLIENT_CHANGES: ReadonlyMap<string, Change> = new Map<string, Change>([
  ['logging/setLevel', (client, params) => ({ ...client, logLevel: params })],
  [
    'resources/subscribe',
    (client, params) => {
      const uri = uriOf(params)
      return uri === undefined ? client : { ...client, subscriptions: { ...client.subscriptions, [uri]: params } }
    },
  ],
  [
    'resources/unsubscribe',
    (client, params) => {
      const { [uriOf(params) ?? '']: _, ...subscriptions } = client.subscriptions ?? {}
      return { ...client, subscriptions }
    },
  ],
])

/** `undefined` when the URI is not a string, even if the server accepted it. */
function uriOf(params: JsonObject): string | undefined {
  const uri = member(params, 'uri')
  return typeof uri === 'string' ? uri : undefined
}

function gone(): GatewayError {
  return new GatewayError('session_not_found', 'Session not found')
}
