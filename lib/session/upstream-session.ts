/** Ends upstream sessions by DELETE: when a client ends its session, or when it has expired. (UC5, SS11) */
import { GatewayError } from '../errors.ts'
import { Exchange, Origin } from '../exchange/exchange.ts'
import { Lifetime } from '../exchange/lifetime.ts'
import { drainReply, type Handle } from '../exchange/reply.ts'
import { negotiatedVersionHeader } from '../protocol.ts'
import type { Era, ErrorContext, GatewayRequest, Principal, ServerConfig, UpstreamState } from '../types.ts'

/** What is needed to end an upstream session later, without the client's request. */
export interface UpstreamContext {
  readonly server: string
  readonly config: ServerConfig
  readonly principal: Principal | undefined
  /** The client's request, if a client ends the session. */
  readonly request?: GatewayRequest | undefined
}

/** How many expired sessions are ended at a time, since thousands may expire at the same moment. */
const TERMINATIONS_AT_A_TIME = 32

type Report = (error: unknown, context: Partial<ErrorContext>) => void

export class UpstreamSessions {
  readonly #handleOf: (config: ServerConfig) => Handle
  readonly #report: Report
  /** By session id, filled only if the store reports the sessions that it expires. */
  readonly #contexts = new Map<string, UpstreamContext>()
  readonly #pending = new Set<Promise<void>>()
  readonly #queue: (readonly [state: UpstreamState, context: UpstreamContext])[] = []
  #workers = 0

  /** `handleOf` returns the part of the pipeline for the gateway's own messages, which runs no hook. */
  constructor(handleOf: (config: ServerConfig) => Handle, report: Report) {
    this.#handleOf = handleOf
    this.#report = report
  }

  remember(sessionId: string, context: UpstreamContext): void {
    this.#contexts.set(sessionId, context)
  }

  forget(sessionId: string): void {
    this.#contexts.delete(sessionId)
  }

  /** Ends the upstream session of a remembered session that has expired. */
  expired(sessionId: string, state: UpstreamState): void {
    const context = this.#contexts.get(sessionId)
    this.#contexts.delete(sessionId)
    if (context) this.enqueue(state, context)
  }

  /** Queues the end of a session for which no client waits. */
  enqueue(state: UpstreamState, context: UpstreamContext): void {
    if (!hasSession(state)) return
    this.#queue.push([state, context])
    if (this.#workers < TERMINATIONS_AT_A_TIME) void this.track(this.#work())
  }

  /** Ends a session at once. Resolves when the server has answered; never rejects. */
  async terminate(state: UpstreamState, context: UpstreamContext): Promise<void> {
    if (hasSession(state)) await this.track(this.#send(state, context))
  }

  /** Makes `done()` wait for a promise, which must never reject. */
  track(work: Promise<void>): Promise<void> {
    const pending = work.finally(() => this.#pending.delete(pending))
    this.#pending.add(pending)
    return pending
  }

  /** Resolves when all tracked work is done. */
  async done(): Promise<void> {
    await Promise.all(this.#pending)
  }

  /** Drops the queue. */
  close(): void {
    this.#queue.length = 0
  }

  async #work(): Promise<void> {
    this.#workers += 1
    for (let next = this.#queue.pop(); next; next = this.#queue.pop()) await this.#send(...next)
    this.#workers -= 1
  }

  /** A server may refuse DELETE (405) or no longer know the session (404); neither is a fault. */
  async #send(state: UpstreamState, context: UpstreamContext): Promise<void> {
    const exchange = new Exchange({
      origin: gatewayOrigin(context, 'legacy'),
      life: new Lifetime(true),
      config: context.config,
      path: [context.server],
      verb: 'DELETE',
      message: undefined,
      state,
      headers: negotiatedVersionHeader(state.protocolVersion),
      isOwn: true,
    })
    try {
      drainReply(await this.#handleOf(context.config)(exchange))
    } catch (error) {
      if (error instanceof GatewayError && (error.status === 404 || error.status === 405)) return
      this.#report(error, context)
    }
  }
}

/** The origin of an exchange that the gateway itself starts. */
export function gatewayOrigin({ server, principal, request }: Omit<UpstreamContext, 'config'>, era: Era): Origin {
  const accepts = { json: true, events: true }
  return new Origin({ server, principal, request, era, session: undefined, accepts, response: undefined })
}

/** Whether a client has a session because of what stands behind: a session there, or a bridge. */
export function needsSession({ id, bridge, members = {} }: UpstreamState): boolean {
  return id !== undefined || bridge !== undefined || Object.values(members).some(needsSession)
}

/** Whether a server, or a member of it, has a session of its own. */
export function hasSession({ id, members = {} }: UpstreamState): boolean {
  return id !== undefined || Object.values(members).some(hasSession)
}
