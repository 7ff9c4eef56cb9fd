/** The reply to a handshake -> a session of ours. (SS1, SS2) */
import type { ClientSession, Exchange } from '../exchange/exchange.ts'
import type { Layer } from '../exchange/layer.ts'
import type { Handle, Reply } from '../exchange/reply.ts'
import type { SessionHabits } from '../session/session-habits.ts'
import { isTooMuch } from '../session/session-record.ts'
import type { Sessions } from '../session/sessions.ts'
import { needsSession, type UpstreamContext, type UpstreamSessions } from '../session/upstream-session.ts'
import type { SessionRecord, UpstreamState } from '../types.ts'

/** What opening a session needs of the gateway. */
interface OpenSessionParts {
  readonly sessions: Sessions
  readonly sessionHabits: SessionHabits
  readonly upstreamSessions: UpstreamSessions
  /** Whether clients get a session of the gateway's own where the server gives none: an event log needs one. */
  readonly alwaysSessions: boolean
  readonly report: (error: unknown, exchange: Exchange) => void
}

export class OpenSession implements Layer {
  readonly name = 'openSession'
  readonly #parts: OpenSessionParts

  constructor(parts: OpenSessionParts) {
    this.#parts = parts
  }

  applies(): boolean {
    return true
  }

  /** What is kept comes from inside, so that it is the handshake as the server got it. */
  handle(exchange: Exchange, next: Handle): Promise<Reply> {
    return exchange.opens && !exchange.origin.session ? this.#open(exchange, next) : next(exchange)
  }

  async #open(exchange: Exchange, next: Handle): Promise<Reply> {
    const reply = await next(exchange)
    if (!reply.opened) return reply
    const { alwaysSessions, sessionHabits } = this.#parts
    const isNeeded = needsSession(reply.opened)
    sessionHabits.learn(reply.opened.upstream, isNeeded)
    if (!isNeeded && !alwaysSessions) return reply
    const sessionId = await this.#keep(reply.opened, exchange, reply)
    if (exchange.origin.isGone) await this.#abandon(sessionId, reply.opened, exchange)
    return { ...reply, sessionId }
  }

  async #keep(state: UpstreamState, exchange: Exchange, reply: Reply): Promise<string> {
    const { server, principal } = exchange.origin
    const context = contextOf(exchange)
    try {
      const { protocolVersion } = state
      const id = await this.#create(
        { server, principal: principal?.id ?? '', protocolVersion, upstream: state },
        exchange,
      )
      if (this.#parts.sessions.endByThemselves) this.#parts.upstreamSessions.remember(id, context)
      return id
    } catch (error) {
      if (reply.kind !== 'empty') reply.body.cancel()
      void this.#parts.upstreamSessions.terminate(state, context)
      throw error
    }
  }

  /** What a store cannot keep with what it takes to recover, it keeps without: the session ends with its server's. */
  async #create(record: SessionRecord, exchange: Exchange): Promise<string> {
    const { client, ...upstream } = record.upstream
    // A bridge cannot do without.
    if (!client || upstream.bridge) return this.#parts.sessions.open(record)
    // Of what a client says at its leisure a session keeps no more than of what it says later.
    if (isTooMuch(client)) return this.#parts.sessions.open({ ...record, upstream })
    try {
      return await this.#parts.sessions.open(record)
    } catch (error) {
      const id = await this.#parts.sessions.open({ ...record, upstream })
      this.#parts.report(error, exchange)
      return id
    }
  }

  /** A client that left before it learnt its id will never use it. */
  async #abandon(id: ClientSession['id'], state: UpstreamState, exchange: Exchange): Promise<void> {
    this.#parts.upstreamSessions.forget(id)
    await this.#parts.sessions.end(id)
    void this.#parts.upstreamSessions.terminate(state, contextOf(exchange))
  }
}

/** Without the client's request, which a session outlives. */
function contextOf({ origin: { server, principal }, config }: Exchange): UpstreamContext {
  return { server, principal, config }
}
