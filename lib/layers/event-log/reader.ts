/** A connection on which a client reads a stream: the last to say so in the log is the only one. (SE10) */
import { randomBytes } from 'node:crypto'
import type { EventLog, EventStreamName } from '../../types.ts'
import { announcementOf, decode, encode, type Entry } from './entry.ts'
import type { Recorder } from './recorder.ts'

/** How often somebody who writes at the same time may come first. */
const APPEND_ATTEMPTS = 10

const OWN = randomBytes(9).toString('base64url')
let readers = 0

export class Reader {
  readonly id: string
  /** Whether it has been said. */
  #isAnnounced = false
  /** Whether what is read comes behind where it was said. */
  #isNewest = false

  constructor() {
    readers += 1
    this.id = `${OWN}-${readers.toString(36)}`
  }

  get isAnnounced(): boolean {
    return this.#isAnnounced
  }

  /**
   * Says that this one reads from now on, through whoever writes the stream here, or behind the newest event of the log.
   * Resolves with a position behind which all is for this one; `undefined` where somebody wrote at the same time again
   * and again: then it is to be said later.
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
      // Where nothing is kept any more, whoever writes has begun with the time of day, too, and that was before.
      const position = last ? last.position + 1 : Math.max(after + 1, Date.now())
      this.#isAnnounced = await log.append(name, [encode(position, announcementOf(this.id, newest))])
      if (this.#isAnnounced) return position
    }
    return undefined
  }

  #reserve(recorder: Recorder): number {
    this.#isAnnounced = true
    recorder.subscriber.reserve(this.id)
    return recorder.writer.position
  }

  /** Has what is read begin behind the position where this was said. */
  beginBehind(): void {
    this.#isNewest = true
  }

  /** Whether an entry says that another reads from there on. */
  isReplacedBy({ reader }: Entry): boolean {
    if (reader === this.id) this.#isNewest = true
    return reader !== undefined && reader !== this.id && this.#isNewest
  }
}
