/** Opens a server's session anew when the server has forgotten it, so that its client need not notice. (SS8) */
import { GatewayError, isCode, isElsewhere } from '../errors.ts'
import type { ClientSession, Exchange } from '../exchange/exchange.ts'
import type { Layer } from '../exchange/layer.ts'
import type { Lifetime } from '../exchange/lifetime.ts'
import { mapMessages } from '../exchange/map-messages.ts'
import type { BatchMessage, Message } from '../exchange/message.ts'
import { peekInTime } from '../exchange/read-response.ts'
import type { Handle, Reply } from '../exchange/reply.ts'
import { UpstreamClient } from '../exchange/upstream-client.ts'
import { RpcError } from '../rpc-error.ts'
import { HEADER } from '../protocol.ts'
import { isTooMuch } from '../session/session-record.ts'
import type { ClientState, RequestId, ServerConfig, UpstreamState } from '../types.ts'
import { type JsonObject, member } from '../util/json.ts'

export class RecoverSession implements Layer {
  readonly name = 'recoverSession'
  readonly #responseMs: number
  /** By session id: sessions that are being opened anew. Requests that arrive meanwhile wait for the same promise. */
  readonly #recoveries = new Map<string, Promise<UpstreamState>>()

  /** How long a server may take for an answer that is waited for here, and for all of a recovery. */
  constructor(responseMs = 0) {
    this.#responseMs = responseMs
  }

  applies(config: ServerConfig): boolean {
    return config.recover === true
  }

  handle(exchange: Exchange, next: Handle): Promise<Reply> {
    return exchange.origin.session ? this.#sendIn(exchange, next) : next(exchange)
  }

  /** It shares the lifetime of what it sends again, so that the layers below speak in the new session. */
  async #sendIn(exchange: Exchange, next: Handle): Promise<Reply> {
    try {
      return await this.#noted(exchange, await next(exchange))
    } catch (error) {
      if (!isCode(error, 'session_not_found') || isElsewhere(error) || exchange.life.stopped) throw error
      const state = await unlessStopped(exchange.life, this.#recover(exchange, next)).catch((cause: unknown) => {
        throw exchange.life.stopped ?? new GatewayError('session_not_found', 'Session not found', { cause })
      })
      // Its event ids were the old session's.
      const { [HEADER.lastEventId]: _, ...headers } = exchange.headers
      return this.#noted(exchange, await next(exchange.with({ state, headers })))
    }
  }

  /** Keeps what the server would have to be told again, once it has agreed to it. */
  async #noted(exchange: Exchange, reply: Reply): Promise<Reply> {
    const { message, origin } = exchange
    const session = origin.session!
    if (message?.kind === 'batch') return notedBatch(message, session, reply)
    const change = changeOf(message)
    if (!change) return reply
    const response = await peekInTime(reply, exchange.requestIds[0], this.#responseMs)
    if (response && response.error === undefined) await session.keep(change)
    return reply
  }

  /** The new session is for all who wait for it: whoever was first may be stopped meanwhile. */
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
    // Another node, or another request, was here first.
    if (kept.id !== exchange.state?.id) return kept
    const { client: told } = kept
    const [client] = await UpstreamClient.open(next, exchange, told.handshake)
    try {
      const opened = client.state
      if (opened?.protocolVersion !== kept.protocolVersion) throw gone()
      if (told.logLevel) await tell(client, 'logging/setLevel', told.logLevel)
      for (const params of Object.values(told.subscriptions ?? {})) await tell(client, 'resources/subscribe', params)
      const state: UpstreamState = { ...opened, client: told }
      await session.keep((now) => ({ ...state, client: now.client ?? told }))
      return state
    } catch (error) {
      await client.close()
      throw error
    }
  }
}

/** A server may refuse by now what it agreed to before, say for a resource that is gone: the session goes on without. */
async function tell(client: UpstreamClient, method: string, params: JsonObject): Promise<void> {
  await client.request(method, params).catch((error: unknown) => {
    if (!(error instanceof RpcError)) throw error
  })
}

/** The promise, unless the lifetime is stopped before: whoever is stopped waits for nobody else's work. */
function unlessStopped<T>(life: Lifetime, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const off = life.onStop(reject)
    work.then(resolve, reject).finally(off)
  })
}

/** The state as the store has it now, which may be another than the request found. */
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

/** What a request changes of the state behind, once the server has agreed to it. */
function changeOf(message: Message | undefined): ((state: UpstreamState) => UpstreamState) | undefined {
  const change = message?.kind === 'request' ? CHANGES.get(message.method) : undefined
  if (!change || message?.kind !== 'request') return undefined
  return (state) => withClient(state, (client) => change(client, message.params ?? {}))
}

/** The responses to a batch come in any order, and one by one or all at once. */
function notedBatch({ items }: BatchMessage, session: ClientSession, reply: Reply): Reply {
  const changes = new Map<RequestId | null, (state: UpstreamState) => UpstreamState>()
  for (const item of items) {
    const change = changeOf(item)
    if (change && item.kind === 'request') changes.set(item.id, change)
  }
  if (changes.size === 0) return reply
  return mapMessages(reply, { responses: true }, async (said) => {
    for (const message of said.kind === 'batch' ? said.items : [said]) {
      if (message.kind !== 'response' || message.error !== undefined) continue
      const change = changes.get(message.id)
      if (change) await session.keep(change)
    }
    return undefined
  })
}

type Change = (client: ClientState, params: JsonObject) => ClientState

/** How the requests of a client change what its next session has to be told. */
const CHANGES: ReadonlyMap<string, Change> = new Map<string, Change>([
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

/** What is no text names no resource, whatever the server made of it. */
function uriOf(params: JsonObject): string | undefined {
  const uri = member(params, 'uri')
  return typeof uri === 'string' ? uri : undefined
}

function gone(): GatewayError {
  return new GatewayError('session_not_found', 'Session not found')
}
