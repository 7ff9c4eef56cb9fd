/** Subscribes to a channel of Redis, on a connection of its own: one that listens takes no other commands. */
import type { RedisClient } from './redis.ts'

/** What clients of `redis` and of `ioredis` have in common here. */
interface Duplicable {
  duplicate(): SubscribingClient
}

interface SubscribingClient {
  /** Of `redis`. */
  connect?(): Promise<unknown>
  on(event: string, listener: (...args: string[]) => void): unknown
  subscribe(channel: string, listener?: (message: string) => void): Promise<unknown>
  destroy?(): unknown
  /** Of `ioredis`. */
  disconnect(): unknown
}

export class RedisSubscriptions {
  readonly #client: Duplicable
  readonly #isIoredis: boolean
  readonly #channel: string
  readonly #open = new Set<SubscribingClient>()

  /** `undefined` for a client that cannot subscribe: it is of another library. */
  static of(client: RedisClient, channel: string): RedisSubscriptions | undefined {
    const canDuplicate = 'duplicate' in client && typeof client.duplicate === 'function'
    return canDuplicate ? new RedisSubscriptions(client, channel) : undefined
  }

  private constructor(client: RedisClient, channel: string) {
    this.#client = client as unknown as Duplicable
    this.#isIoredis = 'call' in client
    this.#channel = channel
  }

  /** Resolves when it listens, which is when Redis is there. */
  async subscribe(listener: (message: string) => void): Promise<() => Promise<void>> {
    const subscriber = this.#client.duplicate()
    this.#open.add(subscriber)
    // The connection is made again by itself, and Redis being away is reported for commands.
    subscriber.on('error', () => {})
    const hear = (message: string): void => {
      if (this.#open.has(subscriber)) listener(message)
    }
    const end = async (): Promise<void> => this.#end(subscriber)
    try {
      if (this.#isIoredis) {
        subscriber.on('message', (_channel, message) => hear(message))
        await subscriber.subscribe(this.#channel)
      } else {
        await subscriber.connect?.()
        await subscriber.subscribe(this.#channel, hear)
      }
      return end
    } catch (error) {
      this.#end(subscriber)
      throw error
    }
  }

  close(): void {
    for (const each of this.#open) this.#end(each)
  }

  #end(subscriber: SubscribingClient): void {
    if (!this.#open.delete(subscriber)) return
    try {
      if (subscriber.destroy) subscriber.destroy()
      else subscriber.disconnect()
    } catch {
      // It is closed already.
    }
  }
}
