/** What a process says on stderr: its lines for whoever wants them, at a bounded rate, and the end of it for an error. */

/** The longest line that is told, in characters, and how many of them in a second. */
const MAX_LINE_CHARS = 8 * 1024
const LINES_PER_SECOND = 100

/** How much of the end is kept, in characters. */
const TAIL_CHARS = 4 * 1024

type Tell = (line: string) => void

export class StderrLines {
  readonly #tell: Tell | undefined
  #tail = ''
  #line = ''
  /** Whether the line goes on that was told already, since it is too long. */
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

  /** What the embedder's function throws may not end the gateway. */
  #say(line: string): void {
    try {
      this.#tell?.(line)
    } catch (error) {
      console.error('express-mcp-gateway: "onStderr" threw', error)
    }
  }
}
