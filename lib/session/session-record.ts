/** The record of a session: its bounds, and how it is read out of one that 0.1 kept, since stores outlive an upgrade. */
import type { ClientState, SessionRecord, UpstreamState } from '../types.ts'
import { isDictionary, kindOf } from '../util/json.ts'

/** A record as 0.1 kept it. */
interface OldRecord extends Omit<SessionRecord, 'upstream'> {
  readonly upstream?: string
  readonly recovery?: Required<UpstreamState>['client']
}

/** The most that is kept of what a client told its server: its parameters as JSON, and how many subscriptions. */
const MAX_STATE_CHARS = 64 * 1024
const MAX_SUBSCRIPTIONS = 500

/** Whether a client told its server more than a session keeps of it. */
export function isTooMuch(client: ClientState): boolean {
  const isMany = Object.keys(client.subscriptions ?? {}).length > MAX_SUBSCRIPTIONS
  return isMany || JSON.stringify(client).length > MAX_STATE_CHARS
}

/** Stands for an upstream that a record of 0.1 does not name: such a session is good for whatever its server is now. */
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
