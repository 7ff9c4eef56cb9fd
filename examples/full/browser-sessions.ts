// Keeps the sessions of browsers in Redis, so that a user who is logged in at one node is logged in at all.
import { callbackify } from 'node:util'
import { type SessionData, Store } from 'express-session'
import type { RedisClient } from './redis.ts'

const PREFIX = 'app:session:'
const TTL_S = 8 * 60 * 60

export class BrowserSessions extends Store {
  readonly #client: RedisClient

  constructor(client: RedisClient) {
    super()
    this.#client = client
  }

  override get(id: string, done: (error: unknown, session?: SessionData | null) => void): void {
    callbackify(async () => {
      const text = await this.#client.get(PREFIX + id)
      return text === null ? null : (JSON.parse(text) as SessionData)
    })(done)
  }

  override set(id: string, session: SessionData, done: (error?: unknown) => void = () => {}): void {
    callbackify(() => this.#client.setEx(PREFIX + id, TTL_S, JSON.stringify(session)))(done)
  }

  override touch(id: string, _session: SessionData, done: (error?: unknown) => void = () => {}): void {
    callbackify(() => this.#client.expire(PREFIX + id, TTL_S))(done)
  }

  override destroy(id: string, done: (error?: unknown) => void = () => {}): void {
    callbackify(() => this.#client.del(PREFIX + id))(done)
  }
}
