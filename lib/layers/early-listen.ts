/**
 * Opens a session's listening stream before the client does, so that messages right after the handshake are not lost.
 * (PU2)
 */
import { GatewayError } from '../errors.ts'
import type { Exchange } from '../exchange/exchange.ts'
import type { Layer, UpstreamOf } from '../exchange/layer.ts'
import type { Lifetime } from '../exchange/lifetime.ts'
import { drainReply, type Handle, type Reply } from '../exchange/reply.ts'
import { HEADER, negotiatedVersionHeader } from '../protocol.ts'
import type { Quota } from '../session/quota.ts'
import { needsSession } from '../session/upstream-session.ts'
import type { ServerConfig } from '../types.ts'
import { bridgesSessions, isAggregate, isPipeServer, isSseServer } from '../upstream/server-kind.ts'
import { boundedSet } from '../util/bounded-map.ts'
import { within } from '../util/timeout.ts'

/** How long `notifications/initialized` is delayed for the response headers of the stream. */
const HEAD_WAIT_MS = 250

/** How long a stream is held for its client. It buffers 64 KiB; then backpressure stops the server. */
const HOLD_MS = 10_000

const MAX_HELD = 1_000

/** How many sessions that already had a listening stream are remembered, as each gets only one early stream. */
const MAX_SEEN = 1_000

/** How many servers that refused a listening stream are remembered, and for how long. */
const MAX_MUTE_SERVERS = 1_000
const MUTE_MS = 5 * 60_000

/** An open stream that waits for its client. */
interface Held {
  readonly life: Lifetime
  /** `undefined` when the server refused the stream. */
  readonly reply: Promise<Reply | undefined>
  /** Stops holding the stream. With a reason it is closed; without, the client has taken it over. */
  release(reason?: GatewayError): void
}

/**
 * The layer needs sessions that stay on this node, or an event log. On another node the server would refuse the
 * client's own stream as a second one, and the client would receive nothing. A held stream does not prolong its
 * session.
 */
export class EarlyListen implements Layer {
  readonly name = 'earlyListen'
  readonly #quota: Quota
  readonly #upstreamOf: UpstreamOf
  /** By session id. */
  readonly #held = new Map<string, Held>()
  readonly #seen = new Map<string, true>()
  /** Servers that refused a listening stream: upstream id to the time at which the entry expires. */
  readonly #refusals = new Map<string, number>()

  constructor(quota: Quota, upstreamOf: UpstreamOf) {
    this.#quota = quota
    this.#upstreamOf = upstreamOf
  }

  /** Upstreams other than HTTP buffer early messages themselves. */
  applies(config: ServerConfig): boolean {
    return isAggregate(config) || (!isPipeServer(config) && !isSseServer(config)) || bridgesSessions(config)
  }

  handle(exchange: Exchange, next: Handle): Promise<Reply> {
    const { verb, message, origin, headers } = exchange
    const { session } = origin
    if (!session) return next(exchange)
    if (verb === 'GET') {
      boundedSet(this.#seen, MAX_SEEN, session.id, true)
      // A GET with `Last-Event-ID` resumes an earlier stream, which is not the one held here.
      const held = headers[HEADER.lastEventId] === undefined ? this.#held.get(session.id) : undefined
      return held ? this.#handOver(held, exchange, next) : next(exchange)
    }
    if (message?.kind !== 'notification' || message.method !== 'notifications/initialized') return next(exchange)
    return this.#isWorthIt(exchange, session.id) ? this.#listen(exchange, session.id, next) : next(exchange)
  }

  /** Closes the stream held for a session that has ended. */
  forget(sessionId: string): void {
    this.#held.get(sessionId)?.release(noClient())
  }

  /** Closes all held streams. */
  releaseAll(): void {
    for (const held of this.#held.values()) held.release(noClient())
  }

  #isWorthIt(exchange: Exchange, sessionId: string): boolean {
    const { state, config, path } = exchange
    if (!state || !needsSession(state) || state.silent) return false
    if (this.#seen.has(sessionId) || this.#held.size >= MAX_HELD) return false
    if (isPipeServer(config) && !state.bridge) return false
    const { id } = this.#upstreamOf(path.at(-1)!, config)
    return (this.#refusals.get(id) ?? 0) <= performance.now()
  }

  async #listen(exchange: Exchange, sessionId: string, next: Handle): Promise<Reply> {
    boundedSet(this.#seen, MAX_SEEN, sessionId, true)
    const freeSlot = this.#quota.takeEarly(exchange.origin.principal?.id)
    if (freeSlot) await within(performance.now() + HEAD_WAIT_MS, this.#hold(exchange, sessionId, next, freeSlot))
    return next(exchange)
  }

  /** Resolves when the server has accepted or refused the stream. */
  #hold(exchange: Exchange, sessionId: string, next: Handle, freeSlot: () => void): Promise<unknown> {
    const life = exchange.life.detach()
    life.endless = true
    const headers = negotiatedVersionHeader(exchange.state!.protocolVersion)
    const listening = exchange.fork({ verb: 'GET', message: undefined, headers, isOwn: true }, life)
    const release: Held['release'] = (reason) => {
      if (this.#held.get(sessionId) !== held) return
      clearTimeout(timer)
      this.#held.delete(sessionId)
      freeSlot()
      if (!reason) return
      life.stop(reason)
      // With an event log, cancelling the body only detaches the reader; the log keeps the stream open for a while.
      void held.reply.then((reply) => reply && reply.kind !== 'empty' && reply.body.cancel())
    }
    const reply = next(listening).then(
      (received) => {
        if (received.kind === 'events') return received
        drainReply(received)
        release()
        return undefined
      },
      (error: unknown) => {
        if (error instanceof GatewayError && error.status === 405) this.#rememberRefusal(exchange)
        release()
        return undefined
      },
    )
    const held: Held = { life, reply, release }
    const timer = setTimeout(() => release(noClient()), HOLD_MS).unref()
    this.#held.set(sessionId, held)
    return reply
  }

  /** Gives the held stream to the client, whose request stops it from now on. */
  async #handOver(held: Held, exchange: Exchange, next: Handle): Promise<Reply> {
    held.release()
    const undoAdopt = exchange.life.adopt(held.life)
    const reply = await held.reply
    if (exchange.life.stopped) {
      if (reply && reply.kind !== 'empty') reply.body.cancel()
      throw exchange.life.stopped
    }
    if (reply && !isReplaced(reply)) return reply
    undoAdopt()
    return next(exchange)
  }

  #rememberRefusal({ path, config }: Exchange): void {
    const { id } = this.#upstreamOf(path.at(-1)!, config)
    boundedSet(this.#refusals, MAX_MUTE_SERVERS, id, performance.now() + MUTE_MS)
  }
}

/** Whether the client has read the stream at another node. */
function isReplaced(reply: Reply): boolean {
  return reply.kind === 'events' && reply.isReplaced?.() === true
}

function noClient(): GatewayError {
  return new GatewayError('bad_request', 'No client has come to listen')
}
