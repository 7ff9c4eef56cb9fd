/** Reads from the bytes of JSON-RPC messages what they are and how a request ended, without parsing them. */
import type { RequestId } from '../types.ts'
import { closingQuote, isEscapedAt } from '../util/json-bytes.ts'
import { COLON, COMMA, CR, DOUBLE_QUOTE, LF, SPACE, TAB } from '../util/ascii.ts'

/** What a message is. Of its content nothing is kept but the message of an error. */
export interface ScannedMessage {
  /** `null` or absent where it has none. */
  readonly id: RequestId | null | undefined
  /** Of requests and notifications. */
  readonly method: string | undefined
  readonly error: { readonly code: number | undefined; readonly message: string } | undefined
  /** Whether it is the result of a tool that failed. */
  readonly isToolError: boolean
}

const OPEN_ARRAY = 0x5b
const CLOSE_ARRAY = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d

/** A key, an id or the message of an error is read up to this length, in bytes. */
const MAX_TEXT_BYTES = 1_024

/** The values that are read, by the keys that lead to them. */
const WANTED: ReadonlySet<string> = new Set(['id', 'method', 'result isError', 'error code', 'error message'])

/**
 * Takes valid JSON in chunks of any size; memory does not grow with the message. Several messages follow one another or
 * stand in an array, as a batch. Of a key that stands twice the last one counts, as in `JSON.parse`.
 */
export class MessageScanner {
  readonly #onMessage: (message: ScannedMessage) => void
  /** How many brackets are open, and how many of them are around the message: one in a batch. */
  #depth = 0
  #around = 0
  #isInString = false
  /** Whether the last byte was a backslash that escapes the next one. */
  #isEscaped = false
  /** Whether the next string at this level is a key; only levels 1 and 2 of a message are told apart. */
  #expectsKey = false
  /** The key on the first level of the message, and the path to the value that comes. */
  #section = ''
  #path = ''
  /** Whether what stands on the second level is an object. */
  #isObject = false
  /** Whether the string that goes on is a key or a value that is wanted, and what earlier chunks had of it. */
  #isWanted = false
  #pieces: Buffer[] | undefined
  #pieceBytes = 0
  /** A number or another literal that is wanted, as far as it goes. */
  #literal = ''
  readonly #values = new Map<string, unknown>()

  constructor(onMessage: (message: ScannedMessage) => void) {
    this.#onMessage = onMessage
  }

  see(chunk: Buffer): void {
    let at = 0
    while (at < chunk.length) {
      if (this.#isInString) {
        at = this.#readString(chunk, at)
        continue
      }
      this.#readByte(chunk[at]!)
      at += 1
    }
  }

  /** What comes next begins anew, whether or not what came before was whole. */
  reset(): void {
    this.#depth = 0
    this.#around = 0
    this.#isInString = false
    this.#isEscaped = false
    this.#isWanted = false
    this.#pieces = undefined
    this.#clear()
  }

  /** How deep in a message the scanner stands: 1 is among the members of the message itself. */
  get #level(): number {
    return this.#depth - this.#around
  }

  #readByte(byte: number): void {
    switch (byte) {
      case DOUBLE_QUOTE:
        this.#isInString = true
        this.#isWanted = this.#expectsKey || (this.#level <= 2 && WANTED.has(this.#path))
        return
      case OPEN_OBJECT:
      case OPEN_ARRAY:
        this.#open(byte === OPEN_OBJECT)
        return
      case CLOSE_OBJECT:
      case CLOSE_ARRAY:
        this.#endLiteral()
        this.#close()
        return
      case COMMA:
        this.#endLiteral()
        this.#expectsKey = this.#level === 1 || (this.#level === 2 && this.#isObject)
        return
      case COLON:
      case SPACE:
      case TAB:
      case LF:
      case CR:
        this.#endLiteral()
        return
      default:
        if (this.#level > 2 || this.#literal.length > MAX_TEXT_BYTES || !WANTED.has(this.#path)) return
        this.#literal += String.fromCharCode(byte)
    }
  }

  #open(isObject: boolean): void {
    if (this.#depth === 0 && !isObject) {
      this.#around = 1
      this.#depth = 1
      return
    }
    this.#depth += 1
    const level = this.#level
    if (level > 2) return
    if (level === 2) this.#isObject = isObject
    this.#expectsKey = isObject
  }

  #close(): void {
    this.#depth -= 1
    const level = this.#level
    if (level === 1) this.#section = ''
    this.#expectsKey = false
    this.#path = ''
    if (level === 0) this.#finish()
    else if (this.#depth <= 0) this.reset()
  }

  /** The index behind the string that goes on at `from`, or the length of a chunk in which it does not end. */
  #readString(chunk: Buffer, from: number): number {
    const start = this.#isEscaped ? from + 1 : from
    this.#isEscaped = false
    const end = closingQuote(chunk, start)
    if (end === -1) {
      this.#isEscaped = isEscapedAt(chunk, chunk.length, start)
      if (this.#isWanted) this.#keep(chunk.subarray(from))
      return chunk.length
    }
    this.#isInString = false
    if (this.#isWanted)
      this.#endString(this.#pieces ? this.#join(chunk.subarray(from, end)) : chunk.toString('utf8', from, end))
    return end + 1
  }

  #keep(piece: Buffer): void {
    this.#pieces ??= []
    this.#pieceBytes += piece.length
    if (this.#pieceBytes <= MAX_TEXT_BYTES) this.#pieces.push(Buffer.from(piece))
  }

  #join(last: Buffer): string {
    this.#keep(last)
    const text = Buffer.concat(this.#pieces!).toString()
    this.#pieces = undefined
    this.#pieceBytes = 0
    return text
  }

  #endString(raw: string): void {
    const text = stringOf(raw)
    if (!this.#expectsKey) return void this.#values.set(this.#path, text)
    this.#expectsKey = false
    if (this.#level === 2) this.#path = `${this.#section} ${text}`
    else {
      this.#section = text
      this.#path = text
      if (text === 'result' || text === 'error') this.#values.set(text, true)
    }
  }

  #endLiteral(): void {
    if (this.#literal === '') return
    this.#values.set(this.#path, parsedLiteral(this.#literal))
    this.#literal = ''
  }

  #finish(): void {
    const values = this.#values
    const id = values.get('id')
    const method = values.get('method')
    const code = values.get('error code')
    const message = values.get('error message')
    const isKnown = values.size > 0
    const scanned: ScannedMessage = {
      id: typeof id === 'string' || typeof id === 'number' || id === null ? id : undefined,
      method: typeof method === 'string' ? method : undefined,
      error: values.has('error')
        ? {
            code: typeof code === 'number' ? code : undefined,
            message: typeof message === 'string' ? message : '',
          }
        : undefined,
      isToolError: values.get('result isError') === true,
    }
    this.#clear()
    if (isKnown) this.#onMessage(scanned)
  }

  #clear(): void {
    this.#values.clear()
    this.#literal = ''
    this.#section = ''
    this.#path = ''
    this.#expectsKey = false
  }
}

/** Hardly one has an escape; one that was cut is what is there of it. */
function stringOf(text: string): string {
  if (!text.includes('\\')) return text
  try {
    return JSON.parse(`"${text}"`) as string
  } catch {
    return text
  }
}

function parsedLiteral(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
