/** A session store in Redis, one server or a cluster. */
import { createHash, randomBytes, randomFillSync } from 'node:crypto'
import { checkPrefix, type RedisClient, RedisCommands, refuseSendCommand } from './redis.ts'
import type { SessionRecord, SessionStore } from '../types.ts'
import { rejectUnknown } from '../util/unknown-key.ts'
import { jsonValue } from '../util/json-value.ts'

export interface RedisSessionStoreOptions {
  /** The client, of one server or of a cluster. */
  readonly client: RedisClient
  /** How long a session lives without use, in milliseconds. Defaults to 30 minutes. */
  readonly ttlMs?: number | undefined
  /** How long a session lives at most, used or not, in milliseconds. Defaults to 24 hours, or to a longer `ttlMs`. */
  readonly lifetimeMs?: number | undefined
  /**
   * How many sessions one principal may have. Beyond that the principal's least recently used session ends. `Infinity`
   * sets no cap. Defaults to 1 000.
   */
  readonly maxSessionsPerPrincipal?: number | undefined
  /** The prefix of all keys, which must differ between gateways. Defaults to `mcp:session:`. */
  readonly prefix?: string | undefined
  /** The time limit of a command, in milliseconds; after it the client gets 503. Defaults to 2 000. */
  readonly timeoutMs?: number | undefined
}

/** The names of all options: the compiler rejects a record that lacks one. */
const REDIS_STORE_OPTIONS: Readonly<Record<keyof RedisSessionStoreOptions, true>> = {
  client: true,
  ttlMs: true,
  lifetimeMs: true,
  maxSessionsPerPrincipal: true,
  prefix: true,
  timeoutMs: true,
}

/**
 * An id consists of random bytes, the time at which the session ends at the latest, and the hash tag of its key. The tag
 * is the same for all sessions of a principal, so that in a cluster one script can count them. An id of version 0.1 has
 * no tag.
 */
const RANDOM_BYTES = 24
const TIME_BYTES = 6
const UNTAGGED_BYTES = RANDOM_BYTES + TIME_BYTES
const HASH_TAG_BYTES = 3
const HASH_TAG_LENGTH = 4

/**
 * Stores a session and adds it to the principal's set. Over the cap, the sessions with the least time left are
 * deleted, which are the least recently used ones. Expired sessions are removed from the set.
 */
const CREATE = `
local kept = redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2], 'NX')
local most = tonumber(ARGV[4])
if kept and redis.call('SCARD', KEYS[2]) >= most then
  local live = {}
  for _, key in ipairs(redis.call('SMEMBERS', KEYS[2])) do
    local left = redis.call('PTTL', key)
    if left > 0 then table.insert(live, { key, left }) else redis.call('SREM', KEYS[2], key) end
  end
  table.sort(live, function(one, other) return one[2] < other[2] end)
  for index = 1, #live - most + 1 do
    redis.call('DEL', live[index][1])
    redis.call('SREM', KEYS[2], live[index][1])
  end
end
if kept then
  redis.call('SADD', KEYS[2], KEYS[1])
  redis.call('PEXPIRE', KEYS[2], ARGV[3])
end
return kept`

/**
 * Keeps sessions in Redis 6.2 or later, one server or a cluster, with one round trip per request. Keys are hashes of ids,
 * so that read access to the database gives no access to sessions. Redis does not report expired sessions, so the
 * sessions at their servers are not ended.
 *
 * @example
 * ```js
 * const client = await createClient({ url }).connect()
 * const sessions = new RedisSessionStore({ client })
 * mcpGateway({ servers, authenticate, sessions })
 * ```
 *
 * @throws {TypeError} from the constructor, for a missing client, for a prefix with braces that are no hash tag, and for a
 *   number that is not a positive integer.
 */
export class RedisSessionStore implements SessionStore {
  readonly #commands: RedisCommands
  readonly #ttlMs: number
  readonly #lifetimeMs: number
  readonly #maxPerPrincipal: number
  readonly #prefix: string

