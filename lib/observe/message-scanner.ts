/** Scans the bytes of JSON-RPC messages for their kind and outcome, without parsing them. */
import type { RequestId } from '../types.ts'
import { COLON, COMMA, CR, DOUBLE_QUOTE, LF, SPACE, TAB } from '../util/ascii.ts'
import { closingQuote, isEscapedAt } from '../util/json-bytes.ts'
import { hasEscape, isTextAt, parsedLiteral, stringOf } from './scanned-text.ts'

/** The facts of a scanned message. Of its content only an error's message is kept. */
export interface ScannedMessage {
  /** `null` or absent if the message has none. */
  readonly id: RequestId | null | undefined
  /** The method of requests and notifications. */
  readonly method: string | undefined
  readonly error: { readonly code: number | undefined; readonly message: string } | undefined
  /** Whether it is a result with `isError`. */
  readonly isToolError: boolean
}

const OPEN_ARRAY = 0x5b
const CLOSE_ARRAY = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d

/** The limit in bytes of keys, ids, methods and error messages that are read. */
const MAX_TEXT_BYTES = 1_024

/** The keys of a message that determine its kind, and those read in its result and its error. */
type FactKey = 'id' | 'method' | 'result' | 'error' | 'isError' | 'code' | 'message'

const MESSAGE_KEYS: readonly FactKey[] = ['id', 'method', 'result', 'error']
const RESULT_KEYS: readonly FactKey[] = ['isError']
const ERROR_KEYS: readonly FactKey[] = ['code', 'message']
const NO_KEYS: readonly FactKey[] = []

/** The facts read of a message so far. */
class Facts {
  id: unknown
  method: unknown
  hasResult = false
  hasError = false
  isError: unknown
  code: unknown
  message: unknown
}

/**
 * Scans valid JSON in chunks of any size; memory does not grow with the message. Messages may follow one another, or be
 * items of an array (a batch). Of a duplicate key the last one counts, as in `JSON.parse`.
 */
export class MessageScanner {
  readonly #onMessage: (message: ScannedMessage) => void
  /** The depth in a message; at 1 the scanner is among the members of the message itself. */
  #level = 0
  #isInString = false
  /** Whether the last byte was a backslash that escapes the next one. */
  #isEscaped = false
  /** Whether the next string at this level is a key. */
  #expectsKey = false
  /** Whether the value at the second level is an object. */
  #isObject = false
  /** The keys that are read on the second level. */
  #keys: readonly FactKey[] = NO_KEYS
  /** The key of the next value, if that is read. */
  #key: FactKey | undefined
  /** Whether the current string is read, and its bytes from earlier chunks. */
  #isRead = false
  #pieces: Buffer[] | undefined
  #pieceBytes = 0
  /** The number or other literal that is being read. */
  #literal = ''
  #facts = new Facts()

  constructor(onMessage: (message: ScannedMessage) => void) {
    this.#onMessage = onMessage
  }

