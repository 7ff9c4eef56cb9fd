/** What the gateway tells upstreams by itself: that a session has ended, that an answer is no longer waited for. */
import { GatewayError } from './errors.ts'
import { type Behind, Exchange, type Handle } from './exchange.ts'
import type { Config } from './options.ts'
import type { Session, SessionRecord } from './types.ts'
import { addVersion } from './upstream/headers.ts'

/** How many upstreams hear at a time of sessions that ended by themselves: thousands may end in the same moment. */
const FAREWELLS_AT_A_TIME = 32

export class Notices {
  readonly #handle: Handle
  readonly #report: Config['report']
  /** Kept for the day a session ends by itself. */
  readonly #behind = new Map<string, Behind>()
  readonly #pending = new Set<Promise<void>>()
  readonly #farewells: (readonly [session: Session, behind: Behind])[] = []
  #sayingFarewell = 0

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

  /** A session that was remembered has ended by itself. (UC5, SS11) */
  expired(id: string, record: SessionRecord): void {
    const behind = this.#behind.get(id)
    this.#behind.delete(id)
    if (behind) this.farewell({ id, record }, behind)
  }

  /** A session has ended that nobody is waiting to see ended: its upstream hears of it in its turn. */
  farewell(session: Session, behind: Behind): void {
    if (session.record.upstream === undefined) return
    this.#farewells.push([session, behind])
    if (this.#sayingFarewell < FAREWELLS_AT_A_TIME) void this.#start(this.#sayFarewells())
  }

  async #sayFarewells(): Promise<void> {
    this.#sayingFarewell += 1
    for (let next = this.#farewells.pop(); next; next = this.#farewells.pop()) {
      await this.#send(next[0], next[1], 'DELETE', undefined)
    }
    this.#sayingFarewell -= 1
  }

  /** A session has ended. Resolves when its upstream has heard of it; never rejects. */
  async ended(session: Session, behind: Behind): Promise<void> {
    if (session.record.upstream !== undefined) await this.#start(this.#send(session, behind, 'DELETE', undefined))
  }

  /** Nobody waits any more for the answers to these requests. (LC8; LC6: a handshake is never cancelled) */
  cancelled({ session, server, config, principal, request, message, waiting }: Exchange, reason: string): void {
    if (!session || (message?.kind === 'request' && message.method === 'initialize')) return
    for (const requestId of waiting) {
      const params = { requestId, reason }
      const notice = JSON.stringify({ jsonrpc: '2.0', method: 'notifications/cancelled', params })
      void this.#start(this.#send(session, { server, config, principal, request }, 'POST', Buffer.from(notice)))
    }
  }

  /** Resolves when all that were started are done. */
  async done(): Promise<void> {
    await Promise.all(this.#pending)
  }

  /** What was not said by now is left unsaid. */
  close(): void {
    this.#farewells.length = 0
  }

  #start(notice: Promise<void>): Promise<void> {
    const pending = notice.finally(() => this.#pending.delete(pending))
    this.#pending.add(pending)
    return pending
  }

  /** An upstream may not want to hear it (405), or have forgotten the session (404). */
  async #send(session: Session, behind: Behind, method: 'POST' | 'DELETE', body: Buffer | undefined): Promise<void> {
    const headers = addVersion({}, session.record.protocolVersion)
    const rest = { request: undefined, ...behind, method, message: undefined, body }
    try {
      const reply = await this.#handle(new Exchange({ ...rest, session, headers }))
      reply.body.drain()
    } catch (error) {
      if (error instanceof GatewayError && (error.status === 404 || error.status === 405)) return
      this.#report(error, behind)
    }
  }
}
