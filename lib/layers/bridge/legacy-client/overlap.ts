/** Removes duplicates while two streams of the same notifications overlap, because one replaces the other. */
import { hash } from 'node:crypto'
import { boundedSet } from '../../../util/bounded-map.ts'

/** How many different messages are counted. */
const MAX_MESSAGES = 1_000

/** How often each stream has delivered a message, and how often it was relayed. */
interface Said {
  readonly byStream: Map<number, number>
  handedOn: number
}

export class Overlap {
  #streams = 0
  /** The number of streams that are being replaced. */
  #old = 0
  /** The counts by digest of the message, which may be long, since the overlap began. */
  readonly #said = new Map<string, Said>()

  /** Returns a number for a new stream. */
  stream(): number {
    this.#streams += 1
    return this.#streams
  }

  /** Begins an overlap: a stream is opened that will replace another one. */
  begin(): void {
    this.#old += 1
  }

  /** Ends an overlap: the old stream is closed, or the new one was refused. */
  end(): void {
    this.#old -= 1
    if (this.#old === 0) this.#said.clear()
  }

  /** Whether to relay a message: each stream may miss one, but none repeats one, so the highest count is the true one. */
  isNews(text: string, stream: number): boolean {
    if (this.#old === 0) return true
    const digest = hash('sha256', text, 'base64url')
    const said = this.#said.get(digest) ?? { byStream: new Map(), handedOn: 0 }
    boundedSet(this.#said, MAX_MESSAGES, digest, said)
    const count = (said.byStream.get(stream) ?? 0) + 1
    said.byStream.set(stream, count)
    if (count <= said.handedOn) return false
    said.handedOn = count
    return true
  }
}
