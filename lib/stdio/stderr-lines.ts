/** Splits stderr into lines for `onStderr`, at a bounded rate, and keeps its last characters for an error message. */

/** The longest line that is passed on, in characters, and how many lines per second. */
const MAX_LINE_CHARS = 8 * 1024
const LINES_PER_SECOND = 100

/** How many of the last characters are kept. */
const TAIL_CHARS = 4 * 1024

type Tell = (line: string) => void

export class StderrLines {
  readonly #tell: Tell | undefined
  #tail = ''
  #line = ''
  /** Whether the current line was passed on already, because it is too long; the rest of it is dropped. */
  #isCut = false
  #second = 0
  #told = 0
  #dropped = 0

  constructor(tell: Tell | undefined) {
    this.#tell = tell
  }

  /** The last characters so far. */
  get tail(): string {
    return this.#tail.trim()
  }

  feed(text: string): void {
    this.#tail = (this.#tail + text.slice(-TAIL_CHARS)).slice(-TAIL_CHARS)
    if (!this.#tell) return
    const lines = text.split(/\r?\n/)
    for (const [index, part] of lines.entries()) {
      if (index > 0) this.#endLine()
      this.#add(part)
    }
  }

  end(): void {
    if (this.#line !== '') this.#endLine()
  }

  #add(part: string): void {
    if (this.#isCut) return
    this.#line += part.slice(0, MAX_LINE_CHARS - this.#line.length)
    if (this.#line.length < MAX_LINE_CHARS) return
    this.#endLine()
    this.#isCut = true
  }

  #endLine(): void {
    const line = this.#line
    const isRest = this.#isCut
    this.#line = ''
    this.#isCut = false
    if (isRest || line === '') return
    const second = Math.floor(performance.now() / 1_000)
    if (second !== this.#second) {
      this.#second = second
      this.#told = 0
      if (this.#dropped > 0) this.#say(`(${this.#dropped} lines were left out)`)
      this.#dropped = 0
    }
    if (this.#told >= LINES_PER_SECOND) {
      this.#dropped += 1
      return
    }
    this.#told += 1
    this.#say(line)
  }

  /** Catches what the embedder's function throws, which would otherwise end the gateway's process. */
  #say(line: string): void {
    try {
      this.#tell?.(line)
    } catch (error) {
      console.error('express-mcp-gateway: "onStderr" threw', error)
    }
  }
}
