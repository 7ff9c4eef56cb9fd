/** The `requestState` of a request that waits for a connection: sealed, so that any node can go on with it. (ST23) */
import type { Exchange } from '../../exchange/exchange.ts'
import type { RequestMessage } from '../../exchange/message.ts'
import { NAMED_BY } from '../../protocol.ts'
import type { GatewayOptions, Json } from '../../types.ts'
import { isObject, member, parseJson } from '../../util/json.ts'
import { SealingKeys } from '../../util/sealing-keys.ts'

const LINKS_PURPOSE = 'express-mcp-gateway links to connect'

/** Says that a state is one of this layer: no server gets it. */
const OWN_PREFIX = 'mcpgw-connect.'

/** How long a state is valid, in milliseconds: a link lives for ten minutes, and its user may be about to answer. */
const STATE_MS = 15 * 60_000

/** The longest state, in characters: clients send it back whole. */
const MAX_LINK_STATE_LENGTH = 64 * 1024

/** What a state holds. */
export interface LinkState {
  /** The ids of the links that the client was given. */
  readonly ids: readonly string[]
  /** What the request said itself: it may be the answer to questions of the server. */
  readonly own: { readonly requestState?: unknown; readonly inputResponses?: unknown }
}

export class LinkStates {
  readonly #keys: SealingKeys

  /** Without `keys` a retry at another node, or after a restart, fails with -32602. */
  constructor(keys: GatewayOptions['keys']) {
    this.#keys = keys === undefined ? SealingKeys.random(LINKS_PURPOSE) : new SealingKeys('"keys"', keys, LINKS_PURPOSE)
  }

  /** The text of a state; `undefined` when it would be too long. */
  write(state: LinkState, bound: string): string | undefined {
    const text = OWN_PREFIX + this.#keys.seal(JSON.stringify({ ...state, until: Date.now() + STATE_MS }), bound)
    return text.length <= MAX_LINK_STATE_LENGTH ? text : undefined
  }

  /** Reads a state; `undefined` for one that is forged, has expired, or is bound to something else. */
  read(text: string, bound: string): LinkState | undefined {
    if (text.length > MAX_LINK_STATE_LENGTH) return undefined
    const opened = this.#keys.open(text.slice(OWN_PREFIX.length), bound)
    const state = opened === undefined ? undefined : parseJson(opened)
    return isObject(state) && (state['until'] as number) > Date.now() ? (state as unknown as LinkState) : undefined
  }
}

/** The state of this layer that a request has come back with. */
export function ownStateIn(message: RequestMessage): string | undefined {
  const state = member(message.params, 'requestState')
  return typeof state === 'string' && state.startsWith(OWN_PREFIX) ? state : undefined
}

/** What a state is valid for: the same method and target, of the same principal at the same upstream. */
export function boundTo({ origin, message }: Exchange, upstreamId: string): string {
  const { method, params } = message as RequestMessage
  return JSON.stringify([
    origin.principal?.id ?? null,
    upstreamId,
    method,
    params?.[NAMED_BY.get(method) ?? ''] ?? null,
  ])
}

/** What the request says itself, as it goes on in a state and comes back from there. */
export function ownInputs(params: Json | undefined): LinkState['own'] {
  const { requestState, inputResponses } = params ?? {}
  return {
    ...(requestState !== undefined && { requestState }),
    ...(inputResponses !== undefined && { inputResponses }),
  }
}
