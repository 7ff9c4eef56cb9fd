/** The sessions of members within a client's session: opened late, and opened again when a member has lost its own. */
import { GatewayError, isCode, isElsewhere, requestLost } from '../../errors.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import { type Lifetime, unlessStopped } from '../../exchange/lifetime.ts'
import type { Handle, Reply } from '../../exchange/reply.ts'
import { UpstreamClient } from '../../exchange/upstream-client.ts'
import { RpcError } from '../../rpc-error.ts'
import { HEADER } from '../../protocol.ts'
import type { UpstreamState } from '../../types.ts'
import { boundedSet } from '../../util/bounded-map.ts'
import type { JsonObject } from '../../util/json.ts'
import { type AggregateParts, enter, type MemberChanges, memberUpstreamId, sendToMember } from './aggregate-parts.ts'
import type { Absences } from './absences.ts'
import { endMember } from './farewell.ts'
import type { Member } from './members.ts'
import { isStateOf, memberState, withMember } from './member-state.ts'
import { isMemberUri } from './uris.ts'

/** How many sessions have members whose handshake is still under way, and how long such a handshake may take. */
const MAX_LATE = 10_000
const HANDSHAKE_MS = 60_000

/** What a handshake that came too late for its session has opened. */
export type Opening = Promise<UpstreamState>

export class MemberSessions {
  readonly #parts: AggregateParts
  readonly #absences: Absences
  /** Sessions that are being opened, by session id and member. Whoever needs one meanwhile waits for the same. */
  readonly #joins = new Map<string, Opening>()
  /** Handshakes that were late, by the id of the aggregate's state and the member's name. */
  readonly #late = new Map<string, Map<string, Opening>>()
  readonly #lives = new Set<Lifetime>()

  constructor(parts: AggregateParts, absences: Absences) {
    this.#parts = parts
    this.#absences = absences
  }

