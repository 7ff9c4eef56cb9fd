/** Event streams as bytes: whole events out of chunks, and what an event says when somebody asks. (WHATWG HTML, 9.2) */
import { createParser } from 'eventsource-parser'

const BYTE_ORDER_MARK = '\uFEFF'
const LF = 0x0a
const CR = 0x0d
const COLON = 0x3a

/** How many bytes of an unfinished event are held back. Past that a giant event goes through as it comes. */
const HOLD_BYTES = 256 * 1024

/** Up to how many bytes the pieces of what goes out are joined. */
const JOIN_BYTES = 16 * 1024

/** A comment, which every client ignores: it keeps connections open and finds the dead ones. */
export const HEARTBEAT: Buffer = Buffer.from(':\n\n')

/**
 * Cuts a stream into stretches of whole events. No byte is changed: what goes in comes out, only an event that has
 * begun waits for its end.
 */
export class Framer {
  readonly #holdBytes: number
  #held: Buffer[] = []
  #heldBytes = 0
  /** The last two bytes seen; a stream begins as if after a blank line. */
  #last = LF
  #lastButOne = LF
  /** Whether a giant event is on its way out unfinished. */
  #midEvent = false

  constructor(holdBytes: number = HOLD_BYTES) {
    this.#holdBytes = holdBytes
  }

  /** Whether something else may be written here: all that went out are whole events. */
  get atBoundary(): boolean {
    return !this.#midEvent
  }

  /**
   * What may go out now that this chunk is here: whole events, or a piece of a giant one. Short pieces come as one;
   * long ones are not worth copying.
   */
  feed(chunk: Buffer): readonly Buffer[] {
    const end = this.#lastBoundary(chunk)
    if (chunk.length > 0) {
      this.#lastButOne = chunk.length > 1 ? chunk[chunk.length - 2]! : this.#last
      this.#last = chunk[chunk.length - 1]!
    }
    if (end === 0) return this.#hold(chunk)
    const whole = this.#release(end === chunk.length ? chunk : chunk.subarray(0, end))
    this.#midEvent = false
    return end < chunk.length ? [...whole, ...this.#hold(chunk.subarray(end))] : whole
  }

  /** Drops what was held back, since it comes once more; `false` when part of it is out already. */
  forget(): boolean {
    if (this.#midEvent) return false
    this.#held = []
    this.#heldBytes = 0
    this.#last = LF
    this.#lastButOne = LF
    return true
  }

  #hold(bytes: Buffer): readonly Buffer[] {
    if (!this.#midEvent && this.#heldBytes + bytes.length <= this.#holdBytes) {
      this.#held.push(bytes)
      this.#heldBytes += bytes.length
      return []
    }
    this.#midEvent = true
    return this.#release(bytes)
  }

  #release(bytes: Buffer): readonly Buffer[] {
    if (this.#held.length === 0) return [bytes]
    const released = [...this.#held, bytes]
    const isShort = this.#heldBytes + bytes.length <= JOIN_BYTES
    this.#held = []
    this.#heldBytes = 0
    return isShort ? [Buffer.concat(released)] : released
  }

  /** The index just past the last blank line that ends in this chunk, 0 when none does. */
  #lastBoundary(chunk: Buffer): number {
    const { length } = chunk
    if (length > 1 && chunk[length - 1] === LF && chunk[length - 2] === LF) return length
    const afterLf = this.#lastEnd(chunk, LF)
    return Math.max(afterLf, this.#lastEnd(chunk, CR))
  }

  /** The same for blank lines that this byte ends. A line feed after a carriage return is part of the same line end. */
  #lastEnd(chunk: Buffer, byte: number): number {
    for (let at = chunk.lastIndexOf(byte); at !== -1; at = at === 0 ? -1 : chunk.lastIndexOf(byte, at - 1)) {
      const before = this.#byte(chunk, at - 1)
      const isCrLf = byte === LF && before === CR
      if (isLineEnd(isCrLf ? this.#byte(chunk, at - 2) : before)) return at + 1
    }
    return 0
  }

  #byte(chunk: Buffer, at: number): number {
    if (at >= 0) return chunk[at]!
    return at === -1 ? this.#last : this.#lastButOne
  }
}

function isLineEnd(byte: number): boolean {
  return byte === LF || byte === CR
}

const BLANK_LINE = /\r\n\r\n|\n\n|\r\r|\r\n\r|\n\r\n?|\r\n\n/g

/** The events of a stretch, one by one. */
export function* eventsOf(stretch: Buffer): Generator<Buffer> {
  const text = stretch.toString('latin1')
  let start = 0
  for (const { index, 0: end } of text.matchAll(BLANK_LINE)) {
    yield stretch.subarray(start, index + end.length)
    start = index + end.length
  }
  if (start < stretch.length) yield stretch.subarray(start)
}

/** Whether any event has an id, which means that its stream can be resumed. `before` is the byte in front of them. */
export function hasEventId(pieces: readonly Buffer[], before: number = LF): boolean {
  if (pieces.length > 1 && pieces.some(({ length }) => length < 4)) return hasEventId([Buffer.concat(pieces)], before)
  let previous = before
  for (const [index, piece] of pieces.entries()) {
    for (let at = piece.indexOf('id'); at !== -1; at = piece.indexOf('id', at + 1)) {
      const isField = piece[at + 2] === COLON || isLineEnd(piece[at + 2] ?? COLON)
      if (isField && isLineEnd(at === 0 ? previous : piece[at - 1]!)) return true
    }
    const next = pieces[index + 1]
    if (next && CUT_ID.test(piece.toString('latin1', piece.length - 3) + next.toString('latin1', 0, 2))) return true
    previous = piece.at(-1) ?? previous
  }
  return false
}

/** An id that is cut in two by the edge between pieces: three bytes in front of it and two behind are looked at. */
const CUT_ID = /[\r\n]id[:\r\n]/

/** Calls back with the JSON of each event's data, parsed and as it stands; what is no JSON is passed over. */
export function createMessageReader(onMessage: (message: unknown, text: string) => void): {
  feed(chunk: string): void
} {
  let isFirst = true
  const parser = createParser({
    onEvent: ({ data }) => {
      if (data === '') return
      let message: unknown
      try {
        message = JSON.parse(data)
      } catch {
        return
      }
      onMessage(message, data)
    },
  })
  return {
    feed(chunk) {
      parser.feed(isFirst && chunk.startsWith(BYTE_ORDER_MARK) ? chunk.slice(1) : chunk)
      isFirst = false
    },
  }
}

const ID_LINE = /(?:^|[\r\n])id(?:: ?([^\r\n]*))?(?=[\r\n])/g
const RETRY_LINE = /(?:^|[\r\n])retry: ?(\d+)(?=[\r\n])/g

/** The last id in events that have one; empty when it was taken back. */
export function lastEventId(events: readonly Buffer[]): string {
  return lastMatch(events, ID_LINE) ?? ''
}

/** The last reconnection time in events, in milliseconds. */
export function retryMsOf(events: readonly Buffer[]): number | undefined {
  const found = events.some((event) => event.includes('retry:')) ? lastMatch(events, RETRY_LINE) : undefined
  return found === undefined ? undefined : Number(found)
}

function lastMatch(events: readonly Buffer[], line: RegExp): string | undefined {
  return [...Buffer.concat(events).toString().matchAll(line)].at(-1)?.[1]
}

/** Tells a client to come back in a second, here or at another node. */
export const RETRY: Buffer = Buffer.from('retry: 1000\n\n')

/** An event of our own. */
export function messageEvent(json: string): Buffer {
  return Buffer.from(`event: message\ndata: ${json}\n\n`)
}
