/** A session store in Redis, for any Redis client library. */
import { createHash, randomFillSync } from 'node:crypto'
import { sendInTime, type SendCommand } from './redis.ts'
import type { SessionRecord, SessionStore } from '../types.ts'

export interface RedisSessionStoreOptions {
  /**
   * Sends one command: `(...args) => client.sendCommand(args)` with `redis`, `(command, ...args) =>
   * client.call(command, ...args)` with `ioredis`.
   */
  readonly sendCommand: SendCommand
  /** How long a session lives without use, in milliseconds. Defaults to 30 minutes. */
  readonly ttlMs?: number | undefined
  /** How long a session lives at most, used or not, in milliseconds. Defaults to 24 hours, or to a longer `ttlMs`. */
  readonly lifetimeMs?: number | undefined
  /**
   * How many sessions one principal may have. Beyond that the principal's least recently used session ends. `Infinity`
   * sets no cap. Defaults to 1 000.
   */
  readonly maxSessionsPerPrincipal?: number | undefined
  /**
   * The prefix of all keys, which must differ between gateways. A Redis Cluster requires a hash tag in it, as in
   * `{mcp}:session:`. Defaults to `mcp:session:`.
   */
  readonly prefix?: string | undefined
  /** The time limit of a command, in milliseconds; after it the client gets 503. Defaults to 2 000. */
  readonly timeoutMs?: number | undefined
}

/** An id consists of this many random bytes, and the time at which the session ends at the latest. */
const RANDOM_BYTES = 24
const TIME_BYTES = 6
const ID_BYTES = RANDOM_BYTES + TIME_BYTES

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
 * Keeps sessions in Redis 6.2 or later, with one round trip per request. Keys are hashes of ids, so that read access to
 * the database gives no access to sessions. Redis does not report expired sessions, so the sessions at their servers are
 * not ended.
 *
 * @example
 * ```js
 * const client = await createClient({ url }).connect()
 * const sessions = new RedisSessionStore({ sendCommand: (...args) => client.sendCommand(args) })
 * mcpGateway({ servers, authenticate, sessions })
 * ```
 *
 * @throws {TypeError} from the constructor, for a missing `sendCommand`, and for a number that is not a positive integer.
 */
export class RedisSessionStore implements SessionStore {
  readonly #send: SendCommand
  readonly #ttlMs: number
  readonly #lifetimeMs: number
  readonly #maxPerPrincipal: number
  readonly #prefix: string
  readonly #timeoutMs: number

  constructor(options: RedisSessionStoreOptions) {
    const { sendCommand, ttlMs = 30 * 60_000, prefix = 'mcp:session:', timeoutMs = 2_000 } = options ?? {}
    const { lifetimeMs = Math.max(ttlMs, 24 * 60 * 60_000), maxSessionsPerPrincipal = 1_000 } = options ?? {}
    if (typeof sendCommand !== 'function') {
      throw new TypeError(
        '"sendCommand" of RedisSessionStore must be a function, such as (...args) => client.sendCommand(args)',
      )
    }
    for (const [option, value] of Object.entries({ ttlMs, timeoutMs, lifetimeMs, maxSessionsPerPrincipal })) {
      const isUncapped = option === 'maxSessionsPerPrincipal' && value === Infinity
      if (!isUncapped && (!Number.isInteger(value) || value <= 0)) {
        throw new TypeError(`"${option}" of RedisSessionStore must be a positive integer, not ${value}`)
      }
    }
    this.#send = sendCommand
    this.#ttlMs = ttlMs
    this.#lifetimeMs = lifetimeMs
    this.#maxPerPrincipal = maxSessionsPerPrincipal
    this.#prefix = prefix
    this.#timeoutMs = timeoutMs
  }

  async create(record: SessionRecord): Promise<string> {
    const bytes = Buffer.alloc(ID_BYTES)
    randomFillSync(bytes, 0, RANDOM_BYTES).writeUIntBE(Date.now() + this.#lifetimeMs, RANDOM_BYTES, TIME_BYTES)
    const id = bytes.toString('base64url')
    const firstMs = String(Math.min(this.#ttlMs, this.#lifetimeMs))
    const [key, json] = [this.#key(id), JSON.stringify(record)]
    const isCapped = record.principal !== '' && this.#maxPerPrincipal !== Infinity
    const answer = isCapped
      ? await this.#command(
          'EVAL',
          CREATE,
          '2',
          key,
          this.#ownerKey(record.principal),
          json,
          firstMs,
          String(this.#lifetimeMs),
          String(this.#maxPerPrincipal),
        )
      : await this.#command('SET', key, json, 'PX', firstMs, 'NX')
    if (answer?.toString() !== 'OK') throw new Error('Redis did not keep the session')
    return id
  }

  async get(id: string): Promise<SessionRecord | undefined> {
    const leftMs = this.#leftMs(id)
    if (leftMs <= 0) return undefined
    const answer = await this.#command('GETEX', this.#key(id), 'PX', String(leftMs))
    if (answer === null) return undefined
    // Any other answer is a fault: treated as "no such session", it would make clients discard live sessions.
    if (typeof answer !== 'string' && !Buffer.isBuffer(answer)) throw new Error('Redis answered GETEX with no text')
    return JSON.parse(answer.toString()) as SessionRecord
  }

  async update(id: string, record: SessionRecord): Promise<void> {
    const leftMs = this.#leftMs(id)
    if (leftMs > 0) await this.#command('SET', this.#key(id), JSON.stringify(record), 'PX', String(leftMs), 'XX')
  }

  async delete(id: string): Promise<void> {
    await this.#command('DEL', this.#key(id))
  }

  #key(id: string): string {
    return this.#prefix + hash(id)
  }

  /** The key of the set of a principal's sessions. */
  #ownerKey(principal: string): string {
    return `${this.#prefix}owner:${hash(principal)}`
  }

  /**
   * How long a session lives if it is not used again. The latest end is read from the id. Changing it there only makes
   * another id, which belongs to no session.
   */
  #leftMs(id: string): number {
    const bytes = Buffer.from(id, 'base64url')
    if (bytes.length !== ID_BYTES) return 0
    return Math.min(this.#ttlMs, bytes.readUIntBE(RANDOM_BYTES, TIME_BYTES) - Date.now())
  }

  #command(...command: string[]): Promise<unknown> {
    return sendInTime(this.#send, this.#timeoutMs, command)
  }
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}
