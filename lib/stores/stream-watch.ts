/** Waits for events of any number of streams in Redis, over one connection. */
import { randomBytes } from 'node:crypto'
import type { RedisCommands } from './redis.ts'

/** How long one XREAD blocks, and the pause after one that failed. */
const BLOCK_MS = 5_000
const PAUSE_MS = 500

/** How long an inbox that nobody reads is kept. */
const INBOX_MS = String(4 * BLOCK_MS)

/** Of an inbox that nobody reads no more entries are kept; whoever waits for a deleted one waits until its time is over. */
const INBOX_ENTRIES = '10000'

const NOTIFY = `
redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'key', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[2])`

/** A wait that has begun. */
export interface StreamWait {
  /** Resolves when the stream may have an event, or when the time is over. */
  readonly over: Promise<void>
  /** Ends it. */
  end(): void
}

/**
 * Whoever appends to a stream adds an entry to the inbox of each node that waits for it: a Redis Stream, on which one
 * blocking XREAD waits for all streams. In a cluster these are at different nodes, where no one command could wait.
 */
export class StreamWatch {
  /** The key of this node's inbox. */
  readonly inbox: string
  readonly #commands: RedisCommands
  readonly #blocking: RedisCommands
  /** What ends the waits, by stream. */
  readonly #waiting = new Map<string, Set<() => void>>()
  /** The id of the last entry that was read. */
  #lastId = '0-0'
  #isRunning = false

  constructor(commands: RedisCommands, blocking: RedisCommands, prefix: string) {
    this.#commands = commands
    this.#blocking = blocking
    this.inbox = `${prefix}inbox:${randomBytes(12).toString('base64url')}`
  }

  /** Begins to wait for an event of a stream, for `waitMs` at most. */
  wait(key: string, waitMs: number): StreamWait {
    const waits = this.#waiting.get(key) ?? new Set()
    this.#waiting.set(key, waits)
    let end = (): void => {}
    const over = new Promise<void>((resolve) => {
      const timer = setTimeout(() => end(), waitMs).unref()
      end = () => {
        clearTimeout(timer)
        waits.delete(end)
        if (waits.size === 0 && this.#waiting.get(key) === waits) this.#waiting.delete(key)
        resolve()
      }
    })
    waits.add(end)
    if (!this.#isRunning) void this.#run()
    return { over, end }
  }

  /** Tells the nodes with these inboxes of an event of a stream. */
  notify(inboxes: readonly string[], key: string): void {
    for (const inbox of inboxes) {
      if (inbox === this.inbox) this.#wake(key)
      else this.#add(inbox, key)
    }
  }

  close(): void {
    for (const key of this.#waiting.keys()) this.#wake(key)
    // Ends the running XREAD.
    if (this.#isRunning) this.#add(this.inbox, '')
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    while (this.#waiting.size > 0) {
      try {
        await this.#read()
      } catch {
        await new Promise((resolve) => void setTimeout(resolve, PAUSE_MS).unref())
      }
    }
    this.#isRunning = false
  }

  async #read(): Promise<void> {
    const command = ['XREAD', 'BLOCK', String(BLOCK_MS), 'STREAMS', this.inbox, this.#lastId]
    for (const [id, [, key]] of entriesOf(await this.#blocking.send(this.inbox, command, BLOCK_MS))) {
      this.#lastId = String(id)
      this.#wake(String(key))
    }
  }

  #wake(key: string): void {
    for (const end of this.#waiting.get(key) ?? []) end()
  }

  /** Whoever is not told reads the stream again when its time is over. */
  #add(inbox: string, key: string): void {
    this.#commands.eval(NOTIFY, [inbox], INBOX_ENTRIES, INBOX_MS, key).catch(() => {})
  }
}

/** The entries of one stream in a reply of XREAD, which is a list in RESP2 and an object in RESP3. */
function entriesOf(answer: unknown): [id: unknown, [field: unknown, value: unknown]][] {
  const streams = Array.isArray(answer) ? answer : Object.entries(answer ?? {})
  return (streams as [unknown, [unknown, [unknown, unknown]][]][])[0]?.[1] ?? []
}
