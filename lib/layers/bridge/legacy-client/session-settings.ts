/** Keeps a session's log level, subscriptions and listening stream, since modern servers keep no state of clients. */
import { GatewayError } from '../../../errors.ts'
import { jsonReply } from '../../../exchange/answer.ts'
import type { ClientSession, Exchange } from '../../../exchange/exchange.ts'
import { type RequestMessage, responseText } from '../../../exchange/message.ts'
import type { Handle, Reply } from '../../../exchange/reply.ts'
import { isTooMuch } from '../../../session/session-record.ts'
import type { ClientState, UpstreamState } from '../../../types.ts'
import { KeyedMutex } from '../../../util/keyed-mutex.ts'
import { member } from '../../../util/json.ts'
import { errorText } from './legacy-response.ts'
import { Listener, NO_GET } from './listener.ts'
import { isHeard, LOG_LEVELS, RPC_ERROR } from '../tables.ts'

/** The error that a request is answered with, if any. */
type Refusal = { readonly code: number; readonly message: string } | undefined

interface Setting {
  /** The server capability that it requires. */
  readonly offer: string
  readonly set: (exchange: Exchange, session: ClientSession, message: RequestMessage) => Promise<Refusal>
}

export class SessionSettings {
  /** The listening streams at this node, by session id. */
  readonly #listeners = new Map<string, Listener>()
  readonly #turns = new KeyedMutex()
  readonly #settings: ReadonlyMap<string, Setting> = new Map<string, Setting>([
    ['logging/setLevel', { offer: 'logging', set: (_, session, message) => setLevel(session, message) }],
    ['resources/subscribe', { offer: 'resources.subscribe', set: (...given) => this.#subscribe(true, ...given) }],
    ['resources/unsubscribe', { offer: 'resources.subscribe', set: (...given) => this.#subscribe(false, ...given) }],
  ])

  /** Handles a request that changes a setting; returns `undefined` for any other. */
  change(exchange: Exchange, message: RequestMessage): Promise<Reply> | undefined {
    const setting = this.#settings.get(message.method)
    return setting && this.#change(setting, exchange, message)
  }

  /** Opens the listening stream of a session, of which a node allows one. (SE10) */
  listen(exchange: Exchange, next: Handle): Promise<Reply> {
    const { session } = exchange.origin
    const { offers } = exchange.state!.bridge!
    if (!session || !isHeard(offers)) {
      throw new GatewayError('method_not_allowed', 'The server says nothing of its own accord', { headers: NO_GET })
    }
    return this.#turns.run(session.id, async () => {
      if (this.#listeners.has(session.id)) {
        throw new GatewayError('bad_request', 'The session has a listening stream already', { status: 409 })
      }
      const client = await latestClient(session)
      const over = (): void => void this.#listeners.delete(session.id)
      const listener = new Listener(exchange, next, Object.keys(client?.subscriptions ?? {}), over)
      if (exchange.life.stopped) throw exchange.life.stopped
      this.#listeners.set(session.id, listener)
      return listener.start()
    })
  }

  async #change({ offer, set }: Setting, exchange: Exchange, message: RequestMessage): Promise<Reply> {
    const { session } = exchange.origin
    const isOffered = session && exchange.state!.bridge!.offers.includes(offer)
    const refusal = isOffered
      ? await set(exchange, session, message)
      : { code: RPC_ERROR.methodNotFound, message: 'Method not found' }
    const { id } = message
    return jsonReply(refusal ? errorText(id, refusal.code, refusal.message) : responseText(id, { result: {} }))
  }

  /** Subscribes at the server before the client gets its response, so that it misses nothing after that. */
  #subscribe(isWanted: boolean, _: Exchange, session: ClientSession, { params }: RequestMessage): Promise<Refusal> {
    const uri = member(params, 'uri')
    if (typeof uri !== 'string') return Promise.resolve(invalidParams('"params.uri" must be a string'))
    return this.#turns.run(session.id, async () => {
      const before = await latestClient(session)
      const { [uri]: known, ...others } = before?.subscriptions ?? {}
      if ((known !== undefined) === isWanted) return undefined
      const subscriptions = isWanted ? { ...others, [uri]: { uri } } : others
      if (!before || isTooMuch({ ...before, subscriptions }))
        return invalidParams('Too many resources are subscribed to')
      const honoured = await this.#listeners.get(session.id)?.update(Object.keys(subscriptions))
      if (isWanted && honoured && !honoured.has(uri)) return invalidParams('The server does not tell of this resource')
      await session.keep((state) => withSettings(state, { subscriptions }))
      return undefined
    })
  }
}

/** Stores the level, which each later request repeats. (UT7) */
async function setLevel(session: ClientSession, { params }: RequestMessage): Promise<Refusal> {
  const level = member(params, 'level')
  if (!LOG_LEVELS.has(level)) return invalidParams('"params.level" is not a log level')
  await session.keep((state) => withSettings(state, { logLevel: { level } }))
  return undefined
}

function withSettings(state: UpstreamState, change: Partial<ClientState>): UpstreamState {
  return state.client ? { ...state, client: { ...state.client, ...change } } : state
}

/** Reads the state from the store, since another request may have changed it. */
async function latestClient(session: ClientSession): Promise<ClientState | undefined> {
  let latest: ClientState | undefined
  await session.keep((state) => {
    latest = state.client
    return state
  })
  return latest
}

function invalidParams(message: string): NonNullable<Refusal> {
  return { code: RPC_ERROR.invalidParams, message }
}
