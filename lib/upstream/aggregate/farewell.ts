/** Ends the sessions of members. */
import { GatewayError } from '../../errors.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import { drainReply } from '../../exchange/reply.ts'
import type { UpstreamState } from '../../types.ts'
import { type AggregateParts, enter, sendToMember } from './aggregate-parts.ts'
import type { Opening } from './member-sessions.ts'
import type { Member } from './members.ts'

/** Ends a session of a member. Never rejects: a member may refuse DELETE (405), or no longer know the session (404). */
export async function endMember(
  exchange: Exchange,
  member: Member,
  state: UpstreamState,
  parts: AggregateParts,
): Promise<void> {
  if (state.id === undefined) return
  const changes = { verb: 'DELETE', message: undefined, isOwn: true } as const
  try {
    drainReply(await sendToMember(enter(exchange, member, state, changes, exchange.life.detach()), member, parts))
  } catch (error) {
    if (error instanceof GatewayError && (error.status === 404 || error.status === 405)) return
    parts.report(error, { server: member.server, principal: exchange.origin.principal })
  }
}

/** Ends the sessions of handshakes that are still under way, once they are open. */
export function endLate(
  exchange: Exchange,
  members: readonly Member[],
  late: ReadonlyMap<string, Opening>,
  parts: AggregateParts,
): void {
  for (const [name, opening] of late) {
    const member = members.find((each) => each.name === name)
    if (member) void opening.then((state) => endMember(exchange, member, state, parts)).catch(() => {})
  }
}
