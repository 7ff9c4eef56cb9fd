/** The states of members in the state of their aggregate's session, where what they share is kept once. Pure. */
import type { ClientSession } from '../../exchange/exchange.ts'
import type { ClientState, SessionRecord, UpstreamState } from '../../types.ts'
import type { JsonObject } from '../../util/json.ts'

/** How much of the id of a member's upstream is kept, in characters: enough to tell that it is another one now. */
const UPSTREAM_CHARS = 8

/** The state of a member's own session, if it has one. */
export function memberState(root: UpstreamState | undefined, name: string): UpstreamState | undefined {
  const kept = root?.members && Object.hasOwn(root.members, name) ? root.members[name] : undefined
  if (!root || !kept) return undefined
  const { protocolVersion } = root
  const own: Partial<UpstreamState> & Pick<UpstreamState, 'upstream'> = kept
  if (!kept.client) return { protocolVersion, ...own }
  const handshake = { ...root.client?.handshake, ...kept.client.handshake }
  return { protocolVersion, ...own, client: { ...kept.client, handshake } }
}

/** Whether a member's state was opened at this upstream. */
export function isStateOf({ upstream }: UpstreamState, upstreamId: string): boolean {
  return upstream !== '' && upstreamId.startsWith(upstream)
}

/** What a member's state has in common with the aggregate's is left out: a sealed session must fit in a header. */
export function withMember(root: UpstreamState, name: string, state: UpstreamState): UpstreamState {
  return { ...root, members: { ...root.members, [name]: packed(root, state) } }
}

function packed(root: UpstreamState, { protocolVersion, client, ...rest }: UpstreamState): UpstreamState {
  const isSame = protocolVersion === root.protocolVersion
  const own = { ...rest, upstream: rest.upstream.slice(0, UPSTREAM_CHARS), ...(!isSame && { protocolVersion }) }
  return { ...own, ...(client && { client: ownClient(root, client) }) } as UpstreamState
}

function ownClient(root: UpstreamState, client: ClientState): ClientState {
  const shared: JsonObject = root.client?.handshake ?? {}
  const own = Object.entries(client.handshake).filter(
    ([key, value]) => JSON.stringify(value) !== JSON.stringify(shared[key]),
  )
  return { ...client, handshake: Object.fromEntries(own) }
}

/** A member's part of the client's session, as the layers of its pipeline see it. */
export class MemberSession implements ClientSession {
  readonly #session: ClientSession
  readonly #name: string

  constructor(session: ClientSession, name: string) {
    this.#session = session
    this.#name = name
  }

  get id(): string {
    return `${this.#session.id}~${this.#name}`
  }

  get record(): SessionRecord {
    const { record } = this.#session
    const { protocolVersion } = record
    return { ...record, upstream: memberState(record.upstream, this.#name) ?? { upstream: '', protocolVersion } }
  }

  keep(change: (state: UpstreamState) => UpstreamState): Promise<void> {
    return this.#session.keep((root) => {
      const before = memberState(root, this.#name)
      const after = before && change(before)
      return after && after !== before ? withMember(root, this.#name, after) : root
    })
  }
}
