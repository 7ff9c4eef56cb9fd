/** Ends sessions at their servers: on a client's word, on a store's, or because nobody came back. (UC5, SS11) */
import { GatewayError } from '../errors.ts'
import { Exchange, Origin } from '../exchange/exchange.ts'
import { Lifetime } from '../exchange/lifetime.ts'
import { drainReply, type Handle } from '../exchange/reply.ts'
import { negotiatedVersionHeader } from '../protocol.ts'
import type { Era, ErrorContext, GatewayRequest, Principal, ServerConfig, UpstreamState } from '../types.ts'

/** Whose server a session is at, for the day it ends by itself. */
export interface UpstreamContext {
  readonly server: string
  readonly config: ServerConfig
  readonly principal: Principal | undefined
  /** The client's request, where a client ends the session. */
  readonly request?: GatewayRequest | undefined
}

/** How many servers hear at a time of sessions that ended by themselves: thousands may end in the same moment. */
const TERMINATIONS_AT_A_TIME = 32

type Report = (error: unknown, context: Partial<ErrorContext>) => void

export class UpstreamSessions {
  readonly #handleOf: (config: ServerConfig) => Handle
  readonly #report: Report
  /** By session id, where the store tells of sessions that it ended. */
  readonly #contexts = new Map<string, UpstreamContext>()
  readonly #pending = new Set<Promise<void>>()
  readonly #queue: (readonly [state: UpstreamState, context: UpstreamContext])[] = []
  #workers = 0

  /** `handleOf` is the door for what the gateway itself says: no hook judges it. */
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

  /** A session that was remembered has ended by itself. */
  expired(sessionId: string, state: UpstreamState): void {
    const context = this.#contexts.get(sessionId)
    this.#contexts.delete(sessionId)
    if (context) this.enqueue(state, context)
  }

  /** Terminates a session whose end no client waits for, in its turn. */
  enqueue(state: UpstreamState, context: UpstreamContext): void {
    if (!hasSession(state)) return
    this.#queue.push([state, context])
    if (this.#workers < TERMINATIONS_AT_A_TIME) void this.track(this.#work())
  }

  /** Terminates a session. Resolves when its server has heard of it; never rejects. */
  async terminate(state: UpstreamState, context: UpstreamContext): Promise<void> {
    if (hasSession(state)) await this.track(this.#send(state, context))
  }

  /** Has `done()` wait for a promise that never rejects. */
  track(work: Promise<void>): Promise<void> {
    const pending = work.finally(() => this.#pending.delete(pending))
    this.#pending.add(pending)
    return pending
  }

  /** Resolves when all that was started is done. */
  async done(): Promise<void> {
    await Promise.all(this.#pending)
  }

  /** What was not said by now is left unsaid. */
  close(): void {
    this.#queue.length = 0
  }

  async #work(): Promise<void> {
    this.#workers += 1
    for (let next = this.#queue.pop(); next; next = this.#queue.pop()) await this.#send(...next)
    this.#workers -= 1
  }

  /** A server may not want to hear it (405), or have forgotten the session (404). */
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
    })
    try {
      drainReply(await this.#handleOf(context.config)(exchange))
    } catch (error) {
      if (error instanceof GatewayError && (error.status === 404 || error.status === 405)) return
      this.#report(error, context)
    }
  }
}

/** Where an exchange comes from that the gateway itself begins. */
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
