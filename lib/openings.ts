/** The reply to a handshake -> a session of ours. */
import type { ServerResponse } from 'node:http'
import type { Exchange } from './exchange.ts'
import { member } from './json.ts'
import type { Notices } from './notices.ts'
import { HEADER } from './protocol.ts'
import type { Sessions } from './session/sessions.ts'
import type { Answer, Reply, SessionRecord } from './types.ts'
import type { Eras } from './upstream/eras.ts'

/** What opening a session has others do. */
export interface OpeningTools {
  readonly sessions: Sessions
  readonly notices: Notices
  readonly eras: Eras
  readonly readAnswer: (reply: Reply) => Promise<Answer | undefined>
}

export class Openings {
  readonly #tools: OpeningTools

  constructor(tools: OpeningTools) {
    this.#tools = tools
  }

  /** The id of a new session, when the upstream agreed to one. */
  async open(reply: Reply, exchange: Exchange, response: ServerResponse): Promise<string | undefined> {
    const { eras, readAnswer } = this.#tools
    const answer = await readAnswer(reply)
    eras.learn(exchange.config, answer?.message)
    const protocolVersion = member(member(answer?.message, 'result'), 'protocolVersion')
    if (typeof protocolVersion !== 'string') return undefined
    const record = this.#recordOf(reply, exchange, protocolVersion)
    const id = await this.#keep(record, exchange, reply)
    if (response.destroyed) await this.#abandon(id, record, exchange)
    return id
  }

  #recordOf(
    { headers }: Reply,
    { server, config, principal, message }: Exchange,
    protocolVersion: string,
  ): SessionRecord {
    const upstream = headers[HEADER.sessionId]
    const recovers = config.recover === true && this.#tools.sessions.canUpdate && message?.kind === 'request'
    return {
      server,
      principal: principal?.id ?? '',
      ...(typeof upstream === 'string' && { upstream }),
      protocolVersion,
      ...(recovers && { recovery: { handshake: message.params } }),
    }
  }

  async #keep(record: SessionRecord, exchange: Exchange, reply: Reply): Promise<string> {
    const { sessions, notices } = this.#tools
    try {
      const id = await sessions.open(record)
      if (sessions.endByThemselves) notices.remember(id, exchange.behind)
      return id
    } catch (error) {
      reply.body.cancel()
      void notices.ended({ id: '', record }, exchange.behind)
      throw error
    }
  }

  /** A client that left before it learnt its id will never use it. */
  async #abandon(id: string, record: SessionRecord, exchange: Exchange): Promise<void> {
    const { sessions, notices } = this.#tools
    notices.forget(id)
    await sessions.end(id)
    void notices.ended({ id, record }, exchange.behind)
  }
}
