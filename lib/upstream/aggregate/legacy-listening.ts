/** How the members of a session are listened to: each has a GET stream of its own. */
import { GatewayError, isCode } from '../../errors.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import type { Lifetime } from '../../exchange/lifetime.ts'
import type { Mapped, Wants } from '../../exchange/map-messages.ts'
import { type Message, notificationOf } from '../../exchange/message.ts'
import { readResponse } from '../../exchange/read-response.ts'
import { drainReply } from '../../exchange/reply.ts'
import { eventIdHeader } from '../../exchange/sse.ts'
import { HEADER } from '../../protocol.ts'
import type { AggregateServer, Awaitable, MemberKind } from '../../types.ts'
import { andThen } from '../../util/awaitable.ts'
import { ask } from './aggregate-parts.ts'
import type { Listening, OpenedStream } from './member-stream.ts'
import { kindChanged } from './list-kinds.ts'
import { sharedEventId, sharedEventIds } from './member-ids.ts'
import type { MemberSessions } from './member-sessions.ts'
import { hasShown, type Member, separatorOf } from './members.ts'
import { messageToClient } from './to-client.ts'

export class LegacyListening implements Listening {
  readonly #exchange: Exchange
  readonly #sessions: MemberSessions
  readonly #nextId: () => string
  readonly #onChanged: () => void
  /** The last event id of each member. */
  readonly #ids: Map<string, string>

  constructor(exchange: Exchange, sessions: MemberSessions, nextId: () => string, onChanged: () => void) {
    this.#exchange = exchange
    this.#sessions = sessions
    this.#nextId = nextId
    this.#onChanged = onChanged
    this.#ids = new Map(sharedEventIds(exchange.headers[HEADER.lastEventId] ?? ''))
  }

  async open(member: Member, life: Lifetime): Promise<OpenedStream> {
    const before = this.#sessions.stateOf(this.#exchange, member)?.id
    const after = this.#ids.get(member.name)
    const headers = after === undefined ? {} : { [HEADER.lastEventId]: eventIdHeader(after) }
    const isNew = (): boolean => this.#sessions.stateOf(this.#exchange, member)?.id !== before
    try {
      const reply = await this.#sessions.send(
        this.#exchange,
        member,
        { verb: 'GET', message: undefined, headers },
        life,
      )
      if (reply.kind === 'events') return { reply, isNew: isNew() }
      drainReply(reply)
      const status = reply.status >= 400 ? reply.status : 502
      throw new GatewayError('upstream_refused', 'The server answered a listener without a stream', { status })
    } catch (error) {
      const isMute = error instanceof GatewayError && error.status === 405
      if (isMute) return { reply: undefined, isNew: isNew() }
      // What was to be continued may be what is refused.
      if (isCode(error, 'upstream_refused')) this.#ids.delete(member.name)
      throw error
    }
  }

  async ping(member: Member, life: Lifetime): Promise<boolean> {
    const id = this.#nextId()
    const reply = await this.#sessions.send(ask(this.#exchange, 'ping', id, life), member)
    return (await readResponse(reply, undefined, { id })) !== undefined
  }

  wants(member: Member): Wants {
    return {
      methods: () => true,
      responses: true,
      eventIds: (id) => {
        this.#ids.set(member.name, id)
        return sharedEventId(this.#ids)
      },
    }
  }

  toClient(message: Message, member: Member): Awaitable<Mapped> {
    const hasUris = separatorOf(this.#exchange.config as AggregateServer) !== false
    const mapped = messageToClient(message, { member, hasUris })
    if (message.kind !== 'notification') return mapped
    const changed = kindChanged(message.method)
    if (changed) this.#onChanged()
    const kind = message.method === 'notifications/resources/updated' ? 'resources' : changed
    return kind ? andThen(this.hears(member, kind), (isHeard) => (isHeard ? mapped : 'drop')) : mapped
  }

  hears(member: Member, kind: MemberKind): Awaitable<boolean> {
    return hasShown(this.#exchange, member, kind)
  }

  textOf(method: string): string {
    this.#onChanged()
    return notificationOf('legacy', method).text
  }
}
