/** A session store that stores nothing: the id is the record itself, encrypted and authenticated. */
import { MAX_SESSION_ID_LENGTH } from '../protocol.ts'
import type { SessionRecord, SessionStore } from '../types.ts'
import { SEAL_HEAD_BYTES, SealingKeys } from '../util/sealing-keys.ts'
import { SizeClasses } from '../util/size-classes.ts'
import { rejectUnknown } from '../util/unknown-key.ts'
import { jsonValue } from '../util/json-value.ts'

export interface SealedSessionStoreOptions {
  /**
   * Secrets of 32 bytes or characters at least, the same on every node. The first seals, all of them open: to rotate,
   * put a new one in front and drop the old one when its sessions have expired.
   */
  readonly keys: readonly (string | Uint8Array)[]
  /** How long a session lives from its beginning, used or not, in milliseconds. Defaults to 24 hours. */
  readonly ttlMs?: number | undefined
}

/** The content of a decrypted id. */
interface Opened {
  readonly record: SessionRecord
  readonly expiresAt: number
}

/** A principal, and the ids it has deleted at this node. */
interface Owner {
  readonly principal: string
  readonly keys: Set<string>
}

/** An id that was deleted at this node. */
interface Deleted {
  readonly owner: Owner
  /** The time when it would have expired anyway. */
  readonly expiresAt: number
}

/**
 * How many decrypted ids are cached, and how many deleted ids are remembered. Beyond that the oldest deletion of the
 * principal with the most is forgotten, and that session is valid again until it expires.
 */
const MAX_REMEMBERED = 10_000
const MAX_DELETED = 100_000

/** How many characters of an id encode its key name and its iv. */
const KEY_LENGTH = Math.floor((SEAL_HEAD_BYTES * 4) / 3)

const PURPOSE = 'express-mcp-gateway session'

/**
 * Keeps each session in its own id, encrypted with AES-256-GCM, so that every node with the keys can serve it without any
 * infrastructure. In return `delete()` takes effect at this node only, and a record cannot be changed.
 *
 * @example
 * ```js
 * mcpGateway({ servers, authenticate, sessions: new SealedSessionStore({ keys: [process.env.SESSION_KEY] }) })
 * ```
 *
 * @throws {TypeError} from the constructor, for keys shorter than 32 bytes or characters, and for an invalid `ttlMs`.
 */
export class SealedSessionStore implements SessionStore {
  readonly #keys: SealingKeys
  readonly #ttlMs: number
  /** A cache of decrypted ids, since decrypting one costs as much as the rest of a request. */
  readonly #opened = new Map<string, Opened>()
  /** The deleted ids, by the unique part of the id and by principal. */
  readonly #deleted = new Map<string, Deleted>()
  readonly #owners = new Map<string, Owner>()
  readonly #sizes = new SizeClasses<Owner>()

  constructor(options: SealedSessionStoreOptions) {
    const { keys, ttlMs = 24 * 60 * 60_000 } = options ?? {}
    rejectUnknown(options ?? {}, { keys: true, ttlMs: true }, 'SealedSessionStore.')
    this.#keys = new SealingKeys('"keys" of SealedSessionStore', keys, PURPOSE)
    if (!Number.isFinite(ttlMs) || ttlMs <= 0) {
      throw new TypeError(`"ttlMs" of SealedSessionStore must be a positive number, not ${ttlMs}`)
    }
    this.#ttlMs = ttlMs
  }

  /** Throws a RangeError that names the longest part, for a record whose id would exceed 4 096 characters. */
  create(record: SessionRecord): string {
    const expiresAt = Date.now() + this.#ttlMs
    const id = this.#keys.seal(JSON.stringify([expiresAt, record]))
    if (id.length <= MAX_SESSION_ID_LENGTH) return id
    throw new RangeError(`A session id of ${id.length} characters is too long to be sent: ${longestPart(record)}`)
  }

  get(id: string): SessionRecord | undefined {
    const opened = this.#opened.get(id) ?? (this.#deleted.has(uniquePartOf(id)) ? undefined : this.#open(id))
    if (opened && opened.expiresAt > Date.now()) return opened.record
    this.#opened.delete(id)
    return undefined
  }

  delete(id: string): void {
    const opened = this.#opened.get(id) ?? this.#open(id)
    this.#opened.delete(id)
    if (!opened) return
    this.#forgetExpired()
    const { principal } = opened.record
    const key = uniquePartOf(id)
    const owner = this.#owners.get(principal) ?? { principal, keys: new Set() }
    this.#owners.set(owner.principal, owner)
    this.#deleted.set(key, { owner, expiresAt: opened.expiresAt })
    owner.keys.add(key)
    this.#sizes.set(owner, owner.keys.size)
    if (this.#deleted.size <= MAX_DELETED) return
    const [oldest] = this.#sizes.largest!.keys
    this.#forget(oldest!)
  }

  close(): void {
    this.#opened.clear()
  }

  /** Ids are in the order of deletion, not of expiry, so an expired one may stay, but not longer than `ttlMs`. */
  #forgetExpired(): void {
    const now = Date.now()
    for (const [key, { expiresAt }] of this.#deleted) {
      if (expiresAt > now) return
      this.#forget(key)
    }
  }

  #forget(key: string): void {
    const { owner } = this.#deleted.get(key)!
    this.#deleted.delete(key)
    owner.keys.delete(key)
    this.#sizes.set(owner, owner.keys.size)
    if (owner.keys.size === 0) this.#owners.delete(owner.principal)
  }

  #open(id: string): Opened | undefined {
    const opened = openedOf(this.#keys.open(id))
    if (!opened) return undefined
    if (this.#opened.size >= MAX_REMEMBERED) {
      const [first] = this.#opened.keys()
      this.#opened.delete(first!)
    }
    this.#opened.set(id, opened)
    return opened
  }
}

/** The key name and the random iv, which identify an id and are shorter than the whole. */
function uniquePartOf(id: string): string {
  return Buffer.from(id.slice(0, KEY_LENGTH), 'latin1').toString('latin1')
}

/** Not validated further: the authentication tag proves that `create` wrote it. */
function openedOf(text: string | undefined): Opened | undefined {
  if (text === undefined) return undefined
  const [expiresAt, record, ...old] = jsonValue(text) as [number, SessionRecord | string, ...(string | null)[]]
  return { expiresAt, record: typeof record === 'object' ? record : recordOf01(record, old) }
}

/** A record as 0.1 sealed it. Its ids live for `ttlMs` at most, so a later version need not read them. */
function recordOf01(protocolVersion: string, [server, principal, upstream]: (string | null)[]): SessionRecord {
  return { server, principal, protocolVersion, ...(upstream !== null && { upstream }) } as unknown as SessionRecord
}

/** The part to name in the error. */
function longestPart({ principal, upstream }: SessionRecord): string {
  const parts: readonly [what: string, length: number][] = [
    ["the principal's id", principal.length],
    ["the server's own session id", upstream.id?.length ?? 0],
    ['what "recover" keeps of the handshake', JSON.stringify(upstream.client ?? '').length],
    ["what is kept of an aggregate's members", JSON.stringify(upstream.members ?? '').length],
  ]
  const [what, length] = parts.toSorted(([, one], [, other]) => other - one)[0]!
  return `${what} alone takes ${length}`
}