  constructor(options: RedisSessionStoreOptions) {
    const { client, ttlMs = 30 * 60_000, prefix = 'mcp:session:', timeoutMs = 2_000 } = options ?? {}
    const { lifetimeMs = Math.max(ttlMs, 24 * 60 * 60_000), maxSessionsPerPrincipal = 1_000 } = options ?? {}
    for (const [option, value] of Object.entries({ ttlMs, timeoutMs, lifetimeMs, maxSessionsPerPrincipal })) {
      const isUncapped = option === 'maxSessionsPerPrincipal' && value === Infinity
      if (!isUncapped && (!Number.isInteger(value) || value <= 0)) {
        throw new TypeError(`"${option}" of RedisSessionStore must be a positive integer, not ${value}`)
      }
    }
    refuseSendCommand(options, 'RedisSessionStore')
    rejectUnknown(options ?? {}, REDIS_STORE_OPTIONS, 'RedisSessionStore.')
    checkPrefix(prefix, 'RedisSessionStore')
    this.#commands = new RedisCommands(client, timeoutMs, 'client', 'RedisSessionStore')
    this.#ttlMs = ttlMs
    this.#lifetimeMs = lifetimeMs
    this.#maxPerPrincipal = maxSessionsPerPrincipal
    this.#prefix = prefix
  }

  async create(record: SessionRecord): Promise<string> {
    const isCapped = record.principal !== '' && this.#maxPerPrincipal !== Infinity
    const tag = isCapped ? digest(record.principal).subarray(0, HASH_TAG_BYTES) : randomBytes(HASH_TAG_BYTES)
    const bytes = Buffer.alloc(UNTAGGED_BYTES)
    randomFillSync(bytes, 0, RANDOM_BYTES).writeUIntBE(Date.now() + this.#lifetimeMs, RANDOM_BYTES, TIME_BYTES)
    const id = Buffer.concat([bytes, tag]).toString('base64url')
    const firstMs = String(Math.min(this.#ttlMs, this.#lifetimeMs))
    const [key, json] = [this.#key(id), JSON.stringify(record)]
    const answer = isCapped
      ? await this.#commands.eval(
          CREATE,
          [key, this.#ownerKey(id, record.principal)],
          json,
          firstMs,
          String(this.#lifetimeMs),
          String(this.#maxPerPrincipal),
        )
      : await this.#commands.send(key, ['SET', key, json, 'PX', firstMs, 'NX'])
    if (answer?.toString() !== 'OK') throw new Error('Redis did not keep the session')
    return id
  }

  async get(id: string): Promise<SessionRecord | undefined> {
    const leftMs = this.#leftMs(id)
    if (leftMs <= 0) return undefined
    const key = this.#key(id)
    const answer = await this.#commands.send(key, ['GETEX', key, 'PX', String(leftMs)])
    if (answer === null) return undefined
    // Any other answer is a fault: treated as "no such session", it would make clients discard live sessions.
    if (typeof answer !== 'string' && !Buffer.isBuffer(answer)) throw new Error('Redis answered GETEX with no text')
    return jsonValue(answer.toString()) as SessionRecord
  }

  async update(id: string, record: SessionRecord): Promise<void> {
    const leftMs = this.#leftMs(id)
    if (leftMs <= 0) return
    const key = this.#key(id)
    await this.#commands.send(key, ['SET', key, JSON.stringify(record), 'PX', String(leftMs), 'XX'])
  }

  async delete(id: string): Promise<void> {
    const key = this.#key(id)
    await this.#commands.send(key, ['DEL', key])
  }

  #key(id: string): string {
    return this.#prefix + tagOf(id) + hash(id)
  }

  /** The key of the set of a principal's sessions, in the slot of a session of that principal. */
  #ownerKey(id: string, principal: string): string {
    return `${this.#prefix}${tagOf(id)}owner:${hash(principal)}`
  }

  /**
   * How long a session lives if it is not used again. The latest end is read from the id. Changing it there only makes
   * another id, which belongs to no session.
   */
  #leftMs(id: string): number {
    const bytes = Buffer.from(id, 'base64url')
    if (bytes.length !== UNTAGGED_BYTES && bytes.length !== UNTAGGED_BYTES + HASH_TAG_BYTES) return 0
    return Math.min(this.#ttlMs, bytes.readUIntBE(RANDOM_BYTES, TIME_BYTES) - Date.now())
  }
}

/** The hash tag of the keys of a session: the last characters of its id. */
function tagOf(id: string): string {
  const isTagged = Buffer.byteLength(id, 'base64url') > UNTAGGED_BYTES
  return isTagged ? `{${id.slice(-HASH_TAG_LENGTH)}}` : ''
}

function hash(text: string): string {
  return digest(text).toString('base64url')
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
