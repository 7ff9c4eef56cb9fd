/** A session store in Redis, through whatever client the embedder has. */
import { createHash, randomBytes } from 'node:crypto'
import { askRedis, type SendCommand } from '../redis.ts'
import type { SessionRecord, SessionStore } from '../types.ts'

export interface RedisSessionStoreOptions {
  /**
   * Sends one command: `(...args) => client.sendCommand(args)` with `redis`, `(command, ...args) =>
   * client.call(command, ...args)` with `ioredis`.
   */
  readonly sendCommand: SendCommand
  /** How long a session lives without use, in milliseconds. Defaults to 30 minutes. */
  readonly ttlMs?: number | undefined
  /** What keys begin with; give every gateway its own. Defaults to `mcp:session:`. */
  readonly prefix?: string | undefined
  /** How long an answer may take, in milliseconds; then the client gets 503. Defaults to 2 000. */
  readonly timeoutMs?: number | undefined
}

/**
 * One round trip a request. Keys are hashes of ids, so that whoever reads the database has no session. Redis ends
 * sessions without telling: their upstreams are not told then.
 */
export class RedisSessionStore implements SessionStore {
  readonly #send: SendCommand
  readonly #ttlMs: string
  readonly #prefix: string
  readonly #timeoutMs: number

  constructor(options: RedisSessionStoreOptions) {
    const { sendCommand, ttlMs = 30 * 60_000, prefix = 'mcp:session:', timeoutMs = 2_000 } = options ?? {}
    if (typeof sendCommand !== 'function') {
      throw new TypeError(
        '"sendCommand" of RedisSessionStore must be a function, such as (...args) => client.sendCommand(args)',
      )
    }
    for (const [option, value] of Object.entries({ ttlMs, timeoutMs })) {
      if (!Number.isInteger(value) || value <= 0) {
        throw new TypeError(`"${option}" of RedisSessionStore must be a positive integer, not ${value}`)
      }
    }
    this.#send = sendCommand
    this.#ttlMs = String(ttlMs)
    this.#prefix = prefix
    this.#timeoutMs = timeoutMs
  }

  async create(record: SessionRecord): Promise<string> {
    const id = randomBytes(24).toString('base64url')
    const answer = await this.#ask('SET', this.#key(id), JSON.stringify(record), 'PX', this.#ttlMs, 'NX')
    if (answer?.toString() !== 'OK') throw new Error('Redis did not keep the session')
    return id
  }

  async get(id: string): Promise<SessionRecord | undefined> {
    const answer = await this.#ask('GETEX', this.#key(id), 'PX', this.#ttlMs)
    if (answer === null) return undefined
    // Taken for "no such session", any other answer would have clients throw away sessions that are alive.
    if (typeof answer !== 'string' && !Buffer.isBuffer(answer)) throw new Error('Redis answered GETEX with no text')
    return JSON.parse(answer.toString()) as SessionRecord
  }

  async update(id: string, record: SessionRecord): Promise<void> {
    await this.#ask('SET', this.#key(id), JSON.stringify(record), 'PX', this.#ttlMs, 'XX')
  }

  async delete(id: string): Promise<void> {
    await this.#ask('DEL', this.#key(id))
  }

  #key(id: string): string {
    return this.#prefix + createHash('sha256').update(id).digest('base64url')
  }

  #ask(...command: string[]): Promise<unknown> {
    return askRedis(this.#send, this.#timeoutMs, command)
  }
}
