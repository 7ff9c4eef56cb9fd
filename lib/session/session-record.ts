/** The record of a session as it is now, out of one that 0.1 kept: stores outlive an upgrade by a day. */
import type { SessionRecord, UpstreamState } from '../types.ts'
import { isDictionary, kindOf } from '../util/json.ts'

/** What 0.1 kept. */
interface OldRecord extends Omit<SessionRecord, 'upstream'> {
  readonly upstream?: string
  readonly recovery?: Required<UpstreamState>['client']
}

/** Stands for an upstream that a record of 0.1 does not name: such a session is good for whatever its server is now. */
export const ANY_UPSTREAM = ''

/** What a store's `get` answered. Throws a TypeError for what no store was given: every session would be unknown. */
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
