/** A connection on which a client reads a stream. Only the reader announced last in the log receives events. (SE10) */
import { randomBytes } from 'node:crypto'
import type { EventLog, EventStreamName, LoggedEvent } from '../../types.ts'
import { announcementOf, decode, encode, type Entry, isAnnouncement } from './entry.ts'
import type { Recorder } from './recorder.ts'

/** How many appends in a row may fail because another node appends at the same time. */
const APPEND_ATTEMPTS = 10

const OWN = randomBytes(9).toString('base64url')
let readers = 0

export class Reader {
  readonly id: string
  #isAnnounced = false
  /** Whether the entries being read come after this reader's announcement. */
  #isNewest = false
  #beginsAnew = false

  constructor() {
    readers += 1
    this.id = `${OWN}-${readers.toString(36)}`
  }

  get isAnnounced(): boolean {
    return this.#isAnnounced
  }

  /**
   * Announces this reader, through the stream's recorder on this node if there is one, or else after the newest event
   * in the log. Resolves with the position after which all events are for this reader, or with `undefined` when other
   * nodes appended at the same time on every attempt; the caller then announces it later.
   *
   * Whoever continues the stream sends what follows the newest event of the log. A client that begins anew, or had
   * events that the log lacks, has had some of that: for it, the stream continues with what is new at the server.
   */
  async announce(
    name: EventStreamName,
    log: EventLog,
    after: number,
    recorderOf: () => Recorder | undefined,
  ): Promise<number | undefined> {
    for (let attempt = 0; attempt < APPEND_ATTEMPTS; attempt += 1) {
      const recorder = recorderOf()
      if (recorder) return this.#reserve(recorder)
      const last = await log.last(name)
      const newest = last && decode(last)
      this.#isAnnounced = newest?.over === true
      if (this.#isAnnounced) return last?.position
      const isBehind = this.#beginsAnew || (last !== undefined && last.position < after)
      const state = newest && isBehind ? { ...newest, upstreamId: undefined, retryMs: undefined } : newest
      const position = beginningAfter(last, after) + 1
      this.#isAnnounced = await log.append(name, [encode(position, announcementOf(this.id, state))])
      if (this.#isAnnounced) return position
    }
    return undefined
  }

  #reserve(recorder: Recorder): number {
    this.#isAnnounced = true
    recorder.subscriber.reserve(this.id)
    return recorder.writer.position
  }

  /** Declares that reading begins after this reader's announcement, which comes next. */
  beginAnew(): void {
    this.#isNewest = true
    this.#beginsAnew = true
  }

  /** Whether an entry announces another reader that replaces this one. */
  isReplacedBy({ reader }: Entry): boolean {
    if (reader === this.id) this.#isNewest = true
    return reader !== undefined && reader !== this.id && this.#isNewest
  }
}

/**
 * The position that is after all those of earlier events, whether the log has them or only the client. In an empty log
 * positions start at the time of day, so that they are after those of any earlier writer.
 */
export function beginningAfter(last: LoggedEvent | undefined, after: number): number {
  return Math.max(last?.position ?? Date.now(), after)
}

/**
 * Repeats the newest announcement in the log, if nothing follows it: its reader, at another node, waits there for a writer
 * that has stopped, and finds at once that it can take the stream over. Call it after the release of the lease.
 */
export async function repeatAnnouncement(name: EventStreamName, log: EventLog): Promise<void> {
  for (let attempt = 0; attempt < APPEND_ATTEMPTS; attempt += 1) {
    const last = await log.last(name)
    const newest = last && decode(last)
    if (!last || !newest || !isAnnouncement(newest)) return
    if (await log.append(name, [encode(last.position + 1, newest)])) return
  }
}
