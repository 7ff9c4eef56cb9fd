/** An event log in Redis Streams, shared by many nodes: each can continue a stream that another has begun. */
import { checkPrefix, keyBeside, type RedisClient, RedisCommands, refuseKeyPrefix, refuseSendCommand } from './redis.ts'
import type { EventLog, EventStreamName, LoggedEvent } from '../types.ts'
import { rejectUnknown } from '../util/unknown-key.ts'
import { StreamWatch } from './stream-watch.ts'

export interface RedisEventLogOptions {
  /** The client, of one server or of a cluster. */
  readonly client: RedisClient
  /** Another connection to the same, such as `client.duplicate()`, since commands that wait delay all later ones. */
  readonly blockingClient: RedisClient
  /** How many events of a stream are kept. Defaults to 1 000. */
  readonly maxEvents?: number | undefined
  /** How long a stream is kept after its last event, in milliseconds. Defaults to 10 minutes. */
  readonly ttlMs?: number | undefined
  /** The prefix of all keys, which must differ between gateways. Defaults to `mcp:events:`. */
  readonly prefix?: string | undefined
  /** The time limit of a command, in milliseconds. Defaults to 2 000. */
  readonly timeoutMs?: number | undefined
}

/** The names of all options: the compiler rejects a record that lacks one. */
const REDIS_LOG_OPTIONS: Readonly<Record<keyof RedisEventLogOptions, true>> = {
  client: true,
  blockingClient: true,
  maxEvents: true,
  ttlMs: true,
  prefix: true,
  timeoutMs: true,
}

/**
 * How many events, and how many bytes of them, are read at a time: a slow client occupies this much memory.
 */
const PORTION = '100'
const PORTION_BYTES = String(256 * 1024)

/** How much longer than the wait itself Redis keeps the waiting inboxes. */
const INBOX_SLACK_MS = 5_000

/**
 * Appends events at given positions, all or none, and returns the inboxes of the nodes that wait for them. Returns 0 for a
 * position that is not after the last one, which Redis refuses.
 */
const APPEND = `
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
if newest and tonumber(string.match(newest[1], '%d+')) >= tonumber(ARGV[3]) then return 0 end
for i = 3, #ARGV, 2 do redis.call('XADD', KEYS[1], 'MAXLEN', ARGV[1], ARGV[i] .. '-0', 'e', ARGV[i + 1]) end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
local inboxes = redis.call('SMEMBERS', KEYS[2])
if #inboxes > 0 then redis.call('DEL', KEYS[2]) end
return inboxes`

/**
 * Returns the events after a position, up to the byte limit but at least one. Where there are none, the given inbox is
 * notified of the next one.
 */
const READ = `
local found = redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2])
if #found == 0 and KEYS[2] then
  redis.call('SADD', KEYS[2], ARGV[4])
  if redis.call('PTTL', KEYS[2]) < tonumber(ARGV[5]) then redis.call('PEXPIRE', KEYS[2], ARGV[5]) end
end
local bytes = 0
for at, entry in ipairs(found) do
  bytes = bytes + #entry[2][2]
  if at > 1 and bytes > tonumber(ARGV[3]) then
    for behind = #found, at, -1 do found[behind] = nil end
    break
  end
end
return found`

/** A script, since a client may send a command that only reads to a replica, which lags behind. */
const LAST = `return redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)`

const CLAIM = `
local writer = redis.call('GET', KEYS[1])
if writer and writer ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`

const RELEASE = `if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end`

/**
 * Keeps the events of sessions in Redis Streams, so that clients can resume streams at any node. Events are deleted by
 * expiry alone, not when a session ends. In a Redis Cluster each stream has a slot of its own.
 *
 * @example
 * ```js
 * const client = await createClient({ url }).connect()
 * const blockingClient = await client.duplicate().connect()
 * const events = new RedisEventLog({ client, blockingClient })
 * ```
 *
 * @throws {TypeError} from the constructor, for a missing client, for one client given twice, for one of a cluster with a
 *   `keyPrefix`, for a prefix with braces that are no hash tag, and for a number that is not a positive integer.
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#resumability-and-redelivery
 */
