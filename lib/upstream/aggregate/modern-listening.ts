/** How the members of a modern client are listened to: each has its part of the client's `subscriptions/listen`. */
import { GatewayError } from '../../errors.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import type { Lifetime } from '../../exchange/lifetime.ts'
import type { Mapped, Wants } from '../../exchange/map-messages.ts'
import { type Message, type RequestMessage, requestOf } from '../../exchange/message.ts'
import { readResponse } from '../../exchange/read-response.ts'
import { rpcErrorOf } from '../../rpc-error.ts'
import { LISTEN_METHOD, META } from '../../protocol.ts'
import type { AggregateServer, Awaitable, MemberKind } from '../../types.ts'
import { andThen } from '../../util/awaitable.ts'
import { isObject, type JsonObject, member as memberOf } from '../../util/json.ts'
import { ask } from './aggregate-parts.ts'
import type { Listening, OpenedStream } from './member-stream.ts'
import { kindChanged, LIST_CHANGED } from './list-kinds.ts'
import type { MemberSessions } from './member-sessions.ts'
import { hasShown, MEMBER_KINDS, type Member, separatorOf } from './members.ts'
import type { Owners } from './owners.ts'
import { messageToClient } from './to-client.ts'
import { advertisedUri } from './uris.ts'
import { RPC_CODE } from './rpc-reply.ts'

const LISTEN_ACKNOWLEDGED = 'notifications/subscriptions/acknowledged'
const UPDATED = 'notifications/resources/updated'
/** How long a member may take to acknowledge, once it has opened a stream. */
const ACKNOWLEDGE_MS = 10_000

export class ModernListening implements Listening {
  readonly #exchange: Exchange
  readonly #sessions: MemberSessions
  readonly #nextId: () => string
  readonly #onChanged: () => void
  readonly #filter: JsonObject
  /** The resources that the client subscribes to, by member, as the member knows them. */
  readonly #uris: ReadonlyMap<string, readonly string[]>
  /** Those of which a member has said that it will tell, as the client knows them. */
  readonly #honoured = new Set<string>()
  readonly #acknowledging = new Map<string, () => void>()

  private constructor(
    exchange: Exchange,
    sessions: MemberSessions,
    nextId: () => string,
    onChanged: () => void,
    uris: ReadonlyMap<string, readonly string[]>,
  ) {
    this.#exchange = exchange
    this.#sessions = sessions
    this.#nextId = nextId
    this.#onChanged = onChanged
    this.#filter = filterOf(exchange)
    this.#uris = uris
  }

  static async of(
    exchange: Exchange,
    sessions: MemberSessions,
    owners: Owners,
    nextId: () => string,
    onChanged: () => void,
  ): Promise<ModernListening> {
    const uris = new Map<string, string[]>()
    for (const uri of asked(filterOf(exchange))) {
      const owned = await owners.ofUri(exchange, uri)
      if (owned) uris.set(owned.member.name, [...(uris.get(owned.member.name) ?? []), owned.name])
    }
    return new ModernListening(exchange, sessions, nextId, onChanged, uris)
  }

  /** Names the lists that were asked for, of which the aggregate itself tells, and the resources that members honour. */
  acknowledgement(): string {
    const lists = MEMBER_KINDS.map((kind) => LIST_CHANGED[kind].filter).filter((key) => this.#filter[key] === true)
    const notifications = {
      ...Object.fromEntries(lists.map((key) => [key, true])),
      ...(this.#honoured.size > 0 && { resourceSubscriptions: [...this.#honoured] }),
    }
    return this.#textOf(LISTEN_ACKNOWLEDGED, { notifications })
  }

  async open(member: Member, life: Lifetime): Promise<OpenedStream> {
    const { params, id, era, method } = this.#exchange.message as RequestMessage
    const uris = this.#uris.get(member.name)
    const { resourceSubscriptions: _, ...lists } = this.#filter
    const notifications = { ...lists, ...(uris && { resourceSubscriptions: uris }) }
    if (Object.keys(notifications).length === 0) return { reply: undefined, isNew: false }
    const message = requestOf(era, id, method, { ...params, notifications })
    const reply = await this.#sessions.send(this.#exchange, member, { message }, life)
    if (reply.kind === 'events') {
      this.#acknowledging.set(member.name, () => {})
      return { reply, isNew: false }
    }
    const response = await readResponse(reply, undefined, { id, timeoutMs: ACKNOWLEDGE_MS })
    if (memberOf(response?.error, 'code') === RPC_CODE.methodNotFound) return { reply: undefined, isNew: false }
    if (response?.error !== undefined) throw rpcErrorOf(response.error)
    throw new GatewayError('upstream_invalid', 'The server answered a listener without a stream')
  }

  /** Resolves when all members with a stream have acknowledged it. */
  async acknowledged(): Promise<void> {
    await Promise.all(
      Array.from(
        this.#acknowledging.keys(),
        (name) => new Promise<void>((resolve) => this.#acknowledging.set(name, resolve)),
      ),
    )
  }

  async ping(member: Member, life: Lifetime): Promise<boolean> {
    const id = this.#nextId()
    const reply = await this.#sessions.send(ask(this.#exchange, 'server/discover', id, life), member)
    return (await readResponse(reply, undefined, { id })) !== undefined
  }

  wants(): Wants {
    return { methods: () => true, responses: true, eventIds: () => undefined }
  }

  toClient(message: Message, member: Member): Awaitable<Mapped> {
    // The end of a member's stream is not that of the client's.
    if (message.kind === 'response') return 'drop'
    const hasUris = separatorOf(this.#exchange.config as AggregateServer) !== false
    if (message.kind !== 'notification') return messageToClient(message, { member, hasUris })
    if (message.method === LISTEN_ACKNOWLEDGED) {
      this.#honour(memberOf(message.params, 'notifications'), member, hasUris)
      return 'drop'
    }
    const changed = kindChanged(message.method)
    if (changed) this.#onChanged()
    const kind = message.method === UPDATED ? 'resources' : changed
    const mapped = messageToClient(message, { member, hasUris })
    return kind ? andThen(hasShown(this.#exchange, member, kind), (isHeard) => (isHeard ? mapped : 'drop')) : mapped
  }

  hears(member: Member, kind: MemberKind): Awaitable<boolean> {
    return this.#filter[LIST_CHANGED[kind].filter] === true && hasShown(this.#exchange, member, kind)
  }

  textOf(method: string): string {
    this.#onChanged()
    return this.#textOf(method, {})
  }

  #honour(filter: unknown, member: Member, hasUris: boolean): void {
    const own = new Set(this.#uris.get(member.name))
    for (const uri of asked(filter)) {
      if (own.has(uri)) this.#honoured.add(hasUris ? advertisedUri(member.name, uri) : uri)
    }
    this.#acknowledging.get(member.name)?.()
    this.#acknowledging.delete(member.name)
  }

  #textOf(method: string, params: JsonObject): string {
    const { id } = this.#exchange.message as RequestMessage
    return JSON.stringify({ jsonrpc: '2.0', method, params: { ...params, _meta: { [META.subscriptionId]: id } } })
  }
}

function filterOf({ message }: Exchange): JsonObject {
  const filter =
    message?.kind === 'request' && message.method === LISTEN_METHOD ? message.params?.['notifications'] : {}
  return isObject(filter) ? filter : {}
}

function asked(filter: unknown): readonly string[] {
  const uris = memberOf(filter, 'resourceSubscriptions')
  return Array.isArray(uris) ? uris.filter((uri): uri is string => typeof uri === 'string') : []
}
