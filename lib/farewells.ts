/** Tells upstreams that a session has ended, also when nobody asks: on expiry and on shutdown. (UC5, SS11) */
import { GatewayError } from './errors.ts'
import { Exchange, type ExchangeParts, type Handle } from './exchange.ts'
import type { Config } from './options.ts'
import type { Session, SessionRecord } from './types.ts'
import { addVersion } from './upstream/headers.ts'

/** Where the upstream of a session is; `request` when it is a client who ends it. */
export type Behind = Pick<ExchangeParts, 'server' | 'config' | 'principal'> & Partial<Pick<ExchangeParts, 'request'>>

export class Farewells {
  readonly #handle: Handle
  readonly #report: Config['report']
  /** Kept for the day a session ends by itself. */
  readonly #behind = new Map<string, Behind>()
  readonly #pending = new Set<Promise<void>>()

  constructor(handle: Handle, report: Config['report']) {
    this.#handle = handle
    this.#report = report
  }

  remember(id: string, behind: Behind): void {
    this.#behind.set(id, behind)
  }

  forget(id: string): void {
    this.#behind.delete(id)
  }

  /** A session that was remembered has ended by itself. */
  expired(id: string, record: SessionRecord): void {
    const behind = this.#behind.get(id)
    this.#behind.delete(id)
    if (behind) this.start({ id, record }, behind)
  }

  /** Says it without keeping anybody waiting. */
  start(session: Session, behind: Behind): void {
    const farewell = this.say(session, behind).finally(() => this.#pending.delete(farewell))
    this.#pending.add(farewell)
  }

  /** Resolves when the upstream has answered. It may refuse (405) or have forgotten the session (404). Never rejects. */
  async say(session: Session, behind: Behind): Promise<void> {
    if (session.record.upstream === undefined) return
    const headers = addVersion({}, session.record.protocolVersion)
    const rest = { request: behind.request, method: 'DELETE', message: undefined, body: undefined } as const
    try {
      const reply = await this.#handle(new Exchange({ ...behind, ...rest, session, headers }))
      reply.body.drain()
    } catch (error) {
      if (error instanceof GatewayError && (error.status === 404 || error.status === 405)) return
      this.#report(error, behind)
    }
  }

  /** Resolves when all that were started are done. */
  async done(): Promise<void> {
    await Promise.all(this.#pending)
  }
}
