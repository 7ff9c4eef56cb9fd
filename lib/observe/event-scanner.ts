/** Scans the messages in the events of a stream, in chunks of any size. (WHATWG HTML, 9.2) */
import { MessageScanner, type ScannedMessage } from './message-scanner.ts'
import { CR, LF, SPACE } from '../util/ascii.ts'

const MARK_BYTES = Buffer.from('\uFEFF')
const DATA_FIELD = Buffer.from('data:')
const LINE_BREAK = Buffer.from('\n')

export class EventScanner {
  readonly #messages: MessageScanner
  /** The state within the line: matching `data:`, just after it, in its value, or in a line of another field. */
  #at: 'field' | 'colon' | 'value' | 'other' = 'field'
  /** How many bytes of `data:` the line has matched. */
  #matched = 0
  #isFirst = true
  #isEmptyLine = true
  #isAfterCr = false

  constructor(onMessage: (message: ScannedMessage) => void) {
    this.#messages = new MessageScanner(onMessage)
  }

  see(chunk: Buffer): void {
    let at = this.#isFirst && chunk.subarray(0, 3).equals(MARK_BYTES) ? 3 : 0
    if (chunk.length > 0) this.#isFirst = false
    const hasCr = chunk.includes(CR)
    while (at < chunk.length) {
      if (this.#isAfterCr && chunk[at] === LF) at += 1
      this.#isAfterCr = false
      const end = hasCr ? endOfLine(chunk, at) : chunk.indexOf(LF, at)
      const to = end === -1 ? chunk.length : end
      if (to > at) this.#readPart(chunk, at, to)
      if (end === -1) return
      this.#endLine()
      this.#isAfterCr = chunk[end] === CR
      at = end + 1
    }
  }

  #readPart(chunk: Buffer, from: number, to: number): void {
    this.#isEmptyLine = false
    let at = from
    while (this.#at === 'field' && at < to) {
      if (chunk[at] !== DATA_FIELD[this.#matched]) {
        this.#at = 'other'
        return
      }
      this.#matched += 1
      at += 1
      if (this.#matched === DATA_FIELD.length) this.#at = 'colon'
    }
    if (this.#at === 'other' || at === to) return
    if (this.#at === 'colon' && chunk[at] === SPACE) at += 1
    this.#at = 'value'
    if (at < to) this.#messages.see(chunk.subarray(at, to))
  }

  /** Handles a line end: a blank line ends the event, and further `data` lines continue the same text. */
  #endLine(): void {
    if (this.#isEmptyLine) this.#messages.reset()
    else if (this.#at === 'value') this.#messages.see(LINE_BREAK)
    this.#isEmptyLine = true
    this.#at = 'field'
    this.#matched = 0
  }
}

function endOfLine(chunk: Buffer, from: number): number {
  const lf = chunk.indexOf(LF, from)
  const cr = chunk.subarray(from, lf === -1 ? chunk.length : lf).indexOf(CR)
  return cr === -1 ? lf : from + cr
}
