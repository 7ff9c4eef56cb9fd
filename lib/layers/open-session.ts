/** Opens a gateway session for the reply to a handshake. (SS1, SS2) */
import type { ClientSession, Exchange } from '../exchange/exchange.ts'
import type { Layer } from '../exchange/layer.ts'
import type { Handle, Reply } from '../exchange/reply.ts'
import { clientOf } from '../observe/facts.ts'
import type { SessionWatch } from '../observe/session-watch.ts'
import type { SessionHabits } from '../session/session-habits.ts'
import { isTooMuch } from '../session/session-record.ts'
import type { Sessions } from '../session/sessions.ts'
import { needsSession, type UpstreamContext, type UpstreamSessions } from '../session/upstream-session.ts'
import type { SessionRecord, UpstreamState } from '../types.ts'

interface OpenSessionParts {
  readonly sessions: Sessions
  readonly sessionHabits: SessionHabits
  readonly upstreamSessions: UpstreamSessions
  /** Whether clients get a session even if the server gives none, as an event log requires. */
  readonly alwaysSessions: boolean
  /** Told of each session that is opened, and that ends before its client learnt its id. */
  readonly watch?: SessionWatch | undefined
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

  /** The stored state comes from the reply, so that it has the handshake as the server received it. */
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
    this.#watch(sessionId, reply.opened, exchange)
    if (exchange.origin.isGone) await this.#abandon(sessionId, reply.opened, exchange)
    return { ...reply, sessionId }
  }

  #watch(id: string, upstream: UpstreamState, { origin, config, message }: Exchange): void {
    const { server, principal } = origin
    const { protocolVersion } = upstream
    const client = clientOf(message)
    this.#parts.watch?.opened(id, { record: { upstream }, server, principal, protocolVersion, client, config })
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

  /** If a store refuses the record with its client state, the record is stored without it, and cannot be recovered. */
  async #create(record: SessionRecord, exchange: Exchange): Promise<string> {
    const { client, ...upstream } = record.upstream
    // A bridge cannot do without its client state.
    if (!client || hasBridge(upstream)) return this.#parts.sessions.open(record)
    // The client state from the handshake has the same size limit as what later requests add to it.
    if (isTooMuch(client)) return this.#parts.sessions.open({ ...record, upstream })
    try {
      return await this.#parts.sessions.open(record)
    } catch (error) {
      const id = await this.#parts.sessions.open({ ...record, upstream })
      this.#parts.report(error, exchange)
      return id
    }
  }

  /** Ends a session whose client disconnected before it received the session id. */
  async #abandon(id: ClientSession['id'], state: UpstreamState, exchange: Exchange): Promise<void> {
    this.#parts.upstreamSessions.forget(id)
    this.#parts.watch?.ended(id)
    await this.#parts.sessions.end(id)
    void this.#parts.upstreamSessions.terminate(state, contextOf(exchange))
  }
}

function hasBridge({ bridge, members = {} }: UpstreamState): boolean {
  return bridge !== undefined || Object.values(members).some(hasBridge)
}

/** The context leaves out the client's request, since the session outlives it. */
function contextOf({ origin: { server, principal }, config }: Exchange): UpstreamContext {
  return { server, principal, config }
}
