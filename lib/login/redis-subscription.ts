/** Subscribes to a channel of Redis, on a connection of its own: one that listens takes no other commands. */
import type { RedisClient } from '../stores/redis.ts'

type Subscribe = (listener: (message: string) => void) => Promise<() => Promise<void>>

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
  disconnect?(): unknown
}

/** `undefined` for a client that cannot subscribe: it is of another library. */
export function subscribing(client: RedisClient, channel: string): Subscribe | undefined {
  if (!('duplicate' in client) || typeof client.duplicate !== 'function') return undefined
  const original = client as unknown as Duplicable
  return 'call' in client
    ? async (listener) => subscribeWithIoredis(original.duplicate(), channel, listener)
    : async (listener) => subscribeWithRedis(original.duplicate(), channel, listener)
}

async function subscribeWithIoredis(
  subscriber: SubscribingClient,
  channel: string,
  listener: (message: string) => void,
): Promise<() => Promise<void>> {
  // The original reports its errors; this connection is made again by itself.
  subscriber.on('error', () => {})
  let isOver = false
  subscriber.on('message', (_channel, message) => void (isOver || listener(message)))
  await subscriber.subscribe(channel)
  return async () => {
    isOver = true
    subscriber.disconnect?.()
  }
}

async function subscribeWithRedis(
  subscriber: SubscribingClient,
  channel: string,
  listener: (message: string) => void,
): Promise<() => Promise<void>> {
  subscriber.on('error', () => {})
  await subscriber.connect?.()
  await subscriber.subscribe(channel, (message) => listener(message))
  return async () => void subscriber.destroy?.()
}
