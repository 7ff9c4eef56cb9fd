/** Listens for a client before it does itself: what a server says at once after the handshake is not lost. (PU2) */
import { GatewayError } from '../errors.ts'
import type { Exchange } from '../exchange/exchange.ts'
import type { Layer, UpstreamOf } from '../exchange/layer.ts'
import type { Lifetime } from '../exchange/lifetime.ts'
import { drainReply, type Handle, type Reply } from '../exchange/reply.ts'
import { HEADER, negotiatedVersionHeader } from '../protocol.ts'
import type { Quota } from '../session/quota.ts'
import { needsSession } from '../session/upstream-session.ts'
import type { ServerConfig } from '../types.ts'
import { bridgesSessions } from '../upstream/eras.ts'
import { boundedSet } from '../util/bounded-map.ts'
import { within } from '../util/timeout.ts'

/** How long "initialized" waits for the head of the server's stream. */
const HEAD_WAIT_MS = 250

/** How long a stream is held. A body that nobody reads keeps 64 KiB; then its server waits. */
const HOLD_MS = 10_000

/** How many streams are held at a time. */
const MAX_HELD = 1_000

/** How many sessions that have listened, or were listened for, are remembered: that is done once for each. */
const MAX_SEEN = 1_000

/** How many servers without such a stream are remembered, and for how long. */
const MAX_MUTE_SERVERS = 1_000
const MUTE_MS = 5 * 60_000

/** A stream that waits for its client. */
interface Held {
  readonly life: Lifetime
  /** `undefined` when the server does not want to be listened to. */
  readonly reply: Promise<Reply | undefined>
  /** It waits no longer, for this reason or because the client has it. */
  end(reason?: GatewayError): void
}

/**
 * Only where the client's own request finds what is held here, or in an event log: at another node a second stream would
 * be refused by the server, and the client stay deaf. What is held keeps no session in use.
 */
export class EarlyListen implements Layer {
  readonly name = 'earlyListen'
  readonly #quota: Quota
  readonly #upstreamOf: UpstreamOf
  /** By session id. */
  readonly #held = new Map<string, Held>()
  readonly #seen = new Map<string, true>()
  /** By upstream id, until when: servers without such a stream. */
  readonly #refusals = new Map<string, number>()

  constructor(quota: Quota, upstreamOf: UpstreamOf) {
    this.#quota = quota
    this.#upstreamOf = upstreamOf
  }

  /** Whatever speaks another protocol keeps what it says by itself. */
  applies(config: ServerConfig): boolean {
    return 'url' in config || bridgesSessions(config)
  }

  handle(exchange: Exchange, next: Handle): Promise<Reply> {
    const { verb, message, origin, headers } = exchange
    const { session } = origin
    if (!session) return next(exchange)
    if (verb === 'GET') {
      boundedSet(this.#seen, MAX_SEEN, session.id, true)
      // Whoever asks for what follows an event asks for another stream.
      const held = headers[HEADER.lastEventId] === undefined ? this.#held.get(session.id) : undefined
      return held ? this.#handOver(held, exchange, next) : next(exchange)
    }
    if (message?.kind !== 'notification' || message.method !== 'notifications/initialized') return next(exchange)
    return this.#isWorthIt(exchange, session.id) ? this.#listen(exchange, session.id, next) : next(exchange)
  }

  /** A session has ended. */
  forget(sessionId: string): void {
    this.#held.get(sessionId)?.end(nobody())
  }

  /** No client comes any more. */
  letGo(): void {
    for (const held of this.#held.values()) held.end(nobody())
  }

  #isWorthIt(exchange: Exchange, sessionId: string): boolean {
    const { state, config, path } = exchange
    if (!state || !needsSession(state) || this.#seen.has(sessionId) || this.#held.size >= MAX_HELD) return false
    if (!('url' in config) && !state.bridge) return false
    const { id } = this.#upstreamOf(path.at(-1)!, config)
    return (this.#refusals.get(id) ?? 0) <= performance.now()
  }

  async #listen(exchange: Exchange, sessionId: string, next: Handle): Promise<Reply> {
    boundedSet(this.#seen, MAX_SEEN, sessionId, true)
    const giveBack = this.#quota.takeEarly(exchange.origin.principal?.id)
    if (giveBack) await within(performance.now() + HEAD_WAIT_MS, this.#hold(exchange, sessionId, next, giveBack))
    return next(exchange)
  }

  /** Resolves when the head of the stream is there, or there is none. */
  #hold(exchange: Exchange, sessionId: string, next: Handle, giveBack: () => void): Promise<unknown> {
    const life = exchange.life.detach()
    life.endless = true
    const headers = negotiatedVersionHeader(exchange.state!.protocolVersion)
    const asking = exchange.fork({ verb: 'GET', message: undefined, headers }, life)
    const end: Held['end'] = (reason) => {
      if (this.#held.get(sessionId) !== held) return
      clearTimeout(timer)
      this.#held.delete(sessionId)
      giveBack()
      if (!reason) return
      life.stop(reason)
      // An event log goes on listening for a while, as it does when a client has left.
      void held.reply.then((reply) => reply && reply.kind !== 'empty' && reply.body.cancel())
    }
    const reply = next(asking).then(
      (given) => {
        if (given.kind === 'events') return given
        drainReply(given)
        end()
        return undefined
      },
      (error: unknown) => {
        if (error instanceof GatewayError && error.status === 405) this.#refuse(exchange)
        end()
        return undefined
      },
    )
    const held: Held = { life, reply, end }
    const timer = setTimeout(() => end(nobody()), HOLD_MS).unref()
    this.#held.set(sessionId, held)
    return reply
  }

  /** Client and stream end together from now on. */
  async #handOver(held: Held, exchange: Exchange, next: Handle): Promise<Reply> {
    held.end()
    const release = exchange.life.adopt(held.life)
    const reply = await held.reply
    if (exchange.life.stopped) {
      if (reply && reply.kind !== 'empty') reply.body.cancel()
      throw exchange.life.stopped
    }
    if (reply) return reply
    release()
    return next(exchange)
  }

  #refuse({ path, config }: Exchange): void {
    const { id } = this.#upstreamOf(path.at(-1)!, config)
    boundedSet(this.#refusals, MAX_MUTE_SERVERS, id, performance.now() + MUTE_MS)
  }
}

function nobody(): GatewayError {
  return new GatewayError('bad_request', 'No client has come to listen')
}