  /** Sends a message to a member, in a session that is opened before if the member has none here any more. */
  async send(
    exchange: Exchange,
    member: Member,
    changes: MemberChanges = {},
    life: Lifetime = exchange.life,
  ): Promise<Reply> {
    const isModern = exchange.message?.era === 'modern'
    const known = isModern ? undefined : this.stateOf(exchange, member)
    const state = known || isModern ? known : await unlessStopped(life, this.join(exchange, member))
    const entered = enter(exchange, member, state, changes, life)
    try {
      const reply = await sendToMember(entered, member, this.#parts)
      this.#absences.answered(member, exchange.origin.principal?.id)
      return reply
    } catch (error) {
      if (isModern || !isCode(error, 'session_not_found') || isElsewhere(error) || life.stopped) throw error
      if (entered.continues) throw requestLost(error)
      const mended = await unlessStopped(life, this.join(exchange, member, state))
      // An event id of the old session means nothing in the new one.
      const { [HEADER.lastEventId]: _, ...headers } = changes.headers ?? {}
      return sendToMember(enter(exchange, member, mended, { ...changes, headers }, life), member, this.#parts)
    }
  }

  /** The member's session as this exchange knows it, if it is one of the server that the member is now. */
  stateOf({ origin, state }: Exchange, member: Member): UpstreamState | undefined {
    const found = memberState(origin.session?.record.upstream ?? state, member.name)
    return found && this.#isOf(found, member) ? found : undefined
  }

  /**
   * Opens the session of a member within the client's: it was not there when the client's was opened, or has lost it.
   * Throws `session_not_found` where other nodes would not see it.
   */
  async join(exchange: Exchange, member: Member, lost?: UpstreamState): Opening {
    const { session } = exchange.origin
    if (!session || !this.#parts.sessionsAreShared()) {
      if (lost) throw new GatewayError('session_not_found', 'Session not found')
      throw new GatewayError('upstream_unreachable', 'The server was not there when the session was opened')
    }
    const key = `${session.id}~${member.name}`
    const running = this.#joins.get(key)
    if (running) {
      // Another request keeps what is opened: this one has to read it again.
      const opened = await running
      await session.keep((now) => now)
      return opened
    }
    const joining = this.#join(exchange, member, lost).finally(() => this.#joins.delete(key))
    this.#joins.set(key, joining)
    return joining
  }

  /** Keeps a handshake that is still under way for the session that it belongs to. */
  keepLate(rootId: string, member: Member, opening: Opening): void {
    const late = this.#late.get(rootId) ?? new Map<string, Opening>()
    boundedSet(this.#late, MAX_LATE, rootId, late.set(member.name, opening))
    opening.catch(() => late.delete(member.name))
  }

  /** Takes the handshakes of a session that ends. */
  takeLate(rootId: string | undefined): ReadonlyMap<string, Opening> {
    const late = this.#late.get(rootId ?? '')
    this.#late.delete(rootId ?? '')
    return late ?? new Map()
  }

  /** A lifetime that outlives the client's request, for a limited time. */
  lifeOf(exchange: Exchange): { readonly life: Lifetime; readonly end: () => void } {
    const life = exchange.life.detach()
    const late = (): void => life.stop(new GatewayError('upstream_timeout', 'The handshake took too long'))
    const timer = setTimeout(late, this.#parts.responseMs || HANDSHAKE_MS).unref()
    this.#lives.add(life)
    const end = (): void => {
      clearTimeout(timer)
      this.#lives.delete(life)
      life.end()
    }
    return { life, end }
  }

  close(): void {
    for (const life of this.#lives) life.stop(new GatewayError('closing', 'The gateway is shutting down'))
    this.#late.clear()
  }

  async #join(exchange: Exchange, member: Member, lost: UpstreamState | undefined): Opening {
    const session = exchange.origin.session!
    let root: UpstreamState | undefined
    await session.keep((now) => (root = now))
    const known = memberState(root, member.name)
    // Another request, or another node, has opened it already.
    if (known && this.#isOf(known, member) && known.id !== lost?.id) return known
    if (!root?.client) throw new GatewayError('session_not_found', 'Session not found')
    const late = lost ? undefined : this.#takeLateOf(root, member)
    const opened = late ? await this.#begin(exchange, member, await late) : await this.#open(exchange, member, root)
    let isKept = false
    await session.keep((now) => {
      isKept = true
      return withMember(now, member.name, opened)
    })
    if (!isKept) {
      void endMember(exchange, member, opened, this.#parts)
      throw new GatewayError('session_not_found', 'Session not found')
    }
    return opened
  }

  #isOf(state: UpstreamState, member: Member): boolean {
    return isStateOf(state, memberUpstreamId(member, this.#parts))
  }

  #takeLateOf({ id }: UpstreamState, { name }: Member): Opening | undefined {
    const late = this.#late.get(id ?? '')
    const opening = late?.get(name)
    late?.delete(name)
    return opening
  }

  /** The client has said that it is initialized, perhaps before this member was asked. */
  async #begin(exchange: Exchange, member: Member, state: UpstreamState): Opening {
    const { life, end: over } = this.lifeOf(exchange)
    try {
      await this.#clientOf(exchange, member, life, state).notify('notifications/initialized')
      return state
    } finally {
      over()
    }
  }

  /** Repeats what the client has said: its handshake, its log level, and its subscriptions of this member. */
  async #open(exchange: Exchange, member: Member, { client, protocolVersion }: UpstreamState): Opening {
    const { life, end: over } = this.lifeOf(exchange)
    try {
      const parent = enter(exchange, member, undefined, { verb: 'POST', message: undefined }, life)
      const handshake = { protocolVersion, capabilities: {}, ...client!.handshake }
      const [opened] = await UpstreamClient.open(this.#handleOf(member), parent, handshake)
      const repeat = (method: string, params: JsonObject): Promise<unknown> =>
        opened.request(method, params).catch(ignored)
      if (client!.logLevel) await repeat('logging/setLevel', client!.logLevel)
      for (const [uri, params] of Object.entries(client!.subscriptions ?? {})) {
        if (isMemberUri(uri, member.name)) await repeat('resources/subscribe', params)
      }
      return opened.state!
    } finally {
      over()
    }
  }

  #clientOf(exchange: Exchange, member: Member, life: Lifetime, state: UpstreamState): UpstreamClient {
    const parent = enter(exchange, member, state, { verb: 'POST', message: undefined }, life)
    return new UpstreamClient({ handle: this.#handleOf(member), parent, era: 'legacy', state })
  }

  #handleOf(member: Member): Handle {
    return async (inner) => sendToMember(inner, member, this.#parts)
  }
}

/** The server may refuse now what it accepted before. */
function ignored(error: unknown): void {
  if (!(error instanceof RpcError)) throw error
}
