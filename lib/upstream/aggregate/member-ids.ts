/** Ids that a member gave, as the client sees them: of questions, progress tokens and events. Any node reads them. Pure. */
import type { RequestId } from '../../types.ts'
import { parseJson } from '../../util/json.ts'

/** Member names have none. */
const MARK = '~'

/** The id of a member's question. The JSON text keeps the type: 1 is not "1". (RPC3) */
export function questionIdToClient(member: string, idText: string): string {
  return member + MARK + idText
}

/** A member's own id, and its JSON text. */
export interface MemberId {
  readonly member: string
  readonly id: RequestId
  readonly text: string
}

/** `undefined` for an id that no member's question had. */
export function questionIdToMember(id: unknown): MemberId | undefined {
  const [member, text] = splitId(id) ?? []
  const own = text === undefined ? undefined : parseJson(text)
  if (member === undefined || text === undefined || member === '') return undefined
  return typeof own === 'string' || typeof own === 'number' ? { member, id: own, text } : undefined
}

/** The id of an event on a stream that is one member's. */
export function eventIdToClient(member: string, id: string): string {
  return member + MARK + id
}

export function eventIdToMember(id: string): { readonly member: string; readonly id: string } | undefined {
  const [member, own] = splitId(id) ?? []
  return member === undefined || own === undefined || member === '' ? undefined : { member, id: own }
}

/** The id of an event on a stream of several members: the last id of each, so that each can be resumed. */
export function sharedEventId(ids: ReadonlyMap<string, string>): string {
  return MARK + Buffer.from(JSON.stringify([...ids])).toString('base64url')
}

/** `undefined` for an id of a stream that is one member's. */
export function sharedEventIds(id: string): ReadonlyMap<string, string> | undefined {
  if (!id.startsWith(MARK)) return undefined
  const pairs = parseJson(Buffer.from(id.slice(MARK.length), 'base64url').toString())
  if (!Array.isArray(pairs)) return undefined
  const isPair = (pair: unknown): pair is [string, string] =>
    Array.isArray(pair) && pair.length === 2 && pair.every((each) => typeof each === 'string')
  return pairs.every(isPair) ? new Map(pairs) : undefined
}

function splitId(id: unknown): readonly [string, string] | undefined {
  const at = typeof id === 'string' ? id.indexOf(MARK) : -1
  return at === -1 ? undefined : [(id as string).slice(0, at), (id as string).slice(at + MARK.length)]
}