  see(chunk: Buffer): void {
    const { length } = chunk
    let at = 0
    while (at < length) {
      if (this.#isInString) at = this.#readString(chunk, at)
      else {
        this.#readByte(chunk[at]!)
        at += 1
      }
    }
  }

  /** Starts a new message, whether or not the previous one was complete. */
  reset(): void {
    this.#level = 0
    this.#isInString = false
    this.#isEscaped = false
    this.#isRead = false
    this.#pieces = undefined
    this.#clear()
  }

  #readByte(byte: number): void {
    switch (byte) {
      case DOUBLE_QUOTE:
        this.#isInString = true
        this.#isRead = this.#expectsKey || (this.#key !== undefined && this.#level <= 2)
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
        this.#expectsKey = this.#level === 1 || (this.#level === 2 && this.#isObject && this.#keys !== NO_KEYS)
        if (this.#level <= 2) this.#key = undefined
        return
      case COLON:
      case SPACE:
      case TAB:
      case LF:
      case CR:
        this.#endLiteral()
        return
      default:
        if (this.#key === undefined || this.#level > 2 || this.#literal.length > MAX_TEXT_BYTES) return
        this.#literal += String.fromCharCode(byte)
    }
  }

  #open(isObject: boolean): void {
    // The array of a batch is no level.
    if (this.#level === 0 && !isObject) return
    this.#level += 1
    if (this.#level > 2) return
    this.#isObject = isObject
    this.#expectsKey = isObject && (this.#level === 1 || this.#keys !== NO_KEYS)
    this.#key = undefined
  }

  #close(): void {
    if (this.#level === 0) return this.reset()
    this.#level -= 1
    if (this.#level > 1) return
    this.#keys = NO_KEYS
    this.#expectsKey = false
    this.#key = undefined
    if (this.#level === 0) this.#finish()
  }

  /** The index after the string that continues at `from`; the chunk's length if it does not end there. */
  #readString(chunk: Buffer, from: number): number {
    const start = this.#isEscaped ? from + 1 : from
    this.#isEscaped = false
    const end = closingQuote(chunk, start)
    if (end === -1) {
      this.#isEscaped = isEscapedAt(chunk, chunk.length, start)
      if (this.#isRead) this.#keep(chunk.subarray(from))
      return chunk.length
    }
    this.#isInString = false
    if (!this.#isRead) return end + 1
    if (this.#pieces) this.#endText(this.#join(chunk.subarray(from, end)))
    else if (this.#expectsKey) this.#endKey(chunk, from, end)
    else this.#endText(chunk.toString('utf8', from, end))
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

  /** Compares bytes, which is cheaper than making a string. A key with escapes is decoded first. */
  #endKey(chunk: Buffer, from: number, end: number): void {
    for (const key of this.#level === 1 ? MESSAGE_KEYS : this.#keys) {
      if (key.length === end - from && isTextAt(chunk, from, key)) return this.#expectValue(key)
    }
    if (hasEscape(chunk, from, end)) this.#endText(chunk.toString('utf8', from, end))
    else this.#expectValue(undefined)
  }

  #endText(raw: string): void {
    const text = stringOf(raw)
    if (this.#expectsKey) {
      const keys = this.#level === 1 ? MESSAGE_KEYS : this.#keys
      this.#expectValue(keys.find((key) => key === text))
    } else this.#set(text)
  }

  #expectValue(key: FactKey | undefined): void {
    this.#expectsKey = false
    this.#key = key
    if (this.#level !== 1) return
    this.#keys = key === 'result' ? RESULT_KEYS : key === 'error' ? ERROR_KEYS : NO_KEYS
    if (key === 'result') this.#facts.hasResult = true
    if (key === 'error') this.#facts.hasError = true
  }

  #set(value: unknown): void {
    const key = this.#key!
    if (key !== 'result' && key !== 'error') this.#facts[key] = value
    this.#key = undefined
  }

  #endLiteral(): void {
    if (this.#literal === '') return
    const literal = this.#literal
    this.#literal = ''
    this.#set(parsedLiteral(literal))
  }

  #finish(): void {
    const { id, method, hasResult, hasError, isError, code, message } = this.#facts
    const isMessage = hasResult || hasError || method !== undefined
    const hasId = typeof id === 'string' || typeof id === 'number' || id === null
    this.#clear()
    if (!isMessage) return
    this.#onMessage({
      id: hasId ? id : undefined,
      method: typeof method === 'string' ? method : undefined,
      error: hasError ? scannedError(code, message) : undefined,
      isToolError: isError === true,
    })
  }

  #clear(): void {
    this.#facts = new Facts()
    this.#literal = ''
    this.#keys = NO_KEYS
    this.#key = undefined
    this.#expectsKey = false
  }
}

function scannedError(code: unknown, message: unknown): ScannedMessage['error'] {
  return {
    code: typeof code === 'number' ? code : undefined,
    message: typeof message === 'string' ? message : '',
  }
}
