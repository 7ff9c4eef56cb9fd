/** A store of the login in Redis, one server or a cluster. */
import { checkPrefix, type RedisClient, RedisCommands } from './redis.ts'
import type { LoginAddOptions, LoginSetOptions, LoginStore } from '../types.ts'
import { rejectUnknown } from '../util/unknown-key.ts'
import { RedisSubscriptions } from './redis-subscription.ts'

export interface RedisLoginStoreOptions {
  /**
   * The client, of one server or of a cluster. Of a client of `redis` or `ioredis` a duplicate is opened, on which
   * disconnections are heard of at once; with any other, within 5 s.
   */
  readonly client: RedisClient
  /** The prefix of all keys, and the name of the channel. Must differ between apps. Defaults to `mcp:login:`. */
  readonly prefix?: string | undefined
  /** The time limit of a command, in milliseconds; after it clients and browsers get 503. Defaults to 2 000. */
  readonly timeoutMs?: number | undefined
}

const SET_IF = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return nil end
return redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])`

/** The score of a member is one above that of the newest. */
const ADD = `
local newest = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')
redis.call('ZADD', KEYS[1], tonumber(newest[2] or 0) + 1, ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
local over = redis.call('ZCARD', KEYS[1]) - tonumber(ARGV[3])
if over <= 0 then return {} end
local oldest = redis.call('ZRANGE', KEYS[1], 0, over - 1)
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, over - 1)
return oldest`

/**
 * Keeps clients, grants and codes of agents in Redis 6.2 or later, for all nodes.
 *
 * @example
 * ```js
 * const client = await createClient({ url }).connect()
 * agentLogin({ issuer, user, loginUrl, keys, secrets, store: new RedisLoginStore({ client }) })
 * ```
 *
 * @throws {TypeError} from the constructor, for a missing client, for a prefix with braces that are no hash tag, and for a
 *   `timeoutMs` that is not a positive integer.
 */
export class RedisLoginStore implements LoginStore {
  readonly #commands: RedisCommands
  readonly #prefix: string
  readonly #subscriptions: RedisSubscriptions | undefined
  readonly publish?: (message: string) => Promise<void>
  readonly subscribe?: NonNullable<LoginStore['subscribe']>

  constructor(options: RedisLoginStoreOptions) {
    rejectUnknown(options ?? {}, { client: true, prefix: true, timeoutMs: true }, 'RedisLoginStore.')
    const { client, prefix = 'mcp:login:', timeoutMs = 2_000 } = options ?? {}
    if (!Number.isInteger(timeoutMs) || timeoutMs <= 0) {
      throw new TypeError(`"timeoutMs" of RedisLoginStore must be a positive integer, not ${timeoutMs}`)
    }
    checkPrefix(prefix, 'RedisLoginStore')
    this.#commands = new RedisCommands(client, timeoutMs, 'client', 'RedisLoginStore')
    this.#prefix = prefix
    const channel = `${prefix}ended`
    const subscriptions = RedisSubscriptions.of(client, channel)
    this.#subscriptions = subscriptions
    if (!subscriptions) return
    this.publish = async (message) => void (await this.#commands.send(channel, ['PUBLISH', channel, message]))
    this.subscribe = (listener) => subscriptions.subscribe(listener)
  }

  /** Ends the connections that it has opened; the client stays as it is. */
  async close(): Promise<void> {
    this.#subscriptions?.close()
  }

  async get(key: string): Promise<string | undefined> {
    return replyText(await this.#send('GET', key))
  }

  async set(key: string, value: string, { ttlMs, ifAbsent = false, if: expected }: LoginSetOptions): Promise<boolean> {
    const ms = String(Math.ceil(ttlMs))
    const answer =
      expected === undefined
        ? await this.#send('SET', key, value, 'PX', ms, ...(ifAbsent ? ['NX'] : []))
        : await this.#commands.eval(SET_IF, [this.#prefix + key], expected, value, ms)
    return replyText(answer) === 'OK'
  }

  async take(key: string): Promise<string | undefined> {
    return replyText(await this.#send('GETDEL', key))
  }

  async delete(key: string): Promise<void> {
    await this.#send('DEL', key)
  }

  async add(set: string, member: string, { ttlMs, max }: LoginAddOptions): Promise<readonly string[]> {
    const ms = String(Math.ceil(ttlMs))
    return replyTexts(await this.#commands.eval(ADD, [this.#prefix + set], member, ms, String(max)))
  }

  async remove(set: string, member: string): Promise<void> {
    await this.#send('ZREM', set, member)
  }

  async members(set: string): Promise<readonly string[]> {
    return replyTexts(await this.#send('ZRANGE', set, '0', '-1'))
  }

  #send(command: string, key: string, ...rest: string[]): Promise<unknown> {
    return this.#commands.send(this.#prefix + key, [command, this.#prefix + key, ...rest])
  }
}

function replyText(answer: unknown): string | undefined {
  if (answer === null || answer === undefined) return undefined
  if (typeof answer === 'string' || Buffer.isBuffer(answer)) return answer.toString()
  throw new Error('Redis answered with no text')
}

function replyTexts(answer: unknown): string[] {
  if (Array.isArray(answer)) return answer.map(String)
  throw new Error('Redis answered with no list')
}
