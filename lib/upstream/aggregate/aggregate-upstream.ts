/** An aggregate as an upstream: each message goes to one member, to all of them, or is answered here. */
import { hash } from 'node:crypto'
import { GatewayError, isCode } from '../../errors.ts'
import { jsonReply } from '../../exchange/answer.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import type { Upstream } from '../../exchange/layer.ts'
import type { Handle, Reply } from '../../exchange/reply.ts'
import { HEADER } from '../../protocol.ts'
import type { AggregateServer, Awaitable } from '../../types.ts'
import { isPromise } from '../../util/awaitable.ts'
import type { Aggregates } from './aggregates.ts'
import { listen } from './listen.ts'
import { eventIdToMember, sharedEventIds } from './member-ids.ts'
import { allMembers, membersFor, separatorOf } from './members.ts'
import { sendNotification, sendResponse } from './one-way.ts'
import { answerRequest } from './requests.ts'
import { replyToClient } from './to-client.ts'
import { endLate, endMember } from './farewell.ts'

export class AggregateUpstream implements Upstream {
  readonly id: string
  readonly label: string
  readonly quits = 'abort'
  readonly #aggregates: Aggregates

  /** The id names no member: that members come and go ends no session. */
  constructor(server: string, aggregates: Aggregates) {
    this.id = hash('sha256', JSON.stringify(['aggregate', server]), 'base64url').slice(0, 22)
    this.label = server
    this.#aggregates = aggregates
  }

  readonly send: Handle = async (exchange) => {
    try {
      const answered = this.#send(exchange)
      const reply = isPromise(answered) ? await answered : answered
      this.#aggregates.parts.outcome(this.id, true)
      return reply
    } catch (error) {
      const [id] = exchange.requestIds
      // A response like that of a server alone, whose links interceptors see.
      if (isCode(error, 'connection_required') && id !== undefined) {
        return jsonReply((error as GatewayError).toJsonRpc(id))
      }
      if (!exchange.life.stopped) this.#aggregates.parts.outcome(this.id, !isFailure(error))
      throw error
    }
  }

  #send(exchange: Exchange): Awaitable<Reply> {
    const { verb, message, state, opens } = exchange
    if (verb === 'DELETE') return this.#end(exchange)
    if (message?.era !== 'modern' && !state && !opens) {
      throw new GatewayError('session_required', 'Mcp-Session-Id is required')
    }
    if (verb === 'GET') return this.#listen(exchange)
    if (message?.kind === 'request') return answerRequest(exchange, message, this.id, this.#aggregates)
    if (message?.kind === 'response') return sendResponse(exchange, message, this.#aggregates)
    if (message?.kind === 'notification') return sendNotification(exchange, message, this.#aggregates)
    throw new GatewayError('invalid_request', 'A batch cannot be sent to several servers')
  }

  /** An event id of one member's stream resumes that stream; any other GET listens to all members. (SE6, SE7) */
  async #listen(exchange: Exchange): Promise<Reply> {
    const after = exchange.headers[HEADER.lastEventId]
    if (after === undefined || sharedEventIds(after)) return listen(exchange, this.#aggregates)
    const found = eventIdToMember(after)
    const member = (await membersFor(exchange)).find(({ name }) => name === found?.member)
    if (!found || !member) throw new GatewayError('events_gone', 'No event has this id')
    const headers = { [HEADER.lastEventId]: found.id }
    const reply = await this.#aggregates.sessions.send(exchange, member, { headers, continues: true })
    const hasUris = separatorOf(exchange.config as AggregateServer) !== false
    return replyToClient(reply, { member, hasUris })
  }

  /** Ends the sessions of all members, also of those whose handshake is still under way. */
  async #end(exchange: Exchange): Promise<Reply> {
    const { sessions, parts } = this.#aggregates
    const members = await allMembers(exchange)
    endLate(exchange, members, sessions.takeLate(exchange.state?.id), parts)
    await Promise.all(
      members.map(async (member) => {
        const state = sessions.stateOf(exchange, member)
        if (state) await endMember(exchange, member, state, parts)
      }),
    )
    return { kind: 'empty', status: 200, headers: {} }
  }
}

/** Whether no member has answered, rather than one alone. */
function isFailure(error: unknown): boolean {
  return error instanceof GatewayError && error.code === 'upstream_unreachable' && error.cause !== undefined
}
