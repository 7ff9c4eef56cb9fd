/** What the house itself asks of upstreams, in the session of no client. */
import { GatewayError } from './errors.ts'
import type { Exchange, Handle } from './exchange.ts'
import { permit } from './hooks.ts'
import type { Enquiries, OnOutcome } from './inside.ts'
import type { Notices } from './notices.ts'
import type { Config } from './options.ts'
import type { Answer, Reply, Session } from './types.ts'
import type { HttpUpstream } from './upstream/http.ts'

export class OwnEnquiries implements Enquiries {
  readonly #config: Config
  readonly #handle: Handle
  readonly #notices: Notices
  readonly #upstream: HttpUpstream
  readonly #readAnswer: (reply: Reply) => Promise<Answer | undefined>
  readonly #isOpen: () => boolean

  constructor(
    config: Config,
    handle: Handle,
    notices: Notices,
    upstream: HttpUpstream,
    readAnswer: (reply: Reply) => Promise<Answer | undefined>,
    isOpen: () => boolean,
  ) {
    this.#config = config
    this.#handle = handle
    this.#notices = notices
    this.#upstream = upstream
    this.#readAnswer = readAnswer
    this.#isOpen = isOpen
  }

  async ask(exchange: Exchange): ReturnType<Enquiries['ask']> {
    if (!this.#isOpen()) throw new GatewayError('closing', 'The gateway is shutting down')
    const { message, server, config, principal } = exchange
    permit(message, server, config, principal, this.#config)
    const reply = await this.#handle(exchange)
    const answer = exchange.isAnswered ? await this.#readAnswer(reply) : undefined
    reply.body.drain()
    if (exchange.stopped) throw exchange.stopped
    return { headers: reply.headers, answer }
  }

  leave(session: Session, { behind }: Exchange): void {
    void this.#notices.ended(session, behind)
  }

  watch(onOutcome: OnOutcome): void {
    this.#upstream.watch(onOutcome)
  }
}
