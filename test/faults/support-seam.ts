// What the tests of recovery, async context and trace headers share.
import type { IncomingHttpHeaders } from 'node:http'
import {
  MemoryEventLog,
  type EventLog,
  type Principal,
  type SessionRecord,
  type SessionStore,
} from '../../lib/index.ts'

/** The bearer token is the principal's id, and perhaps when it ends, in seconds: `ann` or `ann@1800000000.5`. */
export function byToken({ headers }: { headers: IncomingHttpHeaders }): Principal | undefined {
  const [, id, expiresAt] = /^Bearer ([^@]+)(?:@(.+))?$/.exec(headers.authorization ?? '') ?? []
  return id === undefined ? undefined : { id, ...(expiresAt !== undefined && { expiresAt: Number(expiresAt) }) }
}

export function bearer(id: string, endsInMs?: number): Record<string, string> {
  const end = endsInMs === undefined ? '' : `@${(Date.now() + endsInMs) / 1_000}`
  return { authorization: `Bearer ${id}${end}` }
}

export const call = { jsonrpc: '2.0', id: 'c', method: 'tools/call', params: { name: 'slow' } }

export const note = { method: 'notifications/message', params: { level: 'info', data: 1 } }

export interface PlainStore extends SessionStore {
  readonly records: Map<string, SessionRecord>
}

/** A store that neither ends sessions by itself nor tells of them, as one in a database. `told` hears who asks it. */
export function plainStore(told: (method: string, record: SessionRecord | undefined) => void = () => {}): PlainStore {
  const records = new Map<string, SessionRecord>()
  return {
    records,
    create(record) {
      told('create', record)
      const id = `session-${records.size}`
      records.set(id, record)
      return id
    },
    get(id) {
      told('get', records.get(id))
      return records.get(id)
    },
    update(id, record) {
      told('update', record)
      records.set(id, record)
    },
    delete(id) {
      told('delete', records.get(id))
      records.delete(id)
    },
  }
}

/** An event log that tells who asks it, answers at once or later, and fails while it is full. */
export function watchedLog(
  told: (method: string) => void,
  answersLater: boolean,
  isFull = (): boolean => false,
): EventLog {
  const log = new MemoryEventLog()
  const answer = <T>(value: T | Promise<T>): T | Promise<T> =>
    answersLater ? new Promise((resolve) => setImmediate(resolve, value)) : value
  return {
    append(name, events) {
      told('append')
      if (isFull()) throw new Error('The disk is full')
      return answer(log.append(name, events))
    },
    read(name, after, waitMs) {
      told('read')
      return log.read(name, after, waitMs)
    },
    last(name) {
      told('last')
      return answer(log.last(name))
    },
    claim(name, writer, leaseMs) {
      told('claim')
      return answer(log.claim(name, writer, leaseMs))
    },
    release(name, writer) {
      told('release')
      return log.release(name, writer)
    },
    close: () => log.close(),
  }
}
