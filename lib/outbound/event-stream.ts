/** Event streams as bytes: whole events out of chunks, and what an event says when somebody asks. (WHATWG HTML, 9.2) */
import { createParser } from 'eventsource-parser'

const LF = 0x0a
const CR = 0x0d

/** How many bytes of an unfinished event are held back. Past that a giant event goes through as it comes. */
const HOLD_BYTES = 256 * 1024

/** A comment, which every client ignores: it keeps connections open and finds the dead ones. */
export const HEARTBEAT: Buffer = Buffer.from(':\n\n')

/** Takes bytes that may go out; `startsEvent` tells whether they begin with an event or go on with one. */
type Emit = (bytes: Buffer, startsEvent: boolean) => void

/**
 * Cuts a stream into stretches of whole events. Bytes are neither changed nor copied: what goes in comes out, only an
 * event that has begun waits for its end.
 */
export class Framer {
  #held: Buffer[] = []
  #heldBytes = 0
  /** The last two bytes seen; a stream begins as if after a blank line. */
  #last = LF
  #lastButOne = LF
  /** Whether a giant event is on its way out unfinished. */
  #midEvent = false

  /** Whether something else may be written here: all that went out are whole events. */
  get atBoundary(): boolean {
    return !this.#midEvent
  }

  /** Hands out what is complete, in order. */
  feed(chunk: Buffer, emit: Emit): void {
    const end = this.#lastBoundary(chunk)
    if (chunk.length > 1) this.#lastButOne = chunk[chunk.length - 2]!
    else this.#lastButOne = this.#last
    this.#last = chunk[chunk.length - 1]!
    if (end > 0) {
      this.#release(emit)
      emit(end === chunk.length ? chunk : chunk.subarray(0, end), !this.#midEvent)
      this.#midEvent = false
    }
    if (end < chunk.length) this.#hold(end > 0 ? chunk.subarray(end) : chunk, emit)
  }

  #hold(bytes: Buffer, emit: Emit): void {
    this.#held.push(bytes)
    this.#heldBytes += bytes.length
    if (this.#midEvent || this.#heldBytes > HOLD_BYTES) this.#release(emit)
  }

  #release(emit: Emit): void {
    if (this.#held.length === 0) return
    for (const bytes of this.#held) {
      emit(bytes, !this.#midEvent)
      this.#midEvent = true
    }
    this.#held = []
    this.#heldBytes = 0
  }

  /** The index just past the last blank line that ends in this chunk, 0 when none does. */
  #lastBoundary(chunk: Buffer): number {
    for (let at = chunk.lastIndexOf(LF); at !== -1; at = at === 0 ? -1 : chunk.lastIndexOf(LF, at - 1)) {
      const before = this.#byte(chunk, at - 1)
      if (before === LF || (before === CR && isLineEnd(this.#byte(chunk, at - 2)))) return at + 1
    }
    for (let at = chunk.lastIndexOf(CR); at !== -1; at = at === 0 ? -1 : chunk.lastIndexOf(CR, at - 1)) {
      if (isLineEnd(this.#byte(chunk, at - 1))) return at + 1
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

/** Where the last event of a stretch of whole events begins. */
export function lastEventStart(stretch: Buffer): number {
  const ends = [stretch.lastIndexOf('\n\n', -3), stretch.lastIndexOf('\r\n\r\n', -5), stretch.lastIndexOf('\r\r', -3)]
  const [lf, crlf, cr] = ends as [number, number, number]
  return Math.max(lf === -1 ? 0 : lf + 2, crlf === -1 ? 0 : crlf + 4, cr === -1 ? 0 : cr + 2)
}

/** Whether any event of a stretch has an id, which means that its stream can be resumed. */
export function hasEventId(stretch: Buffer): boolean {
  return stretch.subarray(0, 3).toString('latin1') === 'id:' || stretch.includes('\nid:') || stretch.includes('\rid:')
}

/** Calls back with the JSON of each event's data, parsed and as it stands; what is no JSON is passed over. */
export function createMessageReader(onMessage: (message: unknown, text: string) => void): {
  feed(chunk: string): void
} {
  return createParser({
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
}

/** An event of our own. */
export function messageEvent(json: string): Buffer {
  return Buffer.from(`event: message\ndata: ${json}\n\n`)
}
