/** Serves legacy clients of a modern server: answers what belongs to their sessions, and translates all other requests. */
import { GatewayError } from '../../../errors.ts'
import { answer, jsonReply } from '../../../exchange/answer.ts'
import type { Exchange } from '../../../exchange/exchange.ts'
import type { Lifetime } from '../../../exchange/lifetime.ts'
import { cancelledIdsOf, type RequestMessage, responseText } from '../../../exchange/message.ts'
import type { EmptyReply, Handle, Reply } from '../../../exchange/reply.ts'
import type { RequestId } from '../../../types.ts'
import { boundedSet } from '../../../util/bounded-map.ts'
import type { BridgeParts } from '../bridge-parts.ts'
import { Call, type CallTools } from './call.ts'
import { KnownTools } from './known-tools.ts'
import { errorText } from './legacy-response.ts'
import { openBridge } from './open-bridge.ts'
import { Questions } from './questions.ts'
import { SessionSettings } from './session-settings.ts'
import { isAbsent, RPC_ERROR } from '../tables.ts'

/** Limits the map of the capabilities that servers offered last. */
const MAX_OFFERS = 1_000

const ACKNOWLEDGED: EmptyReply = { kind: 'empty', status: 202, headers: {} }
const SESSION_OVER: EmptyReply = { kind: 'empty', status: 200, headers: {} }

/** A request in progress, which its client may cancel by id. */
interface RunningCall {
  readonly id: RequestId
  readonly life: Lifetime
}

export class LegacyClients {
  readonly #parts: BridgeParts
  readonly #questions: Questions
  readonly #settings: SessionSettings
  readonly #tools: CallTools
  /** By session id. */
  readonly #calls = new Map<string, Set<RunningCall>>()
  /** The capabilities that the server offered last, by upstream, principal and the client's capabilities. */
  readonly #offers = new Map<string, readonly string[]>()
  #ids = 0

  constructor(parts: BridgeParts) {
    this.#parts = parts
    this.#questions = new Questions(parts.mailbox)
    this.#settings = new SessionSettings()
    const nextId = (): string => `gateway-bridge-${(this.#ids += 1)}`
    this.#tools = { parts, questions: this.#questions, knownTools: new KnownTools(), nextId }
  }

  /** Answers a handshake, and records the capabilities that it offered. */
  async open(exchange: Exchange, next: Handle): Promise<Reply> {
    const reply = await openBridge(exchange, next, this.#parts)
    const { opened } = reply
    boundedSet(this.#offers, MAX_OFFERS, offersKey(exchange.with({ state: opened })), opened!.bridge!.offers)
    return reply
  }

  /** Handles any message of a bridged session. */
  async handle(exchange: Exchange, next: Handle): Promise<Reply> {
    const { verb, message, origin } = exchange
    if (verb === 'DELETE') return SESSION_OVER
    this.#checkOffers(exchange)
    if (verb === 'GET') return this.#settings.listen(exchange, next)
    if (message?.kind === 'request') return this.#request(exchange, message, next)
    if (message?.kind === 'response' && origin.session) await this.#questions.answer(origin.session.id, message)
    for (const id of cancelledIdsOf(message)) this.#cancel(exchange, id)
    return ACKNOWLEDGED
  }

  /** Throws `session_not_found` when the server has withdrawn a capability, so that the client learns the new ones. (LC4) */
  #checkOffers(exchange: Exchange): void {
    const latest = this.#offers.get(offersKey(exchange))
    if (!latest || exchange.state!.bridge!.offers.every((offer) => latest.includes(offer))) return
    throw new GatewayError('session_not_found', 'Session not found')
  }

  #request(exchange: Exchange, message: RequestMessage, next: Handle): Promise<Reply> | Reply {
    const { id, method } = message
    if (method === 'ping') return jsonReply(responseText(id, { result: {} }))
    if (method === 'initialize') throw new GatewayError('invalid_request', 'The session is initialized already')
    if (isAbsent(method)) return jsonReply(errorText(id, RPC_ERROR.methodNotFound, 'Method not found'))
    return this.#settings.change(exchange, message) ?? this.#call(exchange, id, next)
  }

  /** Runs a call in a lifetime of its own, since a client may cancel a single request of a batch. */
  #call(exchange: Exchange, id: RequestId, next: Handle): Promise<Reply> {
    const running = { id, life: exchange.life.child() }
    const sessionId = exchange.origin.session?.id ?? ''
    const calls = this.#calls.get(sessionId) ?? new Set()
    this.#calls.set(sessionId, calls.add(running))
    return answer(exchange, async (out) => {
      try {
        return await new Call(exchange, next, running.life, this.#tools).run(out)
      } finally {
        running.life.end()
        calls.delete(running)
        if (calls.size === 0 && this.#calls.get(sessionId) === calls) this.#calls.delete(sessionId)
      }
    })
  }

  /** Ids are compared with their type, and within the client's own session only. (UT4) */
  #cancel({ origin: { session } }: Exchange, id: RequestId): void {
    if (!session) return
    for (const call of this.#calls.get(session.id) ?? []) {
      if (call.id === id) call.life.stop(new GatewayError('bad_request', 'The client cancelled the request'))
    }
  }
}

function offersKey({ state, origin: { principal } }: Exchange): string {
  const { upstream, client } = state!
  return JSON.stringify([upstream, principal?.id ?? null, client!.handshake['capabilities']])
}
