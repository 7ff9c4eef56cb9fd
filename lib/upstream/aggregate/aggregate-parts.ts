/** The parts of the gateway that an aggregate uses, and how a message gets to a member. */
import type { Exchange, ExchangeParts } from '../../exchange/exchange.ts'
import type { OnOutcome } from '../../exchange/gateway-internals.ts'
import type { UpstreamOf } from '../../exchange/layer.ts'
import type { Lifetime } from '../../exchange/lifetime.ts'
import { requestOf } from '../../exchange/message.ts'
import type { Handle, Reply } from '../../exchange/reply.ts'
import { HEADER, negotiatedVersionHeader } from '../../protocol.ts'
import type { ClientState, ErrorContext, ServerConfig } from '../../types.ts'
import type { Eras } from '../eras.ts'
import type { Member } from './members.ts'
import { memberSession, memberState } from './member-state.ts'

export interface AggregateParts {
  readonly upstreamOf: UpstreamOf
  /** The pipeline of a member from its door on; from `farewell` on for the DELETE of its session. */
  readonly handleOf: (config: ServerConfig, door: 'member' | 'farewell') => Handle
  readonly eras: Eras
  /** Whether the session store shows changes of a session to all nodes. */
  readonly sessionsAreShared: () => boolean
  /** Whether a session's client state exceeds its limits. */
  readonly isTooMuch: (client: ClientState) => boolean
  readonly responseMs: number
  readonly recheckMs: number
  readonly outcome: OnOutcome
  readonly report: (error: unknown, context: Partial<ErrorContext>) => void
}

export type MemberChanges = Partial<
  Pick<ExchangeParts, 'verb' | 'message' | 'state' | 'headers' | 'isOwn' | 'continues'>
>

/** An exchange as a member's pipeline gets it: in the member's part of the session, to be authorized by its rules. */
export function enter(
  exchange: Exchange,
  member: Member,
  changes: MemberChanges = {},
  life: Lifetime = exchange.life,
): Exchange {
  const { session } = exchange.origin
  const state = 'state' in changes ? changes.state : memberState(exchange.state, member.name)
  const { [HEADER.lastEventId]: _, ...others } = exchange.headers
  const { [HEADER.protocolVersion]: _version, ...rest } = others
  const headers = state ? { ...rest, ...negotiatedVersionHeader(state.protocolVersion) } : others
  const all = { ...changes, headers: { ...headers, ...changes.headers }, config: member.config, state }
  return exchange.forMember(member.server, session && memberSession(session, member.name), all, life)
}

/** An exchange with a request of the gateway's own, which has of the client's no more than who it is. */
export function ask(exchange: Exchange, method: string, id: string, life: Lifetime): Exchange {
  const { message } = exchange
  const era = message?.era ?? 'legacy'
  const meta = message?.kind === 'request' ? message.params?.['_meta'] : undefined
  const kept = Object.entries(exchange.headers).filter(
    ([name]) => name !== HEADER.name && !name.startsWith('mcp-param-'),
  )
  const headers = Object.fromEntries(kept)
  return exchange.fork(
    {
      verb: 'POST',
      message: requestOf(era, id, method, meta === undefined ? {} : { _meta: meta }),
      headers: HEADER.method in headers ? { ...headers, [HEADER.method]: method } : headers,
      isOwn: true,
    },
    life,
  )
}

/** Sends an exchange that has entered a member. */
export async function sendToMember(inner: Exchange, member: Member, parts: AggregateParts): Promise<Reply> {
  if (inner.verb === 'DELETE') return parts.handleOf(member.config, 'farewell')(inner)
  if (inner.message) parts.eras.check(member.config, inner.message)
  return parts.handleOf(member.config, 'member')(inner)
}

export function memberUpstreamId({ server, config }: Member, { upstreamOf }: AggregateParts): string {
  return upstreamOf(server, config).id
}
