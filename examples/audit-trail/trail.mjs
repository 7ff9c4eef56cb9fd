// @ts-check
// A trail that cannot be cut unseen: each line has the digest of the line before, under a key that is not kept with it.
import { createHmac } from 'node:crypto'

/** @typedef {import('express-mcp-gateway').AuditRecord} AuditRecord */

/** A chain for each process: several that write to one file are told apart by its name. */
export class Trail {
  #write
  #key
  #chain
  #seq = 0
  #before = ''

  /**
   * @param {(line: string) => void} write
   * @param {{ key: string, chain: string }} options
   */
  constructor(write, { key, chain }) {
    this.#write = write
    this.#key = key
    this.#chain = chain
  }

  /** @param {object} entry */
  append(entry) {
    const line = JSON.stringify({ ...entry, chain: this.#chain, seq: this.#seq, before: this.#before })
    this.#write(line)
    this.#before = digestOf(line, this.#key)
    this.#seq += 1
  }
}

/**
 * The index of the first line that is not what was written there, -1 when there is none. Lines that are missing at the
 * end show when the newest digest is kept elsewhere, too.
 * @param {readonly string[]} lines
 * @param {string} key
 */
export function firstFault(lines, key) {
  let before = ''
  for (const [index, line] of lines.entries()) {
    const entry = JSON.parse(line)
    if (entry.seq !== index || entry.before !== before) return index
    before = digestOf(line, key)
  }
  return -1
}

/** @param {string} line @param {string} key */
function digestOf(line, key) {
  return createHmac('sha256', key).update(line).digest('base64url')
}

/**
 * The record as an event of OCSF: API Activity, class 6003. (https://schema.ocsf.io/1.5.0/classes/api_activity)
 * @param {AuditRecord} record
 */
export function toOcsf({ time, principal, address, client, server, method, target, id, outcome, by, code, ...rest }) {
  const isSuccess = outcome === 'ok' || outcome === 'pending'
  return {
    class_uid: 6003,
    category_uid: 6,
    type_uid: 6003_99,
    activity_id: 99,
    activity_name: method ?? 'unread',
    severity_id: outcome === 'refused' ? 3 : 1,
    time: Date.parse(time),
    duration: Math.round(rest.durationMs),
    status_id: isSuccess ? 1 : 2,
    status_detail: [outcome, by, code].filter((part) => part !== undefined).join(' '),
    actor: { user: { uid: principal?.id ?? 'unknown' }, ...(rest.session && { session: { uid: rest.session } }) },
    api: {
      operation: method ?? 'unread',
      service: { name: server },
      request: { uid: String(id ?? '') },
      ...(rest.protocolVersion && { version: rest.protocolVersion }),
    },
    ...(target && { resources: [{ name: target }] }),
    src_endpoint: { ip: address ?? '', ...(client && { name: `${client.name} ${client.version}` }) },
    ...(rest.traceId && { metadata: { correlation_uid: rest.traceId } }),
  }
}
