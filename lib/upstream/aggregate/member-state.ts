/** The states of members in the state of their aggregate's session, where what they share is kept once. Pure. */
import type { ClientSession } from '../../exchange/exchange.ts'
import type { UpstreamState } from '../../types.ts'
import type { JsonObject } from '../../util/json.ts'

/** The state of a member's own session, if it has one. */
export function memberState(root: UpstreamState | undefined, name: string): UpstreamState | undefined {
  const kept = root?.members && Object.hasOwn(root.members, name) ? root.members[name] : undefined
  if (!kept?.client) return kept
  const handshake = { ...root?.client?.handshake, ...kept.client.handshake }
  return { ...kept, client: { ...kept.client, handshake } }
}

/** What of a member's handshake is that of the aggregate's is left out: a sealed session must fit in a header. */
export function withMember(root: UpstreamState, name: string, state: UpstreamState): UpstreamState {
  return { ...root, members: { ...root.members, [name]: packed(root, state) } }
}

function packed(root: UpstreamState, state: UpstreamState): UpstreamState {
  const shared: JsonObject | undefined = root.client?.handshake
  if (!shared || !state.client) return state
  const own = Object.entries(state.client.handshake).filter(
    ([key, value]) => JSON.stringify(value) !== JSON.stringify(shared[key]),
  )
  return { ...state, client: { ...state.client, handshake: Object.fromEntries(own) } }
}

/** A member's part of the client's session, as the layers of its pipeline see it. */
export function memberSession(session: ClientSession, name: string): ClientSession {
  return {
    id: `${session.id}~${name}`,
    get record() {
      const { record } = session
      const { protocolVersion } = record
      return { ...record, upstream: memberState(record.upstream, name) ?? { upstream: '', protocolVersion } }
    },
    keep: (change) =>
      session.keep((root) => {
        const before = memberState(root, name)
        const after = before && change(before)
        return after && after !== before ? withMember(root, name, after) : root
      }),
  }
}
