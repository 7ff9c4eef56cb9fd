/** Gives a pipe the semantics of Streamable HTTP: sessions with ids, listeners, replies with a status. */
import type { Exchange } from '../../exchange/exchange.ts'
import type { OnOutcome } from '../../exchange/gateway-internals.ts'
import type { OnChange, Upstream } from '../../exchange/layer.ts'
import { type BeginAttempt, sendIn } from '../../exchange/observed.ts'
import { peekResponse } from '../../exchange/read-response.ts'
import type { Handle, Reply } from '../../exchange/reply.ts'
import type { PipeContext, UpstreamState } from '../../types.ts'
import { inHookTime } from '../../util/hook-timeout.ts'
import { kindOf, member } from '../../util/json.ts'
import { type Eras, isOrdinaryHandshake } from '../eras.ts'
import { recoversSessions } from '../server-kind.ts'
import { ACCEPTED, type Channel } from './channel.ts'
import type { PipeTarget } from './pipe-target.ts'
import type { Pipes } from './pipes.ts'

/** What all pipe servers share. */
export interface PipeUpstreamParts {
  readonly pipes: Pipes
  readonly eras: Eras
  readonly outcome: OnOutcome
  /** Observes the sending of each message when audit or telemetry is on. */
  readonly attempt?: BeginAttempt | undefined
}

const ENDED: Reply = { kind: 'empty', status: 200, headers: {} }

/** Keeps no state of its own, because a lookup function may create one per request. */
export class PipeUpstream implements Upstream {
  readonly id: string
  readonly label: string
  readonly quits = 'cancelled'
  readonly #target: PipeTarget
  readonly #parts: PipeUpstreamParts

  constructor(target: PipeTarget, parts: PipeUpstreamParts) {
    this.id = target.id
    this.label = target.label
    this.#target = target
    this.#parts = parts
  }

  readonly send: Handle = (exchange) => {
    const { attempt } = this.#parts
    return attempt ? sendIn(attempt(exchange), this.#send) : this.#send(exchange)
  }

  readonly #send: Handle = async (exchange) => {
    const { pipes } = this.#parts
    const { message, verb, state, life } = exchange
    if (exchange.opens) return this.#open(exchange)
    if (message?.era === 'modern') return this.#sendShared(exchange)
    const channel = pipes.find(this.#target, state?.id)
    if (verb === 'DELETE') {
      await pipes.close(channel)
      return ENDED
    }
    if (life.stopped) throw life.stopped
    return this.#answered(await channel.send(exchange))
  }

  onChange(listener: OnChange): () => void {
    return this.#parts.pipes.onChange(this.#target, listener)
  }

  /** Handles `initialize`: opens a pipe for the new session, and closes it if the handshake fails. */
  async #open(exchange: Exchange): Promise<Reply> {
    const { pipes, eras } = this.#parts
    const { life, message, config } = exchange
    const context = pipeContextOf(exchange)
    const channel = await pipes.open(this.#target, await this.#keyOf(exchange, context), exchange, context)
    try {
      const reply = await channel.send(exchange)
      const response = await peekResponse(reply)
      if (isOrdinaryHandshake(message, {})) eras.learn(this.id, response)
      const protocolVersion = member(response?.result, 'protocolVersion')
      if (life.stopped) throw life.stopped
      if (typeof protocolVersion !== 'string' || message?.kind !== 'request') {
        void pipes.close(channel)
        return this.#answered(reply)
      }
      const opened: UpstreamState = {
        upstream: this.id,
        protocolVersion,
        id: pipes.keep(channel),
        ...(recoversSessions(config) && { client: { handshake: message.params ?? {} } }),
      }
      return this.#answered({ ...reply, opened })
    } catch (error) {
      void pipes.close(channel)
      throw error
    }
  }

  /**
   * Sends a request over a shared pipe. Other messages go to the pipe of their origin's request, since they concern
   * only it.
   */
  async #sendShared(exchange: Exchange): Promise<Reply> {
    const { message, origin, life } = exchange
    if (message?.kind !== 'request') {
      const channel = shared.get(origin)
      return channel && !channel.isOver ? channel.send(exchange) : ACCEPTED
    }
    const context = pipeContextOf(exchange)
    const key = await this.#keyOf(exchange, context)
    const channel = await this.#parts.pipes.share(this.#target, key, exchange, context)
    if (life.stopped) throw life.stopped
    shared.set(origin, channel)
    return this.#answered(await channel.send(exchange))
  }

  async #keyOf({ origin }: Exchange, context: PipeContext): Promise<string> {
    const { sharedBy } = this.#target.open
    if (!sharedBy) return origin.principal?.id ?? ''
    const key = await inHookTime(origin.bind(sharedBy)(context), '"sharedBy" of a pipe')
    if (typeof key === 'string') return key
    throw new TypeError(`"sharedBy" of a pipe must answer a text, not ${kindOf(key)}`)
  }

  #answered(reply: Reply): Reply {
    this.#parts.outcome(this.id, true)
    return reply
  }
}

/** The shared pipe that an origin's request was sent over, so that it can be cancelled there. */
const shared = new WeakMap<object, Channel>()

function pipeContextOf({ origin, message }: Exchange): PipeContext {
  const { principal, server } = origin
  return { principal, server, era: message?.era ?? 'legacy' }
}
