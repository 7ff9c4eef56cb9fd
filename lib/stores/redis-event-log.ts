/** An event log in Redis Streams, shared by many nodes: each can continue a stream that another has begun. */
import { sendInTime, type SendCommand } from './redis.ts'
import type { EventLog, EventStreamName, LoggedEvent } from '../types.ts'
import { StreamWatch } from './stream-watch.ts'

export interface RedisEventLogOptions {
  /**
   * Sends one command: `(...args) => client.sendCommand(args)` with `redis`, `(command, ...args) =>
   * client.call(command, ...args)` with `ioredis`.
   */
  readonly sendCommand: SendCommand
  /** The same on a separate connection, such as `client.duplicate()`, since blocking commands delay all later ones. */
  readonly sendBlockingCommand: SendCommand
  /** How many events of a stream are kept. Defaults to 1 000. */
  readonly maxEvents?: number | undefined
  /** How long a stream is kept after its last event, in milliseconds. Defaults to 10 minutes. */
  readonly ttlMs?: number | undefined
  /** The prefix of all keys, which must differ between gateways. Defaults to `mcp:events:`. */
  readonly prefix?: string | undefined
  /** The time limit of a command, in milliseconds. Defaults to 2 000. */
  readonly timeoutMs?: number | undefined
}

/**
 * How many events, and how many bytes of them, are read at a time: a client that does not read holds so much memory.
 */
const PORTION = '100'
const PORTION_BYTES = String(256 * 1024)

/** Appends events at given positions, all or none: Redis refuses a position that is not after the last one. */
const APPEND = `
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
if newest and tonumber(string.match(newest[1], '%d+')) >= tonumber(ARGV[3]) then return 0 end
for i = 3, #ARGV, 2 do redis.call('XADD', KEYS[1], 'MAXLEN', ARGV[1], ARGV[i] .. '-0', 'e', ARGV[i + 1]) end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1`

/** Returns the events after a position, up to the byte limit but at least one. */
const READ = `
local found = redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2])
local bytes = 0
for at, entry in ipairs(found) do
  bytes = bytes + #entry[2][2]
  if at > 1 and bytes > tonumber(ARGV[3]) then
    for behind = #found, at, -1 do found[behind] = nil end
    break
  end
end
return found`

const CLAIM = `
local writer = redis.call('GET', KEYS[1])
if writer and writer ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`

const RELEASE = `if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end`

/**
 * Keeps the events of sessions in Redis Streams, so that clients can resume streams at any node. Events are deleted by
 * expiry alone, not when a session ends. Requires a single Redis server, not a cluster.
 *
 * @example
 * ```js
 * const client = await createClient({ url }).connect()
 * const blocking = await client.duplicate().connect()
 * const events = new RedisEventLog({
 *   sendCommand: (...args) => client.sendCommand(args),
 *   sendBlockingCommand: (...args) => blocking.sendCommand(args),
 * })
 * ```
 *
 * @throws {TypeError} from the constructor, for a missing command, and for a number that is not a positive integer.
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#resumability-and-redelivery
 */
export class RedisEventLog implements EventLog {
  readonly #send: SendCommand
  readonly #watch: StreamWatch
  readonly #maxEvents: string
  readonly #ttlMs: string
  readonly #prefix: string
  readonly #timeoutMs: number

  constructor(options: RedisEventLogOptions) {
    const { sendCommand, sendBlockingCommand, prefix = 'mcp:events:' } = options ?? {}
    const { maxEvents = 1_000, ttlMs = 10 * 60_000, timeoutMs = 2_000 } = options ?? {}
    for (const [option, value] of Object.entries({ sendCommand, sendBlockingCommand })) {
      if (typeof value === 'function') continue
      throw new TypeError(
        `"${option}" of RedisEventLog must be a function, such as (...args) => client.sendCommand(args)`,
      )
    }
    for (const [option, value] of Object.entries({ maxEvents, ttlMs, timeoutMs })) {
      if (Number.isInteger(value) && value > 0) continue
      throw new TypeError(`"${option}" of RedisEventLog must be a positive integer, not ${value}`)
    }
    this.#send = sendCommand
    this.#watch = new StreamWatch(sendCommand, sendBlockingCommand, prefix)
    this.#maxEvents = String(maxEvents)
    this.#ttlMs = String(ttlMs)
    this.#prefix = prefix
    this.#timeoutMs = timeoutMs
  }

  async append(name: EventStreamName, events: readonly LoggedEvent[]): Promise<boolean> {
    const entries = events.flatMap(({ position, text }) => [String(position), text])
    return (await this.#command('EVAL', APPEND, '1', this.#key(name), this.#maxEvents, this.#ttlMs, ...entries)) === 1
  }

  async read(name: EventStreamName, after: number, waitMs: number): Promise<readonly LoggedEvent[]> {
    const found = await this.#range(name, after)
    if (found.length > 0 || waitMs === 0) return found
    await this.#watch.wait(this.#key(name), after, waitMs)
    return this.#range(name, after)
  }

  async last(name: EventStreamName): Promise<LoggedEvent | undefined> {
    const answer = await this.#command('XREVRANGE', this.#key(name), '+', '-', 'COUNT', '1')
    return loggedEvents(answer)[0]
  }

  async claim(name: EventStreamName, writer: string, leaseMs: number): Promise<boolean> {
    return (await this.#command('EVAL', CLAIM, '1', this.#leaseKey(name), writer, String(leaseMs))) === 1
  }

  async release(name: EventStreamName, writer: string): Promise<void> {
    await this.#command('EVAL', RELEASE, '1', this.#leaseKey(name), writer)
  }

  close(): void {
    this.#watch.close()
  }

  async #range(name: EventStreamName, after: number): Promise<LoggedEvent[]> {
    return loggedEvents(await this.#command('EVAL', READ, '1', this.#key(name), `(${after}-0`, PORTION, PORTION_BYTES))
  }

  #key({ session, stream }: EventStreamName): string {
    return `${this.#prefix}${session}:${stream}`
  }

  #leaseKey(name: EventStreamName): string {
    return `${this.#key(name)}:writer`
  }

  #command(...command: string[]): Promise<unknown> {
    return sendInTime(this.#send, this.#timeoutMs, command)
  }
}

/** [[id, [field, value]], ...] */
function loggedEvents(answer: unknown): LoggedEvent[] {
  if (!Array.isArray(answer)) throw new Error('Redis answered with no list of events')
  return (answer as [unknown, [unknown, unknown]][]).map(([id, [, text]]) => ({
    position: Number.parseInt(String(id), 10),
    text: String(text),
  }))
}
