/** Sends commands to Redis with a time limit, through a client of any library. */
import { inTime } from '../util/timeout.ts'

/**
 * A connected client of Redis. Of the library `redis`: what `createClient()`, `createClientPool()`, `createCluster()`
 * and `createSentinel()` return. Of `ioredis`: a `Redis` or a `Cluster`. For any other library, an object with a method
 * `call(command, ...args)`, which resolves with the reply, and finds the node of a cluster by the keys in `args`.
 */
export type RedisClient = RedisCallClient | RedisSingleClient | RedisClusterClient | RedisSentinelClient

/** A client of `ioredis`, of one server or a cluster. */
export interface RedisCallClient {
  call(command: string, ...args: string[]): Promise<unknown>
}

/** A client or a pool of `redis`. */
export interface RedisSingleClient {
  sendCommand(args: string[]): Promise<unknown>
}

/** A client of `redis` for a cluster. */
export interface RedisClusterClient {
  readonly masters: readonly unknown[]
  sendCommand(firstKey: string | undefined, isReadonly: boolean, args: string[]): Promise<unknown>
}

/** A client of `redis` for servers that Sentinel watches. */
export interface RedisSentinelClient {
  acquire(): Promise<unknown>
  sendCommand(isReadonly: boolean, args: string[]): Promise<unknown>
}

/**
 * Errors of a cluster that is moving a slot, or promoting a replica. The command was not executed, and is sent again
 * after a pause.
 */
const UNSTABLE = /^(?:TRYAGAIN|CLUSTERDOWN) /
const UNSTABLE_PAUSE_MS = 50

/** Sends a command to the node of a key. */
type Dispatch = (key: string, command: readonly string[]) => Promise<unknown>

/** The time limit is needed because clients queue commands without end while Redis is unreachable. */
export class RedisCommands {
  readonly #dispatch: Dispatch
  readonly #timeoutMs: number
  readonly #cluster: RedisClusterClient | undefined
  #isRefreshing = false

  /** @throws {TypeError} for a value that is no client; `option` and `owner` are the names in its message. */
  constructor(client: RedisClient, timeoutMs: number, option: string, owner: string) {
    const dispatch = dispatchOf(client)
    if (!dispatch) {
      throw new TypeError(
        `"${option}" of ${owner} must be a client of redis or ioredis itself, or an object with call(command, ...args)`,
      )
    }
    this.#dispatch = dispatch
    this.#timeoutMs = timeoutMs
    this.#cluster = isClusterOfRedis(client) ? client : undefined
  }

  /** Sends a command to the node of a key. `blockMs` is how long Redis itself may wait before it answers. */
  async send(key: string, command: readonly string[], blockMs = 0): Promise<unknown> {
    const limitMs = this.#timeoutMs + blockMs
    try {
      return await inTime(
        limitMs,
        this.#dispatchWhenStable(key, command, limitMs),
        () => new Error(`Redis did not answer ${command[0]} in time`),
      )
    } catch (error) {
      if (this.#cluster) void this.#refresh(this.#cluster, key)
      throw error
    }
  }

  /** Runs a script on keys, which must be in one slot. */
  eval(script: string, keys: readonly string[], ...args: string[]): Promise<unknown> {
    return this.send(keys[0]!, ['EVAL', script, String(keys.length), ...keys, ...args])
  }

  async #dispatchWhenStable(key: string, command: readonly string[], limitMs: number): Promise<unknown> {
    const deadline = performance.now() + limitMs
    for (;;) {
      try {
        return await this.#dispatch(key, command)
      } catch (error) {
        const isUnstable = error instanceof Error && UNSTABLE.test(error.message)
        if (!isUnstable || performance.now() + UNSTABLE_PAUSE_MS >= deadline) throw error
        await new Promise((resolve) => void setTimeout(resolve, UNSTABLE_PAUSE_MS).unref())
      }
    }
  }

  /**
   * The cluster client of `redis` learns of a fail-over only from a MOVED reply, which a dead master does not give. A
   * command without a first key goes to one node after another, and those that lack the key answer with MOVED.
   */
  async #refresh(cluster: RedisClusterClient, key: string): Promise<void> {
    if (this.#isRefreshing) return
    this.#isRefreshing = true
    try {
      const answer = cluster.sendCommand(undefined, false, ['EXISTS', key])
      await inTime(this.#timeoutMs, answer, () => new Error('No node answered'))
    } catch {
      // The next command that fails tries the next node.
    } finally {
      this.#isRefreshing = false
    }
  }
}

/**
 * Checks for the option of version 0.1, a function.
 *
 * @throws {TypeError}
 */
export function refuseSendCommand(options: object | undefined, owner: string): void {
  if (!options || !('sendCommand' in options)) return
  throw new TypeError(`"sendCommand" of ${owner} is gone: give the client itself, as "client"`)
}

/**
 * Checks the prefix of keys: a key with braces outside of a hash tag has another slot than those that are derived from
 * it.
 *
 * @throws {TypeError}
 */
export function checkPrefix(prefix: unknown, owner: string): void {
  if (typeof prefix === 'string' && /^[^{}]*(?:\{[^{}]+\}[^{}]*)?$/.test(prefix)) return
  throw new TypeError(`"prefix" of ${owner} must be text, with no braces but those of one hash tag, as in "{mcp}:"`)
}

/**
 * Checks for the `keyPrefix` of a cluster client of `ioredis`: it would change the slot of a key, but not that of
 * `keyBeside()`.
 *
 * @throws {TypeError}
 */
export function refuseKeyPrefix(client: RedisClient, prefix: string, owner: string): void {
  const { isCluster, options } = client as { isCluster?: unknown; options?: { keyPrefix?: unknown } }
  if (isCluster !== true || !options?.keyPrefix || prefix.includes('{')) return
  throw new TypeError(
    `"client" of ${owner} must not have a "keyPrefix" in a cluster: use the option "prefix" of ${owner} in its place`,
  )
}

/** Makes another key in the slot of `key`: the hash tag is that of `key`, or else the whole of it. */
export function keyBeside(key: string, name: string): string {
  return key.includes('{') ? `${key}:${name}` : `{${key}}:${name}`
}

/** Returns `undefined` for a value that is no client. */
function dispatchOf(client: RedisClient): Dispatch | undefined {
  if (typeof client !== 'object' || client === null) return undefined
  if (hasMethod(client, 'call')) return async (_key, [command, ...args]) => client.call(command!, ...args)
  if (!hasMethod(client, 'sendCommand')) return undefined
  if (isClusterOfRedis(client)) return async (key, command) => client.sendCommand(key, false, [...command])
  if (hasMethod(client, 'acquire')) return async (_key, command) => client.sendCommand(false, [...command])
  return async (_key, command) => client.sendCommand([...command])
}

function isClusterOfRedis(client: RedisClient): client is RedisClusterClient {
  return hasMethod(client, 'sendCommand') && 'masters' in client
}

function hasMethod<T extends object, K extends string>(
  value: T,
  name: K,
): value is Extract<T, Record<K, (...args: never) => unknown>> {
  return name in value && typeof value[name as unknown as keyof T] === 'function'
}
