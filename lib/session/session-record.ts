/** Checks the records that a store answers, converts those of 0.1, since stores outlive an upgrade, and bounds them. */
import type { ClientState, SessionRecord, UpstreamState } from '../types.ts'
import { isDictionary, kindOf } from '../util/json.ts'

/** A record as 0.1 kept it. */
interface OldRecord extends Omit<SessionRecord, 'upstream'> {
  readonly upstream?: string
  readonly recovery?: Required<UpstreamState>['client']
}

/** The limits of the client state in a record: the length of its JSON, and the number of subscriptions. */
const MAX_STATE_CHARS = 64 * 1024
const MAX_SUBSCRIPTIONS = 500

/** Whether a client state exceeds the limits. */
export function isTooMuch(client: ClientState): boolean {
  const isMany = Object.keys(client.subscriptions ?? {}).length > MAX_SUBSCRIPTIONS
  return isMany || JSON.stringify(client).length > MAX_STATE_CHARS
}

/** The upstream in a converted record: 0.1 named none, so the session is valid for the server's current upstream. */
export const ANY_UPSTREAM = ''

/** The record in an answer of a store's `get`. Throws a TypeError for an answer that cannot be one. */
export function checkRecord(answer: unknown): SessionRecord | undefined {
  if (answer === undefined || answer === null) return undefined
  if (isDictionary(answer)) {
    const { server, principal, protocolVersion } = answer
    const isWhole = typeof server === 'string' && typeof principal === 'string' && typeof protocolVersion === 'string'
    if (isWhole) return recordOf(answer as unknown as SessionRecord)
  }
  const what = `must answer the record that "create" was given, or undefined, not ${kindOf(answer)}`
  throw new TypeError(`"get" of the session store ${what}: of a text, JSON.parse() makes one`)
}

/** The record in the form of this version. */
export function recordOf(record: SessionRecord): SessionRecord {
  if (typeof record.upstream === 'object') return record
  const { server, principal, protocolVersion, upstream: id, recovery: client } = record as unknown as OldRecord
  const upstream: UpstreamState = {
    upstream: ANY_UPSTREAM,
    protocolVersion,
    ...(id !== undefined && { id }),
    ...(client !== undefined && { client }),
  }
  return { server, principal, protocolVersion, upstream }
}
