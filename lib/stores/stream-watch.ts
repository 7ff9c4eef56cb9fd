/** Waits for events of any number of Redis Streams, over one connection. */
import { randomBytes } from 'node:crypto'
import type { SendCommand } from './redis.ts'

/** How long one XREAD blocks, and the pause after one that failed. */
const BLOCK_MS = 5_000
const PAUSE_MS = 500

interface Waiting {
  readonly key: string
  readonly after: number
  readonly wake: () => void
}

/**
 * One blocking XREAD waits on all streams. When another stream is added, an entry in the watch's own "bell" stream ends
 * the command, and the next one includes it.
 */
export class StreamWatch {
  readonly #send: SendCommand
  readonly #sendBlocking: SendCommand
  readonly #bell: string
  readonly #waiting = new Set<Waiting>()
  /** The streams that the running command waits on. */
  #watched: ReadonlySet<string> = new Set()
  #isRunning = false

  constructor(send: SendCommand, sendBlocking: SendCommand, prefix: string) {
    this.#send = send
    this.#sendBlocking = sendBlocking
    this.#bell = `${prefix}bell:${randomBytes(12).toString('base64url')}`
  }

  /** Resolves when there may be an event after the position, or when `waitMs` has passed. */
  wait(key: string, after: number, waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer)
        this.#waiting.delete(waiting)
        resolve()
      }
      const timer = setTimeout(wake, waitMs).unref()
      const waiting: Waiting = { key, after, wake }
      this.#waiting.add(waiting)
      if (!this.#isRunning) void this.#run()
      else if (!this.#watched.has(key)) this.#ring()
    })
  }

  close(): void {
    for (const { wake } of this.#waiting) wake()
    if (this.#isRunning) this.#ring()
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    let bellAt = '0-0'
    while (this.#waiting.size > 0) {
      try {
        bellAt = await this.#watch(bellAt)
      } catch {
        await new Promise((resolve) => void setTimeout(resolve, PAUSE_MS).unref())
      }
    }
    this.#isRunning = false
  }

  /** Runs one XREAD, and returns the id of the bell's last entry. */
  async #watch(bellAt: string): Promise<string> {
    const oldest = new Map<string, number>()
    for (const { key, after } of this.#waiting) oldest.set(key, Math.min(after, oldest.get(key) ?? after))
    this.#watched = new Set(oldest.keys())
    const keys = [this.#bell, ...oldest.keys()]
    const ids = [bellAt, ...Array.from(oldest.values(), (after) => `${after}-0`)]
    const answer = await this.#sendBlocking('XREAD', 'BLOCK', String(BLOCK_MS), 'STREAMS', ...keys, ...ids)
    this.#watched = new Set()
    const found = pairsOf(answer)
    for (const { key, wake } of this.#waiting) if (found.has(key)) wake()
    return found.get(this.#bell) ?? bellAt
  }

  #ring(): void {
    const ring = async (): Promise<void> => {
      await this.#send('XADD', this.#bell, 'MAXLEN', '1', '*', 'e', '')
      await this.#send('PEXPIRE', this.#bell, String(4 * BLOCK_MS))
    }
    ring().catch(() => {})
  }
}

/** The streams with new entries, each with its last entry's id. The reply is a list in RESP2 and an object in RESP3. */
function pairsOf(answer: unknown): Map<string, string> {
  const pairs = Array.isArray(answer) ? answer : Object.entries(answer ?? {})
  return new Map(
    (pairs as [unknown, [unknown, unknown][]][]).map(([key, entries]) => [String(key), String(entries.at(-1)?.[0])]),
  )
}
