/** The parts of the gateway that an aggregate uses, and how a message gets to a member. */
import type { Exchange, ExchangeParts } from '../../exchange/exchange.ts'
import type { OnOutcome } from '../../exchange/gateway-internals.ts'
import type { UpstreamOf } from '../../exchange/layer.ts'
import type { Lifetime } from '../../exchange/lifetime.ts'
import { requestOf } from '../../exchange/message.ts'
import type { Handle, Reply } from '../../exchange/reply.ts'
import { HEADER, negotiatedVersion } from '../../protocol.ts'
import type { ClientState, ErrorContext, ServerConfig, UpstreamState } from '../../types.ts'
import type { Eras } from '../eras.ts'
import type { Member } from './members.ts'
import { MemberSession } from './member-state.ts'

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

/** What a member's exchange has otherwise than the client's; its headers are added to those of the client. */
export type MemberChanges = Partial<Pick<ExchangeParts, 'verb' | 'message' | 'isOwn' | 'continues'>> & {
  readonly headers?: ExchangeParts['headers'] | undefined
}

const NO_CHANGES: MemberChanges = {}

/**
 * An exchange as a member's pipeline gets it: in the member's part of the session, with the state of its own session, and
 * to be authorized by its rules.
 */
export function enter(
  exchange: Exchange,
  member: Member,
  state: UpstreamState | undefined,
  changes: MemberChanges = NO_CHANGES,
  life: Lifetime = exchange.life,
): Exchange {
  const { session } = exchange.origin
  const { server, name, config } = member
  const crossing = headersFor(exchange.headers, state)
  const { verb = exchange.verb, isOwn = exchange.isOwn, continues = exchange.continues } = changes
  return exchange.forMember(server, session && new MemberSession(session, name), {
    life,
    config,
    verb,
    message: 'message' in changes ? changes.message : exchange.message,
    state,
    headers: changes.headers ? { ...crossing, ...changes.headers } : crossing,
    isOwn,
    continues,
  })
}

/** The client's headers with the revision of the member's session, and without the id of an event of the client's. */
function headersFor(
  headers: ExchangeParts['headers'],
  state: UpstreamState | undefined,
): Readonly<Record<string, string>> {
  const said = headers[HEADER.protocolVersion]
  const revision = state ? negotiatedVersion(state.protocolVersion) : said
  if (said === revision && headers[HEADER.lastEventId] === undefined) return headers
  const { [HEADER.lastEventId]: _, [HEADER.protocolVersion]: _said, ...others } = headers
  return revision === undefined ? others : { ...others, [HEADER.protocolVersion]: revision }
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

/** Sends an exchange that has entered a member. Throws at once for an era that the member does not speak. */
export function sendToMember(inner: Exchange, member: Member, parts: AggregateParts): Promise<Reply> {
  if (inner.verb === 'DELETE') return parts.handleOf(member.config, 'farewell')(inner)
  if (inner.message) parts.eras.check(member.config, inner.message)
  return parts.handleOf(member.config, 'member')(inner)
}

export function memberUpstreamId({ server, config }: Member, { upstreamOf }: AggregateParts): string {
  return upstreamOf(server, config).id
}
