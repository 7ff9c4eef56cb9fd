/** The `requestState` of input requests: bound to what was asked, by whom and where, and valid for a limited time. (ST23) */
import { hash } from 'node:crypto'
import type { Exchange } from '../../../exchange/exchange.ts'
import type { RequestMessage } from '../../../exchange/message.ts'
import { QUESTION_MS } from '../tables.ts'
import type { SealingKeys } from '../../../util/sealing-keys.ts'
import { canonicalJson } from '../../../util/canonical-json.ts'
import { isObject, parseJson } from '../../../util/json.ts'
import type { ServerQuestion } from './question.ts'

/** The purpose of the keys that seal states. */
export const STATE_PURPOSE = 'express-mcp-gateway request state'

/** The longest state that is sealed, in characters: clients send it back whole. */
const MAX_STATE_LENGTH = 64 * 1024

/** What is known of a call that another node goes on with. */
export interface Suspended {
  readonly id: string
  /** The id of the last event that was read of its stream. */
  readonly after: string
  readonly questions: readonly ServerQuestion[]
  /** How many questions it has asked, by which they are numbered. */
  readonly asked: number
}

/** A call that any node can go on with. */
export interface MovableCall {
  /** The id of the session at the server, and its revision. */
  readonly session: string
  readonly version: string
  readonly serverInfo?: unknown
  /** The last event of the session's listening stream. */
  readonly heard?: string | undefined
  readonly call: Suspended
}

/** What a state stands for. */
export type State =
  /** A call that waits at the node which has this handle. */
  | { readonly kind: 'held'; readonly handle: string; readonly round: number }
  | { readonly kind: 'movable'; readonly movable: MovableCall; readonly round: number }
  /** A request that the server wants to get again once its user has opened a URL. */
  | { readonly kind: 'again'; readonly round: number }

/** Parameters in which a retry may differ from the request that it repeats. */
const OF_THE_RETRY: ReadonlySet<string> = new Set(['_meta', 'inputResponses', 'requestState'])

/** What a state is valid for: the same request of the same principal at the same upstream. */
export function boundOf({ origin, message }: Exchange, upstreamId: string): string {
  const { method, params } = message as RequestMessage
  const asked = Object.entries(params ?? {}).filter(([name]) => !OF_THE_RETRY.has(name))
  return hash(
    'sha256',
    canonicalJson([origin.principal?.id ?? null, upstreamId, method, Object.fromEntries(asked)]),
    'base64url',
  )
}

/** A handle says nothing to those who do not have the call, so it is not sealed: another node may ask for it. */
const HELD = /^held\.([\w-]{22})\.(\d{1,3})\.([\w-]{43})$/

export class RequestStates {
  readonly #keys: SealingKeys

  constructor(keys: SealingKeys) {
    this.#keys = keys
  }

  /** The text of a state; `undefined` when it would be too long. */
  write(state: State, bound: string): string | undefined {
    if (state.kind === 'held') {
      return `held.${state.handle}.${state.round}.${digestOfHandle(state.handle, state.round, bound)}`
    }
    const text = this.#keys.seal(JSON.stringify({ until: Date.now() + QUESTION_MS, state }), bound)
    return text.length <= MAX_STATE_LENGTH ? text : undefined
  }

  /** Reads a state; `undefined` for one that is forged, has expired, or is bound to something else. */
  read(text: unknown, bound: string): State | undefined {
    if (typeof text !== 'string' || text.length > MAX_STATE_LENGTH) return undefined
    const [, handle, round, digest] = HELD.exec(text) ?? []
    if (handle !== undefined) {
      const isBound = digest === digestOfHandle(handle, Number(round), bound)
      return isBound ? { kind: 'held', handle, round: Number(round) } : undefined
    }
    const opened = this.#keys.open(text, bound)
    const sealed = opened === undefined ? undefined : parseJson(opened)
    if (!isObject(sealed) || (sealed['until'] as number) <= Date.now()) return undefined
    return sealed['state'] as State
  }
}

function digestOfHandle(handle: string, round: number, bound: string): string {
  return hash('sha256', `${handle} ${round} ${bound}`, 'base64url')
}
