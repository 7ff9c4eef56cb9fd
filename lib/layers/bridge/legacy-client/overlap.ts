/** Streams that say the same for a while, because one takes over from another: what several of them say is said once. */
import { boundedSet } from '../../../util/bounded-map.ts'

/** How many different messages are told apart. */
const MAX_MESSAGES = 1_000

/** How often a message was said by each stream, and how often it was handed on. */
interface Said {
  readonly byStream: Map<number, number>
  handedOn: number
}

export class Overlap {
  #streams = 0
  /** How many streams are being taken over from. */
  #old = 0
  /** By message, since the first of them had a successor. */
  readonly #said = new Map<string, Said>()

  /** Names a new stream. */
  stream(): number {
    this.#streams += 1
    return this.#streams
  }

  /** Another stream is asked for, which may repeat what an old one says from now on. */
  begin(): void {
    this.#old += 1
  }

  /** An old stream has ended. */
  end(): void {
    this.#old -= 1
    if (this.#old === 0) this.#said.clear()
  }

  /** Whether no other stream has said this as often: each may lack a message, none says one twice. */
  isNews(text: string, stream: number): boolean {
    if (this.#old === 0) return true
    const said = this.#said.get(text) ?? { byStream: new Map(), handedOn: 0 }
    boundedSet(this.#said, MAX_MESSAGES, text, said)
    const count = (said.byStream.get(stream) ?? 0) + 1
    said.byStream.set(stream, count)
    if (count <= said.handedOn) return false
    said.handedOn = count
    return true
  }
}