export class RedisEventLog implements EventLog {
  readonly #commands: RedisCommands
  readonly #watch: StreamWatch
  readonly #maxEvents: string
  readonly #ttlMs: string
  readonly #prefix: string

  constructor(options: RedisEventLogOptions) {
    const { client, blockingClient, prefix = 'mcp:events:' } = options ?? {}
    const { maxEvents = 1_000, ttlMs = 10 * 60_000, timeoutMs = 2_000 } = options ?? {}
    for (const [option, value] of Object.entries({ maxEvents, ttlMs, timeoutMs })) {
      if (Number.isInteger(value) && value > 0) continue
      throw new TypeError(`"${option}" of RedisEventLog must be a positive integer, not ${value}`)
    }
    refuseSendCommand(options, 'RedisEventLog')
    rejectUnknown(options ?? {}, REDIS_LOG_OPTIONS, 'RedisEventLog.')
    checkPrefix(prefix, 'RedisEventLog')
    this.#commands = new RedisCommands(client, timeoutMs, 'client', 'RedisEventLog')
    const blocking = new RedisCommands(blockingClient, timeoutMs, 'blockingClient', 'RedisEventLog')
    if (blockingClient === client) {
      throw new TypeError('"blockingClient" of RedisEventLog must be another connection, such as client.duplicate()')
    }
    refuseKeyPrefix(client, prefix, 'RedisEventLog')
    this.#watch = new StreamWatch(this.#commands, blocking, prefix)
    this.#maxEvents = String(maxEvents)
    this.#ttlMs = String(ttlMs)
    this.#prefix = prefix
  }

  async append(name: EventStreamName, events: readonly LoggedEvent[]): Promise<boolean> {
    const key = this.#key(name)
    const entries = events.flatMap(({ position, text }) => [String(position), text])
    const keys = [key, waitingKey(key)]
    const inboxes = await this.#commands.eval(APPEND, keys, this.#maxEvents, this.#ttlMs, ...entries)
    if (!Array.isArray(inboxes)) return false
    this.#watch.notify(inboxes.map(String), key)
    return true
  }

  async read(name: EventStreamName, after: number, waitMs: number): Promise<readonly LoggedEvent[]> {
    const key = this.#key(name)
    if (waitMs === 0) return this.#range([key], after)
    const wait = this.#watch.wait(key, waitMs)
    try {
      const found = await this.#range([key, waitingKey(key)], after, this.#watch.inbox, String(waitMs + INBOX_SLACK_MS))
      if (found.length > 0) return found
      await wait.over
    } finally {
      wait.end()
    }
    return this.#range([key], after)
  }

  async last(name: EventStreamName): Promise<LoggedEvent | undefined> {
    return loggedEvents(await this.#commands.eval(LAST, [this.#key(name)]))[0]
  }

  async claim(name: EventStreamName, writer: string, leaseMs: number): Promise<boolean> {
    return (await this.#commands.eval(CLAIM, [this.#leaseKey(name)], writer, String(leaseMs))) === 1
  }

  async release(name: EventStreamName, writer: string): Promise<void> {
    await this.#commands.eval(RELEASE, [this.#leaseKey(name)], writer)
  }

  close(): void {
    this.#watch.close()
  }

  async #range(keys: readonly string[], after: number, ...inbox: string[]): Promise<LoggedEvent[]> {
    return loggedEvents(await this.#commands.eval(READ, keys, `(${after}-0`, PORTION, PORTION_BYTES, ...inbox))
  }

  #key({ session, stream }: EventStreamName): string {
    return `${this.#prefix}${session}:${stream}`
  }

  #leaseKey(name: EventStreamName): string {
    return `${this.#key(name)}:writer`
  }
}

/** The key of the set of inboxes that wait for a stream's next event. */
function waitingKey(key: string): string {
  return keyBeside(key, 'waiting')
}

/** Reads the reply of XRANGE: `[[id, [field, value]], ...]`. */
function loggedEvents(answer: unknown): LoggedEvent[] {
  if (!Array.isArray(answer)) throw new Error('Redis answered with no list of events')
  return (answer as [unknown, [unknown, unknown]][]).map(([id, [, text]]) => ({
    position: Number.parseInt(String(id), 10),
    text: String(text),
  }))
}
